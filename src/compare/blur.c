#include "compare/blur.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "compare/coarse.h"
#include "faces/align.h"
#include "faces/quality.h"

/* Chosen by tools/cannot_tell on people who judge nothing (docs/faces.md). */
#define NO_DETAIL 0.05   /* sharpness of the sharper one, below which nothing is said */
#define FEW_DETAILS 0.15 /* and below which it counts beside the blur axis */
#define SHARP 0.2
#define SLOPE 1.3
#define FROM 0.06 /* of the blur axis in both, which noise and coarse JPEGs have, too */
#define FROM_FEW (-0.05)
#define SLOPE_FEW 0.2
#define RUINED 0.4 /* of the blur axis in either */

static double keys(double x)
{
    x = fabs(x);
    if (x >= 2.0)
        return 0.0;
    return x < 1.0 ? (1.5 * x - 2.5) * x * x + 1.0 : ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
}

/* Where output i of 112 lies among 8, and the four weights around it. */
static int taps(int i, double *weight)
{
    double at = (i + 0.5) * CAFI_BLURRED_SIDE / CAFI_CROP_SIDE - 0.5;
    int first = (int)floor(at) - 1;

    for (int k = 0; k < 4; k++)
        weight[k] = keys(at - (first + k));
    return first;
}

static int inside(int i)
{
    return i < 0 ? 0 : i < CAFI_BLURRED_SIDE ? i : CAFI_BLURRED_SIDE - 1;
}

void cafi_blurred_face(uint8_t *crop, size_t which)
{
    const uint8_t *small = cafi_blurred_faces[which];

    for (int y = 0; y < CAFI_CROP_SIDE; y++)
        for (int x = 0; x < CAFI_CROP_SIDE; x++) {
            double wx[4], wy[4], sum[3] = {0.0, 0.0, 0.0};
            int x0 = taps(x, wx), y0 = taps(y, wy);

            for (int k = 0; k < 16; k++) {
                const uint8_t *p =
                    small + 3 * (inside(y0 + k / 4) * CAFI_BLURRED_SIDE + inside(x0 + k % 4));

                for (int c = 0; c < 3; c++)
                    sum[c] += wy[k / 4] * wx[k % 4] * p[c];
            }
            for (int c = 0; c < 3; c++)
                crop[3 * (y * CAFI_CROP_SIDE + x) + c] =
                    (uint8_t)rint(fmin(255.0, fmax(0.0, sum[c])));
        }
    cafi_coarse(crop);
}

/* sum [C] += x / |x|. */
static void add_unit(float *sum, const float *x, size_t C)
{
    double length = cafi_feature_length(x, C);

    for (size_t i = 0; i < C && length > 0.0; i++)
        sum[i] += (float)(x[i] / length);
}

static caface_status fill_axis(float *axis, float *features, uint8_t *crops, cafi_encoder *encoder,
                               caface_error *err)
{
    size_t C = cafi_encoder_feature_size(encoder);
    double length = 0.0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < CAFI_BLURRED_FACES; i++)
        cafi_blurred_face(crops + i * CAFI_CROP_BYTES, i);
    if ((st = cafi_encoder_run(encoder, crops, CAFI_BLURRED_FACES, features, NULL, err)))
        return st;
    for (size_t c = 0; c < C; c++)
        axis[c] = 0.0f;
    for (size_t i = 0; i < CAFI_BLURRED_FACES; i++)
        add_unit(axis, features + i * C, C);
    length = cafi_feature_length(axis, C);
    if (!(length > 0.0) || !isfinite(length))
        return cafi_fail(err, CAFACE_EMODEL, "the backbone's features of faces are zeros or NaN");
    for (size_t c = 0; c < C; c++)
        axis[c] = (float)(axis[c] / length);
    return CAFACE_OK;
}

caface_status cafi_blur_axis(float **axis, cafi_encoder *encoder, caface_error *err)
{
    size_t C = cafi_encoder_feature_size(encoder);
    float *features = NULL;
    uint8_t *crops = NULL;
    caface_status st = CAFACE_OK;

    *axis = NULL;
    (void)((st = cafi_alloc(&crops, CAFI_BLURRED_FACES, CAFI_CROP_BYTES, err)) ||
           (st = cafi_alloc_f32(&features, CAFI_BLURRED_FACES, C, err)) ||
           (st = cafi_alloc_f32(axis, 1, C, err)) ||
           (st = fill_axis(*axis, features, crops, encoder, err)));
    free(crops);
    free(features);
    if (st) {
        free(*axis);
        *axis = NULL;
    }
    return st;
}

double cafi_blur_needed(double threshold, const cafi_blur *a, const cafi_blur *b)
{
    double both = fmin(a->blur, b->blur), detail = fmax(a->sharpness, b->sharpness);

    if (detail < NO_DETAIL || fmax(a->blur, b->blur) >= RUINED)
        return INFINITY;
    both -= detail < FEW_DETAILS ? FROM_FEW - SLOPE_FEW * log(SHARP / detail) : FROM;
    return threshold + SLOPE * fmax(0.0, both);
}

cafi_verdict cafi_verdict_of(double similarity, double threshold, const cafi_blur *a,
                             const cafi_blur *b)
{
    double needed = cafi_blur_needed(threshold, a, b);

    if (similarity >= needed)
        return CAFI_SAME;
    return isinf(needed) || similarity >= threshold ? CAFI_CANNOT_TELL : CAFI_OTHER;
}

const char *cafi_verdict_name(cafi_verdict verdict)
{
    static const char *const names[] = {"other", "same", "cannot tell"};

    return names[verdict];
}
