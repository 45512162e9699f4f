#include "faces/decode.h"

#include <math.h>

static caface_status keep_sound(cafi_faces *faces, const cafi_face *face, caface_error *err)
{
    return cafi_face_is_sound(face) ? cafi_faces_add(faces, face, err) : CAFACE_OK;
}

static float clamp01(float x)
{
    return x > 0.0f ? fminf(x, 1.0f) : 0.0f;
}

caface_status cafi_decode_yunet(cafi_faces *faces, const cafi_level *level, const float *cls,
                                const float *obj, const float *box, const float *kps,
                                float threshold, caface_error *err)
{
    float stride = (float)level->stride;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < level->rows * level->cols; i++) {
        float col = (float)(i % level->cols), row = (float)(i / level->cols);
        cafi_face face = {.score = sqrtf(clamp01(cls[i]) * clamp01(obj[i]))};
        float x = (col + box[i * 4]) * stride, y = (row + box[i * 4 + 1]) * stride;
        float w = 0.0f, h = 0.0f;

        if (!(face.score > threshold))
            continue;
        w = expf(box[i * 4 + 2]) * stride;
        h = expf(box[i * 4 + 3]) * stride;
        face.box = (cafi_box){x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};
        for (size_t k = 0; k < CAFI_LANDMARKS; k++) {
            face.landmark[k].x = (col + kps[i * 10 + 2 * k]) * stride;
            face.landmark[k].y = (row + kps[i * 10 + 2 * k + 1]) * stride;
        }
        st = keep_sound(faces, &face, err);
    }
    return st;
}

/* Where landmarks stand in the box of a frontal face, as fractions of it; the
 * alignment template's, in a box around its face. */
static const cafi_point usual[CAFI_LANDMARKS] = {
    {0.31f, 0.46f}, {0.69f, 0.46f}, {0.50f, 0.64f}, {0.35f, 0.82f}, {0.65f, 0.82f}};

static void put_usual(cafi_face *face)
{
    for (size_t k = 0; k < CAFI_LANDMARKS; k++) {
        face->landmark[k].x = face->box.x1 + usual[k].x * (face->box.x2 - face->box.x1);
        face->landmark[k].y = face->box.y1 + usual[k].y * (face->box.y2 - face->box.y1);
    }
}

caface_status cafi_decode_scrfd(cafi_faces *faces, const cafi_level *level, const float *score,
                                const float *box, const float *kps, float threshold,
                                caface_error *err)
{
    float stride = (float)level->stride;
    size_t count = level->rows * level->cols * level->anchors;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        size_t place = i / level->anchors;
        float x = (float)(place % level->cols) * stride, y = (float)(place / level->cols) * stride;
        const float *b = box + i * 4;
        cafi_face face = {.score = score[i]};

        if (!(face.score > threshold))
            continue;
        face.box =
            (cafi_box){x - b[0] * stride, y - b[1] * stride, x + b[2] * stride, y + b[3] * stride};
        put_usual(&face);
        for (size_t k = 0; kps && k < CAFI_LANDMARKS; k++) {
            face.landmark[k].x = x + kps[i * 10 + 2 * k] * stride;
            face.landmark[k].y = y + kps[i * 10 + 2 * k + 1] * stride;
        }
        st = keep_sound(faces, &face, err);
    }
    return st;
}

caface_status cafi_decode_retinaface(cafi_faces *faces, const cafi_level *level, const float *sides,
                                     const float *score, const float *box, const float *kps,
                                     float threshold, caface_error *err)
{
    size_t plane = level->rows * level->cols;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < plane * level->anchors; i++) {
        size_t place = i / level->anchors, a = i % level->anchors;
        const float *s = score + 2 * a * plane + place;
        const float *b = box + 4 * a * plane + place;
        const float *k = kps + 10 * a * plane + place;
        float cx = ((float)(place % level->cols) + 0.5f) * (float)level->stride;
        float cy = ((float)(place / level->cols) + 0.5f) * (float)level->stride;
        cafi_face face = {.score = 1.0f / (1.0f + expf(s[0] - s[plane]))};
        float x = cx + 0.1f * sides[a] * b[0], y = cy + 0.1f * sides[a] * b[plane];
        float w = 0.0f, h = 0.0f;

        if (!(face.score > threshold))
            continue;
        w = sides[a] * expf(0.2f * b[2 * plane]);
        h = sides[a] * expf(0.2f * b[3 * plane]);
        face.box = (cafi_box){x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};
        for (size_t l = 0; l < CAFI_LANDMARKS; l++) {
            face.landmark[l].x = cx + 0.1f * sides[a] * k[2 * l * plane];
            face.landmark[l].y = cy + 0.1f * sides[a] * k[(2 * l + 1) * plane];
        }
        st = keep_sound(faces, &face, err);
    }
    return st;
}

caface_status cafi_decode_box(cafi_faces *faces, cafi_face *face, caface_error *err)
{
    put_usual(face);
    return keep_sound(faces, face, err);
}

/* The two shares of a candidate come to one. */
#define SUM_TOLERANCE 1e-3f

caface_status cafi_decode_boxes(cafi_faces *faces, size_t count, const float *score,
                                const float *box, size_t width, size_t height, float threshold,
                                caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        const float *s = score + 2 * i, *b = box + 4 * i;
        cafi_face face = {.score = s[1]};

        if (!(fabsf(s[0] + s[1] - 1.0f) <= SUM_TOLERANCE))
            return cafi_fail(err, CAFACE_EMODEL,
                             "the scores of candidate %zu are %g and %g, two shares of 1 are "
                             "expected: its last steps (softmax, boxes) are not in the file",
                             i, (double)s[0], (double)s[1]);
        if (!(face.score > threshold))
            continue;
        face.box = (cafi_box){b[0] * (float)width, b[1] * (float)height, b[2] * (float)width,
                              b[3] * (float)height};
        st = cafi_decode_box(faces, &face, err);
    }
    return st;
}
