#include "faces/align.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "faces/resample.h"
#include "media/shared_image.h"

const cafi_point cafi_template[CAFI_LANDMARKS] = {
    {38.2946f, 51.6963f}, {73.5318f, 51.5014f}, {56.0252f, 71.7366f},
    {41.5493f, 92.3655f}, {70.7299f, 92.2041f},
};

/* What both fits are made of: centres, and sums over the centred points. */
typedef struct sums {
    double tx, ty, lx, ly;      /* centres of template and landmarks */
    double dot, cross;          /* of template with landmarks */
    double template_, landmark; /* squares */
} sums;

static caface_status sum_points(sums *s, const cafi_point *landmark, caface_error *err)
{
    *s = (sums){0};
    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        if (!isfinite(landmark[i].x) || !isfinite(landmark[i].y))
            return cafi_fail(err, CAFACE_EINVAL, "landmark %d is not a finite number", i);
        s->tx += cafi_template[i].x / (double)CAFI_LANDMARKS;
        s->ty += cafi_template[i].y / (double)CAFI_LANDMARKS;
        s->lx += landmark[i].x / (double)CAFI_LANDMARKS;
        s->ly += landmark[i].y / (double)CAFI_LANDMARKS;
    }
    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        double x = cafi_template[i].x - s->tx, y = cafi_template[i].y - s->ty;
        double u = landmark[i].x - s->lx, v = landmark[i].y - s->ly;

        s->dot += x * u + y * v;
        s->cross += x * v - y * u;
        s->template_ += x * x + y * y;
        s->landmark += u * u + v * v;
    }
    return CAFACE_OK;
}

/* The map of rotation and scale (a, b) that takes centre to centre. */
static caface_status map_centres(cafi_similarity_map *out, const sums *s, double a, double b,
                                 caface_error *err)
{
    if (!(a * a + b * b > 1e-12) || !isfinite(a * a + b * b))
        return cafi_fail(err, CAFACE_EINVAL, "the five landmarks have no extent");
    *out =
        (cafi_similarity_map){a, b, s->lx - a * s->tx + b * s->ty, s->ly - b * s->tx - a * s->ty};
    return CAFACE_OK;
}

/* Least squares over a, b, tx, ty has a closed form once both sets of points
 * are centred: the normal equations are diagonal. */
caface_status cafi_align_map(cafi_similarity_map *out, const cafi_point *landmark,
                             caface_error *err)
{
    sums s;
    caface_status st = sum_points(&s, landmark, err);

    return st ? st : map_centres(out, &s, s.dot / s.template_, s.cross / s.template_, err);
}

/* The fit the other way is (dot, -cross) / landmark; this is its inverse. */
caface_status cafi_align_map_in_crop(cafi_similarity_map *out, const cafi_point *landmark,
                                     caface_error *err)
{
    sums s;
    double square = 0;
    caface_status st = sum_points(&s, landmark, err);

    if (st)
        return st;
    square = s.dot * s.dot + s.cross * s.cross;
    if (!(square > 1e-12 * s.template_ * s.template_))
        return cafi_fail(err, CAFACE_EINVAL, "the five landmarks have no extent");
    return map_centres(out, &s, s.dot * s.landmark / square, s.cross * s.landmark / square, err);
}

/* The pixel, or black outside. */
static void fetch(const cafi_view *picture, long x, long y, double weight, double *sum)
{
    const uint8_t *p = NULL;

    if (x < 0 || y < 0 || (size_t)x >= picture->width || (size_t)y >= picture->height)
        return;
    p = picture->rgb + ((size_t)y * picture->width + (size_t)x) * 3;
    for (int c = 0; c < 3; c++)
        sum[c] += weight * p[c];
}

/* The largest whole number that is not above v, which fits. */
static long whole_below(double v)
{
    long whole = (long)v;

    return (double)whole > v ? whole - 1 : whole;
}

/* The picture at (u, v), in its pixels. Between four pixels that are all there it is the same sums
 * without a look at each. */
static void sample(double sum[3], const cafi_view *picture, double u, double v)
{
    long x = whole_below(u), y = whole_below(v);
    double fx = u - (double)x, fy = v - (double)y;
    double weight[4] = {(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy};
    size_t step = 3 * picture->width;

    if (x >= 0 && y >= 0 && (size_t)x + 1 < picture->width && (size_t)y + 1 < picture->height) {
        const uint8_t *p = picture->rgb + (size_t)y * step + 3 * (size_t)x;

        for (int c = 0; c < 3; c++)
            sum[c] = weight[0] * p[c] + weight[1] * p[3 + c] + weight[2] * p[step + (size_t)c] +
                     weight[3] * p[step + 3 + (size_t)c];
        return;
    }
    fetch(picture, x, y, weight[0], sum);
    fetch(picture, x + 1, y, weight[1], sum);
    fetch(picture, x, y + 1, weight[2], sum);
    fetch(picture, x + 1, y + 1, weight[3], sum);
}

void cafi_align_warp(uint8_t *crop, const cafi_view *picture, const cafi_similarity_map *map)
{
    double right = (double)picture->width, bottom = (double)picture->height;

    for (int row = 0; row < CAFI_CROP_SIDE; row++)
        for (int col = 0; col < CAFI_CROP_SIDE; col++, crop += 3) {
            double u = map->a * col - map->b * row + map->tx;
            double v = map->b * col + map->a * row + map->ty;
            double sum[3] = {0.0, 0.0, 0.0};

            if (u > -1.0 && v > -1.0 && u < right && v < bottom)
                sample(sum, picture, u, v);
            for (int c = 0; c < 3; c++)
                crop[c] = (uint8_t)(sum[c] + 0.5);
        }
}

caface_status cafi_align_face(uint8_t *crop, const cafi_view *picture, const cafi_point *landmark,
                              caface_error *err)
{
    cafi_similarity_map map;
    caface_status st = cafi_align_map(&map, landmark, err);

    if (!st)
        cafi_align_warp(crop, picture, &map);
    return st;
}

#define CENTRE_WHOLE 196

caface_status cafi_align_centre(uint8_t *crop, const cafi_view *picture, caface_error *err)
{
    const size_t margin = (CENTRE_WHOLE - CAFI_CROP_SIDE) / 2;
    uint8_t *whole = NULL;
    caface_status st = cafi_resample_cubic(&whole, picture, CENTRE_WHOLE, CENTRE_WHOLE, err);

    if (st)
        return st;
    for (size_t row = 0; row < CAFI_CROP_SIDE; row++)
        for (size_t i = 0; i < (size_t)CAFI_CROP_SIDE * 3; i++)
            crop[row * CAFI_CROP_SIDE * 3 + i] =
                whole[((row + margin) * CENTRE_WHOLE + margin) * 3 + i];
    free(whole);
    return CAFACE_OK;
}

/* ---- the public side (caface/detector.h) ------------------------------------- */

caface_status caface_align(const caface_image *image, const caface_point *landmark, uint8_t *crop,
                           caface_error *err)
{
    cafi_similarity_map map;
    cafi_view view;
    caface_status st = CAFACE_OK;

    if (!image || !landmark || !crop)
        return cafi_fail(err, CAFACE_EINVAL, "align: null argument");
    if ((st = cafi_align_map(&map, landmark, err)) ||
        (st = cafi_shared_image_view(image, &view, err)))
        return st;
    cafi_align_warp(crop, &view, &map);
    return CAFACE_OK;
}

caface_status caface_align_center(const caface_image *image, uint8_t *crop, caface_error *err)
{
    cafi_view view;
    caface_status st = CAFACE_OK;

    if (!image || !crop)
        return cafi_fail(err, CAFACE_EINVAL, "align_center: null argument");
    st = cafi_shared_image_view(image, &view, err);
    return st ? st : cafi_align_centre(crop, &view, err);
}
