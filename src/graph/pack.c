/* Weights into oneDNN's hands. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "graph/parts.h"

typedef struct weight_shape {
    size_t O, I, taps;
} weight_shape;

static weight_shape shape_of(const cafi_ir *ir, const cafi_ir_node *node)
{
    const cafi_shape *w = &cafi_graph_node(ir->graph, node->weight)->shape;

    return (weight_shape){(size_t)w->dim[0], (size_t)w->dim[1],
                          w->ndim == 4 ? (size_t)(w->dim[2] * w->dim[3]) : 1};
}

/* Per output channel: w quanta / scale rounded to s8, scale = largest / 127. */
static caface_status quantise(float *weights, const weight_shape *n, const float *quanta,
                              int8_t **out, float **scales, caface_error *err)
{
    size_t row = n->I * n->taps;
    caface_status st = cafi_alloc(out, n->O, row, err);

    if (!st)
        st = cafi_alloc_f32(scales, 1, n->O, err);
    for (size_t o = 0; !st && o < n->O; o++) {
        float *w = weights + o * row;
        float top = 0;

        for (size_t i = 0; i < row; i++) {
            w[i] *= quanta[i / n->taps];
            top = fabsf(w[i]) > top ? fabsf(w[i]) : top;
        }
        (*scales)[o] = top > 1e-30f ? top / 127 : 1;
        for (size_t i = 0; i < row; i++)
            (*out)[o * row + i] = (int8_t)lrintf(w[i] / (*scales)[o]);
    }
    return st;
}

/* The largest weight that meets each input channel, for calibration. */
static caface_status measure(cafi_plan_op *s, const float *weights, const weight_shape *n,
                             caface_error *err)
{
    caface_status st = CAFI_NEW(&s->weight_top, n->I, err);

    for (size_t k = 0; !st && k < n->O * n->I * n->taps; k++) {
        size_t i = k / n->taps % n->I;

        s->weight_top[i] = fmaxf(s->weight_top[i], fabsf(weights[k]));
    }
    return st;
}

static caface_status pack_part(cafi_plan_op *s, cafi_dnn *dnn, size_t part, const void *weights,
                               size_t row_bytes, const float *bias, const float *scales,
                               caface_error *err)
{
    cafi_part p = cafi_part_of(s, part);

    p.spec.name = s->name;
    p.spec.bias = bias + p.channel;
    p.spec.scales = scales ? scales + p.channel : NULL;
    return cafi_dnn_op_new(&s->op[part], dnn, &p.spec,
                           (const unsigned char *)weights + p.channel * row_bytes, err);
}

caface_status cafi_step_weights_new(cafi_step_weights *out, const cafi_plan_op *s,
                                    const cafi_ir *ir, caface_error *err)
{
    const cafi_ir_node *node = &ir->nodes[s->ir];
    weight_shape n = shape_of(ir, node);
    caface_status st = CAFACE_OK;

    *out = (cafi_step_weights){.row = n.I * n.taps};
    st = cafi_fold_weights(ir, node, &out->weights, &out->bias, s->border, err);
    if (!st && s->spec.src == CAFI_ELEM_S8)
        st = quantise(out->weights, &n, s->quanta, &out->small, &out->scales, err);
    if (st)
        cafi_step_weights_clear(out);
    return st;
}

void cafi_step_weights_clear(cafi_step_weights *w)
{
    free(w->weights);
    free(w->bias);
    free(w->small);
    free(w->scales);
    *w = (cafi_step_weights){0};
}

static caface_status pack_own(cafi_plan_op *s, const cafi_ir *ir, caface_error *err)
{
    const float *slope = s->prelu == CAFI_NO_NODE ? NULL : ir->nodes[s->prelu].slope;
    cafi_step_weights w;
    caface_status st = cafi_step_weights_new(&w, s, ir, err);

    free(s->parameters);
    s->parameters = NULL;
    if (!st && s->kind == CAFI_STEP_POINTWISE)
        st = cafi_pointwise_pack(&s->parameters, &s->pointwise, w.weights, w.bias, slope, err);
    else if (!st)
        st = cafi_lines_pack(&s->parameters, &s->lines, cafi_lines_kernels_get(), w.weights, w.bias,
                             slope, err);
    cafi_step_weights_clear(&w);
    return st;
}

caface_status cafi_pack_step(cafi_program *program, size_t step, const cafi_ir *ir, cafi_dnn *dnn,
                             caface_error *err)
{
    cafi_plan_op *s = &program->steps[step];
    cafi_step_weights w;
    weight_shape n;
    caface_status st = CAFACE_OK;

    if (s->kind == CAFI_STEP_LINES || s->kind == CAFI_STEP_POINTWISE)
        return pack_own(s, ir, err);
    if (s->kind != CAFI_STEP_DNN)
        return CAFACE_OK;
    for (size_t k = 0; k < CAFI_PARTS; k++) {
        cafi_dnn_op_free(s->op[k]);
        s->op[k] = NULL;
    }
    st = cafi_step_weights_new(&w, s, ir, err);
    if (st)
        return st;
    n = shape_of(ir, &ir->nodes[s->ir]);
    if (s->measured && !s->weight_top)
        st = measure(s, w.weights, &n, err);
    for (size_t k = 0; !st && k < s->parts; k++)
        st = pack_part(s, dnn, k, w.small ? (const void *)w.small : w.weights,
                       w.row * (w.small ? 1 : sizeof(float)), w.bias, w.scales, err);
    cafi_step_weights_clear(&w);
    return st;
}
