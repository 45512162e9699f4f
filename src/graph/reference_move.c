/* Definitions of the node types that move values without computing. */
#include <math.h>
#include <string.h>

#include "graph/reference_internal.h"

void cafi_reference_transpose(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                              float *out)
{
    size_t total = cafi_inner(os, 0);

    for (size_t i = 0; i < total; i++) {
        size_t rest = i;
        size_t at = 0;

        for (int d = os->ndim - 1; d >= 0; d--) {
            at += rest % cafi_extent(os, d) * cafi_inner(&in->shape, node->perm[d] + 1);
            rest /= cafi_extent(os, d);
        }
        out[i] = in->data[at];
    }
}

void cafi_reference_concat(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out)
{
    size_t row = cafi_inner(os, node->axis);
    size_t outer = cafi_inner(os, 0) / row;

    for (size_t k = 0; k < node->input_count; k++) {
        size_t part = cafi_inner(&in[k].shape, node->axis);

        for (size_t o = 0; o < outer; o++)
            memcpy(out + o * row, in[k].data + o * part, part * sizeof(float));
        out += part;
    }
}

void cafi_reference_slice(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                          float *out)
{
    size_t total = cafi_inner(os, 0);

    for (size_t i = 0; i < total; i++) {
        size_t rest = i;
        size_t at = 0;

        for (int d = os->ndim - 1; d >= 0; d--) {
            int64_t k = node->start[d] + (int64_t)(rest % cafi_extent(os, d)) * node->step[d];

            at += (size_t)k * cafi_inner(&in->shape, d + 1);
            rest /= cafi_extent(os, d);
        }
        out[i] = in->data[at];
    }
}

/* A position over the scale. Where the scale is the ratio of the sizes it is
 * taken exactly: a position that falls on a whole number must not be rounded
 * down from just below it. */
static double unscale(double position, float scale, size_t from, size_t to)
{
    return scale == (float)to / (float)from ? position * (double)from / (double)to
                                            : position / (double)scale;
}

/* Where output o of one axis comes from, before rounding. */
static double source_of(const cafi_node *node, int axis, size_t o, size_t from, size_t to)
{
    float scale = node->resize_scale[axis];

    switch (node->resize_from) {
    case CAFI_ASYMMETRIC:
        return unscale((double)o, scale, from, to);
    case CAFI_ALIGN_CORNERS:
        return to == 1 ? 0 : (double)o * (double)(from - 1) / (double)(to - 1);
    case CAFI_PYTORCH_HALF_PIXEL:
        if (to == 1)
            return 0;
        return unscale((double)o + 0.5, scale, from, to) - 0.5;
    default:
        return unscale((double)o + 0.5, scale, from, to) - 0.5;
    }
}

static double clamp(double x, double hi)
{
    return x < 0 ? 0 : x > hi ? hi : x;
}

static size_t nearest(const cafi_node *node, double x, size_t size)
{
    double r = 0;

    switch (node->resize_round) {
    case CAFI_ROUND_FLOOR:
        r = floor(x);
        break;
    case CAFI_ROUND_CEIL:
        r = ceil(x);
        break;
    case CAFI_ROUND_PREFER_CEIL:
        r = floor(x + 0.5);
        break;
    default:
        r = ceil(x - 0.5);
    }
    return (size_t)clamp(r, (double)size - 1);
}

cafi_resize_place cafi_resize_place_of(const cafi_node *node, int axis, size_t o, size_t from,
                                       size_t to)
{
    double at = source_of(node, axis, o, from, to), x = clamp(at, (double)from - 1);
    cafi_resize_place p = {.low = (size_t)x};

    if (node->resize_mode == CAFI_RESIZE_NEAREST) {
        p.low = p.high = nearest(node, at, from);
        return p;
    }
    p.high = p.low + 1 < from ? p.low + 1 : p.low;
    p.part = x - (double)p.low;
    return p;
}

static float resize_at(const float *x, size_t W, cafi_resize_place y, cafi_resize_place z)
{
    return (float)((1 - y.part) *
                       ((1 - z.part) * x[y.low * W + z.low] + z.part * x[y.low * W + z.high]) +
                   y.part *
                       ((1 - z.part) * x[y.high * W + z.low] + z.part * x[y.high * W + z.high]));
}

void cafi_reference_resize(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out)
{
    size_t H = cafi_extent(&in->shape, 2);
    size_t W = cafi_extent(&in->shape, 3);
    size_t OH = cafi_extent(os, 2);
    size_t OW = cafi_extent(os, 3);
    size_t planes = cafi_extent(os, 0) * cafi_extent(os, 1);

    for (size_t p = 0; p < planes; p++)
        for (size_t y = 0; y < OH; y++)
            for (size_t x = 0; x < OW; x++)
                *out++ = resize_at(in->data + p * H * W, W, cafi_resize_place_of(node, 0, y, H, OH),
                                   cafi_resize_place_of(node, 1, x, W, OW));
}

/* The input's index behind output index o of one axis; -1 for the constant. */
static int64_t pad_source(const cafi_node *node, int axis, int64_t o, int64_t size)
{
    int64_t i = o - node->start[axis];

    if (i >= 0 && i < size)
        return i;
    if (node->pad_mode == CAFI_PAD_CONSTANT)
        return -1;
    if (node->pad_mode == CAFI_PAD_EDGE)
        return i < 0 ? 0 : size - 1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

/* The input's row behind one of the output, rows counted over all axes but the last; NULL: all of
 * it is the constant. */
static const float *pad_row(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                            size_t row)
{
    size_t at = 0;

    for (int d = os->ndim - 2; d >= 0; d--) {
        int64_t k = pad_source(node, d, (int64_t)(row % cafi_extent(os, d)), in->shape.dim[d]);

        if (k < 0)
            return NULL;
        at += (size_t)k * cafi_inner(&in->shape, d + 1);
        row /= cafi_extent(os, d);
    }
    return in->data + at;
}

/* What lies beside the input in places [begin, end) of a row of the output. */
static void pad_border(const cafi_node *node, const cafi_array *in, const float *from,
                       int64_t begin, int64_t end, float *out)
{
    int last = in->shape.ndim - 1;

    for (int64_t x = begin; x < end; x++) {
        int64_t k = from ? pad_source(node, last, x, in->shape.dim[last]) : -1;

        out[x] = k < 0 ? node->alpha : from[k];
    }
}

void cafi_reference_pad(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                        float *out)
{
    int last = os->ndim - 1;
    int64_t size = last < 0 ? 1 : in->shape.dim[last], width = last < 0 ? 1 : os->dim[last];
    int64_t start = last < 0 ? 0 : node->start[last];
    size_t rows = width > 0 ? cafi_inner(os, 0) / (size_t)width : 0;

    for (size_t r = 0; r < rows; r++, out += width) {
        const float *from = pad_row(node, in, os, r);
        int64_t middle = from ? start : width, end = from ? start + size : width;

        pad_border(node, in, from, 0, middle, out);
        if (from && size > 0)
            memcpy(out + start, from, (size_t)size * sizeof *out);
        pad_border(node, in, from, end, width, out);
    }
}
