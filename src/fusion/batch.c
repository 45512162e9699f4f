#include "fusion/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/baseline.h"
#include "fusion/chunks.h"
#include "fusion/gather.h"
#include "fusion/method.h"
#include "fusion/network.h"

/* Rows of a simple method that are read together. */
#define SIMPLE_ROWS 256

/* One chunk of one template. */
typedef struct piece {
    size_t t;
    size_t first; /* place in groups->rows */
    size_t n;
    bool is_last; /* of its template */
    bool is_only;
} piece;

/* Memory of one worker. */
typedef struct worker {
    cafi_scratch scratch;
    float *feat; /* [rows][C] */
    float *raw;  /* [CAFI_STRIP][S][2] */
    size_t rows;
    cafi_state state; /* of the template being merged */
} worker;

/* Chunks are fused in waves of a bounded number; the pieces of a wave are
 * consecutive, so that only its last template can go on in the next one. */
typedef struct batch {
    const caface_model *model;
    const cafi_feature_set *set;
    const cafi_groups *groups;
    const cafi_fuse_options *options;
    float *templates;
    float *weights;
    float *log; /* [groups->N][log width], with weights */
    worker *workers;
    size_t worker_count;
    piece *pieces;
    cafi_state *partial; /* of every piece */
    size_t count, most;
    size_t *ends; /* the last piece of every template in the wave, ascending */
    size_t templates_in_wave;
    cafi_state carried; /* of a template that began in an earlier wave */
} batch;

static caface_status reserve(batch *b, worker *w, size_t n, caface_error *err)
{
    float *feat = NULL;
    caface_status st = CAFACE_OK;

    if (n <= w->rows)
        return CAFACE_OK;
    if (b->model && (st = cafi_scratch_reserve(&w->scratch, b->model, n, err)))
        return st;
    if ((st = cafi_alloc_f32(&feat, n, b->set->C, err)))
        return st;
    free(w->feat);
    w->feat = feat;
    w->rows = n;
    return CAFACE_OK;
}

/* The template, and the weights of its rows, from its final state. */
static void finish(batch *b, worker *w, size_t t, const cafi_state *state)
{
    const cafi_groups *g = b->groups;
    size_t width = cafi_network_log_width(b->model);

    cafi_network_template(b->model, &w->scratch, state, b->templates + t * b->set->C);
    /* The confidences are there: the template needed them. */
    for (size_t i = g->start[t]; b->weights && i < g->start[t + 1]; i++)
        cafi_network_weights(b->model, &w->scratch, state, b->log + i * width, 1,
                             b->weights + g->rows[i]);
}

static caface_status fuse_piece(void *ctx, size_t index, size_t which, caface_error *err)
{
    batch *b = ctx;
    worker *w = &b->workers[which];
    const piece *p = &b->pieces[index];
    const size_t *rows = b->groups->rows + p->first;
    size_t width = cafi_network_log_width(b->model);
    caface_status st = CAFACE_OK;

    if ((st = reserve(b, w, p->n, err)) ||
        (st = cafi_gather_checked(b->set, rows, p->n, w->feat, err)) ||
        (st = cafi_gather_compact(b->set, b->model, &w->scratch, w->raw, rows, p->n,
                                  w->scratch.compact, err)))
        return st;
    if (!cafi_network_chunk(b->model, &w->scratch, w->feat, w->scratch.compact, p->n,
                            &b->partial[index]))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: template %lld: features or styles are beyond what the network can "
                         "hold",
                         b->set->path, (long long)b->groups->ids[p->t]);
    if (b->log)
        memcpy(b->log + p->first * width, w->scratch.assign, p->n * width * sizeof *b->log);
    if (p->is_only)
        finish(b, w, p->t, &b->partial[index]);
    return CAFACE_OK;
}

/* Merges the pieces of one template of the wave, in their order. */
static caface_status merge_template(void *ctx, size_t index, size_t which, caface_error *err)
{
    batch *b = ctx;
    worker *w = &b->workers[which];
    size_t end = b->ends[index];
    size_t first = index ? b->ends[index - 1] + 1 : 0;
    const piece *last = &b->pieces[end];
    caface_status st = CAFACE_OK;

    if (last->is_only)
        return CAFACE_OK;
    cafi_state_clear(&w->state);
    if (index == 0)
        cafi_state_copy(&w->state, &b->carried);
    for (size_t i = first; i <= end; i++)
        cafi_state_merge(&w->state, &b->partial[i]);
    if (!last->is_last) {
        /* The only template of the wave, or its last one. */
        cafi_state_copy(&b->partial[end], &w->state);
        return CAFACE_OK;
    }
    st = cafi_scratch_reserve(&w->scratch, b->model, 1, err);
    if (!st)
        finish(b, w, last->t, &w->state);
    return st;
}

static caface_status run_wave(batch *b, caface_error *err)
{
    caface_status st = cafi_pool_run(b->options->pool, b->count, fuse_piece, b, err);

    b->templates_in_wave = 0;
    for (size_t i = 0; i < b->count; i++)
        if (i + 1 == b->count || b->pieces[i + 1].t != b->pieces[i].t)
            b->ends[b->templates_in_wave++] = i;
    if (!st)
        st = cafi_pool_run(b->options->pool, b->templates_in_wave, merge_template, b, err);
    if (st)
        return st;
    if (b->pieces[b->count - 1].is_last)
        cafi_state_clear(&b->carried);
    else
        cafi_state_copy(&b->carried, &b->partial[b->count - 1]);
    b->count = 0;
    return CAFACE_OK;
}

static caface_status report(const batch *b, size_t faces, caface_error *err)
{
    if (b->options->progress && !b->options->progress(b->options->progress_ctx, faces))
        return cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return CAFACE_OK;
}

static caface_status run_chunks(batch *b, caface_error *err)
{
    const cafi_groups *g = b->groups;
    caface_status st = CAFACE_OK;

    for (size_t t = 0; t < g->T; t++) {
        cafi_chunks chunks = cafi_chunks_of(g->start[t + 1] - g->start[t], b->options->chunk);

        for (size_t i = 0; i < chunks.count; i++) {
            piece *p = &b->pieces[b->count++];

            *p = (piece){.t = t,
                         .first = g->start[t] + cafi_chunk_first(&chunks, i),
                         .n = cafi_chunk_length(&chunks, i),
                         .is_last = i + 1 == chunks.count,
                         .is_only = chunks.count == 1};
            if (b->count < b->most && !(t + 1 == g->T && p->is_last))
                continue;
            if ((st = run_wave(b, err)) || (st = report(b, p->first + p->n, err)))
                return st;
        }
    }
    return st;
}

static caface_status take_scores(const batch *b, const size_t *rows, size_t n, float *score,
                                 caface_error *err)
{
    for (size_t r = 0; r < n; r++) {
        score[r] = b->options->scores[rows[r]];
        if (isnan(score[r]))
            return cafi_fail(err, CAFACE_EINVAL, "%s: row %zu has no detector's score",
                             b->set->path, rows[r]);
        if (!(score[r] >= 0.0f) || isinf(score[r]))
            return cafi_fail(err, CAFACE_EINVAL, "%s: row %zu has the detector's score %g",
                             b->set->path, rows[r], (double)score[r]);
    }
    return CAFACE_OK;
}

static caface_status fuse_simply(void *ctx, size_t index, size_t which, caface_error *err)
{
    batch *b = ctx;
    worker *w = &b->workers[which];
    const cafi_groups *g = b->groups;
    size_t t = index + b->count;
    cafi_baseline sums = {.method = b->options->method,
                          .power = b->options->norm_power,
                          .C = b->set->C,
                          .kernels = cafi_kernels_get()};
    caface_status st = reserve(b, w, SIMPLE_ROWS, err);

    for (size_t i = g->start[t]; !st && i < g->start[t + 1]; i += SIMPLE_ROWS) {
        size_t n = g->start[t + 1] - i < SIMPLE_ROWS ? g->start[t + 1] - i : SIMPLE_ROWS;
        int64_t media[SIMPLE_ROWS];
        float score[SIMPLE_ROWS];

        for (size_t r = 0; r < n; r++)
            media[r] = b->options->media ? b->options->media[g->rows[i + r]] : 0;
        st = cafi_gather_checked(b->set, g->rows + i, n, w->feat, err);
        if (!st && b->options->scores)
            st = take_scores(b, g->rows + i, n, score, err);
        if (!st)
            st = cafi_baseline_add(&sums, w->feat,
                                   b->options->method == CAFACE_METHOD_MEDIA ? media : NULL,
                                   b->options->scores ? score : NULL, n, err);
    }
    if (!st)
        st = cafi_baseline_template(&sums, b->templates + t * b->set->C, err);
    cafi_baseline_free(&sums);
    return st;
}

/* One task a template, whose rows are added in their order. */
static caface_status run_simple(batch *b, caface_error *err)
{
    const cafi_groups *g = b->groups;
    caface_status st = CAFACE_OK;

    while (b->count < g->T) {
        size_t n = g->T - b->count < b->most ? g->T - b->count : b->most;

        st = cafi_pool_run(b->options->pool, n, fuse_simply, b, err);
        b->count += n;
        if (st || (st = report(b, g->start[b->count], err)))
            return st;
    }
    return st;
}

static caface_status allocate(batch *b, caface_error *err)
{
    const caface_model_info *i = b->model ? &b->model->info : NULL;
    caface_status st = CAFI_NEW(&b->workers, b->worker_count, err);

    if (st || !i)
        return st;
    if ((st = CAFI_NEW(&b->pieces, b->most, err)) || (st = CAFI_NEW(&b->ends, b->most, err)) ||
        (st = CAFI_NEW(&b->partial, b->most, err)) ||
        (st = cafi_network_state(&b->carried, b->model, b->set->C, err)))
        return st;
    for (size_t p = 0; !st && p < b->most; p++)
        st = cafi_state_new_like(&b->partial[p], &b->carried, err);
    for (size_t w = 0; !st && w < b->worker_count; w++) {
        st = cafi_state_new_like(&b->workers[w].state, &b->carried, err);
        if (!st)
            st = cafi_alloc_f32(&b->workers[w].raw, CAFI_STRIP, i->S * 2, err);
    }
    if (!st && b->weights)
        st = cafi_alloc_f32(&b->log, b->groups->N, cafi_network_log_width(b->model), err);
    return st;
}

static void release(batch *b)
{
    for (size_t w = 0; b->workers && w < b->worker_count; w++) {
        cafi_scratch_free(&b->workers[w].scratch);
        cafi_state_free(&b->workers[w].state);
        free(b->workers[w].feat);
        free(b->workers[w].raw);
    }
    for (size_t p = 0; b->partial && p < b->most; p++)
        cafi_state_free(&b->partial[p]);
    cafi_state_free(&b->carried);
    free(b->workers);
    free(b->pieces);
    free(b->ends);
    free(b->partial);
    free(b->log);
}

static caface_status check(const caface_model *model, const cafi_feature_set *set,
                           const cafi_groups *groups, const cafi_fuse_options *o, bool weights,
                           caface_error *err)
{
    caface_status st = cafi_gather_check(set, model, o->method, err);

    if (st)
        return st;
    if (o->method == CAFACE_METHOD_MEDIA && !o->media)
        return cafi_fail(err, CAFACE_EINVAL, "%s: the method media needs the media of every face",
                         set->path);
    if (!cafi_method_is_network(o->method))
        return weights ? cafi_fail(err, CAFACE_EINVAL, "the method %s gives no face weights",
                                   caface_method_name(o->method))
                       : CAFACE_OK;
    if (o->scores)
        return cafi_fail(err, CAFACE_EINVAL, "the method %s does not weigh by detectors' scores",
                         caface_method_name(o->method));
    if (model->info.is_sum)
        return CAFACE_OK;
    if (o->chunk > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_ELIMIT, "chunks of %zu faces, at most %d are possible",
                         o->chunk, CAFACE_MAX_CHUNK);
    for (size_t t = 0; !o->chunk && t < groups->T; t++)
        if (groups->start[t + 1] - groups->start[t] > CAFACE_MAX_CHUNK)
            return cafi_fail(err, CAFACE_ELIMIT,
                             "%s: template %lld has %zu faces, at most %d are possible at once",
                             set->path, (long long)groups->ids[t],
                             groups->start[t + 1] - groups->start[t], CAFACE_MAX_CHUNK);
    return CAFACE_OK;
}

/* Enough pieces for the workers to stay busy, of templates that may be small,
 * and few enough for their states to stay small. */
#define PIECES_A_WORKER 64

caface_status cafi_fuse_batch(const caface_model *model, const cafi_feature_set *set,
                              const cafi_groups *groups, const cafi_fuse_options *options,
                              float *templates, float *weights, caface_error *err)
{
    bool is_network = cafi_method_is_network(options->method);
    batch b = {.model = is_network ? model : NULL,
               .set = set,
               .groups = groups,
               .options = options,
               .templates = templates,
               .weights = weights,
               .worker_count = cafi_pool_size(options->pool)};
    caface_status st = check(model, set, groups, options, weights != NULL, err);

    if (st || !groups->T)
        return st;
    b.most = b.worker_count * PIECES_A_WORKER;
    for (size_t i = 0; weights && i < set->N; i++)
        weights[i] = 0.0f;
    if (is_network && model->info.is_sum)
        return cafi_fuse_batch_sum(model, set, groups, options, templates, weights, err);
    st = allocate(&b, err);
    if (!st)
        st = is_network ? run_chunks(&b, err) : run_simple(&b, err);
    release(&b);
    return st;
}
