#include "faces/lffd.h"

#include <math.h>

#include "base/mem.h"
#include "faces/decode.h"

/* Receptive fields of a scale: the middle of the first, their distance, and half their side. */
typedef struct fields {
    float start, stride, half;
} fields;

static const fields of_five[] = {{3, 4, 10}, {7, 8, 20}, {15, 16, 40}, {31, 32, 80}, {63, 64, 160}};
static const fields of_eight[] = {{3, 4, 7.5f}, {3, 4, 10},    {7, 8, 20},    {7, 8, 35},
                                  {15, 16, 55}, {31, 32, 125}, {31, 32, 200}, {31, 32, 280}};

enum { FEW = sizeof of_five / sizeof *of_five, MANY = sizeof of_eight / sizeof *of_eight };

size_t cafi_lffd_scales(const cafi_onnx_file *file)
{
    if (file->output_count != (size_t)2 * FEW && file->output_count != (size_t)2 * MANY)
        return 0;
    for (size_t i = 0; i < file->output_count; i++) {
        const cafi_onnx_value *v = &file->outputs[i];

        /* extents that the file leaves open are looked at when they are known */
        if (v->ndim > 0 && (v->ndim != 4 || (v->dim[1] > 0 && v->dim[1] != (i % 2 ? 4 : 1))))
            return 0;
    }
    return file->output_count / 2;
}

static caface_status decode_scale(cafi_faces *faces, const fields *f, const cafi_shape *shape,
                                  const float *score, const float *box, float threshold,
                                  caface_error *err)
{
    size_t cols = (size_t)shape->dim[3], plane = (size_t)shape->dim[2] * cols;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < plane; i++) {
        const float *b = box + i;
        float x = f->start + f->stride * (float)(i % cols);
        float y = f->start + f->stride * (float)(i / cols);
        cafi_face face = {.score = score[i]};

        if (!(score[i] >= 0.0f && score[i] <= 1.0f))
            return cafi_fail(err, CAFACE_EMODEL,
                             "a score is %g, one of 0 to 1 is expected: its last step (softmax) is "
                             "not in the file",
                             (double)score[i]);
        if (!(score[i] > threshold))
            continue;
        face.box = (cafi_box){x - f->half * b[0], y - f->half * b[plane],
                              x - f->half * b[2 * plane], y - f->half * b[3 * plane]};
        st = cafi_decode_box(faces, &face, err);
    }
    return st;
}

caface_status cafi_lffd_decode(cafi_faces *faces, size_t scales, const cafi_flexnet_slot *slot,
                               float threshold, caface_error *err)
{
    const fields *all = scales == FEW ? of_five : of_eight;
    caface_status st = CAFACE_OK;

    if (slot->output_count != 2 * scales)
        return cafi_fail(err, CAFACE_EMODEL, "the network has %zu outputs, %zu are expected",
                         slot->output_count, 2 * scales);
    for (size_t s = 0; !st && s < scales; s++) {
        const cafi_shape *score = &slot->shape[2 * s], *box = &slot->shape[2 * s + 1];

        if (score->ndim != 4 || box->ndim != 4 || score->dim[1] != 1 || box->dim[1] != 4 ||
            score->dim[2] != box->dim[2] || score->dim[3] != box->dim[3])
            return cafi_fail(err, CAFACE_EMODEL,
                             "outputs %zu and %zu are no map of scores and one of boxes of its "
                             "size",
                             2 * s, 2 * s + 1);
        st = decode_scale(faces, &all[s], score, slot->output[2 * s], slot->output[2 * s + 1],
                          threshold, err);
    }
    return st;
}
