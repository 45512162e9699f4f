/* Weights with everything folded in, and the bias of the borders. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/program.h"

void cafi_border_free(cafi_border *border)
{
    if (!border)
        return;
    free(border->row_class);
    free(border->column_class);
    free(border->values);
    free(border);
}

/* The kernel taps [*first, *last) of an axis that fall inside the map. */
static void inside(const cafi_window *w, int axis, size_t o, int64_t size, int64_t *first,
                   int64_t *last)
{
    int64_t at = (int64_t)o * w->stride[axis] - w->pad[axis];

    *first = 0;
    *last = w->kernel[axis];
    while (*first < *last && at + *first * w->dilation[axis] < 0)
        ++*first;
    while (*last > *first && at + (*last - 1) * w->dilation[axis] >= size)
        --*last;
}

/* Classes of an axis: positions whose taps inside the map are the same; class 0
 * has all of them. At most kernel^2 / 2 + 1 classes. */
static size_t classify(const cafi_window *w, int axis, size_t count, int64_t size,
                       unsigned char *classes)
{
    size_t known = 1;

    for (size_t o = 0; o < count; o++) {
        int64_t first = 0;
        int64_t last = 0;
        size_t same = o;

        inside(w, axis, o, size, &first, &last);
        if (first == 0 && last == w->kernel[axis]) {
            classes[o] = 0;
            continue;
        }
        for (size_t k = 0; k < o; k++) {
            int64_t f = 0;
            int64_t l = 0;

            inside(w, axis, k, size, &f, &l);
            if (f == first && l == last) {
                same = k;
                break;
            }
        }
        classes[o] = same < o ? classes[same] : (unsigned char)known++;
    }
    return known;
}

caface_status cafi_border_new(cafi_border **out, const cafi_ir *ir, const cafi_ir_node *node,
                              size_t padded, caface_error *err)
{
    const cafi_window *w = &node->node.window;
    const cafi_shape *in = &ir->nodes[node->inputs[0]].node.shape;
    cafi_border *b = NULL;
    size_t cells = 0;
    caface_status st = CAFI_NEW(&b, 1, err);

    *out = NULL;
    if (st)
        return st;
    b->padded = padded;
    b->height = (size_t)node->node.shape.dim[2];
    b->width = (size_t)node->node.shape.dim[3];
    if (w->kernel[0] > 15 || w->kernel[1] > 15)
        st = cafi_fail(err, CAFACE_ELIMIT, "%s: kernel [%lld,%lld] behind a BatchNorm, at most 15",
                       node->node.name, (long long)w->kernel[0], (long long)w->kernel[1]);
    if (!st)
        st = CAFI_NEW(&b->row_class, b->height, err);
    if (!st)
        st = CAFI_NEW(&b->column_class, b->width, err);
    if (!st) {
        b->row_classes = classify(w, 0, b->height, in->dim[2], b->row_class);
        b->column_classes = classify(w, 1, b->width, in->dim[3], b->column_class);
        if (!cafi_mul_size(b->row_classes * b->column_classes, padded, &cells))
            st = cafi_fail_memory(err, padded);
    }
    if (!st)
        st = CAFI_NEW(&b->values, cells, err);
    if (st) {
        cafi_border_free(b);
        return st;
    }
    *out = b;
    return CAFACE_OK;
}

/* The sum of taps over the part of the kernel that lies inside the map. */
static double tap_sum(const double *taps, const cafi_window *w, const int64_t rows[2],
                      const int64_t columns[2])
{
    double sum = 0;

    for (int64_t y = rows[0]; y < rows[1]; y++)
        for (int64_t x = columns[0]; x < columns[1]; x++)
            sum += taps[y * w->kernel[1] + x];
    return sum;
}

/* What channel o's border positions add: their own bias less the interior's. */
static void fill_border(cafi_border *b, const cafi_window *w, const cafi_shape *in,
                        const double *taps, double scale, size_t o, size_t padded)
{
    const int64_t all_rows[2] = {0, w->kernel[0]};
    const int64_t all_columns[2] = {0, w->kernel[1]};
    double interior = tap_sum(taps, w, all_rows, all_columns);

    for (size_t y = 0; y < b->height; y++) {
        int64_t rows[2];

        inside(w, 0, y, in->dim[2], &rows[0], &rows[1]);
        /* Only the first position of a class has to be computed. */
        if (y && memchr(b->row_class, b->row_class[y], y))
            continue;
        for (size_t x = 0; x < b->width; x++) {
            int64_t columns[2];
            size_t cell = b->row_class[y] * b->column_classes + b->column_class[x];

            if (x && memchr(b->column_class, b->column_class[x], x))
                continue;
            inside(w, 1, x, in->dim[3], &columns[0], &columns[1]);
            b->values[cell * padded + o] =
                (float)(scale * (tap_sum(taps, w, rows, columns) - interior));
        }
    }
}

typedef struct weight_shape {
    size_t O, I, taps;     /* I inputs of an output, kernel positions */
    size_t per_channel;    /* columns of a matrix that belong to one channel of its input */
    size_t outs_per_group; /* of a grouped convolution */
} weight_shape;

static weight_shape shape_of(const cafi_ir *ir, const cafi_ir_node *node)
{
    const cafi_shape *w = &cafi_graph_node(ir->graph, node->weight)->shape;
    weight_shape s = {(size_t)w->dim[0], (size_t)w->dim[1], 1, 1, (size_t)w->dim[0]};

    if (node->op == CAFI_OP_CONV) {
        s.taps = (size_t)(w->dim[2] * w->dim[3]);
        s.outs_per_group = s.O / (size_t)node->node.window.groups;
    } else {
        s.per_channel = s.I / cafi_ir_channels(&ir->nodes[node->inputs[0]]);
    }
    return s;
}

/* One output channel: scales its weights in place and sums what the shift of
 * the input gives, by kernel position. */
static void fold_channel(const cafi_ir_node *node, const weight_shape *s, size_t o, float *w,
                         double *taps)
{
    double out = node->scale_out ? node->scale_out[o] : 1;
    size_t first = o / s->outs_per_group * s->I;

    memset(taps, 0, s->taps * sizeof *taps);
    for (size_t i = 0; i < s->I; i++) {
        size_t c = (first + i) / s->per_channel;
        double in = node->scale_in ? node->scale_in[c] : 1;
        double shift = node->shift_in ? node->shift_in[c] : 0;

        for (size_t k = 0; k < s->taps; k++) {
            taps[k] += w[i * s->taps + k] * shift;
            w[i * s->taps + k] = (float)(w[i * s->taps + k] * in * out);
        }
    }
}

caface_status cafi_fold_weights(const cafi_ir *ir, const cafi_ir_node *node, float **weights,
                                float **bias, cafi_border *border, caface_error *err)
{
    weight_shape s = shape_of(ir, node);
    double *taps = NULL;
    caface_status st = cafi_graph_read(ir->graph, node->weight, weights, err);

    *bias = NULL;
    if (!st)
        st = cafi_alloc_f32(bias, 1, s.O, err);
    if (!st)
        st = CAFI_NEW(&taps, s.taps, err);
    for (size_t o = 0; !st && o < s.O; o++) {
        double scale = node->scale_out ? node->scale_out[o] : 1;
        double sum = 0;

        fold_channel(node, &s, o, *weights + o * s.I * s.taps, taps);
        for (size_t k = 0; k < s.taps; k++)
            sum += taps[k];
        (*bias)[o] = (float)(scale * sum + (node->shift_out ? node->shift_out[o] : 0));
        if (border)
            fill_border(border, &node->node.window, &ir->nodes[node->inputs[0]].node.shape, taps,
                        scale, o, border->padded);
    }
    free(taps);
    if (st) {
        free(*weights);
        free(*bias);
        *weights = *bias = NULL;
    }
    return st;
}
