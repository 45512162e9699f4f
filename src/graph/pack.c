/* Weights into oneDNN's hands. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "graph/program.h"

/* Per output channel: w / scale rounded to s8, scale = largest |w| / 127. */
static caface_status quantise(const float *weights, size_t O, size_t row, int8_t **out,
                              float **scales, caface_error *err)
{
    caface_status st = cafi_alloc((void **)out, O, row, err);

    if (!st)
        st = cafi_alloc_f32(scales, 1, O, err);
    for (size_t o = 0; !st && o < O; o++) {
        const float *w = weights + o * row;
        float top = 0;

        for (size_t i = 0; i < row; i++)
            top = fabsf(w[i]) > top ? fabsf(w[i]) : top;
        (*scales)[o] = top > 1e-20f ? top / 127 : 1;
        for (size_t i = 0; i < row; i++)
            (*out)[o * row + i] = (int8_t)lrintf(w[i] / (*scales)[o]);
    }
    return st;
}

static caface_status pack_part(cafi_step *s, cafi_dnn *dnn, size_t part, const void *weights,
                               size_t row_bytes, const float *bias, const float *scales,
                               caface_error *err)
{
    cafi_dnn_spec spec = s->spec;
    size_t first = part * spec.out_channels;

    spec.name = s->name;
    spec.bias = bias + first;
    spec.scales = scales ? scales + first : NULL;
    return cafi_dnn_op_new(&s->op[part], dnn, &spec,
                           (const unsigned char *)weights + first * row_bytes, err);
}

caface_status cafi_pack_step(cafi_program *program, size_t step, const cafi_ir *ir, cafi_dnn *dnn,
                             caface_error *err)
{
    cafi_step *s = &program->steps[step];
    const cafi_ir_node *node = &ir->nodes[s->ir];
    size_t O = s->spec.out_channels * s->parts;
    float *weights = NULL;
    float *bias = NULL;
    float *scales = NULL;
    int8_t *small = NULL;
    size_t row = 0;
    caface_status st = CAFACE_OK;

    if (s->kind != CAFI_STEP_DNN)
        return CAFACE_OK;
    st = cafi_fold_weights(ir, node, &weights, &bias, s->border, err);
    if (st)
        return st;
    cafi_shape_count(&cafi_graph_node(ir->graph, node->weight)->shape, 0, &row);
    row /= O;
    if (s->spec.src == CAFI_ELEM_S8) {
        st = quantise(weights, O, row, &small, &scales, err);
        for (size_t o = 0; !st && o < O; o++)
            scales[o] *= s->quantum;
    }
    for (size_t k = 0; !st && k < s->parts; k++)
        st = pack_part(s, dnn, k, small ? (const void *)small : weights,
                       row * (small ? 1 : sizeof(float)), bias, scales, err);
    free(weights);
    free(bias);
    free(scales);
    free(small);
    return st;
}
