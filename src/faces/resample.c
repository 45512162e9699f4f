#include "faces/resample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "faces/resample_kernels.h"

typedef cafi_resample_filter filter;

/* Weights that are kept, in pairs by the extents they are for: windows on a picture come in
 * hundreds of sizes. */
#define PAIRS 1024
#define SLOTS ((size_t)2 * PAIRS)

typedef struct cafi_resample_slot {
    size_t in, out; /* 0: empty */
    filter filter;
} slot;

static void filter_free(filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weights);
    free(f->halves);
    free(f->pieces);
    free(f->fours);
    free(f->spread);
    *f = (filter){0};
}

/* Weights of one output position: a triangle around its centre, normalised. */
static void filter_fill(filter *f, size_t in, size_t o, double scale, double support)
{
    double shrink = fmax(scale, 1.0);
    double centre = ((double)o + 0.5) * scale;
    double low = fmax(0.0, floor(centre - support + 0.5));
    double high = fmin((double)in, floor(centre + support + 0.5));
    size_t count = (size_t)(high - low);
    double sum = 0.0;
    int32_t *w = f->weights + o * f->taps;

    for (size_t k = 0; k < count; k++)
        sum += fmax(0.0, 1.0 - fabs(((double)k + low - centre + 0.5) / shrink));
    for (size_t k = 0; k < count; k++) {
        double x = fmax(0.0, 1.0 - fabs(((double)k + low - centre + 0.5) / shrink));

        w[k] = (int32_t)(0.5 + (sum > 0.0 ? x / sum : 0.0) * (1 << CAFI_WEIGHT_BITS));
    }
    for (size_t k = 0; k < f->taps; k++) {
        int16_t *four = f->halves + (o * f->taps + k / 4 * 4) * 2;
        int8_t *pieces = f->pieces + (o * f->taps + k / 4 * 4) * 4 + k % 4;
        int32_t rest = w[k];

        for (int p = 0; p < 3; p++) {
            pieces[4 * p] = (int8_t)((rest & 255) - (rest & 128) * 2);
            rest = (rest - pieces[4 * p]) / 256;
        }
        four[k % 4] = (int16_t)(w[k] & ((1 << CAFI_WEIGHT_LOW) - 1));
        four[4 + k % 4] = (int16_t)(w[k] >> CAFI_WEIGHT_LOW);
    }
    f->first[o] = (uint32_t)low;
    f->count[o] = (uint32_t)count;
}

/* Where the inputs of a step of four outputs are: in what reaches them, or each output's own in
 * the quarter of a vector that is its. */
static void spread_indices(const filter *f, size_t group, uint8_t *to)
{
    const uint32_t *first = f->first + 4 * group;

    for (size_t i = 0; i < 64; i++) {
        size_t q = i / 16, c = i / 4 % 4, k = i % 4;
        size_t from = f->fours[group].reach ? (size_t)3 * (first[q] - first[0]) : 16 * q;

        to[i] = (uint8_t)(from + 3 * k + c % 3);
    }
}

/* Weights and places for four outputs at once. */
static caface_status filter_spread(filter *f, size_t out, caface_error *err)
{
    size_t groups = (out + 3) / 4, vectors = 0;
    caface_status st = CAFI_NEW(&f->fours, groups, err);

    for (size_t g = 0; !st && g < groups; g++) {
        cafi_resample_four *four = &f->fours[g];
        uint32_t most = 0;

        for (size_t o = 4 * g; o < 4 * g + 4; o++) {
            if (o >= out)
                f->first[o] = f->first[out - 1];
            else if (f->count[o] > most)
                most = f->count[o];
        }
        *four = (cafi_resample_four){(uint32_t)vectors, (most + 3) / 4,
                                     (3 * (f->first[4 * g + 3] - f->first[4 * g]) + 12 + 63) / 64};
        four->reach = four->reach > 2 ? 0 : four->reach;
        vectors += 1 + (size_t)3 * four->steps;
        if (vectors > UINT32_MAX)
            return cafi_fail_memory(err, ~0ULL);
    }
    if (!st)
        st = CAFI_NEW(&f->spread, 64 * vectors, err);
    for (size_t g = 0; !st && g < groups; g++) {
        uint8_t *to = f->spread + (size_t)64 * f->fours[g].at;

        spread_indices(f, g, to);
        for (size_t k = 0; k < (size_t)12 * f->fours[g].steps; k++) /* [step][piece][output] */
            for (size_t c = 0; c < 4 && 4 * g + k % 4 < out; c++)
                memcpy(to + 64 + 16 * k + 4 * c,
                       f->pieces + (4 * g + k % 4) * f->taps * 4 + k / 12 * 16 + k / 4 % 3 * 4, 4);
    }
    return st;
}

static caface_status filter_make(filter *f, size_t in, size_t out, caface_error *err)
{
    double scale = (double)in / (double)out;
    double support = fmax(scale, 1.0);
    size_t total = 0;
    caface_status st = CAFACE_OK;

    *f = (filter){.taps = ((size_t)ceil(support) * 2 + 2 + 3) / 4 * 4};
    if (!cafi_mul_size(out, 4 * f->taps, &total))
        return cafi_fail_memory(err, ~0ULL);
    total /= 2;
    (void)((st = CAFI_NEW(&f->first, (out + 3) / 4 * 4, err)) ||
           (st = CAFI_NEW(&f->count, out, err)) || (st = CAFI_NEW(&f->weights, total / 2, err)) ||
           (st = CAFI_NEW(&f->halves, total, err)) || (st = CAFI_NEW(&f->pieces, 2 * total, err)));
    if (st) {
        filter_free(f);
        return st;
    }
    for (size_t o = 0; o < out; o++)
        filter_fill(f, in, o, scale, support);
    st = filter_spread(f, out, err);
    if (st)
        filter_free(f);
    return st;
}

static const cafi_resample_kernels *kernels_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_has_byte_moves())
        return &cafi_resample_kernels_byte_dot;
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return &cafi_resample_kernels_avx512;
    if (cafi_cpu_isa() == CAFI_ISA_AVX2)
        return &cafi_resample_kernels_avx2;
#elif defined(__aarch64__)
    if (cafi_cpu_isa() == CAFI_ISA_NEON)
        return &cafi_resample_kernels_neon;
#endif
    return &cafi_resample_kernels_plain;
}

/* The weights of one axis, 0 or 1, which have slots of their own; windows of up to 400 pixels that
 * become 24 and 48 share none. What was used last is the first of its pair, what was used before it
 * the second. */
static caface_status filter_get(cafi_resampler *r, size_t axis, size_t in, size_t out,
                                const filter **f, caface_error *err)
{
    slot *s = NULL, other;
    caface_status st = r->slots ? CAFACE_OK : CAFI_NEW(&r->slots, 2 * SLOTS, err);

    if (st)
        return st;
    s = &r->slots[axis * SLOTS + 2 * ((in + 21 * out) % PAIRS)];
    *f = &s->filter;
    if (s->in == in && s->out == out)
        return CAFACE_OK;
    other = s[0];
    s[0] = s[1];
    s[1] = other;
    if (s->in == in && s->out == out)
        return CAFACE_OK;
    s->in = 0;
    filter_free(&s->filter);
    st = filter_make(&s->filter, in, out, err);
    if (st)
        return st;
    s->in = in;
    s->out = out;
    return CAFACE_OK;
}

void cafi_resampler_clear(cafi_resampler *r)
{
    for (size_t i = 0; r->slots && i < 2 * SLOTS; i++)
        filter_free(&r->slots[i].filter);
    free(r->slots);
    free(r->row);
    free(r->middle);
    free(r->result);
    *r = (cafi_resampler){0};
}

/* Room for pixels of three bytes, with some behind them. */
static caface_status reserve(uint8_t **bytes, size_t *room, size_t width, size_t height,
                             caface_error *err)
{
    size_t need = 0;

    if (!cafi_mul_size(width, 3, &need) || !cafi_mul_size(need, height, &need) ||
        !cafi_add_size(need, CAFI_RESAMPLE_SLACK, &need))
        return cafi_fail_memory(err, ~0ULL);
    if (need <= *room)
        return CAFACE_OK;
    free(*bytes);
    *bytes = NULL;
    *room = 0;
    caface_status st = cafi_alloc(bytes, need, 1, err);
    *room = st ? 0 : need;
    return st;
}

/* Are there that many bytes of the picture behind row y? */
static bool has_behind(const cafi_view *picture, size_t y, size_t bytes)
{
    return y < picture->height && (picture->height - 1 - y) * picture->width * 3 >= bytes;
}

/* Rows of the part into r->middle. */
static void run_rows(cafi_resampler *r, const cafi_view *picture, const cafi_part_of_view *part,
                     const filter *across, size_t width)
{
    const cafi_resample_kernels *kernels = kernels_get();
    size_t step = picture->width * 3, in = part->width * 3, bytes = width * 3;

    for (size_t y = 0; y < part->height;) {
        size_t at = part->y + y, left = part->height - y;
        const uint8_t *row = picture->rgb + at * step + part->x * 3;

        if (width == part->width) {
            memcpy(r->middle + y++ * bytes, row, bytes);
            continue;
        }
        if (left >= 4 && has_behind(picture, at + 3, CAFI_RESAMPLE_FAR)) {
            kernels->four(r->middle + y * bytes, bytes, row, step, across, width);
            y += 4;
            continue;
        }
        if (left >= 2 && has_behind(picture, at + 1, CAFI_RESAMPLE_SLACK)) {
            kernels->pair(r->middle + y * bytes, bytes, row, step, across, width);
            y += 2;
            continue;
        }
        if (!has_behind(picture, at,
                        CAFI_RESAMPLE_SLACK)) { /* nothing may be read behind the picture */
            memcpy(r->row, row, in);
            row = r->row;
        }
        kernels->row(r->middle + y++ * bytes, row, across, width);
    }
}

/* Columns of r->middle, `from` rows, into r->result. */
static void run_columns(cafi_resampler *r, size_t from, const filter *down, size_t width,
                        size_t height)
{
    const cafi_resample_kernels *kernels = kernels_get();
    size_t bytes = width * 3;

    for (size_t y = 0; y < height; y++)
        if (height == from)
            memcpy(r->result + y * bytes, r->middle + y * bytes, bytes);
        else
            kernels->column(r->result + y * bytes, r->middle + down->first[y] * bytes, down, y,
                            bytes);
}

caface_status cafi_resampler_part(cafi_resampler *r, const cafi_view *picture,
                                  const cafi_part_of_view *part, size_t width, size_t height,
                                  cafi_view *out, caface_error *err)
{
    const filter *across = NULL, *down = NULL;
    caface_status st = CAFACE_OK;

    (void)((st = filter_get(r, 0, part->width, width, &across, err)) ||
           (st = filter_get(r, 1, part->height, height, &down, err)) ||
           (st = reserve(&r->row, &r->row_room, part->width, 1, err)) ||
           (st = reserve(&r->middle, &r->middle_room, width, part->height, err)) ||
           (st = reserve(&r->result, &r->result_room, width, height, err)));
    if (!st) {
        run_rows(r, picture, part, across, width);
        run_columns(r, part->height, down, width, height);
        *out = (cafi_view){r->result, width, height};
    }
    return st;
}

caface_status cafi_resampler_run(cafi_resampler *r, const cafi_view *picture, size_t width,
                                 size_t height, cafi_view *out, caface_error *err)
{
    const cafi_part_of_view all = {0, 0, picture->width, picture->height};

    return cafi_resampler_part(r, picture, &all, width, height, out, err);
}

caface_status cafi_resample(uint8_t **out, const cafi_view *picture, size_t width, size_t height,
                            caface_error *err)
{
    cafi_resampler r = {0};
    cafi_view view;
    caface_status st = cafi_resampler_run(&r, picture, width, height, &view, err);

    *out = st ? NULL : r.result;
    if (!st)
        r.result = NULL;
    cafi_resampler_clear(&r);
    return st;
}
