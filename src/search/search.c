/* The public side of a search. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "search/scan.h"

#define OPTIONS_LEAST sizeof(caface_search_options)

/* Candidates of one scan take no more than this, unless a single query needs it. */
#define MOST_MEMORY ((size_t)256 << 20)

/* A search of so few bytes is over before another thread has woken. */
#define ALONE ((size_t)256 << 10)

static caface_search_options default_options(void)
{
    return (caface_search_options){.size = sizeof(caface_search_options), .threshold = -INFINITY};
}

void caface_search_options_init_sized(caface_search_options *options, size_t size)
{
    caface_search_options own = default_options();

    own.size = size;
    cafi_sized_out(options, size, &own, sizeof own);
}

/* What a search writes, for its queries from `first` on. */
typedef struct answer {
    size_t k; /* as it was asked for: the stride */
    int64_t *row;
    float *score;
    size_t *found; /* or NULL */
} answer;

typedef struct merge {
    cafi_scan *scan;
    answer to;
    cafi_candidate **memory; /* [workers]: room for those of all workers */
    float **ends;            /* [workers], as long */
} merge;

static void merge_free(merge *m)
{
    for (size_t w = 0; w < m->scan->worker_count; w++) {
        if (m->memory)
            free(m->memory[w]);
        if (m->ends)
            free(m->ends[w]);
    }
    free(m->memory);
    free(m->ends);
}

static caface_status merge_room(merge *m, caface_error *err)
{
    size_t workers = m->scan->worker_count;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&m->memory, workers, err)) || (st = CAFI_NEW(&m->ends, workers, err)))
        return st;
    if (!cafi_mul_size(workers, m->scan->room, &count))
        return cafi_fail(err, CAFACE_ENOMEM, "index_search: %zu threads and the best %zu", workers,
                         m->to.k);
    for (size_t w = 0; !st && w < workers; w++)
        if (!(st = CAFI_NEW(&m->memory[w], count, err)))
            st = cafi_alloc_f32(&m->ends[w], count, 1, err);
    return st;
}

static void write_answer(const answer *to, size_t j, const cafi_best *best)
{
    for (size_t i = 0; i < to->k; i++) {
        bool is_found = i < best->count;

        to->row[j * to->k + i] = is_found ? (int64_t)best->items[i].row : -1;
        to->score[j * to->k + i] = is_found ? best->items[i].upper : -INFINITY;
    }
    if (to->found)
        to->found[j] = best->count;
}

/* Query j: what all workers have met, settled. */
static caface_status merge_task(void *ctx, size_t j, size_t worker, caface_error *err)
{
    const merge *m = ctx;
    cafi_scan *s = m->scan;
    cafi_best all = {.items = m->memory[worker]};
    cafi_scorer scorer = {.index = s->index,
                          .kernels = s->kernels,
                          .query = s->queries->x + j * s->index->C,
                          .row = s->workers[worker].scorer.row,
                          .ends = m->ends[worker]};
    float limit = -INFINITY;

    (void)err;
    for (size_t w = 0; w < s->worker_count; w++) {
        const cafi_best *best = &s->workers[w].best[j];

        memcpy(all.items + all.count, best->items, best->count * sizeof *best->items);
        all.count += best->count;
        limit = s->workers[w].limit[j] > limit ? s->workers[w].limit[j] : limit;
    }
    cafi_best_settle(&all, s->k, &limit, &scorer);
    write_answer(&m->to, j, &all);
    s->workers[worker].scorer.rescored += scorer.rescored;
    return CAFACE_OK;
}

/* Some queries from begin to end. */
static caface_status search_some(caface_index *index, const float *x, size_t Q, size_t k,
                                 float threshold, answer to, cafi_pool *pool, size_t *rescored,
                                 caface_error *err)
{
    cafi_queries queries = {0};
    cafi_scan scan = {0};
    merge m = {.scan = &scan, .to = to};
    caface_status st = cafi_queries_make(&queries, index, x, Q, err);

    if (!st &&
        !(st = cafi_scan_new(&scan, index, &queries, k, threshold, cafi_pool_size(pool), err)) &&
        !(st = merge_room(&m, err)) && !(st = cafi_scan_run(&scan, pool, err)))
        st = cafi_pool_run(pool, Q, merge_task, &m, err);
    for (size_t w = 0; !st && rescored && w < scan.worker_count; w++)
        *rescored += scan.workers[w].scorer.rescored;
    merge_free(&m);
    cafi_scan_free(&scan);
    cafi_queries_free(&queries);
    return st;
}

static caface_status check_queries(const caface_index *index, const float *queries, size_t Q,
                                   caface_error *err)
{
    const cafi_kernels *kernels = cafi_kernels_get();

    for (size_t j = 0; j < Q; j++) {
        float length = 0.0f;

        kernels->norms(&length, queries + j * index->C, 1, index->C);
        if (!isfinite(length))
            return cafi_fail(err, CAFACE_EINVAL, "index_search: query %zu holds NaN or Inf", j);
        if (length > (float)CAFACE_INDEX_LONGEST)
            return cafi_fail(err, CAFACE_EINVAL,
                             "index_search: query %zu has length %g, at most %g", j, (double)length,
                             CAFACE_INDEX_LONGEST);
    }
    return CAFACE_OK;
}

/* How many queries one scan takes. */
static size_t portion(size_t k, size_t workers)
{
    size_t each = cafi_best_room(k) * sizeof(cafi_candidate);
    size_t most = MOST_MEMORY / workers / each;

    return most > CAFI_SCAN_QUERIES ? CAFI_SCAN_QUERIES : most ? most : 1;
}

caface_status cafi_index_search(caface_index *index, const float *queries, size_t Q, size_t k,
                                const caface_search_options *options, int64_t *row, float *score,
                                size_t *found, size_t *rescored, caface_error *err)
{
    caface_search_options o = default_options();
    cafi_search_lane *lane = NULL;
    cafi_pool *pool = NULL;
    size_t most = 0;
    caface_status st = CAFACE_OK;

    if (!index || (Q && (!queries || !row || !score)))
        return cafi_fail(err, CAFACE_EINVAL, "index_search: null argument");
    if (options && (st = cafi_sized_in(&o, sizeof o, options, options->size, OPTIONS_LEAST,
                                       "index_search", err)))
        return st;
    if (!k || isnan(o.threshold))
        return cafi_fail(err, CAFACE_EINVAL,
                         !k ? "index_search: the best 0 are asked for"
                            : "index_search: the threshold is NaN");
    if ((st = check_queries(index, queries, Q, err)) || (st = cafi_take_lane(&lane, index, err)))
        return st;
    most = index->n ? (k < index->n ? k : index->n) : 1;
    if (index->n * index->K * cafi_index_type_size(index->codes_type) > ALONE / (Q ? Q : 1))
        pool = lane->pool;
    for (size_t first = 0, count = 0; !st && first < Q; first += count) {
        answer to = {k, row + first * k, score + first * k, found ? found + first : NULL};

        count = portion(most, cafi_pool_size(pool));
        count = Q - first < count ? Q - first : count;
        st = search_some(index, queries + first * index->C, count, most, o.threshold, to, pool,
                         rescored, err);
    }
    cafi_give_lane(index, lane);
    return st;
}

caface_status caface_index_search(caface_index *index, const float *queries, size_t Q, size_t k,
                                  const caface_search_options *options, int64_t *row, float *score,
                                  size_t *found, caface_error *err)
{
    return cafi_index_search(index, queries, Q, k, options, row, score, found, NULL, err);
}
