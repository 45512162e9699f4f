/* Parts of tensors: Slice, Gather, Split, Concat, Pad, Resize. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "models/onnx_build.h"

/* One cut along one axis of the file's shape. */
typedef struct cut {
    int axis;
    int64_t start, extent, step;
} cut;

/* Applies a cut to data; the batch may only be taken whole. */
static caface_status cut_data(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                              size_t from, const cut *c, size_t *out, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, x);
    cafi_node node = {.op = CAFI_OP_SLICE, .input_count = 1};
    int axis = cafi_onnx_axis(x, c->axis);

    *out = from;
    if (c->axis == x->batch) {
        if (c->start == 0 && c->step == 1 && c->extent == shape.dim[c->axis])
            return CAFACE_OK;
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "it cuts the batch");
    }
    if (c->extent < 1)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "it takes nothing of axis %d", c->axis);
    for (int i = 0; i < CAFI_MAX_DIMS; i++) {
        node.extent[i] = -1;
        node.step[i] = 1;
    }
    node.inputs[0] = from;
    node.start[axis] = c->start;
    node.extent[axis] = c->extent;
    node.step[axis] = c->step;
    return cafi_onnx_add(b, n, &node, out, err);
}

/* ---- Slice ------------------------------------------------------------- */

/* NumPy's rule for start, end and step on an axis of `size`. */
static caface_status resolve(const cafi_onnx_node *n, int64_t start, int64_t end, int64_t step,
                             int64_t size, cut *out, caface_error *err)
{
    int64_t low = step > 0 ? 0 : -1;
    int64_t high = step > 0 ? size : size - 1;

    if (step == 0 || step > INT32_MAX || step < -INT32_MAX)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "a step of %lld", (long long)step);
    start = start < 0 ? (start < -size ? low : start + size) : start;
    end = end < 0 ? (end < -size ? low : end + size) : end;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    out->start = start;
    out->step = step;
    out->extent = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    if (out->extent < 0)
        out->extent = 0;
    return CAFACE_OK;
}

static caface_status read_cuts(cafi_onnx_build *b, const cafi_onnx_node *n, cut *cuts,
                               size_t *count, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    static const char *const names[3] = {"starts", "ends", "axes"};
    int64_t list[4][CAFI_MAX_DIMS] = {{0}};
    size_t counts[4] = {0};
    bool given[4] = {false};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < 3; i++)
        if ((st = cafi_onnx_list(b, n, names[i], 1 + i, list[i], CAFI_MAX_DIMS, &counts[i],
                                 &given[i], err)))
            return st;
    if ((st = cafi_onnx_ints_in(b, n, 4, list[3], CAFI_MAX_DIMS, &counts[3], &given[3], err)))
        return st;
    *count = counts[0];
    if (!given[0] || counts[1] != *count || (given[2] && counts[2] != *count) ||
        (given[3] && counts[3] != *count))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu starts, %zu ends, %zu axes, %zu steps",
                              counts[0], counts[1], counts[2], counts[3]);
    for (size_t i = 0; i < *count; i++) {
        int64_t axis = given[2] ? list[2][i] : (int64_t)i;

        if ((st = cafi_onnx_check_axis(n, axis, shape.ndim, &cuts[i].axis, err)) ||
            (st = resolve(n, list[0][i], list[1][i], given[3] ? list[3][i] : 1,
                          shape.dim[cuts[i].axis], &cuts[i], err)))
            return st;
    }
    return CAFACE_OK;
}

static caface_status do_slice(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    cut cuts[CAFI_MAX_DIMS];
    size_t count = 0;
    size_t out = x->node;
    caface_status st = CAFACE_OK;

    if (x->kind != CAFI_SLOT_DATA)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its limits depend on the picture");
    st = read_cuts(b, n, cuts, &count, err);
    for (size_t i = 0; !st && i < count; i++)
        st = cut_data(b, n, x, out, &cuts[i], &out, err);
    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->batch, err);
}

static caface_status fold_slice(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *t = cafi_onnx_in(b, n, 0)->constant;
    cut cuts[CAFI_MAX_DIMS];
    size_t count = 0;
    caface_status st = read_cuts(b, n, cuts, &count, err);

    for (size_t i = 0; !st && i < count; i++)
        st = cafi_fold_slice(b->file, t, cuts[i].axis, (size_t)cuts[i].start,
                             (size_t)cuts[i].extent, (ptrdiff_t)cuts[i].step, &t, err);
    return st ? st : cafi_onnx_set_constant(b, n, 0, t, err);
}

/* ---- Gather ------------------------------------------------------------ */

/* Several rows that are no even progression: one slice each, joined. */
static caface_status gather_rows(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 int axis, const int64_t *index, size_t count, size_t *out,
                                 caface_error *err)
{
    cafi_node join = {.op = CAFI_OP_CONCAT, .axis = cafi_onnx_axis(x, axis)};
    caface_status st = CAFACE_OK;

    if (count > CAFI_MAX_INPUTS)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "%zu indices in no even steps; at most %d are supported", count,
                              CAFI_MAX_INPUTS);
    for (size_t i = 0; i < count; i++) {
        cut one = {.axis = axis, .start = index[i], .extent = 1, .step = 1};

        if ((st = cut_data(b, n, x, x->node, &one, &join.inputs[join.input_count++], err)))
            return st;
    }
    return cafi_onnx_add(b, n, &join, out, err);
}

/* Indices along the axis, each in [0, size), and whether they step evenly. */
static caface_status read_indices(const cafi_onnx_node *n, const cafi_tensor *t, int64_t size,
                                  int64_t *index, size_t count, cut *even, bool *is_even,
                                  caface_error *err)
{
    caface_status st = cafi_tensor_read_i64(t, 0, count, index, err);

    if (st)
        return st;
    for (size_t i = 0; i < count; i++) {
        index[i] += index[i] < 0 ? size : 0;
        if (index[i] < 0 || index[i] >= size)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "index %lld of an axis of %lld",
                                  (long long)index[i], (long long)size);
    }
    even->start = index[0];
    even->extent = (int64_t)count;
    even->step = count > 1 ? index[1] - index[0] : 1;
    *is_even = even->step != 0;
    for (size_t i = 2; i < count; i++)
        *is_even = *is_even && index[i] - index[i - 1] == even->step;
    return CAFACE_OK;
}

enum { MAX_GATHER = 4096 };

static caface_status do_gather(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, x);
    cafi_slot taken = *x;
    cafi_shape less = {0};
    const cafi_tensor *t = NULL;
    int64_t index[MAX_GATHER];
    int64_t axis = 0;
    bool is_even = false;
    size_t count = 0;
    cut c = {0};
    caface_status st = cafi_onnx_const_in(b, n, 1, &t, err);

    if (st || (st = cafi_onnx_int(n, "axis", 0, &axis, err)) ||
        (st = cafi_onnx_check_axis(n, axis, shape.ndim, &c.axis, err)))
        return st;
    count = cafi_tensor_count(t);
    if (x->kind != CAFI_SLOT_DATA || t->ndim > 1 || count < 1 || count > MAX_GATHER ||
        c.axis == x->batch)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "supported are 1 to %d constant indices, not along the batch",
                              MAX_GATHER);
    if ((st = read_indices(n, t, shape.dim[c.axis], index, count, &c, &is_even, err)) ||
        (st = is_even ? cut_data(b, n, x, x->node, &c, &taken.node, err)
                      : gather_rows(b, n, x, c.axis, index, count, &taken.node, err)))
        return st;
    if (t->ndim == 1)
        return cafi_onnx_set_data(b, n, 0, taken.node, x->batch, err);
    for (int i = 0; i < shape.ndim; i++)
        if (i != c.axis)
            less.dim[less.ndim++] = shape.dim[i];
    return cafi_onnx_reshape(b, n, &taken, &less, err);
}

static caface_status fold_gather(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *t = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *out = NULL;
    int64_t axis = 0;
    int a = 0;
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, t->ndim, &a, err)) ||
        (st = cafi_fold_gather(b->file, t, a, cafi_onnx_in(b, n, 1)->constant, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

/* ---- Split ------------------------------------------------------------- */

/* Extents of the parts: given, or even ones with a smaller last. */
static caface_status part_sizes(cafi_onnx_build *b, const cafi_onnx_node *n, int64_t size,
                                int64_t *parts, caface_error *err)
{
    size_t count = 0;
    bool given = false;
    int64_t all = 0;
    caface_status st =
        cafi_onnx_list(b, n, "split", 1, parts, CAFI_MAX_INPUTS, &count, &given, err);

    if (st)
        return st;
    if (n->output_count < 1 || n->output_count > CAFI_MAX_INPUTS)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "%zu parts, at most %d are supported",
                              n->output_count, CAFI_MAX_INPUTS);
    if (!given) {
        int64_t k = (int64_t)n->output_count;
        int64_t each = (size + k - 1) / k;

        for (size_t i = 0; i < n->output_count; i++)
            parts[i] = size - (int64_t)i * each < each ? size - (int64_t)i * each : each;
        count = n->output_count;
    }
    for (size_t i = 0; i < count; i++)
        if (parts[i] < 1 || __builtin_add_overflow(all, parts[i], &all))
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "a part of %lld", (long long)parts[i]);
    if (count != n->output_count || all != size)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL,
                              "%zu parts of %lld in all, for %zu outputs of an axis of %lld", count,
                              (long long)all, n->output_count, (long long)size);
    return CAFACE_OK;
}

static caface_status do_split(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, x);
    int64_t parts[CAFI_MAX_INPUTS] = {0};
    int64_t axis = 0;
    cut c = {.step = 1};
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, shape.ndim, &c.axis, err)) ||
        (st = part_sizes(b, n, shape.dim[c.axis], parts, err)))
        return st;
    if (x->kind != CAFI_SLOT_DATA)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its parts depend on the picture");
    for (size_t i = 0; i < n->output_count; i++) {
        size_t out = 0;

        c.extent = parts[i];
        if ((st = cut_data(b, n, x, x->node, &c, &out, err)) ||
            (st = cafi_onnx_set_data(b, n, i, out, x->batch, err)))
            return st;
        c.start += parts[i];
    }
    return CAFACE_OK;
}

/* ---- Concat ------------------------------------------------------------ */

static caface_status do_concat(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *first = cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, first).ndim;
    cafi_node node = {.op = CAFI_OP_CONCAT};
    int64_t axis = 0;
    int a = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, rank, &a, err)))
        return st;
    if (!cafi_onnx_find(n, "axis"))
        return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "axis is missing");
    for (size_t i = 0; i < n->input_count; i++) {
        const cafi_slot *x = cafi_onnx_in(b, n, i);

        if (!x || x->kind != CAFI_SLOT_DATA)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a constant beside data");
        if (x->batch != first->batch || a == x->batch || cafi_onnx_shape(b, x).ndim != rank)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "its inputs hold the batch "
                                  "differently, or it joins along it");
        node.inputs[node.input_count++] = x->node;
        if (node.input_count < CAFI_MAX_INPUTS && i + 1 < n->input_count)
            continue;
        node.axis = cafi_onnx_axis(x, a);
        if ((st = cafi_onnx_add(b, n, &node, &out, err)))
            return st;
        node = (cafi_node){.op = CAFI_OP_CONCAT, .input_count = 1, .inputs = {out}};
    }
    return cafi_onnx_set_data(b, n, 0, out, first->batch, err);
}

static caface_status fold_concat(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *parts[CAFI_MAX_INPUTS * 2] = {NULL};
    const cafi_tensor *out = NULL;
    int64_t axis = 0;
    int a = 0;
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (n->input_count > sizeof parts / sizeof parts[0])
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "%zu constants", n->input_count);
    for (size_t i = 0; i < n->input_count; i++) {
        if (!cafi_onnx_in(b, n, i))
            return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "input %zu is left out", i);
        parts[i] = cafi_onnx_in(b, n, i)->constant;
    }
    if (st || (st = cafi_onnx_check_axis(n, axis, parts[0]->ndim, &a, err)) ||
        (st = cafi_fold_concat(b->file, parts, n->input_count, a, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

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
        if (a == x->batch && (before || after))
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "it pads the batch");
        if (a != x->batch) {
            node->start[cafi_onnx_axis(x, a)] = before;
            node->step[cafi_onnx_axis(x, a)] = after;
        }
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
    return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
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
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_node node = {.op = CAFI_OP_RESIZE, .input_count = 1};
    cafi_shape shape = cafi_onnx_shape(b, x);
    const char *policy = NULL;
    int64_t antialias = 0;
    int64_t outside = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, x, 4, err);

    if (st || (st = resize_modes(b, n, &node, err)) ||
        (st = cafi_onnx_int(n, "antialias", 0, &antialias, err)) ||
        (st = cafi_onnx_int(n, "exclude_outside", 0, &outside, err)) ||
        (st = cafi_onnx_text(n, "keep_aspect_ratio_policy", "stretch", &policy, err)))
        return st;
    if (antialias || outside || strcmp(policy, "stretch") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "antialias, exclude_outside and keep_aspect_ratio_policy");
    node.inputs[0] = x->node;
    if ((st = resize_sides(b, n, &shape, &node, err)) ||
        (st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

const cafi_onnx_entry cafi_onnx_slices[] = {
    {"Slice", 1, 5, do_slice, fold_slice},
    {"Gather", 2, 2, do_gather, fold_gather},
    {"Split", 1, 2, do_split, NULL},
    {"Concat", 1, CAFI_ONNX_MAX_NODES, do_concat, fold_concat},
    {"Pad", 1, 4, do_pad, NULL},
    {"Resize", 1, 4, do_resize, NULL},
    {"Upsample", 1, 2, do_resize, NULL},
    {NULL, 0, 0, NULL, NULL},
};
