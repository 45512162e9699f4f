/* Planes made larger: Pad, Resize, Upsample. */
#include <math.h>
#include <string.h>

#include "onnx/build.h"

/* ---- Pad --------------------------------------------------------------- */

enum { MAX_PAD = 1 << 14 };

/* pads (begins, then ends, of `axes` or of all) onto the graph's axes. */
static caface_status place_pads(const cafi_onnx_node *n, const cafi_slot *x, int rank,
                                const int64_t *pads, const int64_t *axes, size_t count,
                                cafi_node *node, caface_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int64_t before = pads[i];
        int64_t after = pads[count + i];
        int a = 0;
        caface_status st = cafi_onnx_check_axis(n, axes ? axes[i] : (int64_t)i, rank, &a, err);

        if (st)
            return st;
        if (before < 0 || after < 0 || before > MAX_PAD || after > MAX_PAD)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "pads %lld and %lld; 0 to %d are "
                                  "supported",
                                  (long long)before, (long long)after, MAX_PAD);
        if (a == x->place.axis && !before && !after)
            continue;
        if (a == x->place.axis)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "it pads the batch");
        node->start[cafi_onnx_axis(x, a)] = before;
        node->step[cafi_onnx_axis(x, a)] = after;
    }
    return CAFACE_OK;
}

static caface_status pad_value(cafi_onnx_build *b, const cafi_onnx_node *n, float *out,
                               caface_error *err)
{
    const cafi_tensor *t = NULL;
    caface_status st = cafi_onnx_float(n, "value", 0, out, err);

    if (st || cafi_onnx_find(n, "value") || (st = cafi_onnx_const_in(b, n, 2, &t, err)) || !t)
        return st;
    if (cafi_tensor_count(t) != 1)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "a value of %zu numbers",
                              cafi_tensor_count(t));
    cafi_tensor_read_f32(t, 0, 1, out);
    return CAFACE_OK;
}

static caface_status do_pad(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, x).ndim;
    cafi_node node = {.op = CAFI_OP_PAD, .input_count = 1};
    int64_t pads[2 * CAFI_MAX_DIMS] = {0};
    int64_t axes[CAFI_MAX_DIMS] = {0};
    size_t count = 0;
    size_t axis_count = 0;
    bool given = false;
    bool some = false;
    const char *mode = NULL;
    size_t out = 0;
    caface_status st =
        cafi_onnx_list(b, n, "pads", 1, pads, 2 * CAFI_MAX_DIMS, &count, &given, err);

    if (st || (st = cafi_onnx_text(n, "mode", "constant", &mode, err)) ||
        (st = pad_value(b, n, &node.alpha, err)) ||
        (st = cafi_onnx_ints_in(b, n, 3, axes, CAFI_MAX_DIMS, &axis_count, &some, err)))
        return st;
    if (x->kind != CAFI_SLOT_DATA || !given || count != 2 * (some ? axis_count : (size_t)rank))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu pads for %d dimensions", count,
                              some ? (int)axis_count : rank);
    if (strcmp(mode, "reflect") == 0)
        node.pad_mode = CAFI_PAD_REFLECT;
    else if (strcmp(mode, "edge") == 0)
        node.pad_mode = CAFI_PAD_EDGE;
    else if (strcmp(mode, "constant") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "mode %s", mode);
    node.inputs[0] = x->node;
    if ((st = place_pads(n, x, rank, pads, some ? axes : NULL, count / 2, &node, err)) ||
        (st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* ---- Resize ------------------------------------------------------------ */

enum { MAX_RESIZED = 1 << 15 };

static caface_status resize_modes(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_node *node,
                                  caface_error *err)
{
    static const char *const from[] = {
        [CAFI_HALF_PIXEL] = "half_pixel",
        [CAFI_ASYMMETRIC] = "asymmetric",
        [CAFI_ALIGN_CORNERS] = "align_corners",
        [CAFI_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
    };
    static const char *const rounds[] = {
        [CAFI_ROUND_PREFER_FLOOR] = "round_prefer_floor",
        [CAFI_ROUND_PREFER_CEIL] = "round_prefer_ceil",
        [CAFI_ROUND_FLOOR] = "floor",
        [CAFI_ROUND_CEIL] = "ceil",
    };
    bool old = b->file->opset < 11 || strcmp(n->op, "Upsample") == 0;
    const char *text[3] = {NULL};
    int f = 0;
    int r = 0;
    caface_status st = cafi_onnx_text(n, "mode", "nearest", &text[0], err);

    if (st ||
        (st = cafi_onnx_text(n, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel",
                             &text[1], err)) ||
        (st = cafi_onnx_text(n, "nearest_mode", old ? "floor" : "round_prefer_floor", &text[2],
                             err)))
        return st;
    if (strcmp(text[0], "linear") == 0 || strcmp(text[0], "bilinear") == 0)
        node->resize_mode = CAFI_RESIZE_LINEAR;
    else if (strcmp(text[0], "nearest") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "mode %s", text[0]);
    while (f < 4 && strcmp(from[f], text[1]) != 0)
        f++;
    while (r < 4 && strcmp(rounds[r], text[2]) != 0)
        r++;
    if (f == 4 || r == 4)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "%s", f == 4 ? text[1] : text[2]);
    node->resize_from = (cafi_resize_from)f;
    node->resize_round = (cafi_resize_round)r;
    return CAFACE_OK;
}

/* Scales or sizes of the axes, spread over all of the file's. */
static caface_status spread(const cafi_onnx_node *n, const double *list, size_t count, int rank,
                            double *out, caface_error *err)
{
    const int64_t *axes = NULL;
    size_t axis_count = 0;
    caface_status st = cafi_onnx_ints(n, "axes", &axes, &axis_count, err);

    if (st)
        return st;
    if (count != (axes ? axis_count : (size_t)rank))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu scales or sizes for %d dimensions", count,
                              axes ? (int)axis_count : rank);
    for (size_t i = 0; i < count; i++) {
        int a = (int)i;

        if (axes && (st = cafi_onnx_check_axis(n, axes[i], rank, &a, err)))
            return st;
        out[a] = list[i];
    }
    return CAFACE_OK;
}

/* The input that has the scales (floats) or the sizes (integers). */
static caface_status resize_target(cafi_onnx_build *b, const cafi_onnx_node *n, int rank,
                                   double *scales, double *sizes, bool *by_size, caface_error *err)
{
    bool old = b->file->opset < 11 || strcmp(n->op, "Upsample") == 0;
    const cafi_tensor *t[2] = {NULL};
    const cafi_tensor *use = NULL;
    double list[CAFI_MAX_DIMS] = {0};
    size_t count = 0;
    caface_status st = cafi_onnx_const_in(b, n, old ? 1 : 2, &t[0], err);

    if (st || (!old && (st = cafi_onnx_const_in(b, n, 3, &t[1], err))))
        return st;
    *by_size = t[1] && cafi_tensor_count(t[1]) > 0;
    use = *by_size ? t[1] : t[0];
    count = use ? cafi_tensor_count(use) : 0;
    if (count < 1 || count > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "neither scales nor sizes");
    cafi_tensor_read_f64(use, 0, count, list);
    return spread(n, list, count, rank, *by_size ? sizes : scales, err);
}

static caface_status resize_sides(cafi_onnx_build *b, const cafi_onnx_node *n,
                                  const cafi_shape *shape, cafi_node *node, caface_error *err)
{
    double scales[CAFI_MAX_DIMS] = {1, 1, 1, 1};
    double sizes[CAFI_MAX_DIMS];
    bool by_size = false;
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 4; i++)
        sizes[i] = (double)shape->dim[i];
    if ((st = resize_target(b, n, 4, scales, sizes, &by_size, err)))
        return st;
    for (int i = 0; i < 4; i++) {
        double in = (double)shape->dim[i];
        double out = by_size ? sizes[i] : floor(in * (double)(float)scales[i]);

        if (i < 2 && out != in)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "it resizes axis %d; 2 and 3 are "
                                  "supported",
                                  i);
        if (i < 2)
            continue;
        if (!(out >= 1 && out <= MAX_RESIZED))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "a side of %g; 1 to %d are supported", out,
                                  MAX_RESIZED);
        node->extent[i - 2] = (int64_t)out;
        node->resize_scale[i - 2] = by_size ? 0.0f : (float)scales[i];
    }
    return CAFACE_OK;
}

static caface_status do_resize(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_node node = {.op = CAFI_OP_RESIZE, .input_count = 1};
    cafi_shape shape = cafi_onnx_shape(b, &x);
    const char *policy = NULL;
    int64_t antialias = 0;
    int64_t outside = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, &x, 4, err);

    if (st || (st = resize_modes(b, n, &node, err)) ||
        (st = cafi_onnx_int(n, "antialias", 0, &antialias, err)) ||
        (st = cafi_onnx_int(n, "exclude_outside", 0, &outside, err)) ||
        (st = cafi_onnx_text(n, "keep_aspect_ratio_policy", "stretch", &policy, err)))
        return st;
    if (antialias || outside || strcmp(policy, "stretch") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "antialias, exclude_outside and keep_aspect_ratio_policy");
    node.inputs[0] = x.node;
    if ((st = resize_sides(b, n, &shape, &node, err)) ||
        (st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, CAFI_FIRST, err);
}

const cafi_onnx_entry cafi_onnx_resizes[] = {
    {"Pad", 1, 4, do_pad, NULL},
    {"Resize", 1, 4, do_resize, NULL},
    {"Upsample", 1, 2, do_resize, NULL},
    {NULL, 0, 0, NULL, NULL},
};
