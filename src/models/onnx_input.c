#include "models/onnx_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A constant of more numbers belongs to a layer. */
#define MAX_NUMBERS ((size_t)1 << 16)

/* y = scale x + shift, of the steps so far; a constant that differs by channel
 * counts with its mean. */
typedef struct steps {
    double scale, shift;
    size_t count;
} steps;

static caface_status mean_of(const cafi_graph *g, size_t node, double *out, bool *known,
                             caface_error *err)
{
    float *values = NULL;
    size_t n = 0;
    caface_status st = CAFACE_OK;

    *out = 0;
    *known = cafi_graph_node(g, node)->op == CAFI_OP_CONSTANT &&
             cafi_shape_count(&cafi_graph_node(g, node)->shape, 1, &n) && n > 0 && n <= MAX_NUMBERS;
    if (!*known || (st = cafi_graph_read(g, node, &values, err)))
        return st;
    for (size_t i = 0; i < n; i++)
        *out += (double)values[i] / (double)n;
    *known = isfinite(*out);
    free(values);
    return CAFACE_OK;
}

/* Channels that are taken apart and joined again: a CONCAT of slices of `at` alone. */
static bool joins_slices(const cafi_graph *g, const cafi_node *n, size_t at)
{
    if (n->op != CAFI_OP_CONCAT)
        return false;
    for (size_t k = 0; k < n->input_count; k++) {
        const cafi_node *part = cafi_graph_node(g, n->inputs[k]);

        if (part->op != CAFI_OP_SLICE || part->inputs[0] != at)
            return false;
    }
    return true;
}

/* Does the node give all the values of `at`, in other places? A resize mixes neighbours,
 * which is as good. */
static bool only_moves(const cafi_graph *g, const cafi_node *n, size_t at)
{
    size_t before = 0, after = 0;

    if (n->op == CAFI_OP_IDENTITY || n->op == CAFI_OP_TRANSPOSE || n->op == CAFI_OP_RESHAPE ||
        n->op == CAFI_OP_RESIZE)
        return true;
    if (n->op != CAFI_OP_SLICE)
        return joins_slices(g, n, at);
    return cafi_shape_count(&cafi_graph_node(g, at)->shape, 1, &before) &&
           cafi_shape_count(&n->shape, 1, &after) && before == after;
}

/* A convolution of 1 x 1 that scales each channel by itself, or swaps channels: one weight
 * of each row and column that is not 0, *scale and *shift their means. */
static caface_status pointwise(const cafi_graph *g, const cafi_node *n, double *scale,
                               double *shift, bool *taken, caface_error *err)
{
    const cafi_shape *w = &cafi_graph_node(g, n->inputs[1])->shape;
    float *values = NULL;
    size_t in = w->ndim == 4 ? (size_t)w->dim[1] : 0;
    caface_status st = CAFACE_OK;

    *scale = *shift = 0;
    *taken = cafi_graph_node(g, n->inputs[1])->op == CAFI_OP_CONSTANT && w->ndim == 4 &&
             w->dim[0] == 3 && w->dim[2] == 1 && w->dim[3] == 1 && n->window.stride[0] == 1 &&
             n->window.stride[1] == 1 && (in == 1 || in == 3);
    for (int i = 0; i < 4; i++)
        *taken = *taken && n->window.pad[i] == 0;
    if (!*taken || (st = cafi_graph_read(g, n->inputs[1], &values, err)))
        return st;
    for (size_t row = 0; row < 3; row++) {
        size_t in_row = 0, in_column = 0;

        for (size_t k = 0; k < in; k++) {
            in_row += values[row * in + k] != 0;
            *scale += (double)values[row * in + k] / 3;
        }
        for (size_t k = 0; in == 3 && k < 3; k++)
            in_column += values[k * 3 + row] != 0;
        *taken = *taken && in_row == 1 && (in == 1 || in_column == 1);
    }
    free(values);
    if (*taken && n->input_count > 2)
        st = mean_of(g, n->inputs[2], shift, taken, err);
    return st;
}

/* Takes node into the steps; *taken is false when it is no such step. */
static caface_status step(const cafi_graph *g, const cafi_node *n, size_t at, steps *s, bool *taken,
                          caface_error *err)
{
    bool first = n->inputs[0] == at;
    double a = 0;
    double b = 0;
    caface_status st = CAFACE_OK;

    *taken = true;
    if (only_moves(g, n, at))
        return CAFACE_OK;
    if (n->op == CAFI_OP_CONV) {
        st = pointwise(g, n, &a, &b, taken, err);
        if (!st && *taken)
            *s = (steps){a * s->scale, a * s->shift + b, s->count + 1};
        return st;
    }
    if (n->op == CAFI_OP_AFFINE) {
        bool known = false;

        st = mean_of(g, n->inputs[1], &a, taken, err);
        if (!st && *taken)
            st = mean_of(g, n->inputs[2], &b, &known, err);
        *taken = *taken && known;
        if (*taken)
            *s = (steps){a * s->scale, a * s->shift + b, s->count + 1};
        return st;
    }
    if (n->input_count != 2 || (n->op != CAFI_OP_ADD && n->op != CAFI_OP_SUB &&
                                n->op != CAFI_OP_MUL && n->op != CAFI_OP_DIV)) {
        *taken = false;
        return CAFACE_OK;
    }
    st = mean_of(g, n->inputs[first ? 1 : 0], &b, taken, err);
    if (st || !*taken)
        return st;
    if (n->op == CAFI_OP_ADD)
        *s = (steps){s->scale, s->shift + b, s->count + 1};
    else if (n->op == CAFI_OP_SUB)
        *s = first ? (steps){s->scale, s->shift - b, s->count + 1}
                   : (steps){-s->scale, b - s->shift, s->count + 1};
    else if (n->op == CAFI_OP_MUL)
        *s = (steps){s->scale * b, s->shift * b, s->count + 1};
    else if (first && b != 0)
        *s = (steps){s->scale / b, s->shift / b, s->count + 1};
    else
        *taken = false;
    return CAFACE_OK;
}

static caface_status follow(const cafi_graph *g, size_t input, steps *out, caface_error *err)
{
    size_t at = input;

    *out = (steps){1, 0, 0};
    for (size_t i = input + 1; i < cafi_graph_count(g); i++) {
        const cafi_node *n = cafi_graph_node(g, i);
        bool reads = joins_slices(g, n, at);
        bool taken = false;
        caface_status st = CAFACE_OK;

        for (size_t k = 0; k < n->input_count; k++)
            reads |= n->inputs[k] == at;
        if (!reads || (n->op == CAFI_OP_SLICE && !only_moves(g, n, at)))
            continue;
        st = step(g, n, at, out, &taken, err);
        if (st || !taken)
            return st;
        at = i;
    }
    return CAFACE_OK;
}

/* How far [low, high] after the steps is from -1..1: off the middle, too wide
 * or too narrow. */
static double strangeness(const steps *s, double low, double high)
{
    double a = s->scale * low + s->shift;
    double b = s->scale * high + s->shift;
    double half = fabs(b - a) / 2;

    return half > 0 ? fabs(a + b) / (2 * half) + fabs(log(half)) : HUGE_VAL;
}

static void set_input(cafi_network *net, float mean, float scale, const char *from)
{
    snprintf(net->input_from, sizeof net->input_from, "%s", from);
    for (int c = 0; c < 3; c++) {
        net->input.mean[c] = mean;
        net->input.scale[c] = scale;
    }
}

static bool has_node(const cafi_onnx_file *file, const char *part)
{
    for (size_t i = 0; i < file->node_count; i++)
        if (strstr(file->nodes[i].name, part))
            return true;
    return false;
}

static void choose(cafi_network *net, const steps *s)
{
    double bytes = strangeness(s, 0, 255);
    double unit = strangeness(s, 0, 1);
    double around = strangeness(s, -1, 1);

    if (bytes <= unit && bytes <= around)
        set_input(net, 0, 1, "the graph, which scales 0..255 itself");
    else if (unit < around)
        set_input(net, 0, 1 / 255.0f, "the graph, which scales 0..1 itself");
    else
        set_input(net, 127.5f, 1 / 127.5f, "custom: the graph scales -1..1 on");
}

caface_status cafi_onnx_find_input(cafi_network *net, const cafi_onnx_file *file,
                                   const cafi_onnx_graph *g, caface_error *err)
{
    /* torchvision's means and deviations, which this MobileFaceNet was trained
     * with, in units of 0..255 */
    static const float mean[3] = {0.485f * 255, 0.456f * 255, 0.406f * 255};
    static const float deviation[3] = {0.229f * 255, 0.224f * 255, 0.225f * 255};
    bool mobile = has_node(file, "/features/features.4/") && has_node(file, "/gdconv/");
    steps s;
    caface_status st = follow(g->graph, g->input, &s, err);

    if (st)
        return st;
    snprintf(net->family, sizeof net->family, "%s", mobile ? "mobilefacenet" : "onnx");
    net->input = (cafi_input_convention){.height = g->height, .width = g->width};
    if (s.count) {
        choose(net, &s);
        return CAFACE_OK;
    }
    set_input(net, 127.5f, 1 / 127.5f, "custom: the file says nothing");
    if (mobile) {
        set_input(net, 0, 1, "custom of this network (ImageNet's mean, std)");
        for (int c = 0; c < 3; c++) {
            net->input.mean[c] = mean[c];
            net->input.scale[c] = 1 / deviation[c];
        }
    }
    return CAFACE_OK;
}
