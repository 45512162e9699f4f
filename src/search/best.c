#include "search/best.h"

#include <stdlib.h>

size_t cafi_best_room(size_t k)
{
    return 2 * k + 512;
}

/* The k-th largest of n numbers, 0 < k <= n, none of them NaN; they change places. */
static float kth_largest(float *v, size_t n, size_t k)
{
    size_t low = 0, high = n; /* it is in v[low .. high) */

    for (;;) {
        float a = v[low], b = v[low + (high - low) / 2], c = v[high - 1];
        float pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        size_t above = low, at = low, below = high; /* larger, equal, not seen, smaller */

        while (at < below) {
            float x = v[at];

            if (x > pivot) {
                v[at++] = v[above];
                v[above++] = x;
            } else if (x < pivot) {
                v[at] = v[--below];
                v[below] = x;
            } else {
                at++;
            }
        }
        if (k <= above)
            high = above;
        else if (k > below)
            low = below;
        else
            return pivot;
    }
}

void cafi_best_cut(cafi_best *best, size_t k, float *limit, float *ends)
{
    size_t kept = 0;

    if (best->count >= k) {
        float least = 0.0f;

        for (size_t i = 0; i < best->count; i++)
            ends[i] = best->items[i].lower;
        least = kth_largest(ends, best->count, k);
        *limit = least > *limit ? least : *limit;
    }
    for (size_t i = 0; i < best->count; i++)
        if (best->items[i].upper >= *limit)
            best->items[kept++] = best->items[i];
    best->count = kept;
}

static int by_upper(const void *a, const void *b)
{
    const cafi_candidate *x = a, *y = b;

    if (x->upper != y->upper)
        return x->upper > y->upper ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void score_one(cafi_scorer *s, cafi_candidate *item)
{
    const float *x = NULL;

    if (item->lower == item->upper)
        return;
    x = cafi_index_floats(s->index, s->kernels, item->row, s->row);
    item->upper = (float)s->kernels->ordered_dot(s->query, x, s->index->C);
    item->lower = item->upper;
    s->rescored++;
}

void cafi_best_settle(cafi_best *best, size_t k, float *limit, cafi_scorer *scorer)
{
    cafi_candidate *items = best->items;
    size_t known = 0; /* items[0 .. known) have their scores */

    cafi_best_cut(best, k, limit, scorer->ends);
    qsort(items, best->count, sizeof *items, by_upper);
    /* the k that promise most; what they reach, others must reach as well */
    for (; known < best->count && known < k; known++)
        score_one(scorer, &items[known]);
    if (known == k) {
        float least = 0.0f;

        for (size_t i = 0; i < known; i++)
            scorer->ends[i] = items[i].upper;
        least = kth_largest(scorer->ends, known, k);
        *limit = least > *limit ? least : *limit;
    }
    for (; known < best->count && items[known].upper >= *limit; known++)
        score_one(scorer, &items[known]);
    qsort(items, known, sizeof *items, by_upper);
    best->count = known < k ? known : k;
    while (best->count && !(items[best->count - 1].upper >= *limit))
        best->count--;
    if (best->count == k)
        *limit = items[k - 1].upper > *limit ? items[k - 1].upper : *limit;
}
