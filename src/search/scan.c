#include "search/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Rows that are compared before their scores are looked at: their codes stay in the cache
 * for all queries. */
#define BLOCK 48

/* Rows of a task, between which workers are free to share. */
#define MOST_TASK (BLOCK * 128)

/* From so many queries on they are packed into panels, of which the narrowest has 16 columns. */
#define PACKED_FROM 13

/* What rounding costs. A score of float codes is a chain of C sums and products; one of int8
 * codes is exact until it is scaled; and either is scaled, widened by its error, and
 * compared with an exact score that is itself rounded to a float. */
#define FEW_ROUNDINGS (16.0f * 0x1p-24f)
#define UP (1.0f + 0x1p-20f)

static float chain_error(size_t C)
{
    float roundings = ((float)C + 16.0f) * 0x1p-24f;

    return roundings / (1.0f - roundings) * 1.01f + FEW_ROUNDINGS;
}

/* --- queries -------------------------------------------------------------------- */

void cafi_queries_free(cafi_queries *q)
{
    free(q->scale);
    free(q->is_nothing);
    free(q->floats);
    free(q->codes);
    free(q->panels);
    free(q->bias);
    *q = (cafi_queries){0};
}

static caface_status queries_room(cafi_queries *q, const caface_index *index, caface_error *err)
{
    size_t padded = (q->Q + CAFI_CODE_NARROW - 1) / CAFI_CODE_NARROW * CAFI_CODE_NARROW;
    caface_status st = CAFACE_OK;

    if ((st = cafi_alloc(&q->scale, q->Q, 3 * sizeof(float), err)) ||
        (st = CAFI_NEW(&q->is_nothing, q->Q, err)))
        return st;
    q->whole = q->scale + q->Q;
    q->part = q->whole + q->Q;
    if (index->codes_type != CAFACE_INDEX_INT8)
        return q->is_packed ? cafi_alloc_f32(&q->floats, cafi_packed_size(index->C, q->Q), 1, err)
                            : CAFACE_OK;
    if ((st = cafi_alloc(&q->codes, q->Q, index->K, err)) ||
        (st = CAFI_NEW(&q->bias, q->Q + padded, err)))
        return st;
    q->panel_bias = q->bias + q->Q;
    if (q->is_packed) {
        float *panels = NULL; /* aligned */

        st = cafi_alloc_f32(&panels, padded, index->K / sizeof(float), err);
        q->panels = (int8_t *)panels;
    }
    return st;
}

/* Query j by its int8 codes. */
static void code_query(cafi_queries *q, const caface_index *index, size_t j, float length)
{
    int8_t *to = q->codes + j * index->K;
    cafi_coded coded = cafi_code_row((uint8_t *)to, q->x + j * index->C, index->C, index->K);
    int32_t sum = 0;

    for (size_t k = 0; k < index->K; k++) {
        to[k] = (int8_t)((uint8_t)to[k] - 128);
        sum += to[k];
    }
    q->bias[j] = -128 * sum; /* a row's code c is the byte c + 128 */
    q->scale[j] = coded.scale;
    q->part[j] = (coded.error + FEW_ROUNDINGS * length) * UP;
}

caface_status cafi_queries_make(cafi_queries *q, const caface_index *index, const float *x,
                                size_t Q, caface_error *err)
{
    const cafi_kernels *kernels = cafi_kernels_get();
    caface_status st = CAFACE_OK;

    *q = (cafi_queries){.x = x, .Q = Q, .is_packed = Q >= PACKED_FROM};
    if ((st = queries_room(q, index, err)))
        return st;
    kernels->norms(q->whole, x, Q, index->C);
    for (size_t j = 0; j < Q; j++) {
        float length = q->whole[j];

        q->is_nothing[j] = length < (float)CAFACE_INDEX_SHORTEST;
        q->scale[j] = 1.0f;
        q->part[j] = chain_error(index->C) * length * UP;
        q->whole[j] = length * UP;
        if (q->codes && !q->is_nothing[j])
            code_query(q, index, j, length);
    }
    if (q->floats)
        q->packed = cafi_pack_linear(q->floats, x, NULL, index->C, Q);
    if (q->panels)
        q->packed_codes = cafi_pack_codes(q->panels, q->panel_bias, q->codes, q->bias, Q, index->K);
    return CAFACE_OK;
}

/* --- room ------------------------------------------------------------------------- */

static void free_worker(cafi_scan_worker *w)
{
    free(w->best);
    free(w->memory);
    free(w->limit);
    free(w->scores);
    free(w->floats);
    free(w->places);
    free(w->scorer.row);
    free(w->scorer.ends);
}

void cafi_scan_free(cafi_scan *scan)
{
    for (size_t w = 0; scan->workers && w < scan->worker_count; w++)
        free_worker(&scan->workers[w]);
    free(scan->workers);
    *scan = (cafi_scan){0};
}

static size_t padded_queries(const cafi_queries *q)
{
    return (q->Q + CAFI_PANEL - 1) / CAFI_PANEL * CAFI_PANEL;
}

static caface_status make_worker(const cafi_scan *scan, cafi_scan_worker *w, float threshold,
                                 caface_error *err)
{
    const caface_index *index = scan->index;
    size_t Q = scan->queries->Q;
    size_t places = padded_queries(scan->queries) > BLOCK ? padded_queries(scan->queries) : BLOCK;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&w->best, Q, err)) || (st = CAFI_NEW(&w->limit, Q, err)) ||
        (st = cafi_alloc(&w->memory, Q, scan->room * sizeof(cafi_candidate), err)) ||
        (st = cafi_alloc_f32(&w->scores, BLOCK, padded_queries(scan->queries), err)) ||
        (st = CAFI_NEW(&w->places, places, err)) ||
        (st = cafi_alloc_f32(&w->scorer.row, 1, index->C, err)) ||
        (st = cafi_alloc_f32(&w->scorer.ends, scan->room, 1, err)))
        return st;
    if (index->codes_type == CAFACE_INDEX_F16 && scan->queries->is_packed)
        st = cafi_alloc_f32(&w->floats, BLOCK, index->C, err);
    for (size_t j = 0; j < Q; j++) {
        w->best[j].items = w->memory + j * scan->room;
        w->limit[j] = scan->queries->is_nothing[j] ? INFINITY : threshold;
    }
    w->scorer.index = index;
    w->scorer.kernels = scan->kernels;
    return st;
}

caface_status cafi_scan_new(cafi_scan *scan, const caface_index *index, const cafi_queries *queries,
                            size_t k, float threshold, size_t workers, caface_error *err)
{
    size_t share = index->n / (8 * workers) / BLOCK * BLOCK;
    caface_status st = CAFACE_OK;

    *scan = (cafi_scan){.index = index,
                        .kernels = cafi_kernels_get(),
                        .queries = queries,
                        .k = k,
                        .room = cafi_best_room(k),
                        .worker_count = workers};
    scan->task = share > MOST_TASK ? MOST_TASK : share < BLOCK ? BLOCK : share;
    if ((st = CAFI_NEW(&scan->workers, workers, err)))
        return st;
    for (size_t w = 0; !st && w < workers; w++)
        st = make_worker(scan, &scan->workers[w], threshold, err);
    return st;
}

/* --- scanning ----------------------------------------------------------------------- */

/* Row i may be among the best of query j. */
static void offer(const cafi_scan *s, cafi_scan_worker *w, size_t j, size_t i, float score)
{
    const cafi_queries *q = s->queries;
    cafi_best *best = &w->best[j];
    float error = s->index->error[i] * q->whole[j] + s->index->length[i] * q->part[j];

    score *= s->index->scale[i] * q->scale[j];
    best->items[best->count++] =
        (cafi_candidate){.upper = score + error, .lower = score - error, .row = (uint32_t)i};
    if (best->count < s->room)
        return;
    cafi_best_cut(best, s->k, &w->limit[j], w->scorer.ends);
    if (best->count > s->room / 4 * 3) { /* as where many rows are alike */
        w->scorer.query = q->x + j * s->index->C;
        cafi_best_settle(best, s->k, &w->limit[j], &w->scorer);
    }
}

/* The codes of a block as floats. */
static const float *block_floats(const cafi_scan *s, cafi_scan_worker *w, size_t first, size_t R)
{
    const caface_index *index = s->index;

    if (index->codes_type == CAFACE_INDEX_F32)
        return (const float *)index->codes + first * index->C;
    s->kernels->widen(w->floats, (const uint16_t *)index->codes + first * index->C, R * index->C);
    return w->floats;
}

/* Few queries: scores are [Q][BLOCK]. */
static void scan_few(const cafi_scan *s, cafi_scan_worker *w, size_t first, size_t R)
{
    const caface_index *index = s->index;
    const cafi_queries *q = s->queries;

    if (q->codes)
        s->kernels->scan_codes(w->scores, BLOCK, (const uint8_t *)index->codes + first * index->K,
                               R, index->K, q->codes, q->bias, q->Q);
    else if (index->codes_type == CAFACE_INDEX_F16)
        s->kernels->scan_halves(w->scores, BLOCK, (const uint16_t *)index->codes + first * index->K,
                                R, index->C, q->x, q->Q);
    else
        s->kernels->scan_rows(w->scores, BLOCK, (const float *)index->codes + first * index->K, R,
                              index->C, q->x, q->Q);
    for (size_t j = 0; j < q->Q; j++) {
        const cafi_sieve sieve = {.scale = index->scale + first,
                                  .a = index->error + first,
                                  .b = index->length + first,
                                  .of = {q->scale[j], q->whole[j], q->part[j]},
                                  .limit = &w->limit[j]};
        size_t count = s->kernels->sift(w->places, w->scores + j * BLOCK, R, &sieve);

        for (size_t p = 0; p < count; p++)
            offer(s, w, j, first + w->places[p], w->scores[j * BLOCK + w->places[p]]);
    }
}

/* Asks for the codes of the next block: a kernel that reads several rows side by side would
 * wait for each. */
static void ask_ahead(const caface_index *index, size_t first)
{
    size_t bytes = index->K * cafi_index_type_size(index->codes_type);
    size_t end = index->n - first < BLOCK ? index->n : first + BLOCK;

    for (const char *at = (const char *)index->codes + first * bytes,
                    *stop = (const char *)index->codes + end * bytes;
         at < stop; at += 64)
        __builtin_prefetch(at, 0, 2);
}

/* Many queries, in panels: scores are [R][queries]. */
static void scan_many(const cafi_scan *s, cafi_scan_worker *w, size_t first, size_t R)
{
    const caface_index *index = s->index;
    const cafi_queries *q = s->queries;
    size_t width = padded_queries(q);

    if (first + R < index->n)
        ask_ahead(index, first + R);
    if (q->codes)
        s->kernels->linear_codes(w->scores, width, (const uint8_t *)index->codes + first * index->K,
                                 R, &q->packed_codes);
    else
        s->kernels->linear(w->scores, width, block_floats(s, w, first, R), index->C, R, &q->packed,
                           CAFI_STORE);
    for (size_t r = 0; r < R; r++) {
        const cafi_sieve sieve = {
            .scale = q->scale,
            .a = q->whole,
            .b = q->part,
            .of = {index->scale[first + r], index->error[first + r], index->length[first + r]},
            .limit = w->limit,
            .limit_step = 1};
        size_t count = s->kernels->sift(w->places, w->scores + r * width, q->Q, &sieve);

        for (size_t p = 0; p < count; p++)
            offer(s, w, w->places[p], first + r, w->scores[r * width + w->places[p]]);
    }
}

static caface_status scan_task(void *ctx, size_t task, size_t worker, caface_error *err)
{
    const cafi_scan *s = ctx;
    size_t end = (task + 1) * s->task < s->index->n ? (task + 1) * s->task : s->index->n;

    (void)err;
    for (size_t first = task * s->task; first < end; first += BLOCK) {
        size_t R = end - first < BLOCK ? end - first : BLOCK;

        if (s->queries->is_packed)
            scan_many(s, &s->workers[worker], first, R);
        else
            scan_few(s, &s->workers[worker], first, R);
    }
    return CAFACE_OK;
}

caface_status cafi_scan_run(cafi_scan *scan, cafi_pool *pool, caface_error *err)
{
    size_t n = scan->index->n;

    return cafi_pool_run(pool, n / scan->task + (n % scan->task != 0), scan_task, scan, err);
}
