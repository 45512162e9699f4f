/* Shapes: what every node type makes of its inputs' shapes. */
#include "graph/graph_internal.h"

/* Extents beyond this are taken for a damaged file. */
#define MAX_EXTENT ((int64_t)(SIZE_MAX > UINT32_MAX ? (uint64_t)1 << 32 : (uint64_t)INT32_MAX))

static const cafi_shape *in(const cafi_graph *g, const cafi_node *n, size_t i)
{
    return &g->entries[n->inputs[i]]->node.shape;
}

static caface_status mismatch(const cafi_graph *g, const cafi_node *n, size_t a, size_t b,
                              caface_error *err)
{
    char x[96];
    char y[96];

    return cafi_fail(err, CAFACE_EMODEL, "node %s (%s): %s and %s do not fit", n->name,
                     cafi_op_name(n->op), cafi_shape_write(x, sizeof x, in(g, n, a)),
                     cafi_shape_write(y, sizeof y, in(g, n, b)));
}

static caface_status refuse(const cafi_graph *g, const cafi_node *n, const char *what,
                            caface_error *err)
{
    char x[96] = "nothing";

    if (n->input_count)
        cafi_shape_write(x, sizeof x, in(g, n, 0));
    return cafi_fail(err, CAFACE_EMODEL, "node %s (%s): %s (input %s)", n->name,
                     cafi_op_name(n->op), what, x);
}

static caface_status mixes_rows(const cafi_node *n, caface_error *err)
{
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "node %s (%s) would mix the rows of a batch",
                     n->name, cafi_op_name(n->op));
}

int cafi_axis_from_start(int axis, int ndim)
{
    if (axis < 0)
        axis += ndim;
    return axis >= 0 && axis < ndim ? axis : -1;
}

static bool is_batched(const cafi_shape *s)
{
    return s->ndim > 0 && s->dim[0] == CAFI_BATCH;
}

static bool is_constant(const cafi_graph *g, const cafi_node *n, size_t i)
{
    return g->entries[n->inputs[i]]->node.op == CAFI_OP_CONSTANT;
}

/* Elements per row of an open batch, else all elements. */
static bool row_count(const cafi_shape *s, size_t *out)
{
    return cafi_shape_count(s, 1, out);
}

/* One spatial extent of a window; 0 when nothing fits. */
static int64_t windows(int64_t size, int64_t kernel, int64_t stride, int64_t before, int64_t after,
                       int64_t dilation, bool ceil_mode)
{
    int64_t reach = (kernel - 1) * dilation + 1;
    int64_t room = size + before + after - reach;
    int64_t out = 0;

    if (room < 0)
        return 0;
    out = room / stride + 1;
    /* A window that sticks out must still begin inside the picture or its
     * left padding. */
    if (ceil_mode && room % stride && out * stride < size + before)
        out++;
    return out;
}

static bool window_is_sane(const cafi_window *w, const int64_t kernel[2])
{
    for (int i = 0; i < 2; i++)
        if (kernel[i] < 1 || kernel[i] > 65535 || w->stride[i] < 1 || w->stride[i] > 65535 ||
            w->dilation[i] < 1 || w->dilation[i] > 65535)
            return false;
    for (int i = 0; i < 4; i++)
        if (w->pad[i] < 0 || w->pad[i] > 65535)
            return false;
    return w->groups > 0;
}

static caface_status infer_conv(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    const cafi_shape *w = in(g, n, 1);
    cafi_window *win = &n->window;

    if (x->ndim != 4 || w->ndim != 4 || !is_constant(g, n, 1))
        return mismatch(g, n, 0, 1, err);
    win->kernel[0] = w->dim[2];
    win->kernel[1] = w->dim[3];
    if (!window_is_sane(win, win->kernel) || w->dim[0] < 1 || w->dim[1] < 1)
        return refuse(g, n, "a kernel, stride, padding or group count out of range", err);
    if (w->dim[1] > INT64_MAX / win->groups || x->dim[1] != w->dim[1] * win->groups ||
        w->dim[0] % win->groups)
        return mismatch(g, n, 0, 1, err);
    if (n->input_count > 2 &&
        (!is_constant(g, n, 2) || in(g, n, 2)->ndim != 1 || in(g, n, 2)->dim[0] != w->dim[0]))
        return mismatch(g, n, 1, 2, err);
    n->shape = (cafi_shape){4, {x->dim[0], w->dim[0]}};
    for (int i = 0; i < 2; i++)
        n->shape.dim[2 + i] = windows(x->dim[2 + i], win->kernel[i], win->stride[i], win->pad[i],
                                      win->pad[2 + i], win->dilation[i], false);
    return CAFACE_OK;
}

static caface_status infer_gemm(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    const cafi_shape *w = in(g, n, 1);
    cafi_shape rest = *x;
    size_t columns = 0;

    if (x->ndim < 2 || w->ndim != 2 || !is_constant(g, n, 1))
        return mismatch(g, n, 0, 1, err);
    rest.dim[0] = 1;
    if (!row_count(&rest, &columns) || columns != (size_t)w->dim[1] || w->dim[0] < 1)
        return mismatch(g, n, 0, 1, err);
    if (n->input_count > 2 &&
        (!is_constant(g, n, 2) || in(g, n, 2)->ndim != 1 || in(g, n, 2)->dim[0] != w->dim[0]))
        return mismatch(g, n, 1, 2, err);
    n->shape = (cafi_shape){2, {x->dim[0], w->dim[0]}};
    return CAFACE_OK;
}

/* NumPy's rule, with the open batch equal only to itself and to 1. */
static bool broadcast(const cafi_shape *a, const cafi_shape *b, int skip, cafi_shape *out)
{
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;

    out->ndim = ndim;
    for (int i = 0; i < ndim - skip; i++) {
        int ia = i - (ndim - a->ndim);
        int ib = i - (ndim - b->ndim);
        int64_t da = ia < 0 ? 1 : a->dim[ia];
        int64_t db = ib < 0 ? 1 : b->dim[ib];

        if (da != db && da != 1 && db != 1)
            return false;
        out->dim[i] = da == 1 ? db : da;
        if (i > 0 && out->dim[i] == CAFI_BATCH)
            return false;
    }
    return true;
}

static caface_status infer_matmul(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *a = in(g, n, 0);
    const cafi_shape *b = in(g, n, 1);

    if (a->ndim < 2 || b->ndim < 2 || a->dim[a->ndim - 1] != b->dim[b->ndim - 2] ||
        !broadcast(a, b, 2, &n->shape))
        return mismatch(g, n, 0, 1, err);
    if (b->ndim == 2 && is_batched(b))
        return mixes_rows(n, err);
    n->shape.dim[n->shape.ndim - 2] = a->dim[a->ndim - 2];
    n->shape.dim[n->shape.ndim - 1] = b->dim[b->ndim - 1];
    if (is_batched(a) && n->shape.ndim > a->ndim)
        return mixes_rows(n, err);
    return CAFACE_OK;
}

static caface_status infer_channels(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);

    if (x->ndim < 2)
        return refuse(g, n, "needs channels", err);
    for (size_t i = 1; i < n->input_count; i++) {
        const cafi_shape *p = in(g, n, i);
        bool one = n->op == CAFI_OP_PRELU && p->ndim == 1 && p->dim[0] == 1;

        if (!is_constant(g, n, i) || p->ndim != 1 || (!one && p->dim[0] != x->dim[1]))
            return mismatch(g, n, 0, i, err);
    }
    n->shape = *x;
    return CAFACE_OK;
}

static caface_status infer_pool(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    const cafi_window *w = &n->window;

    if (x->ndim != 4 || !window_is_sane(w, w->kernel))
        return refuse(g, n, "a window or an input out of range", err);
    for (int i = 0; i < 2; i++)
        if (w->pad[i] >= w->kernel[i] || w->pad[2 + i] >= w->kernel[i])
            return refuse(g, n, "padding as large as the window", err);
    n->shape = (cafi_shape){4, {x->dim[0], x->dim[1]}};
    for (int i = 0; i < 2; i++)
        n->shape.dim[2 + i] = windows(x->dim[2 + i], w->kernel[i], w->stride[i], w->pad[i],
                                      w->pad[2 + i], w->dilation[i], w->ceil_mode);
    return CAFACE_OK;
}

static caface_status infer_reduce(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);

    if (n->axes >> x->ndim)
        return refuse(g, n, "reduces an axis that is not there", err);
    if ((n->axes & 1u) && is_batched(x))
        return mixes_rows(n, err);
    n->shape.ndim = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (!(n->axes >> i & 1u))
            n->shape.dim[n->shape.ndim++] = x->dim[i];
        else if (n->keep_dims)
            n->shape.dim[n->shape.ndim++] = 1;
    }
    return CAFACE_OK;
}

static caface_status infer_reshape(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    cafi_shape fixed = n->shape;
    int rest = -1;
    size_t have = 0;
    size_t want = 0;

    for (int i = 0; i < fixed.ndim; i++)
        if (fixed.dim[i] == CAFI_REST) {
            if (rest >= 0)
                return refuse(g, n, "two extents left open", err);
            rest = i;
            fixed.dim[i] = 1;
        }
    /* Rows of an open batch stay rows; what remains is found in one row. */
    if (is_batched(x) && rest == 0) {
        fixed.dim[0] = CAFI_BATCH;
        n->shape.dim[0] = CAFI_BATCH;
        rest = -1;
    }
    if (is_batched(x) != is_batched(&fixed))
        return mixes_rows(n, err);
    if (!row_count(x, &have) || !row_count(&fixed, &want) ||
        (rest >= 0 ? !want || have % want : have != want))
        return refuse(g, n, "the new shape has another number of elements", err);
    if (rest >= 0)
        n->shape.dim[rest] = (int64_t)(have / want);
    return CAFACE_OK;
}

static caface_status infer_transpose(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    unsigned seen = 0;

    n->shape.ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++) {
        if (n->perm[i] < 0 || n->perm[i] >= x->ndim || (seen >> n->perm[i] & 1u))
            return refuse(g, n, "not a permutation of the axes", err);
        seen |= 1u << n->perm[i];
        n->shape.dim[i] = x->dim[n->perm[i]];
    }
    return is_batched(x) && n->perm[0] != 0 ? mixes_rows(n, err) : CAFACE_OK;
}

static caface_status infer_concat(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);
    int axis = cafi_axis_from_start(n->axis, x->ndim);

    if (axis < 0)
        return refuse(g, n, "joins along an axis that is not there", err);
    n->axis = axis;
    if (axis == 0 && is_batched(x))
        return mixes_rows(n, err);
    n->shape = *x;
    for (size_t i = 1; i < n->input_count; i++) {
        const cafi_shape *y = in(g, n, i);

        if (y->ndim != x->ndim)
            return mismatch(g, n, 0, i, err);
        for (int d = 0; d < x->ndim; d++)
            if (d != axis && y->dim[d] != x->dim[d])
                return mismatch(g, n, 0, i, err);
        if (n->shape.dim[axis] > MAX_EXTENT - y->dim[axis])
            return refuse(g, n, "too large", err);
        n->shape.dim[axis] += y->dim[axis];
    }
    return CAFACE_OK;
}

static caface_status infer_slice(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);

    n->shape.ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++) {
        int64_t size = x->dim[i];
        int64_t step = n->step[i];
        int64_t last = 0;

        if (step == 0)
            n->step[i] = step = 1; /* not given */
        if (size == CAFI_BATCH) {
            if (n->start[i] || step != 1 || n->extent[i] != -1)
                return mixes_rows(n, err);
            n->shape.dim[i] = CAFI_BATCH;
            continue;
        }
        if (n->start[i] < 0 || n->start[i] > MAX_EXTENT || step > MAX_EXTENT || step < -MAX_EXTENT)
            return refuse(g, n, "takes elements that are not there", err);
        if (n->extent[i] == -1)
            n->extent[i] = step == 0  ? 0
                           : step < 0 ? n->start[i] / -step + 1
                                      : (size - n->start[i] + step - 1) / step;
        if (n->extent[i] < 0 || n->extent[i] > size)
            return refuse(g, n, "takes elements that are not there", err);
        last = n->extent[i] ? n->start[i] + (n->extent[i] - 1) * step : 0;
        if (n->extent[i] && (n->start[i] >= size || last < 0 || last >= size))
            return refuse(g, n, "takes elements that are not there", err);
        n->shape.dim[i] = n->extent[i];
    }
    return CAFACE_OK;
}

static caface_status infer_resize(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);

    if (x->ndim != 4)
        return refuse(g, n, "resizes pictures only", err);
    n->shape = *x;
    for (int i = 0; i < 2; i++) {
        if (n->extent[i] < 1 || n->extent[i] > 65535 || x->dim[2 + i] < 1)
            return refuse(g, n, "an output size out of range", err);
        n->shape.dim[2 + i] = n->extent[i];
        if (!(n->resize_scale[i] > 0))
            n->resize_scale[i] = (float)n->extent[i] / (float)x->dim[2 + i];
    }
    return CAFACE_OK;
}

static caface_status infer_pad(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = in(g, n, 0);

    n->shape = *x;
    for (int i = 0; i < x->ndim; i++) {
        if (n->start[i] < 0 || n->step[i] < 0 || n->start[i] > 65535 || n->step[i] > 65535)
            return refuse(g, n, "padding out of range", err);
        if (x->dim[i] == CAFI_BATCH) {
            if (n->start[i] || n->step[i])
                return mixes_rows(n, err);
            continue;
        }
        if (n->pad_mode != CAFI_PAD_CONSTANT &&
            (x->dim[i] < 1 || (n->pad_mode == CAFI_PAD_REFLECT &&
                               (n->start[i] >= x->dim[i] || n->step[i] >= x->dim[i]))))
            return refuse(g, n, "padding larger than what it mirrors", err);
        n->shape.dim[i] += n->start[i] + n->step[i];
    }
    return CAFACE_OK;
}

static caface_status infer_other(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    const cafi_shape *x = n->input_count ? in(g, n, 0) : NULL;

    switch (n->op) {
    case CAFI_OP_INPUT:
        return CAFACE_OK;
    case CAFI_OP_ADD:
    case CAFI_OP_SUB:
    case CAFI_OP_MUL:
    case CAFI_OP_DIV:
    case CAFI_OP_MAX:
    case CAFI_OP_MIN:
        return broadcast(x, in(g, n, 1), 0, &n->shape) ? CAFACE_OK : mismatch(g, n, 0, 1, err);
    case CAFI_OP_SOFTMAX:
        n->axis = cafi_axis_from_start(n->axis, x->ndim);
        n->shape = *x;
        if (n->axis < 0)
            return refuse(g, n, "an axis that is not there", err);
        return n->axis == 0 && is_batched(x) ? mixes_rows(n, err) : CAFACE_OK;
    case CAFI_OP_STYLE:
        if (x->ndim != 4)
            return refuse(g, n, "needs a map", err);
        n->shape = (cafi_shape){3, {x->dim[0], x->dim[1], 2}};
        return CAFACE_OK;
    default:
        n->shape = *x;
        return CAFACE_OK;
    }
}

/* How many inputs a node type takes. */
static bool arity_fits(const cafi_node *n)
{
    switch (n->op) {
    case CAFI_OP_INPUT:
        return n->input_count == 0;
    case CAFI_OP_CONV:
    case CAFI_OP_GEMM:
        return n->input_count == 2 || n->input_count == 3;
    case CAFI_OP_AFFINE:
        return n->input_count == 3;
    case CAFI_OP_PRELU:
    case CAFI_OP_MATMUL:
    case CAFI_OP_ADD:
    case CAFI_OP_SUB:
    case CAFI_OP_MUL:
    case CAFI_OP_DIV:
    case CAFI_OP_MAX:
    case CAFI_OP_MIN:
        return n->input_count == 2;
    case CAFI_OP_CONCAT:
        return n->input_count >= 1;
    default:
        return n->input_count == 1;
    }
}

static caface_status infer(const cafi_graph *g, cafi_node *n, caface_error *err)
{
    switch (n->op) {
    case CAFI_OP_CONV:
        return infer_conv(g, n, err);
    case CAFI_OP_GEMM:
        return infer_gemm(g, n, err);
    case CAFI_OP_MATMUL:
        return infer_matmul(g, n, err);
    case CAFI_OP_AFFINE:
    case CAFI_OP_PRELU:
        return infer_channels(g, n, err);
    case CAFI_OP_MAXPOOL:
    case CAFI_OP_AVGPOOL:
        return infer_pool(g, n, err);
    case CAFI_OP_REDUCE_MEAN:
    case CAFI_OP_REDUCE_SUM:
    case CAFI_OP_REDUCE_MAX:
    case CAFI_OP_REDUCE_L2:
        return infer_reduce(g, n, err);
    case CAFI_OP_RESHAPE:
        return infer_reshape(g, n, err);
    case CAFI_OP_TRANSPOSE:
        return infer_transpose(g, n, err);
    case CAFI_OP_CONCAT:
        return infer_concat(g, n, err);
    case CAFI_OP_SLICE:
        return infer_slice(g, n, err);
    case CAFI_OP_RESIZE:
        return infer_resize(g, n, err);
    case CAFI_OP_PAD:
        return infer_pad(g, n, err);
    default:
        return infer_other(g, n, err);
    }
}

caface_status cafi_infer_shape(const cafi_graph *graph, cafi_node *node, caface_error *err)
{
    size_t elements = 0;
    caface_status st = CAFACE_OK;

    if (!arity_fits(node))
        return cafi_fail(err, CAFACE_EMODEL, "node %s (%s): %zu inputs", node->name,
                         cafi_op_name(node->op), node->input_count);
    st = infer(graph, node, err);
    if (st)
        return st;
    for (int i = 0; i < node->shape.ndim; i++) {
        int64_t extent = node->shape.dim[i];

        if (extent == CAFI_BATCH ? i > 0 : extent < 1 || extent > MAX_EXTENT)
            return refuse(graph, node, "an empty or absurd result", err);
    }
    if (!cafi_shape_count(&node->shape, 4096, &elements) || (uint64_t)elements > (uint64_t)1 << 40)
        return refuse(graph, node, "a result too large", err);
    return CAFACE_OK;
}
