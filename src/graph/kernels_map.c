/* Compiled once for every instruction set (meson.build), as kernels.c is: what
 * moves and gathers values of maps. KERNELS names the table. */
#include <math.h>

#include "graph/elem.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifndef KERNELS
#define KERNELS cafi_map_kernels_plain
#endif

#define CHUNK 16

/* The part of a window along one axis that lies inside the map. */
typedef struct reach {
    size_t first, last, step; /* positions first, first + step, ... < last */
    size_t covered;           /* with the padding, for averages that count it */
} reach;

static reach window_reach(const cafi_window *w, int axis, size_t o, size_t size)
{
    reach r = {.step = (size_t)w->dilation[axis]};
    int64_t at = (int64_t)o * w->stride[axis] - w->pad[axis];
    int64_t end = at + w->kernel[axis] * w->dilation[axis];
    int64_t padded = (int64_t)size + w->pad[2 + axis];

    for (int64_t k = at; k < end; k += w->dilation[axis])
        if (k < padded)
            r.covered++;
    while (at < 0)
        at += w->dilation[axis];
    r.first = (size_t)at;
    r.last = end < (int64_t)size ? (size_t)(end < 0 ? 0 : end) : size;
    return r;
}

static size_t reach_count(reach r)
{
    return r.last > r.first ? (r.last - r.first + r.step - 1) / r.step : 0;
}

/* One output position of one group, CHUNK lanes or fewer from lane l on. */
CAFI_INLINE void pool_chunk(const cafi_pool_args *a, cafi_elem elem, bool max, const float *slope,
                            size_t L, size_t plane, reach ry, reach rx, size_t to, size_t l,
                            size_t lanes)
{
    float value[CHUNK];
    size_t base = plane * a->height * a->width;
    float scale = 1;

#pragma GCC unroll 1
    for (size_t i = 0; i < lanes; i++)
        value[i] = max ? -INFINITY : 0;
    for (size_t y = ry.first; y < ry.last; y += ry.step)
        for (size_t x = rx.first; x < rx.last; x += rx.step) {
            size_t at = (base + y * a->width + x) * L + l;

            /* Unrolled, the comparisons would not become vectors. */
#pragma GCC unroll 1
            for (size_t i = 0; i < lanes; i++) {
                float v = cafi_elem_load(a->x, elem, at + i);

                if (slope)
                    v = v < 0 ? v * slope[l + i] : v;
                value[i] = max ? (v > value[i] ? v : value[i]) : value[i] + v;
            }
        }
    if (!max) {
        size_t seen =
            a->window->count_pad ? ry.covered * rx.covered : reach_count(ry) * reach_count(rx);

        scale = seen ? 1 / (float)seen : 0;
    }
#pragma GCC unroll 1
    for (size_t i = 0; i < lanes; i++)
        cafi_elem_store(a->y, elem, to * L + l + i, max ? value[i] : value[i] * scale, 0);
}

#if defined(__AVX512F__)

/* Sixteen of L lanes of f32, from lane l on, the largest. */
CAFI_INLINE void pool_max16(const cafi_pool_args *a, bool prelu, const float *slope, size_t L,
                            size_t plane, reach ry, reach rx, size_t to, size_t l)
{
    const float *x = (const float *)a->x + plane * a->height * a->width * L + l;
    __m512 s = prelu ? _mm512_loadu_ps(slope + l) : _mm512_setzero_ps();
    __m512 most = _mm512_set1_ps(-INFINITY);

    for (size_t i = ry.first; i < ry.last; i += ry.step)
        for (size_t k = rx.first; k < rx.last; k += rx.step) {
            __m512 v = _mm512_loadu_ps(x + (i * a->width + k) * L);

            if (prelu)
                v = _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v,
                                       s);
            most = _mm512_max_ps(v, most);
        }
    _mm512_storeu_ps((float *)a->y + to * L + l, most);
}

#endif

/* Positions [x0, x0 + n) of one output row. */
CAFI_INLINE void pool_row(const cafi_pool_args *a, cafi_elem elem, bool max, bool prelu, size_t L,
                          size_t plane, size_t y, size_t x0, const reach *rx, size_t n)
{
    reach ry = window_reach(a->window, 0, y, a->height);
    size_t to = (plane * a->out_height + y) * a->out_width + x0;
    const float *slope = prelu ? a->slope + plane % a->groups * L : NULL;

    for (size_t i = 0; i < n; i++) {
#if defined(__AVX512F__)
        if (elem == CAFI_ELEM_F32 && max && L % 16 == 0) {
            for (size_t l = 0; l < L; l += 16)
                pool_max16(a, prelu, slope, L, plane, ry, rx[i], to + i, l);
            continue;
        }
#endif
        for (size_t l = 0; l < L; l += CHUNK)
            pool_chunk(a, elem, max, slope, L, plane, ry, rx[i], to + i, l,
                       L - l < CHUNK ? L - l : CHUNK);
    }
}

static void pool_any(const cafi_pool_args *a, size_t plane, size_t y, size_t x0, const reach *rx,
                     size_t n)
{
    if (a->elem != CAFI_ELEM_F32)
        pool_row(a, CAFI_ELEM_BF16, a->max, a->slope, a->lanes, plane, y, x0, rx, n);
    else if (a->lanes == 16 && a->max && a->slope)
        pool_row(a, CAFI_ELEM_F32, true, true, 16, plane, y, x0, rx, n);
    else if (a->lanes == 8 && a->max && a->slope)
        pool_row(a, CAFI_ELEM_F32, true, true, 8, plane, y, x0, rx, n);
    else if (a->lanes == 16 && a->max)
        pool_row(a, CAFI_ELEM_F32, true, false, 16, plane, y, x0, rx, n);
    else if (a->lanes == 8 && a->max)
        pool_row(a, CAFI_ELEM_F32, true, false, 8, plane, y, x0, rx, n);
    else if (a->lanes == 1 && a->max && !a->slope)
        pool_row(a, CAFI_ELEM_F32, true, false, 1, plane, y, x0, rx, n);
    else if (a->max && a->slope)
        pool_row(a, CAFI_ELEM_F32, true, true, a->lanes, plane, y, x0, rx, n);
    else if (a->max)
        pool_row(a, CAFI_ELEM_F32, true, false, a->lanes, plane, y, x0, rx, n);
    else if (a->lanes == 16)
        pool_row(a, CAFI_ELEM_F32, false, false, 16, plane, y, x0, rx, n);
    else
        pool_row(a, CAFI_ELEM_F32, false, false, a->lanes, plane, y, x0, rx, n);
}

/* Columns in blocks, whose windows are found once for all rows. */
static void pool(const cafi_pool_args *a)
{
    reach rx[64];

    for (size_t x = 0; x < a->out_width; x += 64) {
        size_t n = a->out_width - x < 64 ? a->out_width - x : 64;

        for (size_t i = 0; i < n; i++)
            rx[i] = window_reach(a->window, 1, x + i, a->width);
        for (size_t plane = 0; plane < a->rows * a->groups; plane++)
            for (size_t y = a->first; y < a->last; y++)
                pool_any(a, plane, y, x, rx, n);
    }
}

CAFI_INLINE void resize_row(const cafi_resize_args *a, size_t L, const float *top,
                            const float *bottom, float fy, float *y)
{
    for (size_t x = 0; x < a->out_width; x++, y += L) {
        const float *p = top + (size_t)a->columns.low[x] * L;
        const float *q = top + (size_t)a->columns.high[x] * L;
        const float *r = bottom + (size_t)a->columns.low[x] * L;
        const float *s = bottom + (size_t)a->columns.high[x] * L;
        float fx = a->columns.part[x];

        for (size_t l = 0; l < L; l++)
            y[l] = a->linear ? (1 - fy) * ((1 - fx) * p[l] + fx * q[l]) +
                                   fy * ((1 - fx) * r[l] + fx * s[l])
                             : p[l];
    }
}

static void resize(const cafi_resize_args *a)
{
    size_t row = a->width * a->lanes;

    for (size_t p = 0; p < a->planes; p++)
        for (size_t o = a->first; o < a->last; o++) {
            const float *plane = a->x + p * a->height * row;
            const float *top = plane + (size_t)a->rows.low[o] * row;
            const float *bottom = plane + (size_t)a->rows.high[o] * row;
            float *y = a->y + (p * a->out_height + o) * a->out_width * a->lanes;

            if (a->lanes == 16)
                resize_row(a, 16, top, bottom, a->rows.part[o], y);
            else if (a->lanes == 8)
                resize_row(a, 8, top, bottom, a->rows.part[o], y);
            else
                resize_row(a, a->lanes, top, bottom, a->rows.part[o], y);
        }
}

#define BLOCK 64

/* Groups of L lanes into planes: a block of positions at a time, so that reads
 * stay in the first cache. */
CAFI_INLINE void to_planes(const float *x, float *y, size_t L, size_t channels, size_t positions)
{
    for (size_t g = 0; g * L < channels; g++)
        for (size_t p = 0; p < positions; p += BLOCK) {
            size_t n = positions - p < BLOCK ? positions - p : BLOCK;
            size_t used = channels - g * L < L ? channels - g * L : L;

            for (size_t l = 0; l < used; l++)
                for (size_t i = 0; i < n; i++)
                    y[(g * L + l) * positions + p + i] = x[(g * positions + p + i) * L + l];
        }
}

CAFI_INLINE void from_planes(const float *x, float *y, size_t L, size_t channels, size_t positions)
{
    for (size_t g = 0; g * L < channels; g++)
        for (size_t p = 0; p < positions; p += BLOCK) {
            size_t n = positions - p < BLOCK ? positions - p : BLOCK;

            for (size_t l = 0; l < L; l++)
                for (size_t i = 0; i < n; i++)
                    y[(g * positions + p + i) * L + l] =
                        g * L + l < channels ? x[(g * L + l) * positions + p + i] : 0;
        }
}

/* Groups of L lanes into rows of all channels. */
CAFI_INLINE void to_rows(const float *x, float *y, size_t L, size_t channels, size_t positions)
{
    for (size_t g = 0; g * L < channels; g++) {
        size_t used = channels - g * L < L ? channels - g * L : L;

        for (size_t p = 0; used == L && p < positions; p++)
            memcpy(y + p * channels + g * L, x + (g * positions + p) * L, L * sizeof *x);
        for (size_t p = 0; used < L && p < positions; p++)
            for (size_t l = 0; l < used; l++)
                y[p * channels + g * L + l] = x[(g * positions + p) * L + l];
    }
}

/* Rows of all channels into groups of L lanes. */
CAFI_INLINE void from_rows(const float *x, float *y, size_t L, size_t channels, size_t positions)
{
    for (size_t g = 0; g * L < channels; g++) {
        size_t used = channels - g * L < L ? channels - g * L : L;

        for (size_t p = 0; used == L && p < positions; p++)
            memcpy(y + (g * positions + p) * L, x + p * channels + g * L, L * sizeof *x);
        for (size_t p = 0; used < L && p < positions; p++)
            for (size_t l = 0; l < L; l++)
                y[(g * positions + p) * L + l] = l < used ? x[p * channels + g * L + l] : 0;
    }
}

/* Any two forms, element by element. */
static void reorder_any(const cafi_reorder_args *a)
{
    size_t from_groups = (a->channels + a->from_lanes - 1) / a->from_lanes;
    size_t to_groups = (a->channels + a->to_lanes - 1) / a->to_lanes;
    size_t padded = to_groups * a->to_lanes;

    for (size_t n = 0; n < a->rows; n++)
        for (size_t c = 0; c < padded; c++) {
            size_t x = (n * from_groups + c / a->from_lanes) * a->positions * a->from_lanes +
                       c % a->from_lanes;
            size_t y =
                (n * to_groups + c / a->to_lanes) * a->positions * a->to_lanes + c % a->to_lanes;

            for (size_t p = 0; p < a->positions; p++)
                cafi_elem_store(
                    a->y, a->to, y + p * a->to_lanes,
                    c < a->channels ? cafi_elem_load(a->x, a->from, x + p * a->from_lanes) : 0, 0);
        }
}

static void reorder(const cafi_reorder_args *a)
{
    size_t C = a->channels, P = a->positions, fl = a->from_lanes, tl = a->to_lanes;
    size_t from_row = (C + fl - 1) / fl * fl * P, to_row = (C + tl - 1) / tl * tl * P;
    bool floats = a->from == CAFI_ELEM_F32 && a->to == CAFI_ELEM_F32;
    bool known = (tl == 1 && (fl == 16 || fl == 8)) || (fl == 1 && (tl == 16 || tl == 8)) ||
                 (tl == C && (fl == 16 || fl == 8)) ||
                 (fl == C && (tl == 16 || tl == 8 || tl == 1));

    if (!floats || !known) {
        reorder_any(a);
        return;
    }
    for (size_t n = 0; n < a->rows; n++) {
        const float *x = (const float *)a->x + n * from_row;
        float *y = (float *)a->y + n * to_row;

        if (tl == 1 && fl == 16)
            to_planes(x, y, 16, C, P);
        else if (tl == 1 && fl == 8)
            to_planes(x, y, 8, C, P);
        else if (tl == 1)
            to_planes(x, y, C, C, P);
        else if (fl == 1 && tl == 16)
            from_planes(x, y, 16, C, P);
        else if (fl == 1)
            from_planes(x, y, 8, C, P);
        else if (tl == C)
            to_rows(x, y, fl, C, P);
        else if (tl == 16)
            from_rows(x, y, 16, C, P);
        else
            from_rows(x, y, 8, C, P);
    }
}

static void move(const cafi_move_args *a)
{
    size_t index[CAFI_MAX_DIMS] = {0};
    const float *x = a->x + a->offset;
    float *y = a->y;
    int last = a->ndim - 1;
    size_t n = a->extent[last];
    ptrdiff_t step = a->step[last];

    for (;;) {
        int d = last - 1;

        for (size_t i = 0; i < n; i++)
            y[i] = x[(ptrdiff_t)i * step];
        y += n;
        for (; d >= 0; d--) {
            x += a->step[d];
            if (++index[d] < a->extent[d])
                break;
            x -= a->step[d] * (ptrdiff_t)a->extent[d];
            index[d] = 0;
        }
        if (d < 0)
            return;
    }
}

static void pixels(const uint8_t *rgb, size_t n, const float *mean, float scale, float *const *out)
{
    float *restrict r = out[0], *restrict g = out[1], *restrict b = out[2];

    for (size_t i = 0; i < n; i++) {
        r[i] = ((float)rgb[3 * i] - mean[0]) * scale;
        g[i] = ((float)rgb[3 * i + 1] - mean[1]) * scale;
        b[i] = ((float)rgb[3 * i + 2] - mean[2]) * scale;
    }
}

static void pixels_last(const uint8_t *rgb, size_t n, bool bgr, const float *mean, float scale,
                        float *out)
{
    size_t i = 0;

#if defined(__AVX512F__)
    /* Five pixels at a time; sixteen bytes are read and numbers written. */
    const __m128i order =
        bgr ? _mm_setr_epi8(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, -128)
            : _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -128);
    float means[16];

    for (size_t k = 0; k < 16; k++)
        means[k] = mean[k % 3];
    for (__m512 m = _mm512_loadu_ps(means); i + 6 <= n; i += 5) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(rgb + 3 * i));
        __m512 v = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_shuffle_epi8(bytes, order)));

        _mm512_storeu_ps(out + 3 * i, _mm512_mul_ps(_mm512_sub_ps(v, m), _mm512_set1_ps(scale)));
    }
#endif
    for (; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = ((float)rgb[3 * i + (bgr ? 2 - c : c)] - mean[c]) * scale;
}

#if defined(__AVX512F__)

/* Bytes [at, at + 16) of sixteen pictures: of each byte its sixteen, side by side. */
static inline void sixteen_bytes(__m128i x[16], const uint8_t *pictures, size_t bytes, size_t count)
{
    for (size_t r = 0; r < 16; r++)
        x[r] = r < count ? _mm_loadu_si128((const __m128i *)(const void *)(pictures + r * bytes))
                         : _mm_setzero_si128();
#pragma GCC unroll 4
    for (int round = 0; round < 4; round++) { /* shuffled four times, it is the other way round */
        __m128i y[16];

#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++) {
            y[2 * k] = _mm_unpacklo_epi8(x[k], x[k + 8]);
            y[2 * k + 1] = _mm_unpackhi_epi8(x[k], x[k + 8]);
        }
#pragma GCC unroll 16
        for (size_t k = 0; k < 16; k++)
            x[k] = y[k];
    }
}

/* Sixteen pictures, or fewer; what is written of the last pixels is left to the caller. The bytes
 * that are done. */
static size_t pixels_of_sixteen(const uint8_t *pictures, size_t bytes, size_t count, size_t step,
                                const float *mean, float scale, float *const *out)
{
    __mmask16 some = (__mmask16)((1u << count) - 1u);
    size_t at = 0;

    for (; at + 16 <= bytes; at += 16) {
        __m128i x[16];

        sixteen_bytes(x, pictures + at, bytes, count);
#pragma GCC unroll 16
        for (size_t k = 0; k < 16; k++) {
            size_t c = (at + k) % 3;
            __m512 v = _mm512_sub_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(x[k])),
                                     _mm512_set1_ps(mean[c]));

            _mm512_mask_storeu_ps(out[c] + (at + k) / 3 * step, some,
                                  _mm512_mul_ps(v, _mm512_set1_ps(scale)));
        }
    }
    return at;
}

#endif

static void pixels_side(const uint8_t *pictures, size_t n, size_t count, size_t step,
                        const float *mean, float scale, float *const *out)
{
    size_t bytes = 3 * n, rows = 16;

    for (size_t first = 0; first < count; first += rows, pictures += rows * bytes) {
        size_t some = count - first < rows ? count - first : rows, at = 0;
        float *const to[3] = {out[0] + first, out[1] + first, out[2] + first};

#if defined(__AVX512F__)
        at = pixels_of_sixteen(pictures, bytes, some, step, mean, scale, to);
#endif
        for (; at < bytes; at++)
            for (size_t r = 0; r < some; r++)
                to[at % 3][at / 3 * step + r] =
                    ((float)pictures[r * bytes + at] - mean[at % 3]) * scale;
    }
}

const cafi_map_kernels KERNELS = {pool, resize, reorder, move, pixels, pixels_last, pixels_side};
