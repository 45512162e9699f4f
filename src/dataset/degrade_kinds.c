#include "dataset/degrade_parts.h"

#include <math.h>
#include <string.h>

#include "media/clip.h"

static uint8_t to_u8(double v)
{
    return (uint8_t)lrint(fmin(fmax(v, 0), 255));
}

/* --- optics --------------------------------------------------------------------- */

/* A disc, its edge shared: each cell has the part of it that the disc covers, on a
 * grid of 8 x 8 points. */
static caface_status defocus(cafi_degrade *d, double radius, caface_error *err)
{
    enum { GRID = 8 };
    float kernel[CAFI_MAX_KERNEL * CAFI_MAX_KERNEL];
    size_t half = (size_t)ceil(radius);
    size_t k = 2 * half + 1;
    double sum = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < k * k; i++) {
        size_t covered = 0;

        for (size_t g = 0; g < (size_t)GRID * GRID; g++) {
            double x = (double)(i % k) - (double)half - 0.5 + ((double)(g % GRID) + 0.5) / GRID;
            double y = (double)(i / k) - (double)half - 0.5 + ((double)(g / GRID) + 0.5) / GRID;

            covered += x * x + y * y <= radius * radius;
        }
        kernel[i] = (float)covered;
        sum += (double)covered;
    }
    for (size_t i = 0; i < k * k; i++)
        kernel[i] = (float)((double)kernel[i] / sum);
    st = cafi_picture_filter(&d->b, &d->a, kernel, k, &d->scratch, err);
    degrade_swap(d);
    return st;
}

/* A channel at a place between pixels, the edge repeated. */
static double between(const cafi_image *p, double x, double y, size_t c)
{
    size_t w = p->width - 1;
    size_t h = p->height - 1;
    double cx = fmin(fmax(x, 0), (double)w);
    double cy = fmin(fmax(y, 0), (double)h);
    size_t left = (size_t)cx;
    size_t top = (size_t)cy;
    size_t right = left < w ? left + 1 : w;
    size_t low = top < h ? top + 1 : h;
    double fx = cx - (double)left;
    double fy = cy - (double)top;
    const uint8_t *rgb = p->rgb + c;

#define AT(row, column) ((double)rgb[((row)*p->width + (column)) * 3])
    return (1 - fy) * ((1 - fx) * AT(top, left) + fx * AT(top, right)) +
           fy * ((1 - fx) * AT(low, left) + fx * AT(low, right));
#undef AT
}

/* Air that trembles: a grid of random shifts, smooth between its points. */
static caface_status turbulence(cafi_degrade *d, double pixels, double sigma, cafi_rng *rng,
                                caface_error *err)
{
    enum { GRID = 8 };
    double shift[GRID + 1][GRID + 1][2];

    for (size_t i = 0; i < sizeof shift / sizeof(double); i++)
        (&shift[0][0][0])[i] = pixels * cafi_rng_normal(rng);
    for (size_t y = 0; y < d->a.height; y++)
        for (size_t x = 0; x < d->a.width; x++) {
            double gx = (double)x * GRID / (double)d->a.width;
            double gy = (double)y * GRID / (double)d->a.height;
            size_t i = (size_t)gx;
            size_t k = (size_t)gy;
            double move[2];

            for (size_t axis = 0; axis < 2; axis++) {
                double fx = gx - (double)i;
                double top = shift[k][i][axis] * (1 - fx) + shift[k][i + 1][axis] * fx;
                double low = shift[k + 1][i][axis] * (1 - fx) + shift[k + 1][i + 1][axis] * fx;

                move[axis] = top + (gy - (double)k) * (low - top);
            }
            for (size_t c = 0; c < 3; c++)
                d->b.rgb[(y * d->a.width + x) * 3 + c] =
                    to_u8(between(&d->a, (double)x + move[0], (double)y + move[1], c));
        }
    degrade_swap(d);
    return degrade_gaussian(d, sigma, err);
}

/* --- the sensor ----------------------------------------------------------------- */

/* Normal noise with the variance of a sensor: read noise, and as much more as there
 * is light. */
static void sensor(cafi_degrade *d, double read, double gain, cafi_rng *rng)
{
    size_t n = d->a.width * d->a.height * 3;

    for (size_t i = 0; i < n; i++) {
        double v = (double)d->a.rgb[i];

        d->a.rgb[i] = to_u8(v + sqrt(read * read + gain * v) * cafi_rng_normal(rng));
    }
}

static void dark(cafi_degrade *d, double stops, cafi_rng *rng)
{
    double loss = exp2(-stops);
    double gain = exp2(stops * cafi_rng_range(rng, 0.5, 1));
    double gamma = cafi_rng_range(rng, 0.7, 1.4);
    double full = 2000; /* electrons of a white pixel in full light */
    size_t n = d->a.width * d->a.height * 3;

    for (size_t i = 0; i < n; i++) {
        double light = pow((double)d->a.rgb[i] / 255, 2.2) * loss * full;
        double caught = light + sqrt(light + 4) * cafi_rng_normal(rng);
        double level = rint(255 * fmax(caught, 0) / full * 4) / 4; /* ten bits */

        d->a.rgb[i] = to_u8(255 * pow(fmin(level / 255 * gain, 1), gamma / 2.2));
    }
}

/* Odd lines are from another moment. */
static void interlace(cafi_degrade *d, double pixels, cafi_rng *rng)
{
    double angle = cafi_rng_range(rng, -0.4, 0.4) + (cafi_rng_below(rng, 2) ? DEGRADE_PI : 0);

    degrade_move(&d->a, &d->b, 0, 1, pixels * cos(angle), pixels * sin(angle));
    for (size_t y = 1; y < d->a.height; y += 2)
        memcpy(d->a.rgb + y * d->a.width * 3, d->b.rgb + y * d->a.width * 3, d->a.width * 3);
}

/* --- coding ----------------------------------------------------------------------- */

static caface_status resize(cafi_degrade *d, double side, cafi_rng *rng, caface_error *err)
{
    cafi_interpolation down = (cafi_interpolation)cafi_rng_below(rng, CAFI_RESAMPLE_COUNT);
    cafi_interpolation up = (cafi_interpolation)cafi_rng_below(rng, CAFI_RESAMPLE_COUNT);
    size_t width = d->a.width;
    size_t height = d->a.height;
    double factor = side / (double)(width < height ? width : height);
    caface_status st = CAFACE_OK;

    if (factor >= 1) /* it is as small already */
        return CAFACE_OK;
    d->b.width = (size_t)fmax(4, round(factor * (double)width));
    d->b.height = (size_t)fmax(4, round(factor * (double)height));
    if ((st = cafi_picture_resize(&d->b, &d->a, down, &d->scratch, err)))
        return st;
    degrade_swap(d);
    d->b.width = width;
    d->b.height = height;
    st = cafi_picture_resize(&d->b, &d->a, up, &d->scratch, err);
    degrade_swap(d);
    d->b.width = width;
    d->b.height = height;
    return st;
}

static caface_status video(cafi_degrade *d, double t, cafi_rng *rng, caface_error *err)
{
    double factor = 1 / cafi_rng_range(rng, 1, 3);
    double turn = cafi_rng_range(rng, -0.08, 0.08);
    double grow = cafi_rng_range(rng, -0.06, 0.06);
    double dx = cafi_rng_range(rng, -0.06, 0.06);
    double dy = cafi_rng_range(rng, -0.06, 0.06);
    size_t wanted = (size_t)cafi_rng_below(rng, DEGRADE_CLIP);
    size_t width = (size_t)fmax(16, 2 * round((double)d->a.width * factor / 2));
    size_t height = (size_t)fmax(16, 2 * round((double)d->a.height * factor / 2));
    caface_status st = CAFACE_OK;

    if (width > d->width)
        width = d->width & ~(size_t)1;
    if (height > d->height)
        height = d->height & ~(size_t)1;
    d->b.width = width;
    d->b.height = height;
    if ((st = cafi_picture_resize(&d->b, &d->a, CAFI_AREA, &d->scratch, err)))
        return st;
    degrade_swap(d);
    for (size_t i = 0; i < DEGRADE_CLIP; i++) {
        cafi_image frame = {d->clip + i * width * height * 3, width, height};
        double part = ((double)i - (double)wanted) / (DEGRADE_CLIP - 1);

        degrade_move(&d->a, &frame, turn * part, 1 + grow * part, dx * part * (double)width,
                     dy * part * (double)height);
    }
    return cafi_clip_code(d->a.rgb, d->clip, DEGRADE_CLIP, width, height, (int)lrint(28 + 20 * t),
                          wanted, err);
}

/* --- in the way --------------------------------------------------------------------- */

static void cover(cafi_degrade *d, double area, cafi_rng *rng)
{
    double ratio = exp(cafi_rng_range(rng, -0.9, 0.9));
    double pixels = area * (double)(d->a.width * d->a.height);
    size_t w = (size_t)fmin(fmax(1, round(sqrt(pixels * ratio))), (double)d->a.width);
    size_t h = (size_t)fmin(fmax(1, round(sqrt(pixels / ratio))), (double)d->a.height);
    size_t left = (size_t)cafi_rng_below(rng, d->a.width - w + 1);
    size_t top = (size_t)cafi_rng_below(rng, d->a.height - h + 1);
    uint64_t how = cafi_rng_below(rng, 3);
    uint8_t first = (uint8_t)cafi_rng_below(rng, 256);
    uint8_t colour[3] = {first, first, first};

    for (size_t c = 1; c < 3 && how; c++)
        colour[c] = (uint8_t)cafi_rng_below(rng, 256);
    for (size_t y = top; y < top + h; y++)
        for (size_t x = left; x < left + w; x++)
            for (size_t c = 0; c < 3; c++)
                d->a.rgb[(y * d->a.width + x) * 3 + c] =
                    how == 2 ? (uint8_t)cafi_rng_below(rng, 256) : colour[c];
}

static void occlusion(cafi_degrade *d, double area, cafi_rng *rng)
{
    size_t boxes = 1 + (size_t)cafi_rng_below(rng, 2);

    for (size_t i = 0; i < boxes; i++)
        cover(d, area / (double)boxes, rng);
}

/* --- all -------------------------------------------------------------------------------- */

static caface_status mixture(cafi_degrade *d, double t, cafi_rng *rng, caface_error *err)
{
    enum { STEPS = 8 };
    static const cafi_degrade_kind order[STEPS] = {
        CAFI_DEGRADE_OCCLUSION, CAFI_DEGRADE_TURBULENCE, CAFI_DEGRADE_DEFOCUS, CAFI_DEGRADE_DARK,
        CAFI_DEGRADE_INTERLACE, CAFI_DEGRADE_RESIZE,     CAFI_DEGRADE_NOISE,   CAFI_DEGRADE_JPEG};
    /* chances in 256: small faces, blur and coding are what cameras give */
    static const unsigned chance[STEPS] = {24, 32, 160, 48, 32, 176, 112, 200};
    unsigned chosen = 0;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    while (count < 2) {
        chosen = 0;
        count = 0;
        for (unsigned i = 0; i < STEPS; i++)
            if (cafi_rng_below(rng, 256) < chance[i]) {
                chosen |= 1u << i;
                count++;
            }
    }
    for (size_t i = 0; i < STEPS && !st; i++) {
        double part = t * cafi_rng_range(rng, 0.2, 0.8);
        cafi_degrade_kind kind = order[i];

        if (!(chosen >> i & 1))
            continue;
        if (kind == CAFI_DEGRADE_DEFOCUS && cafi_rng_below(rng, 2))
            kind = CAFI_DEGRADE_MOTION;
        if (kind == CAFI_DEGRADE_JPEG && cafi_rng_below(rng, 2))
            kind = CAFI_DEGRADE_VIDEO;
        st = degrade_kind(d, kind, part, rng, err);
    }
    return st;
}

caface_status degrade_kind(cafi_degrade *d, cafi_degrade_kind kind, double t, cafi_rng *rng,
                           caface_error *err)
{
    switch (kind) {
    case CAFI_DEGRADE_VIDEO:
        return video(d, t, rng, err);
    case CAFI_DEGRADE_RESIZE:
        return resize(d, 32 * pow(4, -t), rng, err);
    case CAFI_DEGRADE_NOISE:
        sensor(d, 2 + 10 * t, 0.3 + 4 * t, rng);
        return CAFACE_OK;
    case CAFI_DEGRADE_MOTION:
        return degrade_shake(d, 3 + 22 * t, cafi_rng_range(rng, 0, DEGRADE_PI), err);
    case CAFI_DEGRADE_DEFOCUS:
        return defocus(d, 0.7 + 6 * t, err);
    case CAFI_DEGRADE_JPEG:
        return degrade_jpeg(d, (int)lrint(50 * pow(0.06, t)), err);
    case CAFI_DEGRADE_DARK:
        dark(d, 1 + 4 * t, rng);
        return CAFACE_OK;
    case CAFI_DEGRADE_INTERLACE:
        interlace(d, 1 + 9 * t, rng);
        return CAFACE_OK;
    case CAFI_DEGRADE_TURBULENCE:
        return turbulence(d, 0.5 + 3 * t, 0.4 + 1.2 * t, rng, err);
    case CAFI_DEGRADE_OCCLUSION:
        occlusion(d, 0.08 + 0.37 * t, rng);
        return CAFACE_OK;
    case CAFI_DEGRADE_MIXTURE:
        return mixture(d, t, rng, err);
    case CAFI_DEGRADE_CAMERA:
    case CAFI_DEGRADE_AUGMENT:
    case CAFI_DEGRADE_KINDS:
        break;
    }
    return cafi_fail(err, CAFACE_EINVAL, "degradation %d is none of these kinds", (int)kind);
}
