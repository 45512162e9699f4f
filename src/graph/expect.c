#include "graph/expect.h"

#include <math.h>

#include "graph/elem.h"

/* Errors that are allowed. A sum of n products in float is off by less than
 * n 2^-24 of the sum of magnitudes in any order, and in practice by its square
 * root: 2e-5 has room for a hundred thousand. Winograd's F(4x4, 3x3) loses a
 * digit and a half, F(4, 3) in one direction half of that. Winograd's inner products are off by a
 * share of n times the largest of both factors. bf16 keeps eight bits. */
#define SUM_ERROR 2e-5
#define LINES_ERROR 1e-4
#define POINTWISE_ERROR 2e-6
#define WINOGRAD_ERROR 2e-4
#define BF16_ERROR (1.0 / 256)
#define TINY 1e-30

/* A map: groups of lanes, as graph/kernels.h says. */
typedef struct map {
    const void *data;
    cafi_elem elem;
    size_t channels, positions, lanes;
    size_t inner; /* rows that are innermost instead; 0: they are not */
} map;

static size_t index_of(const map *m, size_t row, size_t channel, size_t position)
{
    size_t groups = (m->channels + m->lanes - 1) / m->lanes;

    if (m->inner)
        return (channel * m->positions + position) * m->inner + row;
    return ((row * groups + channel / m->lanes) * m->positions + position) * m->lanes +
           channel % m->lanes;
}

static double load(const void *data, cafi_elem elem, size_t i)
{
    return elem == CAFI_ELEM_S8 ? ((const int8_t *)data)[i] : (double)cafi_elem_load(data, elem, i);
}

static double at(const map *m, size_t row, size_t channel, size_t position)
{
    return load(m->data, m->elem, index_of(m, row, channel, position));
}

static map dnn_source(const cafi_step_view *v)
{
    const cafi_dnn_spec *s = &v->step->spec;
    size_t positions = s->in_height * s->in_width;

    return (map){v->before[0],
                 s->src,
                 s->in_channels,
                 positions,
                 positions > 1 || s->convolution ? cafi_layout_lanes(s->src_layout, s->in_channels)
                                                 : s->in_channels,
                 s->src_layout == CAFI_LAYOUT_ROWS ? s->batch : 0};
}

static map dnn_result(const cafi_step_view *v, const void *data)
{
    const cafi_dnn_spec *s = &v->step->spec;

    return (map){data,
                 s->dst,
                 s->out_channels,
                 s->out_height * s->out_width,
                 s->convolution ? cafi_layout_lanes(s->dst_layout, s->out_channels)
                                : s->out_channels,
                 s->dst_layout == CAFI_LAYOUT_ROWS ? s->batch : 0};
}

static map pass_map(const cafi_plan_op *s, const void *data, cafi_elem elem)
{
    return (map){data, elem, s->pass.groups * s->pass.lanes, s->pass.positions, s->pass.lanes, 0};
}

bool cafi_expect_extent(const cafi_plan_op *s, cafi_place *e)
{
    switch (s->kind) {
    case CAFI_STEP_DNN:
    case CAFI_STEP_POINTWISE:
        *e = (cafi_place){s->spec.batch, s->spec.out_channels, s->spec.out_height,
                          s->spec.out_width};
        return true;
    case CAFI_STEP_LINES:
        *e = (cafi_place){s->spec.batch, s->spec.out_channels, s->spec.out_height,
                          s->spec.out_width};
        e->y = cafi_lines_pooled(&s->lines.shape, e->y);
        e->x = cafi_lines_pooled(&s->lines.shape, e->x);
        return true;
    case CAFI_STEP_PASS:
        *e = (cafi_place){s->pass.rows, s->pass.groups * s->pass.lanes, 1, s->pass.positions};
        if (s->pass.border) {
            e->y = s->pass.border->height;
            e->x = s->pass.border->width;
        }
        return true;
    case CAFI_STEP_BINARY:
        *e = (cafi_place){s->binary.rows, s->binary.groups * s->binary.lanes, 1,
                          s->binary.positions};
        return true;
    case CAFI_STEP_CONCAT:
        *e = (cafi_place){1, 1, s->rows, 0};
        for (size_t k = 0; k < s->in_count; k++)
            e->x += s->chunks[k] / sizeof(float);
        return true;
    case CAFI_STEP_STYLE:
        *e = (cafi_place){s->rows, s->channels, 1, 2};
        return true;
    case CAFI_STEP_MEAN:
        *e = (cafi_place){s->rows, s->groups * s->lanes, 1, 1};
        return true;
    case CAFI_STEP_POOL:
        *e = (cafi_place){s->pool.rows, s->pool.groups * s->pool.lanes, s->pool.out_height,
                          s->pool.out_width};
        return true;
    case CAFI_STEP_REORDER:
        *e = (cafi_place){s->reorder.rows, s->reorder.channels, 1, s->reorder.positions};
        return true;
    case CAFI_STEP_RESIZE:
        *e = (cafi_place){s->resize.planes, s->resize.lanes, s->resize.out_height,
                          s->resize.out_width};
        return true;
    case CAFI_STEP_MATMUL:
        *e = (cafi_place){cafi_matmul_rows(&s->matmul) / s->matmul.rows, s->matmul.columns,
                          s->matmul.rows, 1};
        return true;
    case CAFI_STEP_MOVE:
        *e = (cafi_place){1, 1, 1, 1};
        for (int d = 0; d < s->move.ndim; d++)
            e->x *= s->move.extent[d];
        return true;
    default:
        return false;
    }
}

/* What rounding to the stored type adds. */
static double rounding(cafi_elem elem, double value)
{
    return elem == CAFI_ELEM_BF16 ? BF16_ERROR * fabs(value) : 0;
}

static float to_bf16(float value)
{
    uint16_t half;

    cafi_elem_store(&half, CAFI_ELEM_BF16, 0, value, 0);
    return cafi_elem_load(&half, CAFI_ELEM_BF16, 0);
}

static double clip(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

typedef struct products {
    double sum, magnitude;
    double count, most_w, most_x;
} products;

static double weight_at(const cafi_step_view *v, size_t i)
{
    const cafi_step_weights *w = v->weights;

    if (w->small)
        return w->small[i];
    return v->step->spec.src == CAFI_ELEM_BF16 ? to_bf16(w->weights[i]) : w->weights[i];
}

static void multiply(products *p, double w, double x)
{
    p->sum += w * x;
    p->magnitude += fabs(w * x);
    p->count++;
    p->most_w = fmax(p->most_w, fabs(w));
    p->most_x = fmax(p->most_x, fabs(x));
}

static products convolve(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_dnn_spec *s = &v->step->spec;
    const cafi_window *w = &s->window;
    map src = dnn_source(v);
    size_t outs = s->out_channels / (size_t)w->groups;
    size_t ins = s->in_channels / (size_t)w->groups;
    size_t first = place->channel / outs * ins;
    products p = {0};

    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = (int64_t)place->y * w->stride[0] - w->pad[0] + ky * w->dilation[0];
            int64_t x = (int64_t)place->x * w->stride[1] - w->pad[1] + kx * w->dilation[1];

            if (y < 0 || x < 0 || y >= (int64_t)s->in_height || x >= (int64_t)s->in_width)
                continue;
            for (size_t i = 0; i < ins; i++) {
                size_t tap = ((place->channel * ins + i) * (size_t)w->kernel[0] + (size_t)ky) *
                                 (size_t)w->kernel[1] +
                             (size_t)kx;

                multiply(&p, weight_at(v, tap),
                         at(&src, place->row, first + i, (size_t)y * s->in_width + (size_t)x));
            }
        }
    return p;
}

static products dot(const cafi_step_view *v, const cafi_place *place)
{
    map src = dnn_source(v);
    products p = {0};

    for (size_t c = 0; c < src.channels; c++)
        for (size_t i = 0; i < src.positions; i++)
            multiply(&p, weight_at(v, (place->channel * src.channels + c) * src.positions + i),
                     at(&src, place->row, c, i));
    return p;
}

static cafi_expected expect_dnn(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_dnn_spec *s = &v->step->spec;
    const cafi_step_weights *w = v->weights;
    const float *slope = v->step->pointwise.slope;
    size_t position = place->y * s->out_width + place->x;
    map dst = dnn_result(v, v->out);
    map old = dnn_result(v, v->old);
    products p = s->convolution ? convolve(v, place) : dot(v, place);
    double scale = w->scales ? w->scales[place->channel] : 1;
    double bias = w->bias[place->channel];
    double added = s->sum ? at(&old, place->row, place->channel, position) : 0;
    double want = p.sum * scale + bias + added;
    double error = (s->winograd ? WINOGRAD_ERROR : SUM_ERROR) * p.magnitude * scale;

    if (v->step->kind == CAFI_STEP_POINTWISE)
        error = POINTWISE_ERROR * p.count * p.most_w * p.most_x;
    error += SUM_ERROR * (fabs(bias) + fabs(added));
    if (slope) {
        error *= fmax(1, fabs((double)slope[place->channel]));
        want *= want < 0 ? slope[place->channel] : 1;
    }
    if (s->clip)
        want = clip(want, s->lo, s->hi);
    return (cafi_expected){
        .got = at(&dst, place->row, place->channel, position),
        .want = want,
        .allowed = error + rounding(s->dst, want) + TINY,
    };
}

/* The largest of what a pool sees, or the one output. */
static cafi_expected expect_lines(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_dnn_spec *s = &v->step->spec;
    const cafi_lines_args *a = &v->step->lines;
    size_t n = a->shape.pool ? a->shape.pool : 1, stride = a->shape.pool ? 2 : 1;
    size_t width = cafi_lines_pooled(&a->shape, s->out_width);
    map out = dnn_result(v, v->out);
    cafi_expected e = {.want = -INFINITY};

    out.positions = cafi_lines_pooled(&a->shape, s->out_height) * width;
    for (size_t k = 0; k < n * n; k++) {
        cafi_place p = *place;
        products sum;
        double value = v->weights->bias[p.channel];

        p.y = stride * p.y + k / n;
        p.x = stride * p.x + k % n;
        if (p.y >= s->out_height || p.x >= s->out_width)
            continue;
        sum = convolve(v, &p);
        e.allowed =
            fmax(e.allowed, LINES_ERROR * (sum.magnitude + fabs(value)) *
                                (a->slope ? fmax(1, fabs((double)a->slope[p.channel])) : 1));
        value += sum.sum;
        if (a->slope && value < 0)
            value *= a->slope[p.channel];
        e.want = fmax(e.want, value);
    }
    e.allowed += TINY;
    e.got = at(&out, place->row, place->channel, place->y * width + place->x);
    return e;
}

static cafi_expected expect_pass(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_pass_args *a = &v->step->pass;
    size_t width = a->border ? a->border->width : a->positions;
    size_t position = place->y * width + place->x;
    size_t c = place->channel;
    map in = pass_map(v->step, v->before[0], a->from);
    map out = pass_map(v->step, v->out, a->to);
    double value = at(&in, place->row, c, position);
    double magnitude = 0;

    if (a->scale) {
        value *= a->scale[c];
        magnitude = fabs(value) + fabs((double)a->shift[c]);
        value += a->shift[c];
    }
    if (a->border) {
        const cafi_border *b = a->border;
        size_t cell = b->row_class[place->y] * b->column_classes + b->column_class[place->x];
        double more = b->values[cell * b->padded + c];

        magnitude += fabs(value) + fabs(more);
        value += more;
    }
    if (a->act == CAFI_ACT_PRELU && value < 0) {
        magnitude = fmax(magnitude, fabs(value)) * fabs((double)a->slope[c]);
        value *= a->slope[c];
    }
    if (a->act == CAFI_ACT_CLIP)
        value = clip(value, a->lo, a->hi);
    cafi_expected e = {at(&out, place->row, c, position), value,
                       SUM_ERROR * fmax(magnitude, fabs(value)) + rounding(a->to, value) + TINY};
    if (a->to == CAFI_ELEM_S8) {
        double quanta = value * a->inverse_quanta[c];

        e.want = clip(rint(quanta), -127, 127);
        /* In float it may have been rounded the other way. */
        e.allowed = fabs(fabs(quanta - floor(quanta)) - 0.5) < 1e-4 * (1 + fabs(quanta)) ? 1 : 0;
    }
    return e;
}

static cafi_expected expect_binary(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_binary_args *s = &v->step->binary;
    map a = {v->before[0], s->elem, s->groups * s->lanes, s->positions, s->lanes, 0};
    map b = {v->before[1], s->elem, s->groups * s->lanes, s->broadcast ? 1 : s->positions,
             s->lanes,     0};
    map c = a;
    double x = at(&a, place->row, place->channel, place->x);
    double y = at(&b, place->row, place->channel, s->broadcast ? 0 : place->x);
    double want = s->op == CAFI_OP_ADD   ? x + y
                  : s->op == CAFI_OP_SUB ? x - y
                  : s->op == CAFI_OP_MUL ? x * y
                                         : x / y;

    c.data = v->out;
    return (cafi_expected){at(&c, place->row, place->channel, place->x), want,
                           SUM_ERROR * fabs(want) + rounding(s->elem, want) + TINY};
}

static cafi_expected expect_pool(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_pool_args *s = &v->step->pool;
    const cafi_window *w = &v->step->window;
    map in = {v->before[0], s->elem, s->groups * s->lanes, s->height * s->width, s->lanes, 0};
    map out = {v->out, s->elem, s->groups * s->lanes, s->out_height * s->out_width, s->lanes, 0};
    double sum = 0;
    double magnitude = 0;
    double top = -INFINITY;
    size_t seen = 0;
    size_t covered = 0;

    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = (int64_t)place->y * w->stride[0] - w->pad[0] + ky * w->dilation[0];
            int64_t x = (int64_t)place->x * w->stride[1] - w->pad[1] + kx * w->dilation[1];
            double value = 0;

            covered += y < (int64_t)s->height + w->pad[2] && x < (int64_t)s->width + w->pad[3];
            if (y < 0 || x < 0 || y >= (int64_t)s->height || x >= (int64_t)s->width)
                continue;
            value = at(&in, place->row, place->channel, (size_t)y * s->width + (size_t)x);
            if (s->slope && value < 0)
                value = (float)value * s->slope[place->channel];
            seen++;
            sum += value;
            magnitude += fabs(value);
            top = fmax(top, value);
        }
    double count = (double)(w->count_pad ? covered : seen);
    double want = s->max ? top : count > 0 ? sum / count : 0;

    return (cafi_expected){at(&out, place->row, place->channel, place->y * s->out_width + place->x),
                           want,
                           (s->max || count == 0 ? 0 : SUM_ERROR * magnitude / count) +
                               rounding(s->elem, want) + TINY};
}

/* The mean of a channel, or its unbiased deviation. */
static cafi_expected expect_moment(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_plan_op *s = v->step;
    map in = {v->before[0], s->elem, s->channels, s->positions, s->lanes, 0};
    bool style = s->kind == CAFI_STEP_STYLE;
    double n = (double)s->positions;
    double mean = 0;
    double magnitude = 0;
    double square = 0;
    double got = 0;

    if (!style)
        in.channels = s->groups * s->lanes;
    for (size_t i = 0; i < s->positions; i++) {
        double x = at(&in, place->row, place->channel, i);

        mean += x / n;
        magnitude += fabs(x) / n;
    }
    for (size_t i = 0; i < s->positions; i++)
        square += pow(at(&in, place->row, place->channel, i) - mean, 2);
    if (style) {
        got = ((const float *)v->out)[(place->row * s->channels + place->channel) * 2 + place->x];
        if (place->x)
            mean = n > 1 ? sqrt(square / (n - 1)) : 0;
        return (cafi_expected){got, mean, SUM_ERROR * (magnitude + fabs(mean)) + TINY};
    }
    in.data = v->out;
    in.positions = 1;
    return (cafi_expected){at(&in, place->row, place->channel, 0), mean,
                           SUM_ERROR * magnitude + rounding(s->elem, mean) + TINY};
}

static cafi_expected expect_reorder(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_reorder_args *s = &v->step->reorder;
    map in = {v->before[0], s->from, s->channels, s->positions, s->from_lanes, 0};
    map out = {v->out, s->to, s->channels, s->positions, s->to_lanes, 0};
    double want = at(&in, place->row, place->channel, place->x);

    return (cafi_expected){at(&out, place->row, place->channel, place->x), want,
                           s->to == s->from ? 0 : rounding(s->to, want) + TINY};
}

static cafi_expected expect_resize(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_resize_args *s = &v->step->resize;
    map in = {v->before[0], CAFI_ELEM_F32, s->lanes, s->height * s->width, s->lanes, 0};
    map out = {v->out, CAFI_ELEM_F32, s->lanes, s->out_height * s->out_width, s->lanes, 0};
    size_t rows[2] = {s->rows.low[place->y], s->linear ? s->rows.high[place->y] : 0};
    size_t columns[2] = {s->columns.low[place->x], s->linear ? s->columns.high[place->x] : 0};
    double want = 0;
    double magnitude = 0;

    for (int k = 0; k < (s->linear ? 4 : 1); k++) {
        double down = s->linear ? (double)s->rows.part[place->y] : 0;
        double right = s->linear ? (double)s->columns.part[place->x] : 0;
        double part = (k / 2 ? down : 1 - down) * (k % 2 ? right : 1 - right);
        double x =
            part * at(&in, place->row, place->channel, rows[k / 2] * s->width + columns[k % 2]);

        want += x;
        magnitude += fabs(x);
    }
    return (cafi_expected){at(&out, place->row, place->channel, place->y * s->out_width + place->x),
                           want, s->linear ? SUM_ERROR * magnitude + TINY : 0};
}

static cafi_expected expect_move(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_move_args *s = &v->step->move;
    size_t rest = place->x;
    ptrdiff_t from = (ptrdiff_t)s->offset;

    for (int d = s->ndim - 1; d >= 0; d--) {
        from += (ptrdiff_t)(rest % s->extent[d]) * s->step[d];
        rest /= s->extent[d];
    }
    return (cafi_expected){((const float *)v->out)[place->x], ((const float *)v->before[0])[from],
                           0};
}

static cafi_expected expect_concat(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_plan_op *s = v->step;
    size_t width = 0;
    size_t from = 0;
    float want = 0;

    for (size_t k = 0; k < s->in_count; k++) {
        size_t own = s->chunks[k] / sizeof(float);

        from = place->x - width;
        if (place->x >= width && from < own)
            want = ((const float *)v->before[k])[place->y * own + from];
        width += own;
    }
    return (cafi_expected){((const float *)v->out)[place->y * width + place->x], want, 0};
}

static cafi_expected expect_matmul(const cafi_step_view *v, const cafi_place *place)
{
    const cafi_matmul_args *s = &v->step->matmul;
    const float *a = (const float *)v->before[0] + cafi_matmul_at(s, s->a_step, place->row);
    const float *b = (const float *)v->before[1] + cafi_matmul_at(s, s->b_step, place->row);
    size_t at = (place->row * s->rows + place->y) * s->columns + place->channel;
    double want = 0;
    double magnitude = 0;

    for (size_t k = 0; k < s->depth; k++) {
        double x = (double)a[place->y * s->depth + k] * b[k * s->columns + place->channel];

        want += x;
        magnitude += fabs(x);
    }
    return (cafi_expected){((const float *)v->out)[at], want, SUM_ERROR * magnitude + TINY};
}

cafi_expected cafi_expect(const cafi_step_view *v, const cafi_place *place)
{
    switch (v->step->kind) {
    case CAFI_STEP_DNN:
    case CAFI_STEP_POINTWISE:
        return expect_dnn(v, place);
    case CAFI_STEP_LINES:
        return expect_lines(v, place);
    case CAFI_STEP_PASS:
        return expect_pass(v, place);
    case CAFI_STEP_BINARY:
        return expect_binary(v, place);
    case CAFI_STEP_CONCAT:
        return expect_concat(v, place);
    case CAFI_STEP_POOL:
        return expect_pool(v, place);
    case CAFI_STEP_REORDER:
        return expect_reorder(v, place);
    case CAFI_STEP_RESIZE:
        return expect_resize(v, place);
    case CAFI_STEP_MATMUL:
        return expect_matmul(v, place);
    case CAFI_STEP_MOVE:
        return expect_move(v, place);
    default:
        return expect_moment(v, place);
    }
}

bool cafi_expect_padding(const cafi_step_view *v)
{
    map out = dnn_result(v, v->out);
    size_t padded = (out.channels + out.lanes - 1) / out.lanes * out.lanes;

    for (size_t n = 0; n < v->step->spec.batch; n++)
        for (size_t c = out.channels; c < padded; c++)
            for (size_t p = 0; p < out.positions; p++)
                if (at(&out, n, c, p) != 0)
                    return false;
    return true;
}
