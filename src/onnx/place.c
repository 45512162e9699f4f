/* Where the batch is in the shapes of a file, and how values are brought
 * together that hold it at different places. See build.h. */
#include "onnx/build.h"

#include <string.h>

#include "base/mem.h"

int64_t cafi_onnx_parts(cafi_place place)
{
    return place.outer * place.inner;
}

static bool is_alone(cafi_place place)
{
    return place.axis >= 0 && cafi_onnx_parts(place) == 1;
}

static bool same(cafi_place a, cafi_place b)
{
    return a.axis == b.axis && a.outer == b.outer && a.inner == b.inner;
}

static caface_status mixes(const cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *s,
                           caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    char text[128];

    return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                          "it would mix pictures of the batch (%lld), which is in axis %d of %s",
                          (long long)b->batch, s->place.axis,
                          cafi_shape_write(text, sizeof text, &shape));
}

caface_status cafi_onnx_to_shape(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x,
                                 const cafi_shape *file_shape, cafi_place place, size_t *out,
                                 caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_RESHAPE, .input_count = 1};
    const cafi_shape *now = &cafi_graph_node(b->graph, x)->shape;

    node.inputs[0] = x;
    node.shape.dim[node.shape.ndim++] = CAFI_BATCH;
    for (int i = 0; i < file_shape->ndim; i++) {
        if (i == place.axis && is_alone(place))
            continue;
        if (node.shape.ndim == CAFI_MAX_DIMS)
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
        node.shape.dim[node.shape.ndim++] =
            i == place.axis ? cafi_onnx_parts(place) : file_shape->dim[i];
    }
    if (now->ndim == node.shape.ndim &&
        memcmp(now->dim, node.shape.dim, (size_t)now->ndim * sizeof now->dim[0]) == 0) {
        *out = x;
        return CAFACE_OK;
    }
    /* unnamed: a tap that asks for n's name wants n itself */
    return cafi_graph_add(b->graph, &node, out, err);
}

void cafi_onnx_note_traced(cafi_onnx_build *b, int64_t elements, int64_t parts)
{
    if (b->open && !b->traced && parts > 0 && elements % parts == 0 &&
        elements / parts <= CAFI_ONNX_MAX_TRACED)
        b->traced = elements / parts;
}

/* The same elements, seen with the batch elsewhere. */
static caface_status move(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                          const cafi_shape *shape, cafi_place place, caface_error *err)
{
    s->place = place;
    return cafi_onnx_to_shape(b, n, s->node, shape, place, &s->node, err);
}

/* ---- one value --------------------------------------------------------- */

/* Extents before axis `end`, multiplied; false when that does not fit. */
static bool product(const cafi_shape *shape, int end, int64_t *out)
{
    *out = 1;
    for (int i = 0; i < end; i++)
        if (__builtin_mul_overflow(*out, shape->dim[i], out))
            return false;
    return true;
}

/* Where `to` holds what `from` holds at `place`; both have as many elements, whose
 * product fits. The batch is the digit of an element's number that has `before`
 * values in front of it; an axis of `to` must have all of that digit. False: none has. */
static bool follow(const cafi_onnx_build *b, const cafi_shape *from, cafi_place place,
                   const cafi_shape *to, cafi_place *out)
{
    int64_t before = 0;
    int64_t here = 1;

    /* One row: every axis order is right, and a leading 1 is the batch again. */
    if (b->batch == 1) {
        *out = to->ndim > 0 && to->dim[0] == 1 ? CAFI_FIRST : CAFI_NOWHERE;
        return true;
    }
    if (place.axis < 0 || !product(from, place.axis, &before))
        return false;
    before *= place.outer;
    for (int i = 0; i < to->ndim; here *= to->dim[i++])
        if (before % here == 0 && here * to->dim[i] % (before * b->batch) == 0) {
            *out = (cafi_place){i, before / here, here * to->dim[i] / (before * b->batch)};
            return true;
        }
    return false;
}

static caface_status reshape_constant(cafi_onnx_build *b, cafi_slot *s, const cafi_shape *shape,
                                      caface_error *err)
{
    size_t extents[CAFI_MAX_DIMS] = {0};

    for (int i = 0; i < shape->ndim; i++)
        extents[i] = (size_t)shape->dim[i];
    return cafi_fold_reshape(b->file, s->constant, shape->ndim, extents, &s->constant, err);
}

caface_status cafi_onnx_reshape(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                const cafi_shape *file_shape, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, s);
    cafi_place place = CAFI_NOWHERE;
    int64_t have = 0;
    int64_t want = 0;
    char one[128];
    char two[128];

    if (s->kind == CAFI_SLOT_CONSTANT)
        return reshape_constant(b, s, file_shape, err);
    for (int i = 0; i < file_shape->ndim; i++)
        if (file_shape->dim[i] <= 0)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "an output without elements: %s",
                                  cafi_shape_write(one, sizeof one, file_shape));
    if (!product(&from, from.ndim, &have) || !product(file_shape, file_shape->ndim, &want) ||
        have != want) {
        if (have && want)
            cafi_onnx_note_traced(b, want, have / b->batch);
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s can not become %s",
                              cafi_shape_write(one, sizeof one, &from),
                              cafi_shape_write(two, sizeof two, file_shape));
    }
    if (!follow(b, &from, s->place, file_shape, &place)) {
        if (s->place.axis >= 0 && s->place.axis < file_shape->ndim)
            cafi_onnx_note_traced(b, file_shape->dim[s->place.axis], 1);
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "from %s to %s it mixes pictures of the batch (%lld)",
                              cafi_shape_write(one, sizeof one, &from),
                              cafi_shape_write(two, sizeof two, file_shape), (long long)b->batch);
    }
    return move(b, n, s, file_shape, place, err);
}

caface_status cafi_onnx_transpose(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                  const int *perm, caface_error *err)
{
    int rank = cafi_onnx_shape(b, s).ndim;
    cafi_node node = {.op = CAFI_OP_TRANSPOSE, .inputs = {s->node}, .input_count = 1};
    cafi_place place = s->place;
    int at = 1;

    if (s->kind == CAFI_SLOT_CONSTANT)
        return cafi_fold_transpose(b->file, s->constant, perm, &s->constant, err);
    for (int i = 0; i < rank; i++) {
        if (perm[i] == s->place.axis)
            place.axis = i;
        if (perm[i] == s->place.axis && is_alone(s->place))
            continue;
        if (at == CAFI_MAX_DIMS)
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
        node.perm[at++] = cafi_onnx_axis(s, perm[i]);
    }
    s->place = place;
    return cafi_onnx_add(b, n, &node, &s->node, err);
}

caface_status cafi_onnx_hide(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                             caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);

    if (b->batch != 1)
        return mixes(b, n, s, err);
    return s->place.axis < 0 ? CAFACE_OK : move(b, n, s, &shape, CAFI_NOWHERE, err);
}

caface_status cafi_onnx_keep_out(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                 unsigned mask, caface_error *err)
{
    bool inside = s->kind == CAFI_SLOT_DATA && s->place.axis >= 0 && (mask >> s->place.axis & 1u);

    return inside ? cafi_onnx_hide(b, n, s, err) : CAFACE_OK;
}

caface_status cafi_onnx_widen(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s, int rank,
                              caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    int more = rank - shape.ndim;
    cafi_shape wide = {.ndim = rank};
    cafi_place place = s->place;

    if (more <= 0)
        return CAFACE_OK;
    for (int i = 0; i < rank; i++)
        wide.dim[i] = i < more ? 1 : shape.dim[i - more];
    if (s->kind == CAFI_SLOT_CONSTANT)
        return reshape_constant(b, s, &wide, err);
    if (place.axis >= 0)
        place.axis += more;
    return move(b, n, s, &wide, place, err);
}

caface_status cafi_onnx_need_rank(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                  int rank, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    char text[128];

    if (s->kind != CAFI_SLOT_DATA)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its first input is a constant");
    if (shape.ndim == rank && same(s->place, CAFI_FIRST))
        return CAFACE_OK;
    if (shape.ndim == rank && b->batch == 1 && shape.dim[0] == 1)
        return move(b, n, s, &shape, CAFI_FIRST, err);
    return cafi_onnx_fail(
        n, err, CAFACE_EUNSUPPORTED,
        "an input of shape %s; %d dimensions, batch first and alone there, are supported",
        cafi_shape_write(text, sizeof text, &shape), rank);
}

/* ---- two values -------------------------------------------------------- */

/* With one row: s takes the place that t has, if it has one element there. */
static bool can_take(const cafi_onnx_build *b, const cafi_slot *s, const cafi_slot *t)
{
    return t->place.axis >= 0 && cafi_onnx_shape(b, s).dim[t->place.axis] == 1;
}

caface_status cafi_onnx_meet(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                             cafi_slot *t, int kept, caface_error *err)
{
    cafi_slot *both[2] = {s, t};
    int rank = cafi_onnx_shape(b, s).ndim;
    unsigned last = ((1u << kept) - 1) << (rank - kept);
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++)
        if ((st = cafi_onnx_keep_out(b, n, both[i], last, err)))
            return st;
    if (same(s->place, t->place))
        return CAFACE_OK;
    if (b->batch != 1)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "the batch is in axis %d (%lld parts a picture) of one operand and "
                              "%d (%lld) of the other",
                              s->place.axis, (long long)cafi_onnx_parts(s->place), t->place.axis,
                              (long long)cafi_onnx_parts(t->place));
    for (int i = 0; i < 2; i++)
        if (can_take(b, both[1 - i], both[i])) {
            cafi_shape shape = cafi_onnx_shape(b, both[1 - i]);

            return move(b, n, both[1 - i], &shape, both[i]->place, err);
        }
    st = cafi_onnx_hide(b, n, s, err);
    return st ? st : cafi_onnx_hide(b, n, t, err);
}

/* Does t hold the same everywhere along the axis? */
static bool is_constant_along(const cafi_tensor *t, int axis)
{
    size_t size = cafi_dtype_size(t->dtype);
    double one[64];
    double two[64];
    cafi_tensor first = *t;
    cafi_tensor other = *t;

    first.shape[axis] = other.shape[axis] = 1;
    for (size_t i = 1; t->stride[axis] != 0 && i < t->shape[axis]; i++) {
        other.data += t->stride[axis] * (ptrdiff_t)size;
        for (size_t at = 0; at < cafi_tensor_count(&first); at += 64) {
            size_t m = cafi_tensor_count(&first) - at;

            m = m < 64 ? m : 64;
            cafi_tensor_read_f64(&first, at, m, one);
            cafi_tensor_read_f64(&other, at, m, two);
            if (memcmp(one, two, m * sizeof *one) != 0)
                return false;
        }
    }
    return true;
}

/* The axis `at` of t, [outer * batch * inner], without the batch. */
static caface_status drop_batch(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_tensor **t,
                                int at, cafi_place place, caface_error *err)
{
    size_t split[CAFI_MAX_DIMS + 2] = {0};
    size_t joined[CAFI_MAX_DIMS] = {0};
    size_t outer = (size_t)place.outer;
    size_t inner = (size_t)place.inner;
    int ndim = (*t)->ndim;
    caface_status st = CAFACE_OK;

    if (ndim + 2 > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS - 2);
    for (int i = 0; i < ndim; i++) {
        joined[i] = (*t)->shape[i];
        split[i + (i > at ? 2 : 0)] = (*t)->shape[i];
    }
    joined[at] = outer * inner;
    split[at] = outer;
    split[at + 1] = (*t)->shape[at] / joined[at];
    split[at + 2] = inner;
    if (cafi_onnx_parts(place) > 1 &&
        (st = cafi_fold_reshape(b->file, *t, ndim + 2, split, t, err)))
        return st;
    at += cafi_onnx_parts(place) > 1;
    if (!is_constant_along(*t, at))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "a constant with %zu values along the batch", (*t)->shape[at]);
    if ((st = cafi_fold_slice(b->file, *t, at, 0, 1, 1, t, err)))
        return st;
    return cafi_fold_reshape(b->file, *t, ndim, joined, t, err);
}

caface_status cafi_onnx_beside(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_tensor *t,
                               int rank, cafi_place place, size_t *out, caface_error *err)
{
    size_t shape[CAFI_MAX_DIMS] = {0};
    int ndim = 0;
    int at = place.axis - (rank - t->ndim); /* the batch axis in t's own shape */
    caface_status st = CAFACE_OK;

    if (place.axis < 0 || at < 0)
        return cafi_onnx_constant_node(b, t, out, err);
    if (t->shape[at] != 1) {
        if ((int64_t)t->shape[at] != b->batch * cafi_onnx_parts(place)) {
            cafi_onnx_note_traced(b, (int64_t)t->shape[at], cafi_onnx_parts(place));
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "a constant with %zu values along the batch", t->shape[at]);
        }
        if ((st = drop_batch(b, n, &t, at, place, err)))
            return st;
    }
    for (int i = 0; i < t->ndim; i++)
        if (i != at || !is_alone(place))
            shape[ndim++] = t->shape[i];
    if (is_alone(place) && (st = cafi_fold_reshape(b->file, t, ndim, shape, &t, err)))
        return st;
    return cafi_onnx_constant_node(b, t, out, err);
}

caface_status cafi_onnx_align(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                              const cafi_slot *y, size_t *nodes, cafi_place *place,
                              caface_error *err)
{
    cafi_slot s[2] = {*x, *y};
    bool data[2] = {x->kind == CAFI_SLOT_DATA, y->kind == CAFI_SLOT_DATA};
    int r0 = cafi_onnx_shape(b, x).ndim;
    int r1 = cafi_onnx_shape(b, y).ndim;
    int rank = r0 > r1 ? r0 : r1;
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++)
        if (data[i] && (st = cafi_onnx_widen(b, n, &s[i], rank, err)))
            return st;
    if (data[0] && data[1] && (st = cafi_onnx_meet(b, n, &s[0], &s[1], 0, err)))
        return st;
    *place = data[0] ? s[0].place : s[1].place;
    for (int i = 0; i < 2; i++) {
        nodes[i] = s[i].node;
        if (!data[i] && (st = cafi_onnx_beside(b, n, s[i].constant, rank, *place, &nodes[i], err)))
            return st;
    }
    return CAFACE_OK;
}
