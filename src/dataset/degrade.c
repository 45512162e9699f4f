#include "dataset/degrade_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "media/image.h"
#include "media/image_write.h"

caface_status cafi_degrade_new(cafi_degrade **out, size_t width, size_t height, caface_error *err)
{
    cafi_degrade *d = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (width < 16 || width > 4096 || height < 16 || height > 4096)
        return cafi_fail(err, CAFACE_EINVAL,
                         "crops of %zu x %zu, 16 to 4096 on a side are possible", width, height);
    if ((st = CAFI_NEW(&d, 1, err)))
        return st;
    d->width = width;
    d->height = height;
    if (!(st = cafi_alloc(&d->a.rgb, width * height, 3, err)) &&
        !(st = cafi_alloc(&d->b.rgb, width * height, 3, err)))
        st = cafi_alloc(&d->clip, (width + 1) * (height + 1), 3 * DEGRADE_CLIP, err);
    if (st)
        cafi_degrade_free(d);
    else
        *out = d;
    return st;
}

void cafi_degrade_free(cafi_degrade *d)
{
    if (!d)
        return;
    free(d->a.rgb);
    free(d->b.rgb);
    free(d->clip);
    cafi_buf_free(&d->scratch);
    cafi_buf_free(&d->jpeg);
    free(d);
}

void degrade_swap(cafi_degrade *d)
{
    cafi_image keep = d->a;

    d->a = d->b;
    d->b = keep;
}

void degrade_move(const cafi_image *from, cafi_image *to, double angle, double zoom, double dx,
                  double dy)
{
    double cx = (double)(from->width - 1) / 2;
    double cy = (double)(from->height - 1) / 2;
    double c = cos(angle) / zoom;
    double s = sin(angle) / zoom;
    const double m[6] = {c,  s, cx - c * (cx + dx) - s * (cy + dy),
                         -s, c, cy + s * (cx + dx) - c * (cy + dy)};

    cafi_picture_warp(to, from, m);
}

void degrade_jitter(cafi_degrade *d, cafi_rng *rng)
{
    double zoom = cafi_rng_range(rng, 0.9, 1.1);
    double angle = cafi_rng_range(rng, -8, 8) * DEGRADE_PI / 180;
    double dx = cafi_rng_range(rng, -0.06, 0.06) * (double)d->width;
    double dy = cafi_rng_range(rng, -0.06, 0.06) * (double)d->height;

    degrade_move(&d->a, &d->b, angle, zoom, dx, dy);
    degrade_swap(d);
}

caface_status degrade_gaussian(cafi_degrade *d, double sigma, caface_error *err)
{
    float kernel[CAFI_MAX_KERNEL];
    size_t radius = (size_t)ceil(3 * sigma);
    size_t k = 2 * radius + 1;
    double sum = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < k; i++) {
        double x = ((double)i - (double)radius) / sigma;

        kernel[i] = (float)exp(-0.5 * x * x);
        sum += (double)kernel[i];
    }
    for (size_t i = 0; i < k; i++)
        kernel[i] = (float)((double)kernel[i] / sum);
    st = cafi_picture_blur(&d->b, &d->a, kernel, k, &d->scratch, err);
    degrade_swap(d);
    return st;
}

/* A line through the middle of the kernel, each step shared among four cells. */
caface_status degrade_shake(cafi_degrade *d, double length, double angle, caface_error *err)
{
    enum { STEPS = 64 };
    float kernel[CAFI_MAX_KERNEL * CAFI_MAX_KERNEL] = {0};
    size_t radius = (size_t)ceil(length / 2) + 1;
    size_t k = 2 * radius + 1;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < STEPS; i++) {
        double at = (((double)i + 0.5) / STEPS - 0.5) * length;
        double x = (double)radius + at * cos(angle);
        double y = (double)radius + at * sin(angle);
        size_t left = (size_t)x;
        size_t top = (size_t)y;
        double fx = x - (double)left;
        double fy = y - (double)top;
        float *cell = kernel + top * k + left;

        cell[0] += (float)((1 - fx) * (1 - fy) / STEPS);
        cell[1] += (float)(fx * (1 - fy) / STEPS);
        cell[k] += (float)((1 - fx) * fy / STEPS);
        cell[k + 1] += (float)(fx * fy / STEPS);
    }
    st = cafi_picture_filter(&d->b, &d->a, kernel, k, &d->scratch, err);
    degrade_swap(d);
    return st;
}

caface_status degrade_reduce(cafi_degrade *d, double factor, caface_error *err)
{
    caface_status st = CAFACE_OK;

    d->b.width = (size_t)fmax(4, round((double)d->width * factor));
    d->b.height = (size_t)fmax(4, round((double)d->height * factor));
    st = cafi_picture_resize(&d->b, &d->a, CAFI_AREA, &d->scratch, err);
    degrade_swap(d);
    return st;
}

void degrade_noise(cafi_degrade *d, double deviation, cafi_rng *rng)
{
    size_t n = d->a.width * d->a.height * 3;

    for (size_t i = 0; i < n; i++) {
        double v = (double)d->a.rgb[i] + deviation * cafi_rng_normal(rng);

        d->a.rgb[i] = (uint8_t)lrint(fmin(fmax(v, 0), 255));
    }
}

caface_status degrade_jpeg(cafi_degrade *d, int quality, caface_error *err)
{
    const cafi_view view = {d->a.rgb, d->a.width, d->a.height};
    cafi_image image = {0};
    caface_status st = CAFACE_OK;

    d->jpeg.size = 0;
    if ((st = cafi_jpeg_encode(&d->jpeg, &view, quality, err)) ||
        (st = cafi_image_decode(&image, d->jpeg.data, d->jpeg.size, err)))
        return st;
    memcpy(d->a.rgb, image.rgb, d->a.width * d->a.height * 3);
    cafi_image_clear(&image);
    return CAFACE_OK;
}

/* The protocol's camera: blur, shake, resolution, noise and JPEG, in this order. */
static caface_status camera(cafi_degrade *d, double t, cafi_rng *rng, caface_error *err)
{
    double sigma = cafi_rng_range(rng, 0.3, 1 + 2 * t);
    double deviation = 0;
    bool shakes = false;
    caface_status st = degrade_gaussian(d, sigma, err);

    if (st)
        return st;
    shakes = cafi_rng_below(rng, 2) != 0;
    if (shakes) {
        double length = cafi_rng_range(rng, 3, 3.001 + 10 * t);

        if ((st = degrade_shake(d, length, cafi_rng_range(rng, 0, DEGRADE_PI), err)))
            return st;
    }
    if ((st = degrade_reduce(d, 1 / cafi_rng_range(rng, 2, 2.001 + 8 * t), err)))
        return st;
    deviation = cafi_rng_range(rng, 2, 4 + 14 * t);
    degrade_noise(d, deviation, rng);
    return degrade_jpeg(d, (int)cafi_rng_range(rng, 60 - 45 * t, 70), err);
}

caface_status cafi_degrade_run(cafi_degrade *d, uint8_t *out, const uint8_t *crop,
                               const cafi_degradation *what, uint64_t seed, uint64_t key,
                               uint64_t frame, double *severity, caface_error *err)
{
    cafi_rng rng = cafi_rng_at(seed, key, frame, 0);
    double t = cafi_rng_unit(&rng) * what->strength;
    cafi_image result = {out, d->width, d->height};
    caface_status st = CAFACE_OK;

    if (severity)
        *severity = t;
    d->a.width = d->b.width = d->width;
    d->a.height = d->b.height = d->height;
    memcpy(d->a.rgb, crop, d->width * d->height * 3);
    degrade_jitter(d, &rng);
    st = what->kind == CAFI_DEGRADE_CAMERA ? camera(d, t, &rng, err)
                                           : degrade_kind(d, what->kind, t, &rng, err);
    if (st)
        return st;
    return cafi_picture_resize(&result, &d->a, CAFI_CUBIC, &d->scratch, err);
}
