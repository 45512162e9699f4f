#include "dataset/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dataset/blur_kernel.h"

struct cafi_augment {
    size_t width, height;
    cafi_image a, b; /* the picture at hand, and the next */
    cafi_image small;
    cafi_buf scratch;
};

caface_status cafi_augment_new(cafi_augment **out, size_t width, size_t height, caface_error *err)
{
    cafi_augment *t = NULL;
    caface_status st;

    *out = NULL;
    if (width < 1 || height < 1 || width > 4096 || height > 4096)
        return cafi_fail(err, CAFACE_EINVAL, "pictures of %zu x %zu: sides must be 1 to 4096",
                         width, height);
    if ((st = CAFI_NEW(&t, 1, err)))
        return st;
    t->width = width;
    t->height = height;
    t->a = (cafi_image){.width = width, .height = height};
    t->b = t->a;
    if ((st = cafi_alloc(&t->a.rgb, width * height, 3, err)) ||
        (st = cafi_alloc(&t->b.rgb, width * height, 3, err)) ||
        (st = cafi_alloc(&t->small.rgb, width * height, 3, err))) {
        cafi_augment_free(t);
        return st;
    }
    *out = t;
    return CAFACE_OK;
}

void cafi_augment_free(cafi_augment *augment)
{
    if (!augment)
        return;
    free(augment->a.rgb);
    free(augment->b.rgb);
    free(augment->small.rgb);
    cafi_buf_free(&augment->scratch);
    free(augment);
}

/* The next picture becomes the one at hand. */
static void swap(cafi_augment *t)
{
    cafi_image keep = t->a;

    t->a = t->b;
    t->b = keep;
}

/* A box of 0.2 to 1 of the area and a ratio of 3/4 to 4/3 that fits; after ten
 * misses the largest one in the middle, as torchvision does. */
static void keep_box(cafi_augment *t, cafi_rng *rng)
{
    double area = (double)(t->width * t->height);
    size_t w = t->width;
    size_t h = t->height;

    for (int i = 0; i < 10; i++) {
        double target = area * cafi_rng_range(rng, 0.2, 1.0);
        double ratio = exp(cafi_rng_range(rng, log(0.75), log(4.0 / 3.0)));
        size_t bw = (size_t)lround(sqrt(target * ratio));
        size_t bh = (size_t)lround(sqrt(target / ratio));

        if (bw >= 1 && bh >= 1 && bw <= w && bh <= h) {
            size_t left = (size_t)cafi_rng_below(rng, w - bw + 1);
            size_t top = (size_t)cafi_rng_below(rng, h - bh + 1);

            cafi_picture_keep(&t->a, left, top, bw, bh);
            return;
        }
    }
    if (4 * h < 3 * w)
        cafi_picture_keep(&t->a, (w - 4 * h / 3) / 2, 0, 4 * h / 3, h);
    else if (4 * w < 3 * h)
        cafi_picture_keep(&t->a, 0, (h - 4 * w / 3) / 2, w, 4 * w / 3);
}

/* Turns by an angle and scales by zoom about the centre, then shifts. */
static void move(cafi_augment *t, double angle, double zoom, double dx, double dy)
{
    double cx = ((double)t->width - 1.0) / 2.0;
    double cy = ((double)t->height - 1.0) / 2.0;
    double c = cos(angle) / zoom;
    double s = sin(angle) / zoom;
    double m[6] = {c,  s, cx - c * (cx + dx) - s * (cy + dy),
                   -s, c, cy + s * (cx + dx) - c * (cy + dy)};

    cafi_picture_warp(&t->b, &t->a, m);
    swap(t);
}

static void geometric(cafi_augment *t, cafi_rng *rng)
{
    double zoom;
    double dx;
    double dy;

    switch (cafi_rng_below(rng, 3)) {
    case 0:
        keep_box(t, rng);
        break;
    case 1:
        zoom = cafi_rng_range(rng, 0.5, 1.5);
        dx = round(cafi_rng_range(rng, -0.2, 0.2) * (double)t->width);
        dy = round(cafi_rng_range(rng, -0.2, 0.2) * (double)t->height);
        move(t, 0.0, zoom, dx, dy);
        break;
    default:
        move(t, cafi_rng_range(rng, -25.0, 25.0) * 3.141592653589793 / 180.0, 1.0, 0.0, 0.0);
        break;
    }
}

static void photometric(cafi_augment *t, cafi_rng *rng)
{
    static void (*const changes[])(cafi_image *, float) = {
        cafi_picture_brightness, cafi_picture_contrast, cafi_picture_saturation};
    size_t order[3] = {0, 1, 2};

    for (size_t i = 3; i > 1; i--) {
        size_t k = (size_t)cafi_rng_below(rng, i);
        size_t keep = order[i - 1];

        order[i - 1] = order[k];
        order[k] = keep;
    }
    for (size_t i = 0; i < 3; i++)
        changes[order[i]](&t->a, (float)cafi_rng_range(rng, 0.5, 1.5));
}

static caface_status gaussian_blur(cafi_augment *t, cafi_rng *rng, caface_error *err)
{
    float kernel[CAFI_BLUR_SIDE];
    size_t side = cafi_blur_random_gaussian(kernel, rng);
    caface_status st = cafi_picture_blur(&t->b, &t->a, kernel, side, &t->scratch, err);

    swap(t);
    return st;
}

static caface_status box_blur(cafi_augment *t, size_t k, caface_error *err)
{
    float kernel[CAFI_MAX_KERNEL];
    caface_status st;

    for (size_t i = 0; i < k; i++)
        kernel[i] = 1.0f / (float)k;
    st = cafi_picture_blur(&t->b, &t->a, kernel, k, &t->scratch, err);
    swap(t);
    return st;
}

static caface_status motion_blur(cafi_augment *t, cafi_rng *rng, caface_error *err)
{
    float kernel[CAFI_BLUR_SIDE * CAFI_BLUR_SIDE];
    size_t side = cafi_blur_random_motion(kernel, rng);
    caface_status st = cafi_picture_filter(&t->b, &t->a, kernel, side, &t->scratch, err);

    swap(t);
    return st;
}

static caface_status resolution(cafi_augment *t, cafi_rng *rng, caface_error *err)
{
    double scale = cafi_rng_range(rng, 0.2, 1.0);
    cafi_interpolation down = (cafi_interpolation)cafi_rng_below(rng, CAFI_RESAMPLE_COUNT);
    cafi_interpolation up = (cafi_interpolation)cafi_rng_below(rng, CAFI_RESAMPLE_COUNT);
    caface_status st;

    t->small.width = (size_t)fmax(1.0, floor(scale * (double)t->width));
    t->small.height = (size_t)fmax(1.0, floor(scale * (double)t->height));
    if ((st = cafi_picture_resize(&t->small, &t->a, down, &t->scratch, err)))
        return st;
    st = cafi_picture_resize(&t->b, &t->small, up, &t->scratch, err);
    swap(t);
    return st;
}

static caface_status blur(cafi_augment *t, cafi_rng *rng, caface_error *err)
{
    switch (cafi_rng_below(rng, 4)) {
    case 0:
        return box_blur(t, 1 + (size_t)cafi_rng_below(rng, 9), err);
    case 1:
        return gaussian_blur(t, rng, err);
    case 2:
        return motion_blur(t, rng, err);
    default:
        return resolution(t, rng, err);
    }
}

static caface_status change(cafi_augment *t, cafi_rng *rng, size_t kind, caface_error *err)
{
    if (kind == 0)
        geometric(t, rng);
    else if (kind == 1)
        photometric(t, rng);
    return kind == 2 ? blur(t, rng, err) : CAFACE_OK;
}

static void finish(cafi_augment *t, cafi_rng *rng, uint8_t *out)
{
    cafi_image to = {out, t->width, t->height};

    memcpy(out, t->a.rgb, t->width * t->height * 3);
    if (cafi_rng_below(rng, 2))
        cafi_picture_mirror(&to);
}

caface_status cafi_augment_run(cafi_augment *augment, uint8_t *out, const uint8_t *crop,
                               size_t first, size_t count, uint64_t seed, uint64_t key,
                               caface_error *err)
{
    size_t bytes = augment->width * augment->height * 3;
    cafi_rng rng = cafi_rng_at(seed, key, 0, 0);
    uint8_t *strong = NULL;
    caface_status st = CAFI_NEW(&strong, bytes, err);

    if (st)
        return st;
    memcpy(augment->a.rgb, crop, bytes);
    for (size_t kind = 0; kind < 3 && !st; kind++)
        st = change(augment, &rng, kind, err);
    memcpy(strong, augment->a.rgb, bytes);
    for (size_t v = first; v < first + count && !st; v++) {
        if (v) {
            rng = cafi_rng_at(seed, key, v, 0);
            memcpy(augment->a.rgb, strong, bytes);
            st = change(augment, &rng, (size_t)cafi_rng_below(&rng, 3), err);
        }
        finish(augment, &rng, out + (v - first) * bytes);
    }
    free(strong);
    return st;
}

uint64_t cafi_augment_key(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}
