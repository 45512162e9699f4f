#include "fusion/set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/sized.h"
#include "fusion/method.h"

/* The first members, which every version has. */
#define OPTIONS_LEAST offsetof(caface_set_options, expected_n)

static caface_set_options default_options(void)
{
    return (caface_set_options){.size = sizeof(caface_set_options),
                                .chunk = CAFI_DEFAULT_CHUNK,
                                .norm_power = 1.0,
                                .threads = 1};
}

/* As the caller's struct of that size, which says so itself. */
static void options_out(caface_set_options *to, size_t size, caface_set_options options)
{
    options.size = size;
    cafi_sized_out(to, size, &options, sizeof options);
}

void caface_set_options_init_sized(caface_set_options *options, size_t size)
{
    options_out(options, size, default_options());
}

caface_status caface_set_options_parse(caface_set_options *options, const char *text,
                                       caface_error *err)
{
    caface_set_options own = default_options();
    cafi_way way = {0};
    caface_status st = CAFACE_OK;

    if (!options || !text)
        return cafi_fail(err, CAFACE_EINVAL, "set_options_parse: null argument");
    st = cafi_sized_in(&own, sizeof own, options, options->size, OPTIONS_LEAST, "set_options_parse",
                       err);
    way = (cafi_way){own.method, own.norm_power, own.chunk};
    if (st || (st = cafi_way_parse(&way, NULL, text, strlen(text), err)))
        return st;
    own.method = way.method;
    own.norm_power = way.power;
    own.chunk = way.chunk;
    options_out(options, options->size, own);
    return CAFACE_OK;
}

char *caface_set_options_text(const caface_set_options *options, char *text, size_t size)
{
    char whole[CAFI_WAY_TEXT];
    cafi_way way = {0};

    if (!options || !text || !size)
        return NULL;
    way = (cafi_way){options->method, options->norm_power, options->chunk, false};
    snprintf(text, size, "%s", cafi_way_text(&way, whole));
    return text;
}

void cafi_rows_free(cafi_rows *rows)
{
    free(rows->data);
    rows->data = NULL;
    rows->count = rows->capacity = 0;
}

caface_status cafi_rows_reserve(cafi_rows *rows, size_t more, caface_error *err)
{
    size_t need = 0;
    size_t capacity = rows->capacity ? rows->capacity : 16;
    float *grown = NULL;
    caface_status st = CAFACE_OK;

    if (!cafi_add_size(rows->count, more, &need))
        return cafi_fail_memory(err, SIZE_MAX);
    if (need <= rows->capacity)
        return CAFACE_OK;
    while (capacity < need)
        if (!cafi_mul_size(capacity, 2, &capacity))
            return cafi_fail_memory(err, SIZE_MAX);
    st = cafi_alloc_f32(&grown, capacity, rows->width, err);
    if (st)
        return st;
    if (rows->count)
        memcpy(grown, rows->data, rows->count * rows->width * sizeof *grown);
    free(rows->data);
    rows->data = grown;
    rows->capacity = capacity;
    return CAFACE_OK;
}

static caface_status check_options(const caface_model *model, const caface_set_options *o,
                                   caface_error *err)
{
    bool is_network = cafi_method_is_network(o->method);
    bool has_chunks = is_network && model && !model->info.is_sum;

    if (!caface_method_name(o->method))
        return cafi_fail(err, CAFACE_EINVAL, "set_new: method %d is not known", (int)o->method);
    if (is_network && !model)
        return cafi_fail(err, CAFACE_EINVAL, "set_new: the method %s needs a model",
                         caface_method_name(o->method));
    if (is_network && model->info.method != o->method)
        return cafi_fail(err, CAFACE_EMODEL, "set_new: the method is %s, the model is for %s",
                         caface_method_name(o->method), caface_method_name(model->info.method));
    if (o->threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "set_new: %zu threads, at most %d", o->threads,
                         CAFI_MAX_THREADS);
    if (!isfinite(o->norm_power))
        return cafi_fail(err, CAFACE_EINVAL, "set_new: the power of the norm is not a number");
    if (model && model->info.C && o->width && o->width != model->info.C)
        return cafi_fail(err, CAFACE_EINVAL, "set_new: features have C = %zu, the model C = %zu",
                         o->width, model->info.C);
    if (!o->width && !(model && model->info.C))
        return cafi_fail(err, CAFACE_EINVAL, "set_new: the width of the features must be given%s",
                         model ? ": this model takes any" : "");
    if (o->width > CAFI_MAX_WIDTH)
        return cafi_fail(err, CAFACE_ELIMIT, "set_new: features have C = %zu, at most %zu",
                         o->width, CAFI_MAX_WIDTH);
    if (has_chunks && o->chunk > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "set_new: chunks of %zu faces, at most %d are possible", o->chunk,
                         CAFACE_MAX_CHUNK);
    if (has_chunks && !o->chunk && o->expected_n > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_ELIMIT, "set_new: %zu faces at once, at most %d are possible",
                         o->expected_n, CAFACE_MAX_CHUNK);
    if (o->keep_weights && !is_network)
        return cafi_fail(err, CAFACE_EINVAL, "set_new: the method %s gives no face weights",
                         caface_method_name(o->method));
    return CAFACE_OK;
}

caface_status caface_set_new(caface_set **out, const caface_model *model,
                             const caface_set_options *options, caface_error *err)
{
    caface_set_options own = default_options();
    const cafi_source unsaid = {0};
    cafi_source source = {0};
    caface_set *s = NULL;
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "set_new: null argument");
    *out = NULL;
    if (!options && model)
        own.method = model->info.method;
    if (options)
        st = cafi_sized_in(&own, sizeof own, options, options->size, OPTIONS_LEAST, "set_new", err);
    if (st || (st = check_options(model, &own, err)) || (st = CAFI_NEW(&s, 1, err)))
        return st;
    own.size = sizeof own;
    s->model = cafi_method_is_network(own.method) ? model : NULL;
    s->C = own.width ? own.width : model->info.C;
    s->options = own;
    s->options.width = s->C;
    s->is_planned = own.expected_n > 0;
    s->baseline = (cafi_baseline){
        .method = own.method, .power = own.norm_power, .C = s->C, .kernels = cafi_kernels_get()};
    if (s->model) {
        s->features.width = s->C;
        s->compact.width = model->info.compact;
        s->log.width = cafi_network_log_width(model);
        st = cafi_network_state(&s->state, model, s->C, err);
        if (!st && !model->info.is_sum) /* a sum needs it for long pushes alone */
            st = cafi_state_new_like(&s->partial, &s->state, err);
    }
    if (!st)
        st = cafi_source_join(&source, &unsaid,
                              (cafi_origin){"set_new", own.backbone, own.input, own.encoding},
                              s->model != NULL, err);
    if (!st && s->model)
        st = cafi_model_check_source(model, cafi_source_origin(&source, "set_new"), err);
    cafi_set_use_source(s, &source);
    if (st) {
        caface_set_free(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

static void free_workers(caface_set *s)
{
    size_t workers = cafi_pool_size(s->pool);

    for (size_t i = 0; s->worker_scratch && i < workers; i++)
        cafi_scratch_free(&s->worker_scratch[i]);
    for (size_t i = 0; s->worker_partial && i < workers * CAFI_IN_FLIGHT; i++)
        cafi_state_free(&s->worker_partial[i]);
    free(s->worker_scratch);
    free(s->worker_partial);
    cafi_pool_free(s->pool);
    s->pool = NULL;
    s->worker_scratch = NULL;
    s->worker_partial = NULL;
}

caface_status cafi_set_start_workers(caface_set *set, caface_error *err)
{
    caface_set fresh = {0};
    size_t workers = 0;
    caface_status st = CAFACE_OK;

    if (set->pool || set->options.threads == 1)
        return CAFACE_OK;
    st = cafi_pool_new(&fresh.pool, set->options.threads, err);
    if (st)
        return st;
    workers = cafi_pool_size(fresh.pool);
    st = CAFI_NEW(&fresh.worker_scratch, workers, err);
    if (!st)
        st = CAFI_NEW(&fresh.worker_partial, workers * CAFI_IN_FLIGHT, err);
    for (size_t i = 0; !st && i < workers * CAFI_IN_FLIGHT; i++)
        st = cafi_state_new_like(&fresh.worker_partial[i], &set->state, err);
    if (st) {
        free_workers(&fresh);
        return st;
    }
    set->pool = fresh.pool;
    set->worker_scratch = fresh.worker_scratch;
    set->worker_partial = fresh.worker_partial;
    return CAFACE_OK;
}

caface_status caface_set_use_threads(caface_set *set, size_t threads, caface_error *err)
{
    if (!set)
        return cafi_fail(err, CAFACE_EINVAL, "set_use_threads: null argument");
    if (threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "set_use_threads: %zu threads, at most %d", threads,
                         CAFI_MAX_THREADS);
    free_workers(set);
    set->options.threads = threads;
    return CAFACE_OK;
}

void caface_set_free(caface_set *set)
{
    if (!set)
        return;
    free_workers(set);
    cafi_state_free(&set->state);
    cafi_state_free(&set->partial);
    cafi_rows_free(&set->features);
    cafi_rows_free(&set->compact);
    cafi_rows_free(&set->log);
    cafi_scratch_leave(&set->scratch, set->model);
    cafi_baseline_free(&set->baseline);
    cafi_source_free(&set->source);
    free(set);
}

void caface_set_rest(caface_set *set)
{
    cafi_scratch_leave(&set->scratch, set->model);
}

size_t caface_set_count(const caface_set *set)
{
    return set->count;
}

caface_method caface_set_method(const caface_set *set)
{
    return set->options.method;
}

size_t caface_set_width(const caface_set *set)
{
    return set->C;
}

void caface_set_get_options_sized(const caface_set *set, caface_set_options *options, size_t size)
{
    options_out(options, size, set->options);
}

size_t cafi_set_chunk_length(const caface_set *set)
{
    cafi_chunks plan = cafi_chunks_of(set->options.expected_n, set->options.chunk);

    if (set->is_planned && set->chunk_index < plan.count)
        return cafi_chunk_length(&plan, set->chunk_index);
    return set->options.chunk ? set->options.chunk : CAFACE_MAX_CHUNK;
}

caface_status cafi_set_finished_state(const caface_set *set, caface_set *hands,
                                      const cafi_state **out, cafi_state *room, caface_error *err)
{
    const caface_model *m = set->model;
    cafi_state *chunk = &hands->partial;
    size_t pending = set->features.count;
    bool ok = true;
    unsigned mode = 0;
    caface_status st = cafi_scratch_reserve(&hands->scratch, m, pending ? pending : 1, err);

    *out = &set->state;
    if (st || !pending)
        return st;
    mode = cafi_fp_flush_denormals();
    ok = cafi_network_chunk(m, &hands->scratch, set->features.data, set->compact.data, pending,
                            chunk);
    *out = chunk;
    if (!set->state.empty) {
        st = cafi_state_new_like(room, &set->state, err);
        if (!st) {
            cafi_state_copy(room, &set->state);
            cafi_state_merge(room, chunk);
            *out = room;
        }
    }
    cafi_fp_restore(mode);
    if (!st && (!ok || !cafi_state_is_finite(*out)))
        st = cafi_fail(err, CAFACE_EINVAL,
                       "the unfinished chunk: features or styles are beyond what the network "
                       "can hold");
    return st;
}

caface_status caface_set_template(caface_set *set, float *out, caface_error *err)
{
    const cafi_state *state = NULL;
    cafi_state room = {0};
    unsigned mode = 0;
    caface_status st = CAFACE_OK;

    if (!set || !out)
        return cafi_fail(err, CAFACE_EINVAL, "set_template: null argument");
    if (!set->count)
        return cafi_fail(err, CAFACE_EINVAL, "set_template: the set is empty");
    if (!set->model)
        return cafi_baseline_template(&set->baseline, out, err);
    st = cafi_set_finished_state(set, set, &state, &room, err);
    if (!st) {
        mode = cafi_fp_flush_denormals();
        cafi_network_template(set->model, &set->scratch, state, out);
        cafi_fp_restore(mode);
    }
    cafi_state_free(&room);
    return st;
}

caface_status caface_set_evidence(caface_set *set, double *out, caface_error *err)
{
    const cafi_state *state = NULL;
    cafi_state room = {0};
    caface_status st = CAFACE_OK;

    if (!set || !out)
        return cafi_fail(err, CAFACE_EINVAL, "set_evidence: null argument");
    if (set->options.method != CAFACE_METHOD_RESTORE)
        return cafi_fail(err, CAFACE_EINVAL, "set_evidence: the method %s weighs no evidence",
                         caface_method_name(set->options.method));
    if (!set->count)
        return cafi_fail(err, CAFACE_EINVAL, "set_evidence: the set is empty");
    st = cafi_set_finished_state(set, set, &state, &room, err);
    if (!st)
        *out = cafi_network_evidence(set->model, state);
    cafi_state_free(&room);
    return st;
}

caface_status caface_set_weights(caface_set *set, float *out, size_t n, caface_error *err)
{
    const cafi_state *state = NULL;
    cafi_state room = {0};
    size_t logged = 0;
    unsigned mode = 0;
    caface_status st = CAFACE_OK;

    if (!set || (n && !out))
        return cafi_fail(err, CAFACE_EINVAL, "set_weights: null argument");
    if (!set->model)
        return cafi_fail(err, CAFACE_EINVAL, "set_weights: the method %s gives no face weights",
                         caface_method_name(set->options.method));
    if (set->log_dropped)
        return cafi_fail(err, CAFACE_EINVAL, "set_weights: a merge dropped the log of assignments");
    if (!set->options.keep_weights)
        return cafi_fail(err, CAFACE_EINVAL, "set_weights: the set was made without keep_weights");
    if (n != set->count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "set_weights: room for %zu weights, the set has %zu "
                         "faces",
                         n, set->count);
    if (!n)
        return CAFACE_OK;
    st = cafi_set_finished_state(set, set, &state, &room, err);
    if (!st) {
        logged = set->log.count;
        mode = cafi_fp_flush_denormals();
        cafi_network_prepare_weights(set->model, &set->scratch, state);
        cafi_network_weights(set->model, &set->scratch, state, set->log.data, logged, out);
        cafi_network_weights(set->model, &set->scratch, state, set->scratch.assign, n - logged,
                             out + logged);
        cafi_fp_restore(mode);
    }
    cafi_state_free(&room);
    return st;
}
