/* Parts of tensors: Slice, Gather, Split, Concat. */
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

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
    if (c->axis == x->place.axis) {
        if (c->start == 0 && (c->step == 1 || c->extent == 1) && c->extent == shape.dim[c->axis])
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
    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
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

/* Indices are read in runs that step evenly, and each is a slice; overlapping patches are a run for
 * each of their rows and columns. */
enum { MAX_GATHER = 4096, MAX_RUNS = 256 };

/* The longest run that begins at the first of count indices. */
static cut run_of(int axis, const int64_t *index, size_t count)
{
    cut run = {.axis = axis, .start = index[0], .extent = 1, .step = 1};

    if (count < 2 || index[1] == index[0])
        return run;
    run.step = index[1] - index[0];
    while ((size_t)run.extent < count && index[run.extent] - index[run.extent - 1] == run.step)
        run.extent++;
    return run;
}

/* The slices of all runs, joined. */
static caface_status gather(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                            int axis, const int64_t *index, size_t count, size_t *out,
                            caface_error *err)
{
    cafi_node join = {.op = CAFI_OP_CONCAT, .axis = cafi_onnx_axis(x, axis)};
    size_t runs = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < count; runs++) {
        cut run = run_of(axis, index + i, count - i);

        if (runs == MAX_RUNS)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "indices in more than %d runs of even steps", MAX_RUNS);
        if ((st = cut_data(b, n, x, x->node, &run, &join.inputs[join.input_count++], err)))
            return st;
        i += (size_t)run.extent;
        if (join.input_count < CAFI_MAX_INPUTS && i < count)
            continue;
        if (join.input_count == 1)
            break; /* all of them, or none since the last were joined */
        if ((st = cafi_onnx_add(b, n, &join, &join.inputs[0], err)))
            return st;
        join.input_count = 1;
    }
    *out = join.inputs[0];
    return CAFACE_OK;
}

/* Indices along the axis, each in [0, size). */
static caface_status read_indices(const cafi_onnx_node *n, const cafi_tensor *t, int64_t size,
                                  int64_t *index, size_t count, caface_error *err)
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
    return CAFACE_OK;
}

static caface_status do_gather(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, &x);
    cafi_shape to = {0};
    const cafi_tensor *t = NULL;
    int64_t index[MAX_GATHER];
    int64_t axis = 0;
    int along = 0;
    size_t count = 0;
    caface_status st = cafi_onnx_const_in(b, n, 1, &t, err);

    if (st || (st = cafi_onnx_int(n, "axis", 0, &axis, err)) ||
        (st = cafi_onnx_check_axis(n, axis, shape.ndim, &along, err)))
        return st;
    count = cafi_tensor_count(t);
    if (x.kind != CAFI_SLOT_DATA || count < 1 || count > MAX_GATHER ||
        shape.ndim - 1 + t->ndim > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "supported are 1 to %d constant indices",
                              MAX_GATHER);
    if ((st = cafi_onnx_keep_out(b, n, &x, 1u << along, err)) ||
        (st = read_indices(n, t, shape.dim[along], index, count, err)) ||
        (st = gather(b, n, &x, along, index, count, &x.node, err)))
        return st;
    if (t->ndim == 1)
        return cafi_onnx_set_slot(b, n, 0, &x, err);
    for (int i = 0; i < shape.ndim; i++)
        if (i != along)
            to.dim[to.ndim++] = shape.dim[i];
        else
            for (int k = 0; k < t->ndim; k++)
                to.dim[to.ndim++] = (int64_t)t->shape[k];
    st = cafi_onnx_reshape(b, n, &x, &to, err);
    return st ? st : cafi_onnx_set_slot(b, n, 0, &x, err);
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
            (st = cafi_onnx_set_data(b, n, i, out, x->place, err)))
            return st;
        c.start += parts[i];
    }
    return CAFACE_OK;
}

/* ---- Concat ------------------------------------------------------------ */

/* A constant that is joined to data, such as a transformer's class token: the
 * same for every row of the batch, so it becomes data, 0 of the picture plus
 * the constant. like: data that it is joined to along axis a. */
static caface_status as_data(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_tensor *t,
                             const cafi_slot *like, int a, size_t *out, caface_error *err)
{
    cut thin = {.axis = a, .extent = 1, .step = 1};
    size_t zero = 0;
    size_t constant = 0;
    caface_status st = cafi_onnx_beside(b, n, t, t->ndim, like->place, &constant, err);

    if (st || (st = cut_data(b, n, like, like->node, &thin, &zero, err)) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, zero, 0, 0, &zero, err)))
        return st;
    return cafi_onnx_binary(b, n, CAFI_OP_ADD, zero, constant, out, err);
}

/* The place that all data of a Concat along axis a has, once it has all been moved there;
 * *rank: what all inputs have. */
static caface_status common_place(cafi_onnx_build *b, const cafi_onnx_node *n, int a, int rank,
                                  cafi_slot *common, caface_error *err)
{
    bool found = false;
    bool differ = false;

    for (size_t i = 0; i < n->input_count; i++) {
        const cafi_slot *x = cafi_onnx_in(b, n, i);

        if (!x)
            return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "input %zu is left out", i);
        if (cafi_onnx_shape(b, x).ndim != rank)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "inputs of %d and %d dimensions", rank,
                                  cafi_onnx_shape(b, x).ndim);
        if (x->kind != CAFI_SLOT_DATA)
            continue;
        if (!found)
            *common = *x;
        found = true;
        differ = differ || x->place.axis != common->place.axis ||
                 x->place.outer != common->place.outer || x->place.inner != common->place.inner;
    }
    if (!differ && common->place.axis != a)
        return CAFACE_OK;
    if (b->batch != 1)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "its inputs hold the batch differently, or it joins along it");
    return cafi_onnx_hide(b, n, common, err);
}

static caface_status do_concat(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot common = {0};
    int rank = cafi_onnx_in(b, n, 0) ? cafi_onnx_shape(b, cafi_onnx_in(b, n, 0)).ndim : 0;
    cafi_node node = {.op = CAFI_OP_CONCAT};
    int64_t axis = 0;
    int a = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, rank, &a, err)))
        return st;
    if (!cafi_onnx_find(n, "axis"))
        return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "axis is missing");
    if ((st = common_place(b, n, a, rank, &common, err)))
        return st;
    for (size_t i = 0; i < n->input_count; i++) {
        cafi_slot x = *cafi_onnx_in(b, n, i);

        if (x.kind == CAFI_SLOT_CONSTANT)
            st = as_data(b, n, x.constant, &common, a, &x.node, err);
        else if (common.place.axis < 0 && x.place.axis >= 0)
            st = cafi_onnx_hide(b, n, &x, err);
        if (st)
            return st;
        node.inputs[node.input_count++] = x.node;
        if (node.input_count < CAFI_MAX_INPUTS && i + 1 < n->input_count)
            continue;
        node.axis = cafi_onnx_axis(&common, a);
        if ((st = cafi_onnx_add(b, n, &node, &out, err)))
            return st;
        node = (cafi_node){.op = CAFI_OP_CONCAT, .input_count = 1, .inputs = {out}};
    }
    return cafi_onnx_set_data(b, n, 0, out, common.place, err);
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

const cafi_onnx_entry cafi_onnx_slices[] = {
    {"Slice", 1, 5, do_slice, fold_slice},
    {"Gather", 2, 2, do_gather, fold_gather},
    {"Split", 1, 2, do_split, NULL},
    {"Concat", 1, CAFI_ONNX_MAX_NODES, do_concat, fold_concat},
    {NULL, 0, 0, NULL, NULL},
};
