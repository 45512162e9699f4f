#include "faces/quality.h"

#include <stdio.h>

#include "base/text.h"
#include "faces/align.h"
#include "faces/pose.h"

/* The face without the corners of its crop, which are hair, ground or black. */
enum { MARGIN = 16, MIDDLE = CAFI_CROP_SIDE - 2 * MARGIN };

const char *const cafi_quality_columns[CAFI_QUALITY_COLUMNS] = {
    "yaw", "pitch", "roll", "size", "sharpness", "length", "quality"};

static int grey(const uint8_t *crop, int x, int y)
{
    const uint8_t *p = crop + 3 * (y * CAFI_CROP_SIDE + x);

    return 77 * p[0] + 150 * p[1] + 29 * p[2]; /* Rec. 601, times 256 */
}

/* [1 2 1] in both directions, times 16. */
static int smooth(const uint8_t *crop, int x, int y)
{
    int sum = 0;

    for (int dy = -1; dy <= 1; dy++)
        sum += (2 - (dy != 0)) *
               (grey(crop, x - 1, y + dy) + 2 * grey(crop, x, y + dy) + grey(crop, x + 1, y + dy));
    return sum;
}

float cafi_quality_sharpness(const uint8_t *crop)
{
    int rows[3][MIDDLE + 2];
    double detail = 0.0, sum = 0.0, square = 0.0, n = MIDDLE * MIDDLE, variance = 0.0;

    for (int y = MARGIN - 1; y <= MARGIN + MIDDLE; y++) {
        int *last = rows[(y + 2) % 3];
        const int *middle = rows[(y + 1) % 3], *first = rows[y % 3];

        for (int x = 0; x < MIDDLE + 2; x++)
            last[x] = smooth(crop, MARGIN - 1 + x, y);
        if (y < MARGIN + 1)
            continue;
        for (int x = 1; x <= MIDDLE; x++) {
            double v = middle[x], l = first[x] + last[x] + middle[x - 1] + middle[x + 1] - 4.0 * v;

            detail += l * l;
            sum += v;
            square += v * v;
        }
    }
    variance = square / n - sum / n * (sum / n);
    return variance > 1.0 ? (float)sqrt(detail / n / variance) : 0.0f;
}

void cafi_quality_of_crop(cafi_quality *out, const uint8_t *crop)
{
    *out = (cafi_quality){NAN, NAN, NAN, NAN, cafi_quality_sharpness(crop), NAN, NAN};
}

void cafi_quality_of_face(cafi_quality *out, const cafi_face *face, const uint8_t *crop)
{
    cafi_pose pose;

    cafi_quality_of_crop(out, crop);
    out->size = (float)sqrt(cafi_box_area(&face->box, 0.0));
    if (!cafi_pose_of(&pose, face->landmark))
        return;
    out->yaw = (float)pose.yaw;
    out->pitch = (float)pose.pitch;
    out->roll = (float)pose.roll;
}

double cafi_feature_length(const float *feature, size_t C)
{
    double sum = 0.0;

    for (size_t i = 0; i < C; i++)
        sum += (double)feature[i] * feature[i];
    return sqrt(sum);
}

float cafi_quality_figure(const cafi_quality *q)
{
    return isnan(q->network) ? q->length : q->network;
}

bool cafi_quality_gate_is_set(const cafi_quality_gate *gate)
{
    return gate->min_quality != 0.0 || gate->max_yaw != 0.0;
}

bool cafi_quality_passes(const cafi_quality_gate *gate, const cafi_quality *q, char *why)
{
    double figure = (double)cafi_quality_figure(q), yaw = fabs((double)q->yaw);

    if (gate->min_quality != 0.0 && figure < gate->min_quality) {
        if (why)
            cafi_format(why, CAFI_QUALITY_WHY, "its quality %.4g is below %.4g", figure,
                        gate->min_quality);
        return false;
    }
    if (gate->max_yaw != 0.0 && yaw > gate->max_yaw) {
        if (why)
            cafi_format(why, CAFI_QUALITY_WHY, "its yaw of %.1f degrees is beyond %.4g", yaw,
                        gate->max_yaw);
        return false;
    }
    return true;
}

static void numbers(const cafi_quality *q, float out[CAFI_QUALITY_COLUMNS])
{
    const float all[CAFI_QUALITY_COLUMNS] = {q->yaw,       q->pitch,  q->roll,   q->size,
                                             q->sharpness, q->length, q->network};

    for (int i = 0; i < CAFI_QUALITY_COLUMNS; i++)
        out[i] = all[i];
}

void cafi_quality_fields(const cafi_quality *q, char text[CAFI_QUALITY_COLUMNS][CAFI_QUALITY_TEXT])
{
    static const int decimals[CAFI_QUALITY_COLUMNS] = {1, 1, 1, 1, 4, 4, 6};
    float value[CAFI_QUALITY_COLUMNS];

    numbers(q, value);
    for (int i = 0; i < CAFI_QUALITY_COLUMNS; i++)
        if (isnan(value[i]))
            text[i][0] = '\0';
        else
            cafi_format(text[i], CAFI_QUALITY_TEXT, "%.*f", decimals[i], (double)value[i]);
}

void cafi_quality_json(const cafi_quality *q, cafi_json *json)
{
    float value[CAFI_QUALITY_COLUMNS];

    numbers(q, value);
    for (int i = 0; i < CAFI_QUALITY_COLUMNS; i++)
        if (isfinite(value[i]))
            cafi_json_real32(json, cafi_quality_columns[i], value[i]);
}
