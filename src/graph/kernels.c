/* Compiled once for every instruction set (meson.build); plain C that the
 * compiler turns into vectors. KERNELS names the table. */
#include <math.h>

#include "graph/elem.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)
#include <immintrin.h>
#endif

#ifndef KERNELS
#define KERNELS cafi_graph_kernels_plain
#endif

/* Where a span of positions of one group takes its parameters. */
typedef struct span {
    const float *scale, *shift, *slope, *border;
    const float *inverse; /* of the quanta, to S8 only */
    float lo, hi;
} span;

CAFI_INLINE float act_of(float v, cafi_act act, float slope, const span *s)
{
    if (act == CAFI_ACT_PRELU)
        return v < 0 ? v * slope : v;
    if (act == CAFI_ACT_CLIP) {
        v = v > s->lo ? v : s->lo;
        return v < s->hi ? v : s->hi;
    }
    return v;
}

#if defined(__AVX512F__) && defined(__AVX512BW__)

/* Sixteen lanes at once. The compiler does well with one type of element and
 * badly with two (bf16 in, s8 out was ten times slower), so these are spelled
 * out; they round as elem.h does, to the bit. */
CAFI_INLINE __m512 load16(const void *x, cafi_elem elem, size_t i)
{
    if (elem == CAFI_ELEM_BF16) {
        __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)x + i));

        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    }
    return _mm512_loadu_ps((const float *)x + i);
}

CAFI_INLINE void store16(void *y, cafi_elem elem, size_t i, __m512 v, __m512 inverse)
{
    if (elem == CAFI_ELEM_F32) {
        _mm512_storeu_ps((float *)y + i, v);
    } else if (elem == CAFI_ELEM_BF16) {
        __m512i bits = _mm512_castps_si512(v);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));

        bits = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)y + i),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
    } else {
        v = _mm512_mul_ps(v, inverse);
        v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(-127.f)), _mm512_set1_ps(127.f));
        _mm_storeu_si128((__m128i *)(void *)((int8_t *)y + i),
                         _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
    }
}

CAFI_INLINE __m512 act16(__m512 v, cafi_act act, __m512 slope, const span *s)
{
    if (act == CAFI_ACT_PRELU)
        return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v,
                                  slope);
    if (act == CAFI_ACT_CLIP)
        return _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(s->lo)), _mm512_set1_ps(s->hi));
    return v;
}

/* n positions of 16 lanes, `step` elements apart; parameters from lane l on. */
CAFI_INLINE void run_chunk(const void *x, cafi_elem from, void *y, cafi_elem to, size_t base,
                           size_t n, size_t step, size_t l, cafi_act act, const span *s)
{
    __m512 scale = s->scale ? _mm512_loadu_ps(s->scale + l) : _mm512_set1_ps(1);
    __m512 shift = s->scale ? _mm512_loadu_ps(s->shift + l) : _mm512_setzero_ps();
    __m512 border = s->border ? _mm512_loadu_ps(s->border + l) : _mm512_setzero_ps();
    __m512 slope = act == CAFI_ACT_PRELU ? _mm512_loadu_ps(s->slope + l) : _mm512_setzero_ps();
    __m512 inverse = to == CAFI_ELEM_S8 ? _mm512_loadu_ps(s->inverse + l) : _mm512_setzero_ps();

    for (size_t p = 0; p < n; p++) {
        __m512 v = load16(x, from, base + p * step + l);

        if (s->scale)
            v = _mm512_add_ps(_mm512_mul_ps(v, scale), shift);
        if (s->border)
            v = _mm512_add_ps(v, border);
        store16(y, to, base + p * step + l, act16(v, act, slope, s), inverse);
    }
}

/* A few positions at a time, so that their lines stay in the first cache while
 * the chunks of lanes pass over them. */
CAFI_INLINE void run_chunks(const void *x, cafi_elem from, void *y, cafi_elem to, size_t base,
                            size_t n, size_t L, cafi_act act, const span *s)
{
    for (size_t p = 0; p < n; p += 16)
        for (size_t l = 0; l < L; l += 16)
            run_chunk(x, from, y, to, base + p * L, n - p < 16 ? n - p : 16, L, l, act, s);
}

#endif

/* n positions of L lanes; L is a constant where it matters. */
CAFI_INLINE void run_span(const void *x, cafi_elem from, void *y, cafi_elem to, size_t base,
                          size_t n, size_t L, cafi_act act, const span *s)
{
    for (size_t p = 0; p < n; p++)
        for (size_t l = 0; l < L; l++) {
            float v = cafi_elem_load(x, from, base + p * L + l);

            if (s->scale)
                v = v * s->scale[l] + s->shift[l];
            if (s->border)
                v += s->border[l];
            cafi_elem_store(y, to, base + p * L + l,
                            act_of(v, act, act == CAFI_ACT_PRELU ? s->slope[l] : 0, s),
                            to == CAFI_ELEM_S8 ? s->inverse[l] : 0);
        }
}

/* One lane: the parameters are the same for all positions. */
CAFI_INLINE void run_plain(const void *x, cafi_elem from, void *y, cafi_elem to, size_t base,
                           size_t n, cafi_act act, const span *s)
{
    float scale = s->scale ? s->scale[0] : 1;
    float shift = (s->shift ? s->shift[0] : 0) + (s->border ? s->border[0] : 0);
    float slope = act == CAFI_ACT_PRELU ? s->slope[0] : 0;
    float inverse = to == CAFI_ELEM_S8 ? s->inverse[0] : 0;

    for (size_t p = 0; p < n; p++) {
        float v = cafi_elem_load(x, from, base + p) * scale + shift;

        cafi_elem_store(y, to, base + p, act_of(v, act, slope, s), inverse);
    }
}

CAFI_INLINE void by_lanes(const void *x, cafi_elem from, void *y, cafi_elem to, size_t base,
                          size_t n, size_t L, cafi_act act, const span *s)
{
#if defined(__AVX512F__) && defined(__AVX512BW__)
    if (L % 16 == 0) {
        run_chunks(x, from, y, to, base, n, L, act, s);
        return;
    }
#endif
    if (L == 16)
        run_span(x, from, y, to, base, n, 16, act, s);
    else if (L == 1)
        run_plain(x, from, y, to, base, n, act, s);
    else
        run_span(x, from, y, to, base, n, L, act, s);
}

CAFI_INLINE void by_act(const cafi_pass_args *a, cafi_elem from, cafi_elem to, size_t base,
                        size_t n, const span *s)
{
    if (a->act == CAFI_ACT_PRELU)
        by_lanes(a->x, from, a->y, to, base, n, a->lanes, CAFI_ACT_PRELU, s);
    else if (a->act == CAFI_ACT_CLIP)
        by_lanes(a->x, from, a->y, to, base, n, a->lanes, CAFI_ACT_CLIP, s);
    else
        by_lanes(a->x, from, a->y, to, base, n, a->lanes, CAFI_ACT_NONE, s);
}

static void run_any(const cafi_pass_args *a, size_t base, size_t n, const span *s)
{
    switch ((int)a->from * 4 + (int)a->to) {
    case CAFI_ELEM_F32 * 4 + CAFI_ELEM_F32:
        by_act(a, CAFI_ELEM_F32, CAFI_ELEM_F32, base, n, s);
        return;
    case CAFI_ELEM_F32 * 4 + CAFI_ELEM_BF16:
        by_act(a, CAFI_ELEM_F32, CAFI_ELEM_BF16, base, n, s);
        return;
    case CAFI_ELEM_F32 * 4 + CAFI_ELEM_S8:
        by_act(a, CAFI_ELEM_F32, CAFI_ELEM_S8, base, n, s);
        return;
    case CAFI_ELEM_BF16 * 4 + CAFI_ELEM_F32:
        by_act(a, CAFI_ELEM_BF16, CAFI_ELEM_F32, base, n, s);
        return;
    case CAFI_ELEM_BF16 * 4 + CAFI_ELEM_BF16:
        by_act(a, CAFI_ELEM_BF16, CAFI_ELEM_BF16, base, n, s);
        return;
    default:
        by_act(a, CAFI_ELEM_BF16, CAFI_ELEM_S8, base, n, s);
    }
}

/* Runs of equal border classes, row by row. */
static void with_border(const cafi_pass_args *a, size_t base, size_t group, span *s)
{
    const cafi_border *b = a->border;
    size_t padded = a->groups * a->lanes;

    for (size_t y = 0; y < b->height; y++) {
        size_t rc = b->row_class[y];

        for (size_t x = 0, end = 0; x < b->width; x = end) {
            size_t cc = b->column_class[x];
            size_t at = (rc * b->column_classes + cc) * padded + group * a->lanes;

            while (end < b->width && b->column_class[end] == cc)
                end++;
            s->border = rc || cc ? b->values + at : NULL;
            run_any(a, base + (y * b->width + x) * a->lanes, end - x, s);
        }
    }
}

static void pass(const cafi_pass_args *a, size_t first, size_t last)
{
    for (size_t n = 0; n < a->rows; n++)
        for (size_t g = first; g < last; g++) {
            size_t base = (n * a->groups + g) * a->positions * a->lanes;
            size_t c = g * a->lanes;
            span s = {.scale = a->scale ? a->scale + c : NULL,
                      .shift = a->shift ? a->shift + c : NULL,
                      .slope = a->slope ? a->slope + c : NULL,
                      .lo = a->lo,
                      .hi = a->hi,
                      .inverse = a->inverse_quanta ? a->inverse_quanta + c : NULL};

            if (a->border)
                with_border(a, base, g, &s);
            else
                run_any(a, base, a->positions, &s);
        }
}

CAFI_INLINE float combine(cafi_op op, float a, float b)
{
    return op == CAFI_OP_ADD   ? a + b
           : op == CAFI_OP_SUB ? a - b
           : op == CAFI_OP_MUL ? a * b
                               : a / b;
}

/* b_step 0: b is one row of lanes for all positions. */
CAFI_INLINE void combine_rows(const cafi_binary_args *k, cafi_elem elem, cafi_op op, size_t base,
                              size_t b_base, size_t b_step)
{
    for (size_t p = 0; p < k->positions; p++)
        for (size_t l = 0; l < k->lanes; l++) {
            size_t i = base + p * k->lanes + l;
            float v = combine(op, cafi_elem_load(k->a, elem, i),
                              cafi_elem_load(k->b, elem, b_base + p * b_step + l));

            cafi_elem_store(k->c, elem, i, v, 0);
        }
}

CAFI_INLINE void combine_any(const cafi_binary_args *k, cafi_op op, size_t base, size_t b_base,
                             size_t b_step)
{
    if (k->elem == CAFI_ELEM_F32)
        combine_rows(k, CAFI_ELEM_F32, op, base, b_base, b_step);
    else
        combine_rows(k, CAFI_ELEM_BF16, op, base, b_base, b_step);
}

static void binary(const cafi_binary_args *k)
{
    for (size_t g = 0; g < k->rows * k->groups; g++) {
        size_t base = g * k->positions * k->lanes;
        size_t b_base = k->broadcast ? g * k->lanes : base;
        size_t b_step = k->broadcast ? 0 : k->lanes;

        if (k->op == CAFI_OP_ADD)
            combine_any(k, CAFI_OP_ADD, base, b_base, b_step);
        else if (k->op == CAFI_OP_SUB)
            combine_any(k, CAFI_OP_SUB, base, b_base, b_step);
        else if (k->op == CAFI_OP_MUL)
            combine_any(k, CAFI_OP_MUL, base, b_base, b_step);
        else
            combine_any(k, CAFI_OP_DIV, base, b_base, b_step);
    }
}

#define CHUNK 16

/* Mean and unbiased std of up to CHUNK lanes that lie `step` elements apart
 * from position to position. */
CAFI_INLINE void moments(const void *x, cafi_elem elem, size_t base, size_t n, size_t step,
                         size_t lanes, double *mean, double *std)
{
    double sum[CHUNK] = {0};
    double square[CHUNK] = {0};

    for (size_t p = 0; p < n; p++)
        for (size_t l = 0; l < lanes; l++)
            sum[l] += cafi_elem_load(x, elem, base + p * step + l);
    for (size_t l = 0; l < lanes; l++)
        mean[l] = sum[l] / (double)n;
    if (!std)
        return;
    for (size_t p = 0; p < n; p++)
        for (size_t l = 0; l < lanes; l++) {
            double d = cafi_elem_load(x, elem, base + p * step + l) - mean[l];

            square[l] += d * d;
        }
    for (size_t l = 0; l < lanes; l++)
        std[l] = n > 1 ? sqrt(square[l] / (double)(n - 1)) : 0;
}

/* The same with the common number of lanes known to the compiler. */
static void moments_any(const void *x, cafi_elem elem, size_t base, size_t n, size_t step,
                        size_t lanes, double *mean, double *std)
{
    if (elem == CAFI_ELEM_F32 && lanes == CHUNK)
        moments(x, CAFI_ELEM_F32, base, n, step, CHUNK, mean, std);
    else if (elem == CAFI_ELEM_F32)
        moments(x, CAFI_ELEM_F32, base, n, step, lanes, mean, std);
    else if (lanes == CHUNK)
        moments(x, CAFI_ELEM_BF16, base, n, step, CHUNK, mean, std);
    else
        moments(x, CAFI_ELEM_BF16, base, n, step, lanes, mean, std);
}

static void style(const void *x, cafi_elem elem, size_t rows, size_t channels, size_t positions,
                  size_t lanes, float *out)
{
    size_t groups = (channels + lanes - 1) / lanes;
    double mean[CHUNK];
    double std[CHUNK];

    for (size_t g = 0; g < rows * groups; g++)
        for (size_t l = 0; l < lanes; l += CHUNK) {
            size_t n = lanes - l < CHUNK ? lanes - l : CHUNK;
            size_t c = g % groups * lanes + l;

            moments_any(x, elem, g * positions * lanes + l, positions, lanes, n, mean, std);
            for (size_t i = 0; i < n && c + i < channels; i++) {
                out[(g / groups * channels + c + i) * 2] = (float)mean[i];
                out[(g / groups * channels + c + i) * 2 + 1] = (float)std[i];
            }
        }
}

static void mean_map(const void *x, void *y, cafi_elem elem, size_t rows, size_t groups,
                     size_t positions, size_t lanes)
{
    double mean[CHUNK];

    for (size_t g = 0; g < rows * groups; g++)
        for (size_t l = 0; l < lanes; l += CHUNK) {
            size_t n = lanes - l < CHUNK ? lanes - l : CHUNK;

            moments_any(x, elem, g * positions * lanes + l, positions, lanes, n, mean, NULL);
            for (size_t i = 0; i < n; i++) {
                if (elem == CAFI_ELEM_F32)
                    cafi_elem_store(y, CAFI_ELEM_F32, g * lanes + l + i, (float)mean[i], 0);
                else
                    cafi_elem_store(y, CAFI_ELEM_BF16, g * lanes + l + i, (float)mean[i], 0);
            }
        }
}

#define WL CAFI_WINOGRAD_LANES

/* The weights' side of F(4x4, 3x3) at the points 0, +-5/8, +-3/2 and infinity. */
static const float points[6][3] = {{1.13777777777778f, 0, 0},
                                   {-0.688403361344538f, -0.430252100840336f, -0.26890756302521f},
                                   {-0.688403361344538f, 0.430252100840336f, -0.26890756302521f},
                                   {0.119514472455649f, 0.179271708683473f, 0.26890756302521f},
                                   {0.119514472455649f, -0.179271708683473f, 0.26890756302521f},
                                   {0, 0, 1}};

/* 36 numbers out of 9, for the output channels of one block; packed ones lie
 * `step` apart. */
CAFI_INLINE void winograd_filter(float taps[9][WL], float *packed, size_t step)
{
    float half[3][6][WL];

    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 6; x++)
            for (int l = 0; l < WL; l++)
                half[y][x][l] = points[x][0] * taps[3 * y][l] + points[x][1] * taps[3 * y + 1][l] +
                                points[x][2] * taps[3 * y + 2][l];
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 6; x++)
            for (int l = 0; l < WL; l++)
                packed[(size_t)(6 * y + x) * step + (size_t)l] = points[y][0] * half[0][x][l] +
                                                                 points[y][1] * half[1][x][l] +
                                                                 points[y][2] * half[2][x][l];
}

static void winograd(const cafi_winograd_args *a)
{
    size_t run = a->in_run * a->in_block;
    size_t step = a->in_channels * a->out_run * WL;
    float taps[9][WL];

    for (size_t ob = 0; ob < a->out_channels / WL; ob++)
        for (size_t i = 0; i < a->in_channels; i++) {
            const float *w = a->weights + (ob * WL * a->in_channels + i) * 9;
            size_t at = ob / a->out_run * 36 * step;

            for (size_t l = 0; l < WL; l++)
                for (size_t k = 0; k < 9; k++)
                    taps[k][l] = w[l * a->in_channels * 9 + k];
            at += (i / run * a->out_run + ob % a->out_run) * run * WL + i % run * WL;
            winograd_filter(taps, a->packed + at, step);
        }
}

const cafi_graph_kernels KERNELS = {pass, binary, style, mean_map, winograd};
