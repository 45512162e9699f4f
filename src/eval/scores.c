#include "eval/scores.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/kernels.h"

/* Pairs of one task. */
#define RANGE ((size_t)1 << 18)
/* Columns of one product, a whole number of panels: its panels and results stay
 * in the cache. */
#define TILE ((size_t)128)
/* Rows of one product at most. */
#define MAX_ROWS ((size_t)2048)
/* A cell of a product costs about this many times less than a dot product of
 * its own, which waits for memory (measured with C = 512: 12 ns and 90 ns). */
#define CELL_GAIN 7

float cafi_dot(const float *a, const float *b, size_t n)
{
    enum { LANES = 16 };
    float lane[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (size_t l = 0; i < n; i++, l++)
        lane[l] += a[i] * b[i];
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* Scratch of one worker. */
typedef struct hand {
    uint32_t *row_of; /* [count]: 1 + row of an a in this range, 0: none */
    uint32_t *rows;   /* [count]: the as of this range */
    size_t *first;    /* [tiles + 1]: pairs by tile of b */
    uint32_t *order;  /* [RANGE] */
    float *x;         /* [MAX_ROWS][C] */
    float *y;         /* [MAX_ROWS][TILE] */
} hand;

typedef struct job {
    float *score;
    const float *templates;
    size_t count, C;
    const cafi_pair *pairs;
    size_t n;
    const cafi_kernels *kernels;
    bool dense;         /* products are worth preparing at all */
    float *memory;      /* of packed */
    cafi_packed packed; /* every template as a column */
    size_t tiles;
    hand *hands;
} job;

static void score_dots(const job *j, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        j->score[i] = cafi_dot(j->templates + (size_t)cafi_pair_a(j->pairs[i]) * j->C,
                               j->templates + (size_t)j->pairs[i].b * j->C, j->C);
}

/* The as of a range, numbered; the pairs, by tile of b. Returns the number of
 * as, or 0 when products would cost more than dots. */
static size_t plan_range(const job *j, hand *h, size_t from, size_t to)
{
    size_t rows = 0;
    size_t tiles = 0;

    memset(h->first, 0, (j->tiles + 1) * sizeof *h->first);
    for (size_t i = from; i < to; i++) {
        uint32_t a = cafi_pair_a(j->pairs[i]);

        if (!h->row_of[a]) {
            h->rows[rows++] = a;
            h->row_of[a] = (uint32_t)rows;
        }
        h->first[j->pairs[i].b / TILE + 1]++;
    }
    for (size_t t = 0; t < j->tiles; t++)
        tiles += h->first[t + 1] != 0;
    if (rows > MAX_ROWS || rows * tiles * TILE > CELL_GAIN * (to - from)) {
        for (size_t r = 0; r < rows; r++)
            h->row_of[h->rows[r]] = 0;
        return 0;
    }
    for (size_t t = 0; t < j->tiles; t++)
        h->first[t + 1] += h->first[t];
    for (size_t i = from; i < to; i++)
        h->order[h->first[j->pairs[i].b / TILE]++] = (uint32_t)(i - from);
    return rows;
}

static void score_products(const job *j, hand *h, size_t from, size_t rows)
{
    size_t at = 0; /* plan_range left first[t] at the end of tile t */

    for (size_t r = 0; r < rows; r++)
        memcpy(h->x + r * j->C, j->templates + (size_t)h->rows[r] * j->C, j->C * sizeof *h->x);
    for (size_t t = 0; t < j->tiles; t++) {
        size_t column = t * TILE;
        size_t width = j->count - column < TILE ? j->count - column : TILE;
        cafi_packed tile = {j->C, width, j->packed.w + column * j->C, j->packed.b + column};

        if (at == h->first[t])
            continue;
        j->kernels->linear(h->y, TILE, h->x, j->C, rows, &tile, CAFI_STORE);
        for (; at < h->first[t]; at++) {
            size_t i = from + h->order[at];
            size_t row = h->row_of[cafi_pair_a(j->pairs[i])] - 1;

            j->score[i] = h->y[row * TILE + (j->pairs[i].b - column)];
        }
    }
    for (size_t r = 0; r < rows; r++)
        h->row_of[h->rows[r]] = 0;
}

static caface_status range_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const job *j = ctx;
    size_t from = index * RANGE;
    size_t to = j->n - from < RANGE ? j->n : from + RANGE;
    size_t rows = j->dense ? plan_range(j, &j->hands[worker], from, to) : 0;

    (void)err;
    if (rows)
        score_products(j, &j->hands[worker], from, rows);
    else
        score_dots(j, from, to);
    return CAFACE_OK;
}

/* Do the pairs as a whole fill enough of (as) x (bs)? Only then is a second,
 * packed copy of the templates worth its memory. */
static caface_status look_at_density(job *j, caface_error *err)
{
    uint8_t *seen = NULL;
    size_t as = 0;
    size_t bs = 0;
    caface_status st = CAFI_NEW(&seen, j->count, err);

    if (st)
        return st;
    for (size_t i = 0; i < j->n; i++) {
        uint8_t *a = &seen[cafi_pair_a(j->pairs[i])];
        uint8_t *b = &seen[j->pairs[i].b];

        as += !(*a & 1);
        *a |= 1;
        bs += !(*b & 2);
        *b |= 2;
    }
    free(seen);
    j->dense = (double)as * (double)bs <= (double)CELL_GAIN * (double)j->n;
    return CAFACE_OK;
}

static caface_status prepare(job *j, size_t workers, caface_error *err)
{
    caface_status st = look_at_density(j, err);

    if (st || !j->dense)
        return st;
    j->tiles = j->count / TILE + (j->count % TILE != 0);
    if ((st = cafi_alloc_f32(&j->memory, cafi_packed_size(j->C, j->count), 1, err)) ||
        (st = CAFI_NEW(&j->hands, workers, err)))
        return st;
    j->packed = cafi_pack_linear(j->memory, j->templates, NULL, j->C, j->count);
    for (size_t w = 0; !st && w < workers; w++) {
        hand *h = &j->hands[w];

        if ((st = CAFI_NEW(&h->row_of, j->count, err)) ||
            (st = CAFI_NEW(&h->rows, j->count, err)) ||
            (st = CAFI_NEW(&h->first, j->tiles + 1, err)) ||
            (st = CAFI_NEW(&h->order, RANGE, err)) ||
            (st = cafi_alloc_f32(&h->x, MAX_ROWS, j->C, err)))
            return st;
        st = cafi_alloc_f32(&h->y, MAX_ROWS, TILE, err);
    }
    return st;
}

caface_status cafi_scores_pairs(float *score, const float *templates, size_t count, size_t C,
                                const cafi_pair *pairs, size_t n, cafi_pool *pool,
                                caface_error *err)
{
    job j = {.score = score,
             .templates = templates,
             .count = count,
             .C = C,
             .pairs = pairs,
             .n = n,
             .kernels = cafi_kernels_get()};
    size_t workers = cafi_pool_size(pool);
    caface_status st = prepare(&j, workers, err);

    if (!st)
        st = cafi_pool_run(pool, n / RANGE + (n % RANGE != 0), range_task, &j, err);
    if (j.hands)
        for (size_t w = 0; w < workers; w++) {
            free(j.hands[w].row_of);
            free(j.hands[w].rows);
            free(j.hands[w].first);
            free(j.hands[w].order);
            free(j.hands[w].x);
            free(j.hands[w].y);
        }
    free(j.hands);
    free(j.memory);
    return st;
}
