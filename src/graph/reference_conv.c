/* Definitions of the node types that sum over a window or a row. */
#include <math.h>

#include "graph/reference_internal.h"

typedef struct geometry {
    size_t C, H, W;
    size_t oy, ox;
} geometry;

/* One output of a convolution: channels [first, first + I) of one image. */
static double conv_at(const cafi_window *w, const geometry *g, const float *x, const float *weight,
                      size_t I)
{
    double sum = 0;

    for (size_t i = 0; i < I; i++)
        for (int64_t ky = 0; ky < w->kernel[0]; ky++)
            for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
                int64_t y = (int64_t)g->oy * w->stride[0] - w->pad[0] + ky * w->dilation[0];
                int64_t z = (int64_t)g->ox * w->stride[1] - w->pad[1] + kx * w->dilation[1];

                if (y < 0 || z < 0 || y >= (int64_t)g->H || z >= (int64_t)g->W)
                    continue;
                sum += (double)x[(i * g->H + (size_t)y) * g->W + (size_t)z] *
                       weight[(i * (size_t)w->kernel[0] + (size_t)ky) * (size_t)w->kernel[1] +
                              (size_t)kx];
            }
    return sum;
}

void cafi_reference_conv(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                         float *out)
{
    const cafi_window *w = &node->window;
    geometry g = {cafi_extent(&in->shape, 1), cafi_extent(&in->shape, 2),
                  cafi_extent(&in->shape, 3), 0, 0};
    size_t O = cafi_extent(os, 1);
    size_t I = cafi_extent(&in[1].shape, 1);
    size_t per_group = O / (size_t)w->groups;
    size_t taps = I * (size_t)w->kernel[0] * (size_t)w->kernel[1];

    for (size_t n = 0; n < cafi_extent(os, 0); n++)
        for (size_t o = 0; o < O; o++)
            for (g.oy = 0; g.oy < cafi_extent(os, 2); g.oy++)
                for (g.ox = 0; g.ox < cafi_extent(os, 3); g.ox++) {
                    const float *x = in->data + (n * g.C + o / per_group * I) * g.H * g.W;
                    double bias = node->input_count > 2 ? in[2].data[o] : 0;

                    *out++ = (float)(conv_at(w, &g, x, in[1].data + o * taps, I) + bias);
                }
}

void cafi_reference_gemm(const cafi_array *in, size_t input_count, const cafi_shape *os, float *out)
{
    size_t K = cafi_extent(&in[1].shape, 1);
    size_t O = cafi_extent(os, 1);

    for (size_t n = 0; n < cafi_extent(os, 0); n++)
        for (size_t o = 0; o < O; o++) {
            double sum = input_count > 2 ? in[2].data[o] : 0;

            for (size_t k = 0; k < K; k++)
                sum += (double)in[0].data[n * K + k] * in[1].data[o * K + k];
            out[n * O + o] = (float)sum;
        }
}

/* Where the matrix of output number i lies in an input whose leading extents
 * may be broadcast. */
static size_t matrix_at(const cafi_shape *s, const cafi_shape *os, size_t i)
{
    size_t at = 0;

    for (int d = os->ndim - 3; d >= 0; d--) {
        int own = d - (os->ndim - s->ndim);

        if (own >= 0 && s->dim[own] != 1)
            at += i % cafi_extent(os, d) * cafi_inner(s, own + 1);
        i /= cafi_extent(os, d);
    }
    return at;
}

void cafi_reference_matmul(const cafi_array *in, const cafi_shape *os, float *out)
{
    size_t I = cafi_extent(os, os->ndim - 2);
    size_t J = cafi_extent(os, os->ndim - 1);
    size_t K = cafi_extent(&in[0].shape, in[0].shape.ndim - 1);
    size_t matrices = cafi_inner(os, 0) / (I * J);

    for (size_t m = 0; m < matrices; m++) {
        const float *a = in[0].data + matrix_at(&in[0].shape, os, m);
        const float *b = in[1].data + matrix_at(&in[1].shape, os, m);

        for (size_t i = 0; i < I; i++)
            for (size_t j = 0; j < J; j++) {
                double sum = 0;

                for (size_t k = 0; k < K; k++)
                    sum += (double)a[i * K + k] * b[k * J + j];
                *out++ = (float)sum;
            }
    }
}

/* One window of one channel. */
static float pool_at(const cafi_node *node, const geometry *g, const float *x)
{
    const cafi_window *w = &node->window;
    double sum = 0;
    float best = -INFINITY;
    size_t seen = 0;
    size_t inside = 0;

    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = (int64_t)g->oy * w->stride[0] - w->pad[0] + ky * w->dilation[0];
            int64_t z = (int64_t)g->ox * w->stride[1] - w->pad[1] + kx * w->dilation[1];

            /* What ceil_mode adds beyond the padding is not counted. */
            if (y < (int64_t)g->H + w->pad[2] && z < (int64_t)g->W + w->pad[3])
                inside++;
            if (y < 0 || z < 0 || y >= (int64_t)g->H || z >= (int64_t)g->W)
                continue;
            seen++;
            sum += x[(size_t)y * g->W + (size_t)z];
            if (x[(size_t)y * g->W + (size_t)z] > best)
                best = x[(size_t)y * g->W + (size_t)z];
        }
    if (node->op == CAFI_OP_MAXPOOL)
        return best;
    seen = w->count_pad ? inside : seen;
    return seen ? (float)(sum / (double)seen) : 0;
}

void cafi_reference_pool(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                         float *out)
{
    geometry g = {cafi_extent(&in->shape, 1), cafi_extent(&in->shape, 2),
                  cafi_extent(&in->shape, 3), 0, 0};

    for (size_t plane = 0; plane < cafi_extent(os, 0) * g.C; plane++)
        for (g.oy = 0; g.oy < cafi_extent(os, 2); g.oy++)
            for (g.ox = 0; g.ox < cafi_extent(os, 3); g.ox++)
                *out++ = pool_at(node, &g, in->data + plane * g.H * g.W);
}

/* Adds one value to what a reduction has so far. */
static double accumulate(cafi_op op, double so_far, float x)
{
    if (op == CAFI_OP_REDUCE_MAX)
        return x > so_far ? x : so_far;
    return so_far + (op == CAFI_OP_REDUCE_L2 ? (double)x * x : (double)x);
}

static float reduce_at(const cafi_node *node, const cafi_array *in, size_t kept_index)
{
    const cafi_shape *s = &in->shape;
    size_t start = 0;
    size_t count = 1;
    double value = node->op == CAFI_OP_REDUCE_MAX ? -INFINITY : 0;

    for (int d = s->ndim - 1; d >= 0; d--) {
        if (node->axes >> d & 1u) {
            count *= cafi_extent(s, d);
            continue;
        }
        start += kept_index % cafi_extent(s, d) * cafi_inner(s, d + 1);
        kept_index /= cafi_extent(s, d);
    }
    for (size_t i = 0; i < count; i++) {
        size_t rest = i;
        size_t at = start;

        for (int d = s->ndim - 1; d >= 0; d--)
            if (node->axes >> d & 1u) {
                at += rest % cafi_extent(s, d) * cafi_inner(s, d + 1);
                rest /= cafi_extent(s, d);
            }
        value = accumulate(node->op, value, in->data[at]);
    }
    if (node->op == CAFI_OP_REDUCE_MEAN)
        value /= (double)count;
    return (float)(node->op == CAFI_OP_REDUCE_L2 ? sqrt(value) : value);
}

void cafi_reference_reduce(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out)
{
    size_t total = cafi_inner(os, 0);

    for (size_t i = 0; i < total; i++)
        out[i] = reduce_at(node, in, i);
}

void cafi_reference_softmax(const cafi_node *node, const cafi_array *in, float *out)
{
    size_t n = cafi_extent(&in->shape, node->axis);
    size_t inner = cafi_inner(&in->shape, node->axis + 1);
    size_t outer = cafi_inner(&in->shape, 0) / (n * inner);

    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            const float *x = in->data + o * n * inner + i;
            float *y = out + o * n * inner + i;
            float top = -INFINITY;
            double sum = 0;

            for (size_t k = 0; k < n; k++)
                top = x[k * inner] > top ? x[k * inner] : top;
            for (size_t k = 0; k < n; k++)
                sum += exp((double)x[k * inner] - top);
            for (size_t k = 0; k < n; k++)
                y[k * inner] = (float)(exp((double)x[k * inner] - top) / sum);
        }
}

void cafi_reference_style(const cafi_array *in, float *out)
{
    size_t n = cafi_inner(&in->shape, 2);
    size_t planes = cafi_extent(&in->shape, 0) * cafi_extent(&in->shape, 1);

    for (size_t p = 0; p < planes; p++) {
        const float *x = in->data + p * n;
        double mean = 0;
        double square = 0;

        for (size_t i = 0; i < n; i++)
            mean += x[i];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++)
            square += (x[i] - mean) * (x[i] - mean);
        out[2 * p] = (float)mean;
        out[2 * p + 1] = n > 1 ? (float)sqrt(square / (double)(n - 1)) : 0;
    }
}
