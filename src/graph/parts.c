#include "graph/parts.h"

void cafi_part_range(size_t units, size_t part, size_t parts, size_t *first, size_t *last)
{
    *first = units * part / parts;
    *last = units * (part + 1) / parts;
}

void cafi_cut_rows(cafi_plan_op *step, size_t height, size_t width)
{
    if (height < 2 * CAFI_PARTS)
        return;
    step->parts = CAFI_PARTS;
    step->cut = CAFI_CUT_ROWS;
    step->units = height;
    step->unit_width = width;
}

/* Rows [first, last) of the output, and the rows of the input that they see. */
static void cut_rows(cafi_part *p, size_t first, size_t last)
{
    cafi_dnn_spec *s = &p->spec;
    cafi_window *w = &s->window;
    int64_t reach = (w->kernel[0] - 1) * w->dilation[0] + 1;
    int64_t from = (int64_t)first * w->stride[0] - w->pad[0];
    int64_t to = (int64_t)(last - 1) * w->stride[0] - w->pad[0] + reach;
    int64_t height = (int64_t)s->in_height;

    w->pad[0] = from < 0 ? -from : 0;
    from = from < 0 ? 0 : from;
    to = to > height ? height : to;
    p->in_offset = (size_t)from * s->in_width * s->in_channels * cafi_elem_size(s->src);
    p->out_offset = first * s->out_width * s->out_channels * cafi_elem_size(s->dst);
    s->in_height = (size_t)(to - from);
    s->out_height = last - first;
}

cafi_part cafi_part_of(const cafi_plan_op *step, size_t part)
{
    cafi_part p = {.spec = step->spec};
    cafi_dnn_spec *s = &p.spec;
    size_t first = 0;
    size_t last = 0;

    cafi_part_range(step->units, part, step->parts, &first, &last);
    if (step->cut == CAFI_CUT_ROWS)
        cut_rows(&p, first, last);
    if (step->cut != CAFI_CUT_CHANNELS)
        return p;
    p.channel = first;
    p.out_offset =
        first * (s->convolution ? s->out_height * s->out_width : 1) * cafi_elem_size(s->dst);
    s->out_channels = last - first;
    return p;
}

#define ALIGNED 64

static size_t whole_lines(size_t bytes)
{
    return (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
}

cafi_blocked_maps cafi_blocked_of(const cafi_part *part, size_t scratch)
{
    const cafi_dnn_spec *s = &part->spec;
    cafi_blocked_maps m = {.in = whole_lines(scratch)};

    m.out = m.in + whole_lines(s->in_channels * s->in_height * s->in_width * sizeof(float));
    m.end = m.out + whole_lines(s->out_channels * s->out_height * s->out_width * sizeof(float));
    return m;
}
