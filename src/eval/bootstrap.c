#include "eval/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "eval/radix.h"
#include "eval/ranking.h"

/* Impostors that a resample walks at first, of all of them: FAR 0.1 needs a
 * tenth, and resamples scatter around it. */
#define WALK_SHARE 5
/* Below this number all are sorted. */
#define WALK_ALL ((size_t)1 << 20)
/* Sums of products of two bytes that fit in 32 bits. */
#define SUM_RUN 4096

static uint32_t lane_weight(const uint8_t *group, const cafi_ranked *e, size_t lane)
{
    uint32_t a = group[(size_t)e->s * CAFI_LANES + lane];

    return e->s == e->t ? a : a * group[(size_t)e->t * CAFI_LANES + lane];
}

/* --- the weight of all impostors, once -------------------------------------- */

static caface_status total_task(void *ctx, size_t g, size_t worker, caface_error *err)
{
    cafi_bootstrap *b = ctx;
    const uint8_t *group = cafi_resampling_group(&b->resample, g);
    uint64_t *total = b->impostors + g * CAFI_LANES;

    (void)worker;
    (void)err;
    for (size_t from = 0; from < b->n; from += SUM_RUN) {
        size_t to = b->n - from < SUM_RUN ? b->n : from + SUM_RUN;
        uint32_t sum[CAFI_LANES] = {0};

        for (size_t i = from; i < to; i++) {
            uint16_t weight[CAFI_LANES];

            if (cafi_pair_is_genuine(b->pairs[i]))
                continue;
            cafi_pair_weight(group, b->subject[b->pairs[i].a], b->subject[b->pairs[i].b], weight);
            for (int l = 0; l < CAFI_LANES; l++)
                sum[l] += weight[l];
        }
        for (int l = 0; l < CAFI_LANES; l++)
            total[l] += sum[l];
    }
    return CAFACE_OK;
}

caface_status cafi_bootstrap_new(cafi_bootstrap *out, const cafi_pair *pairs, size_t n,
                                 const uint32_t *subject, size_t subjects, size_t count,
                                 uint64_t seed, cafi_pool *pool, caface_error *err)
{
    cafi_bootstrap b = {.pairs = pairs, .subject = subject, .n = n, .pool = pool};
    caface_status st = cafi_resampling_new(&b.resample, subjects, count, seed, err);

    *out = (cafi_bootstrap){0};
    if (!st)
        st = CAFI_NEW(&b.impostors, b.resample.groups * CAFI_LANES, err);
    if (!st)
        st = cafi_pool_run(pool, b.resample.groups, total_task, &b, err);
    if (st)
        cafi_bootstrap_free(&b);
    else
        *out = b;
    return st;
}

void cafi_bootstrap_free(cafi_bootstrap *bootstrap)
{
    cafi_resampling_free(&bootstrap->resample);
    free(bootstrap->impostors);
    *bootstrap = (cafi_bootstrap){0};
}

/* --- sorting ---------------------------------------------------------------- */

/* Number of pairs of a kind, and the key that about 1 / WALK_SHARE of the
 * impostors do not exceed: from a sample, since any cut will do. */
static uint32_t choose_cut(const cafi_bootstrap *b, const float *score, size_t impostors)
{
    enum { SAMPLE = 4096 };
    uint32_t sample[SAMPLE];
    uint32_t scratch[SAMPLE];
    size_t n = 0;
    size_t stride = b->n / SAMPLE + 1;

    if (impostors <= WALK_ALL)
        return UINT32_MAX;
    for (size_t i = 0; i < b->n && n < SAMPLE; i += stride)
        if (!cafi_pair_is_genuine(b->pairs[i]))
            sample[n++] = cafi_score_key(score[i]);
    if (!n)
        return UINT32_MAX;
    cafi_radix_u32(sample, scratch, n);
    return sample[n / WALK_SHARE];
}

/* --- one resample ------------------------------------------------------------ */

typedef struct job {
    const cafi_bootstrap *b;
    cafi_ranking genuine, impostor;
    bool whole;      /* impostor holds every impostor pair */
    double *tar;     /* [count][CAFI_FARS] */
    uint64_t **sums; /* per worker: [segments of impostor][CAFI_LANES] */
    bool *short_of;  /* [groups]: the walk ended before FAR 0.1 was reached */
} job;

static void sum_segments(const cafi_ranking *r, const uint8_t *group, uint64_t *sums)
{
    for (size_t g = 0; g < r->segments; g++) {
        uint64_t *sum = sums + g * CAFI_LANES;

        for (int l = 0; l < CAFI_LANES; l++)
            sum[l] = 0;
        for (size_t from = r->segment[g]; from < r->segment[g + 1]; from += SUM_RUN) {
            size_t to = r->segment[g + 1] - from < SUM_RUN ? r->segment[g + 1] : from + SUM_RUN;
            uint32_t part[CAFI_LANES] = {0};

            for (size_t i = from; i < to; i++) {
                uint16_t weight[CAFI_LANES];

                cafi_pair_weight(group, r->entries[i].s, r->entries[i].t, weight);
                for (int l = 0; l < CAFI_LANES; l++)
                    part[l] += weight[l];
            }
            for (int l = 0; l < CAFI_LANES; l++)
                sum[l] += part[l];
        }
    }
}

/* A place between runs of equal scores, in one lane. */
typedef struct cursor {
    const cafi_ranking *r;
    const uint8_t *group;
    const uint64_t *sums;
    size_t lane;
    size_t segment, at; /* the next run starts at entry `at` of this segment */
    uint64_t before;    /* weight of everything before */
    uint32_t key;       /* of the run that next_run found */
    uint64_t run;       /* its weight */
} cursor;

static uint64_t segment_sum(const cursor *c)
{
    return c->sums[c->segment * CAFI_LANES + c->lane];
}

/* Finds the next run with a weight and stands before it; false at the end.
 * Segments whose weight is no more than `skip` are stepped over whole. */
static bool next_run(cursor *c, uint64_t skip, size_t *end)
{
    const cafi_ranking *r = c->r;

    while (c->segment < r->segments) {
        bool fresh = c->at == r->segment[c->segment];

        if (fresh && segment_sum(c) <= skip) {
            skip -= segment_sum(c);
            c->before += segment_sum(c);
            c->at = r->segment[++c->segment];
            continue;
        }
        if (r->segment[c->segment + 1] - r->segment[c->segment] > CAFI_SEGMENT) {
            /* one run of equal scores */
            *end = r->segment[c->segment + 1];
            c->key = r->entries[c->at].key;
            c->run = segment_sum(c);
            return true;
        }
        while (c->at < r->segment[c->segment + 1]) {
            size_t i = c->at;

            c->key = r->entries[i].key;
            c->run = 0;
            for (; i < r->segment[c->segment + 1] && r->entries[i].key == c->key; i++)
                c->run += lane_weight(c->group, &r->entries[i], c->lane);
            if (c->run) {
                *end = i;
                return true;
            }
            c->at = i;
        }
        c->segment++;
        skip = 0;
    }
    return false;
}

static void pass_run(cursor *c, size_t end)
{
    c->before += c->run;
    c->at = end;
    if (end == c->r->segment[c->segment + 1])
        c->segment++;
}

/* For each FAR the key that accepted genuine scores must beat, at the point
 * whose weighted FAR is nearest. False when the walk ended too early. */
static bool find_keys(const job *j, cursor c, double total, uint64_t *key)
{
    size_t end = 0;

    for (int f = 0; f < CAFI_FARS; f++) {
        double target = cafi_fars[f] * total;

        for (;;) {
            uint64_t left = (double)c.before < target ? (uint64_t)(target - (double)c.before) : 0;

            if (!next_run(&c, left, &end)) {
                key[f] = UINT64_MAX; /* every genuine score */
                if (!j->whole)
                    return false;
                break;
            }
            /* stay before this run when that is nearer than after it */
            if (target - (double)c.before < (double)(c.before + c.run) - target) {
                key[f] = c.key;
                break;
            }
            pass_run(&c, end);
        }
    }
    return true;
}

static void lane_tar(const job *j, const uint8_t *group, size_t lane, const uint64_t *key,
                     double *tar)
{
    const cafi_ranking *g = &j->genuine;
    uint64_t sum = 0;
    uint64_t accepted[CAFI_FARS];
    int f = 0;

    for (size_t i = 0; i < g->count; i++) {
        while (f < CAFI_FARS && g->entries[i].key >= key[f])
            accepted[f++] = sum;
        sum += lane_weight(group, &g->entries[i], lane);
    }
    while (f < CAFI_FARS)
        accepted[f++] = sum;
    for (f = 0; f < CAFI_FARS; f++)
        tar[f] = sum ? (double)accepted[f] / (double)sum : NAN;
}

static caface_status group_task(void *ctx, size_t g, size_t worker, caface_error *err)
{
    const job *j = ctx;
    const cafi_bootstrap *b = j->b;
    const uint8_t *group = cafi_resampling_group(&b->resample, g);

    (void)err;
    sum_segments(&j->impostor, group, j->sums[worker]);
    for (size_t lane = 0; lane < CAFI_LANES; lane++) {
        size_t r = g * CAFI_LANES + lane;
        cursor c = {.r = &j->impostor, .group = group, .sums = j->sums[worker], .lane = lane};
        uint64_t key[CAFI_FARS];

        if (r >= b->resample.count)
            break;
        if (!b->impostors[r]) {
            for (int f = 0; f < CAFI_FARS; f++)
                j->tar[r * CAFI_FARS + (size_t)f] = NAN;
        } else if (find_keys(j, c, (double)b->impostors[r], key))
            lane_tar(j, group, lane, key, j->tar + r * CAFI_FARS);
        else
            j->short_of[g] = true;
    }
    return CAFACE_OK;
}

static caface_status run_groups(job *j, caface_error *err)
{
    const cafi_bootstrap *b = j->b;
    size_t workers = cafi_pool_size(b->pool);
    size_t sums = 0;
    caface_status st = CAFI_NEW(&j->sums, workers, err);

    if (!st && !cafi_mul_size(j->impostor.segments, CAFI_LANES, &sums))
        st = cafi_fail_memory(err, sums);
    for (size_t w = 0; !st && w < workers; w++)
        st = CAFI_NEW(&j->sums[w], sums, err);
    if (!st)
        st = CAFI_NEW(&j->short_of, b->resample.groups, err);
    if (!st)
        st = cafi_pool_run(b->pool, b->resample.groups, group_task, j, err);
    for (size_t w = 0; j->sums && w < workers; w++)
        free(j->sums[w]);
    free(j->sums);
    j->sums = NULL;
    return st;
}

caface_status cafi_bootstrap_run(const cafi_bootstrap *b, const float *score, double *tar,
                                 caface_error *err)
{
    job j = {.b = b, .tar = tar};
    size_t impostors = 0;
    uint32_t cut = 0;
    caface_status st = CAFACE_OK;
    bool again = false;

    for (size_t i = 0; i < b->n; i++)
        impostors += !cafi_pair_is_genuine(b->pairs[i]);
    cut = choose_cut(b, score, impostors);
    st = cafi_ranking_new(&j.genuine, b->pairs, score, b->n, b->subject, true, UINT32_MAX, err);
    do {
        again = false;
        if (!st)
            st = cafi_ranking_new(&j.impostor, b->pairs, score, b->n, b->subject, false, cut, err);
        j.whole = j.impostor.count == impostors;
        if (!st)
            st = run_groups(&j, err);
        for (size_t g = 0; !st && g < b->resample.groups; g++)
            again = again || j.short_of[g];
        cut = UINT32_MAX; /* a few subjects own the best impostors: all of them, then */
        free(j.short_of);
        j.short_of = NULL;
        cafi_ranking_free(&j.impostor);
    } while (again);
    cafi_ranking_free(&j.genuine);
    return st;
}
