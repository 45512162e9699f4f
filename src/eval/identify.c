#include "eval/identify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/radix.h"
#include "eval/roc.h"
#include "eval/scores.h"
#include "math/kernels.h"

const double cafi_fpirs[CAFI_FPIRS] = {0.01, 0.1};
const char *const cafi_fpir_names[CAFI_FPIRS] = {"0.01", "0.1"};
const size_t cafi_ranks[CAFI_RANKS] = {1, 5, 10};

/* Probes of one task, and columns of one product. */
#define ROWS ((size_t)64)
#define TILE ((size_t)256)

/* The largest non-mate scores seen by one worker: key << 32 | mated probe. */
typedef struct heap {
    uint64_t *items; /* [2 * keep] */
    uint64_t *scratch;
    size_t count;
    uint64_t limit; /* what is not below it can't be among the best */
} heap;

typedef struct hand {
    float *x;      /* [ROWS][C] */
    float *scores; /* [ROWS][columns] */
    float *room;   /* [gallery], with pictures */
    heap best;
} hand;

typedef struct job {
    const float *templates;
    size_t C;
    const cafi_subject_list *gallery, *probes;
    const cafi_pictures *pictures; /* of the gallery, instead of its templates; or NULL */
    const cafi_kernels *kernels;
    float *memory;
    cafi_packed packed; /* the gallery as columns, a template or a picture each */
    size_t columns;
    uint32_t *seat; /* [probes]: place among the mated, or the nonmated ones */
    bool *mated;    /* [probes] */
    uint32_t *mated_subject, *nonmated_subject;
    size_t subjects;
    size_t keep; /* non-mate scores that are needed at most */
    hand *hands;
    uint64_t *best; /* [best_count], all workers' together, best first */
    size_t best_count;
    cafi_identified *out;
} job;

/* --- the best non-mate scores ------------------------------------------------ */

/* Cuts a full heap down to the best `keep`. */
static void heap_prune(heap *h, size_t keep)
{
    cafi_radix_u64(h->items, h->scratch, h->count);
    if (h->count > keep) {
        h->count = keep;
        h->limit = h->items[keep - 1];
    }
}

static void heap_offer(heap *h, size_t keep, float score, uint32_t probe)
{
    uint64_t item = (uint64_t)cafi_score_key(score) << 32 | probe;

    if (item >= h->limit)
        return;
    h->items[h->count++] = item;
    if (h->count == 2 * keep)
        heap_prune(h, keep);
}

/* --- comparing ----------------------------------------------------------------- */

/* A template of no valid row. */
static bool is_nothing(const job *j, uint32_t place)
{
    const float *x = j->templates + (size_t)place * j->C;

    return cafi_dot(x, x, j->C) == 0;
}

/* A gallery entry of no valid row. */
static bool is_absent(const job *j, size_t entry)
{
    return j->pictures ? j->pictures->first[entry] == j->pictures->first[entry + 1]
                       : is_nothing(j, j->gallery->items[entry].place);
}

/* One mated probe against its row of scores. Nothing finds nothing: a score of
 * 0 would be a hit wherever all others are negative, or 0 as well. */
static void judge_mated(const job *j, heap *best, size_t probe, const float *score)
{
    const cafi_enrolled *p = &j->probes->items[probe];
    const cafi_enrolled *g = j->gallery->items;
    size_t n = j->gallery->count;
    size_t mate = n;
    uint32_t rank = 1;
    bool found = false;

    for (size_t i = 0; i < n; i++)
        if (g[i].subject == p->subject && g[i].place != p->place &&
            (mate == n || score[i] > score[mate]))
            mate = i;
    found = !is_nothing(j, p->place) && !is_absent(j, mate);
    for (size_t i = 0; i < n; i++) {
        if (g[i].subject == p->subject || g[i].place == p->place)
            continue;
        rank += !found || score[i] > score[mate] || (i < mate && score[i] == score[mate]);
        heap_offer(best, j->keep, score[i], j->seat[probe]);
    }
    j->out->rank[j->seat[probe]] = rank;
    j->out->mate[j->seat[probe]] = found ? score[mate] : -INFINITY;
}

static void judge_nonmated(const job *j, size_t probe, const float *score)
{
    float top = -INFINITY;

    for (size_t i = 0; i < j->gallery->count; i++)
        if (score[i] > top && j->gallery->items[i].place != j->probes->items[probe].place)
            top = score[i];
    j->out->top[j->seat[probe]] = top;
}

/* The largest score of every entry's pictures; 0 without any, as for a template that is
 * zeros. */
static void take_best(const job *j, const float *score, float *room)
{
    const size_t *first = j->pictures->first;

    for (size_t i = 0; i < j->gallery->count; i++) {
        room[i] = first[i] < first[i + 1] ? -INFINITY : 0.0f;
        for (size_t p = first[i]; p < first[i + 1]; p++)
            room[i] = score[p] > room[i] ? score[p] : room[i];
    }
}

static caface_status probe_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const job *j = ctx;
    hand *h = &j->hands[worker];
    size_t n = j->columns;
    size_t from = index * ROWS;
    size_t rows = j->probes->count - from < ROWS ? j->probes->count - from : ROWS;

    (void)err;
    for (size_t r = 0; r < rows; r++)
        memcpy(h->x + r * j->C, j->templates + (size_t)j->probes->items[from + r].place * j->C,
               j->C * sizeof *h->x);
    for (size_t column = 0; column < n; column += TILE) {
        cafi_packed tile = {j->C, n - column < TILE ? n - column : TILE,
                            j->packed.w + column * j->C, j->packed.b + column};

        j->kernels->linear(h->scores + column, n, h->x, j->C, rows, &tile, CAFI_STORE);
    }
    for (size_t r = 0; r < rows; r++) {
        const float *score = h->scores + r * n;

        if (j->pictures) {
            take_best(j, score, h->room);
            score = h->room;
        }
        if (j->mated[from + r])
            judge_mated(j, &h->best, from + r, score);
        else
            judge_nonmated(j, from + r, score);
    }
    return CAFACE_OK;
}

/* --- who is mated ---------------------------------------------------------------- */

static caface_status seat_probes(job *j, caface_error *err)
{
    const cafi_subject_list *probes = j->probes;
    const cafi_subject_list *gallery = j->gallery;
    cafi_identified *out = j->out;
    uint32_t *entries = NULL; /* of each subject in the gallery */
    uint32_t *own = NULL;     /* 1 + gallery place of a template, for overlapping lists */
    size_t places = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < gallery->count; i++) {
        j->subjects =
            gallery->items[i].subject >= j->subjects ? gallery->items[i].subject + 1 : j->subjects;
        places = gallery->items[i].place >= places ? gallery->items[i].place + 1 : places;
    }
    for (size_t i = 0; i < probes->count; i++) {
        j->subjects =
            probes->items[i].subject >= j->subjects ? probes->items[i].subject + 1 : j->subjects;
        places = probes->items[i].place >= places ? probes->items[i].place + 1 : places;
    }
    if ((st = CAFI_NEW(&entries, j->subjects, err)) || (st = CAFI_NEW(&own, places, err)))
        goto done;
    for (size_t i = 0; i < gallery->count; i++) {
        entries[gallery->items[i].subject]++;
        own[gallery->items[i].place] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < probes->count; i++) {
        const cafi_enrolled *p = &probes->items[i];
        uint32_t self = own[p->place];
        bool self_counts = self && gallery->items[self - 1].subject == p->subject;

        j->mated[i] = entries[p->subject] > (self_counts ? 1u : 0u);
        if (j->mated[i]) {
            j->mated_subject[out->mated] = p->subject;
            j->seat[i] = (uint32_t)out->mated++;
        } else {
            j->nonmated_subject[out->nonmated] = p->subject;
            j->seat[i] = (uint32_t)out->nonmated++;
        }
    }
    if (!out->mated)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: none of %zu probes has a mate in %s", probes->path,
                       probes->count, gallery->path);
done:
    free(entries);
    free(own);
    return st;
}

static caface_status pack_columns(job *j, caface_error *err)
{
    const float *rows = j->pictures ? j->pictures->unit : NULL;
    float *gathered = NULL;
    caface_status st = CAFACE_OK;

    j->columns = j->pictures ? j->pictures->first[j->gallery->count] : j->gallery->count;
    if (!j->pictures) {
        if ((st = cafi_alloc_f32(&gathered, j->columns, j->C, err)))
            return st;
        for (size_t i = 0; i < j->columns; i++)
            memcpy(gathered + i * j->C, j->templates + (size_t)j->gallery->items[i].place * j->C,
                   j->C * sizeof *gathered);
        rows = gathered;
    }
    st = cafi_alloc_f32(&j->memory, cafi_packed_size(j->C, j->columns), 1, err);
    if (!st)
        j->packed = cafi_pack_linear(j->memory, rows, NULL, j->C, j->columns);
    free(gathered);
    return st;
}

static caface_status make_hands(job *j, size_t workers, bool resampled, caface_error *err)
{
    size_t most = (size_t)ceil(cafi_fpirs[CAFI_FPIRS - 1] * (double)j->out->mated);
    caface_status st = CAFACE_OK;

    /* a resample can need more of them than the sample itself */
    j->keep = resampled ? 4 * most + 1024 : most;
    if (!(st = pack_columns(j, err)))
        st = CAFI_NEW(&j->hands, workers, err);
    for (size_t w = 0; !st && w < workers; w++) {
        hand *h = &j->hands[w];

        h->best.limit = UINT64_MAX;
        if ((st = cafi_alloc_f32(&h->x, ROWS, j->C, err)) ||
            (st = cafi_alloc_f32(&h->scores, ROWS, j->columns, err)) ||
            (j->pictures && (st = cafi_alloc_f32(&h->room, 1, j->gallery->count, err))) ||
            (st = CAFI_NEW(&h->best.items, 2 * j->keep, err)))
            return st;
        st = CAFI_NEW(&h->best.scratch, 2 * j->keep, err);
    }
    return st;
}

static caface_status make_room(job *j, caface_error *err)
{
    size_t n = j->probes->count;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&j->seat, n, err)) || (st = CAFI_NEW(&j->mated, n, err)) ||
        (st = CAFI_NEW(&j->mated_subject, n, err)) ||
        (st = CAFI_NEW(&j->nonmated_subject, n, err)) || (st = CAFI_NEW(&j->out->rank, n, err)) ||
        (st = CAFI_NEW(&j->out->mate, n, err)))
        return st;
    return CAFI_NEW(&j->out->top, n, err);
}

/* The workers' best scores as one list, best first. */
static caface_status gather_best(job *j, size_t workers, caface_error *err)
{
    uint64_t *scratch = NULL;
    size_t n = 0;
    caface_status st = CAFACE_OK;

    for (size_t w = 0; w < workers; w++)
        n += j->hands[w].best.count;
    if ((st = CAFI_NEW(&j->best, n, err)) || (st = CAFI_NEW(&scratch, n, err)))
        return st;
    for (size_t w = 0; w < workers; w++) {
        const heap *h = &j->hands[w].best;

        memcpy(j->best + j->best_count, h->items, h->count * sizeof *j->best);
        j->best_count += h->count;
    }
    cafi_radix_u64(j->best, scratch, n);
    free(scratch);
    return CAFACE_OK;
}

/* --- figures, of the sample (weights 1) or of a resample --------------------------- */

/* Everything sorted that a resample walks. */
typedef struct sorted {
    uint64_t *tops; /* [nonmated] key << 32 | seat, best first */
} sorted;

static uint64_t weight_of(const uint8_t *lane, uint32_t subject)
{
    return lane ? lane[(size_t)subject * CAFI_LANES] : 1;
}

/* Share of mated probes whose best mate scores above the threshold. */
static double hits_above(const job *j, const uint8_t *lane, double threshold, uint64_t all)
{
    uint64_t hits = 0;

    for (size_t i = 0; i < j->out->mated; i++)
        if ((double)j->out->mate[i] > threshold)
            hits += weight_of(lane, j->mated_subject[i]);
    return (double)hits / (double)all;
}

/* The k-th largest non-mate score, probes weighted; NaN when there are fewer. */
static double release_threshold(const job *j, const uint8_t *lane, double k)
{
    uint64_t before = 0;

    for (size_t i = 0; i < j->best_count; i++) {
        before += weight_of(lane, j->mated_subject[j->best[i] & UINT32_MAX]);
        if ((double)before >= k)
            return (double)cafi_key_score((uint32_t)(j->best[i] >> 32));
    }
    return NAN;
}

/* The lowest score that at most `allowed` of the probes without a mate exceed. */
static double open_threshold(const job *j, const sorted *s, const uint8_t *lane, double allowed)
{
    uint64_t before = 0;

    for (size_t i = 0; i < j->out->nonmated; i++) {
        before += weight_of(lane, j->nonmated_subject[s->tops[i] & UINT32_MAX]);
        if ((double)before > allowed)
            return (double)cafi_key_score((uint32_t)(s->tops[i] >> 32));
    }
    return NAN;
}

static void compute_figures(const job *j, const sorted *s, const uint8_t *lane, double *figure,
                            double *threshold, double *open)
{
    uint64_t mated = 0;
    uint64_t nonmated = 0;
    uint64_t ranked[CAFI_RANKS] = {0};

    for (size_t i = 0; i < j->out->mated; i++) {
        uint64_t weight = weight_of(lane, j->mated_subject[i]);

        mated += weight;
        for (int r = 0; r < CAFI_RANKS; r++)
            ranked[r] += j->out->rank[i] <= cafi_ranks[r] ? weight : 0;
    }
    for (size_t i = 0; i < j->out->nonmated; i++)
        nonmated += weight_of(lane, j->nonmated_subject[i]);
    for (int r = 0; r < CAFI_RANKS; r++)
        figure[CAFI_ID_RANK + r] = mated ? (double)ranked[r] / (double)mated : NAN;
    for (int f = 0; f < CAFI_FPIRS; f++) {
        threshold[f] =
            mated ? release_threshold(j, lane, ceil(cafi_fpirs[f] * (double)mated)) : NAN;
        open[f] = nonmated ? open_threshold(j, s, lane, cafi_fpirs[f] * (double)nonmated) : NAN;
        figure[CAFI_ID_TPIR + f] =
            isnan(threshold[f]) ? NAN : hits_above(j, lane, threshold[f], mated);
        figure[CAFI_ID_OPEN + f] =
            mated && !isnan(open[f]) ? hits_above(j, lane, open[f], mated) : NAN;
    }
}

static caface_status sort_tops(const job *j, sorted *s, caface_error *err)
{
    size_t n = j->out->nonmated;
    uint64_t *scratch = NULL;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&s->tops, n, err)) || (st = CAFI_NEW(&scratch, n, err)))
        return st;
    for (size_t i = 0; i < n; i++)
        s->tops[i] = (uint64_t)cafi_score_key(j->out->top[i]) << 32 | i;
    cafi_radix_u64(s->tops, scratch, n);
    free(scratch);
    return CAFACE_OK;
}

static caface_status finish(job *j, const cafi_resampling *resample, caface_error *err)
{
    cafi_identified *out = j->out;
    sorted s = {0};
    double ignored[2][CAFI_FPIRS];
    caface_status st = sort_tops(j, &s, err);

    if (!st && resample)
        st = cafi_alloc(&out->resampled, resample->count, CAFI_ID_FIGURES * sizeof(double), err);
    if (!st)
        compute_figures(j, &s, NULL, out->figure, out->threshold, out->open_threshold);
    for (size_t r = 0; !st && resample && r < resample->count; r++)
        compute_figures(j, &s, cafi_resampling_group(resample, r / CAFI_LANES) + r % CAFI_LANES,
                        out->resampled + r * CAFI_ID_FIGURES, ignored[0], ignored[1]);
    for (int f = 0; f < CAFI_FPIRS; f++) {
        out->supported[f] = cafi_fpirs[f] >= CAFI_MIN_FALSE_ACCEPTS / (double)out->mated;
        out->open_supported[f] = cafi_fpirs[f] >= CAFI_MIN_FALSE_ACCEPTS / (double)out->nonmated;
    }
    free(s.tops);
    return st;
}

static void free_job(job *j, size_t workers)
{
    if (j->hands)
        for (size_t w = 0; w < workers; w++) {
            free(j->hands[w].x);
            free(j->hands[w].scores);
            free(j->hands[w].room);
            free(j->hands[w].best.items);
            free(j->hands[w].best.scratch);
        }
    free(j->hands);
    free(j->memory);
    free(j->seat);
    free(j->mated);
    free(j->mated_subject);
    free(j->nonmated_subject);
    free(j->best);
}

caface_status cafi_identify(cafi_identified *out, const float *templates, size_t C,
                            const cafi_subject_list *gallery, const cafi_subject_list *probes,
                            const cafi_resampling *resample, cafi_pool *pool, caface_error *err)
{
    return cafi_identify_best(out, templates, C, gallery, NULL, probes, resample, pool, err);
}

caface_status cafi_identify_best(cafi_identified *out, const float *templates, size_t C,
                                 const cafi_subject_list *gallery, const cafi_pictures *pictures,
                                 const cafi_subject_list *probes, const cafi_resampling *resample,
                                 cafi_pool *pool, caface_error *err)
{
    cafi_identified result = {.gallery = gallery->count};
    job j = {.templates = templates,
             .C = C,
             .gallery = gallery,
             .pictures = pictures,
             .probes = probes,
             .kernels = cafi_kernels_get(),
             .out = &result};
    size_t workers = cafi_pool_size(pool);
    caface_status st = CAFACE_OK;

    *out = (cafi_identified){0};
    if (!(st = make_room(&j, err)) && !(st = seat_probes(&j, err)) &&
        !(st = make_hands(&j, workers, resample != NULL, err)) &&
        !(st = cafi_pool_run(pool, probes->count / ROWS + (probes->count % ROWS != 0), probe_task,
                             &j, err)) &&
        !(st = gather_best(&j, workers, err)))
        st = finish(&j, resample, err);
    free_job(&j, workers);
    if (st)
        cafi_identified_free(&result);
    else
        *out = result;
    return st;
}

void cafi_identified_free(cafi_identified *identified)
{
    free(identified->rank);
    free(identified->mate);
    free(identified->top);
    free(identified->resampled);
    *identified = (cafi_identified){0};
}
