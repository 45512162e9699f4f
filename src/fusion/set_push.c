/* Faces into a set: cut into chunks, the unfinished one kept, the others fused. */
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "fusion/set.h"

/* Whole chunks that are fused side by side from the caller's arrays. */
typedef struct wave {
    caface_set *set;
    const cafi_set_rows *rows;
    size_t first[CAFI_IN_FLIGHT * CAFI_MAX_THREADS + 1]; /* row of each chunk, and the end */
    size_t count;
    float *log; /* [rows of the wave][log width] or NULL */
} wave;

static void advance(cafi_set_rows *r, size_t n, const caface_set *set)
{
    r->feat += n * set->C;
    if (r->style)
        r->style += n * set->model->info.S * 2;
    if (r->compact)
        r->compact += n * set->model->info.compact;
    r->n -= n;
}

caface_status cafi_set_check_finite(const caface_set *set, const cafi_set_rows *r, size_t first,
                                    size_t n, caface_error *err)
{
    const cafi_kernels *k = set->baseline.kernels;
    const caface_model *m = set->model;
    size_t bad = k->finite_rows(r->feat + first * set->C, n, set->C);

    if (bad < n)
        return cafi_fail(err, CAFACE_EINVAL, "features: row %zu holds NaN or Inf", first + bad);
    if (r->style && m) {
        size_t S = m->info.S * 2;

        if ((bad = k->finite_rows(r->style + first * S, n, S)) < n)
            return cafi_fail(err, CAFACE_EINVAL, "styles: row %zu holds NaN or Inf", first + bad);
    }
    if (r->compact && m) {
        size_t E = m->info.compact;

        if ((bad = k->finite_rows(r->compact + first * E, n, E)) < n)
            return cafi_fail(err, CAFACE_EINVAL, "compact styles: row %zu holds NaN or Inf",
                             first + bad);
    }
    return CAFACE_OK;
}

/* Is there room for so many faces more? */
static caface_status check_count(const caface_set *set, const cafi_set_rows *r, caface_error *err)
{
    const caface_model *m = set->model;

    if (set->is_planned && r->n > set->options.expected_n - set->count)
        return cafi_fail(err, CAFACE_EINVAL, "set_push: %zu faces and %zu more, %zu were expected",
                         set->count, r->n, set->options.expected_n);
    if (m && !m->info.is_sum && !set->options.chunk && !set->is_planned &&
        r->n > CAFACE_MAX_CHUNK - set->features.count)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "set_push: %zu faces and %zu more at once, at most %d are possible",
                         set->features.count, r->n, CAFACE_MAX_CHUNK);
    return m ? cafi_network_check_room(m, &set->state, set->features.count + r->n, err) : CAFACE_OK;
}

caface_status cafi_set_beyond(caface_error *err)
{
    return cafi_fail(err, CAFACE_EINVAL,
                     "set_push: features or styles are beyond what the network can hold");
}

/* Copies n rows behind those of the unfinished chunk. Room is there. */
static caface_status keep_rows(caface_set *set, const cafi_set_rows *r, size_t n, caface_error *err)
{
    size_t E = set->model->info.compact;
    float *compact = set->compact.data + set->compact.count * E;
    caface_status st = cafi_set_check_finite(set, r, 0, n, err);

    if (st)
        return st;
    memcpy(set->features.data + set->features.count * set->C, r->feat,
           n * set->C * sizeof *r->feat);
    if (r->compact)
        memcpy(compact, r->compact, n * E * sizeof *compact);
    else
        cafi_network_compact(set->model, &set->scratch, r->style, n, compact);
    if (set->baseline.kernels->finite_rows(compact, n, E) < n)
        return cafi_set_beyond(err);
    set->features.count += n;
    set->compact.count += n;
    return CAFACE_OK;
}

static void log_rows(caface_set *set, const float *assign, size_t n)
{
    if (!set->log.data || !set->options.keep_weights || set->log_dropped)
        return;
    memcpy(set->log.data + set->log.count * set->log.width, assign,
           n * set->log.width * sizeof *assign);
    set->log.count += n;
}

/* Takes up to n rows into the unfinished chunk, and ends it when it is full. */
static caface_status fill_chunk(caface_set *set, cafi_set_rows *r, caface_error *err)
{
    size_t length = cafi_set_chunk_length(set);
    size_t room = length - set->features.count;
    size_t n = r->n < room ? r->n : room;
    caface_status st = CAFACE_OK;

    if ((st = cafi_rows_reserve(&set->features, n, err)) ||
        (st = cafi_rows_reserve(&set->compact, n, err)) || (st = keep_rows(set, r, n, err)))
        return st;
    advance(r, n, set);
    /* All at once: the chunk ends when the template is read. */
    if (set->features.count < length || (!set->options.chunk && !set->is_planned))
        return CAFACE_OK;
    if ((st = cafi_scratch_reserve(&set->scratch, set->model, length, err)))
        return st;
    if (!cafi_network_chunk(set->model, &set->scratch, set->features.data, set->compact.data,
                            length, &set->partial))
        return cafi_set_beyond(err);
    cafi_state_merge(&set->state, &set->partial);
    log_rows(set, set->scratch.assign, length);
    set->features.count = set->compact.count = 0;
    set->chunk_index++;
    return CAFACE_OK;
}

static caface_status fuse_chunk(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const wave *w = ctx;
    caface_set *set = w->set;
    const caface_model *m = set->model;
    cafi_scratch *scratch = set->pool ? &set->worker_scratch[worker] : &set->scratch;
    cafi_state *partial = set->pool ? &set->worker_partial[index] : &set->partial;
    size_t first = w->first[index];
    size_t n = w->first[index + 1] - first;
    const float *compact = w->rows->compact ? w->rows->compact + first * m->info.compact : NULL;
    caface_status st = CAFACE_OK;

    if ((st = cafi_set_check_finite(set, w->rows, first, n, err)) ||
        (st = cafi_scratch_reserve(scratch, m, n, err)))
        return st;
    if (!compact) {
        cafi_network_compact(m, scratch, w->rows->style + first * m->info.S * 2, n,
                             scratch->compact);
        compact = scratch->compact;
    }
    if (set->baseline.kernels->finite_rows(compact, n, m->info.compact) < n)
        return cafi_set_beyond(err);
    if (!cafi_network_chunk(m, scratch, w->rows->feat + first * set->C, compact, n, partial))
        return cafi_set_beyond(err);
    if (w->log)
        memcpy(w->log + first * set->log.width, scratch->assign,
               n * set->log.width * sizeof *w->log);
    return CAFACE_OK;
}

/* Fuses as many whole chunks as lie in the caller's rows, side by side, and
 * merges them in their order. */
static caface_status fuse_wave(caface_set *set, cafi_set_rows *r, caface_error *err)
{
    size_t most = set->pool ? cafi_pool_size(set->pool) * CAFI_IN_FLIGHT : 1;
    size_t before = set->chunk_index;
    wave w = {.set = set, .rows = r};
    caface_status st = CAFACE_OK;

    for (; w.count < most; w.count++) {
        size_t length = cafi_set_chunk_length(set);

        if (r->n - w.first[w.count] < length)
            break;
        w.first[w.count + 1] = w.first[w.count] + length;
        set->chunk_index++;
    }
    if (set->options.keep_weights && !set->log_dropped)
        w.log = set->log.data + set->log.count * set->log.width;
    st = cafi_pool_run(set->pool, w.count, fuse_chunk, &w, err);
    if (st) {
        set->chunk_index = before;
        return st;
    }
    for (size_t i = 0; i < w.count; i++)
        cafi_state_merge(&set->state, set->pool ? &set->worker_partial[i] : &set->partial);
    if (w.log)
        set->log.count += w.first[w.count];
    advance(r, w.first[w.count], set);
    return CAFACE_OK;
}

static caface_status take_rows(caface_set *set, cafi_set_rows *r, caface_error *err)
{
    unsigned mode = cafi_fp_flush_denormals();
    caface_status st =
        cafi_scratch_reserve(&set->scratch, set->model, r->n < CAFI_STRIP ? r->n : CAFI_STRIP, err);

    while (!st && r->n) {
        size_t length = cafi_set_chunk_length(set);
        bool at_once = !set->options.chunk && !set->is_planned;

        if (set->features.count || r->n < length || at_once)
            st = fill_chunk(set, r, err);
        else if (r->n < 2 * length || !(st = cafi_set_start_workers(set, err)))
            st = fuse_wave(set, r, err);
    }
    cafi_fp_restore(mode);
    return st;
}

/* What a failed push puts back. Nothing can be lost before a chunk ends, so only
 * a push that ends one takes a copy. */
typedef struct snapshot {
    cafi_state state;
    cafi_rows features, compact;
    size_t chunk_index;
    size_t pending;
    size_t logged;
    bool is_taken;
} snapshot;

static caface_status copy_rows(cafi_rows *to, const cafi_rows *from, caface_error *err)
{
    caface_status st = CAFACE_OK;

    to->width = from->width;
    st = cafi_rows_reserve(to, from->count, err);
    if (st || !from->count)
        return st;
    memcpy(to->data, from->data, from->count * from->width * sizeof *to->data);
    to->count = from->count;
    return CAFACE_OK;
}

static void snapshot_free(snapshot *before)
{
    cafi_state_free(&before->state);
    cafi_rows_free(&before->features);
    cafi_rows_free(&before->compact);
}

static caface_status snapshot_take(snapshot *before, const caface_set *set, size_t n,
                                   caface_error *err)
{
    caface_status st = CAFACE_OK;

    *before = (snapshot){
        .chunk_index = set->chunk_index, .pending = set->features.count, .logged = set->log.count};
    if (n < cafi_set_chunk_length(set) - set->features.count)
        return CAFACE_OK;
    st = cafi_state_new_like(&before->state, &set->state, err);
    if (!st) {
        cafi_state_copy(&before->state, &set->state);
        st = copy_rows(&before->features, &set->features, err);
    }
    if (!st)
        st = copy_rows(&before->compact, &set->compact, err);
    if (st)
        snapshot_free(before);
    before->is_taken = !st;
    return st;
}

static void put_back(cafi_rows *now, cafi_rows *before)
{
    cafi_rows swap = *now;

    *now = *before;
    *before = swap;
}

static void snapshot_restore(snapshot *before, caface_set *set)
{
    if (before->is_taken) {
        cafi_state_copy(&set->state, &before->state);
        put_back(&set->features, &before->features);
        put_back(&set->compact, &before->compact);
    }
    set->features.count = set->compact.count = before->pending;
    set->log.count = before->logged;
    set->chunk_index = before->chunk_index;
}

/* Into the state, or nothing changes. */
static caface_status push_rows(caface_set *set, const cafi_set_rows *rows, caface_error *err)
{
    cafi_set_rows r = *rows;
    snapshot before;
    caface_status st = CAFACE_OK;

    if (set->options.keep_weights && !set->log_dropped &&
        (st = cafi_rows_reserve(&set->log, set->features.count + r.n, err)))
        return st;
    if (set->model->info.is_sum)
        return cafi_set_push_sum(set, &r, err);
    if ((st = snapshot_take(&before, set, r.n, err)))
        return st;
    st = take_rows(set, &r, err);
    if (st)
        snapshot_restore(&before, set);
    snapshot_free(&before);
    return st;
}

/* Rows are looked at when it is their turn, so that those of a long stream come from memory
 * once. When a push fails, what is wrong with the first row that is not finite is said,
 * whatever thread met which row first. */
static caface_status push(caface_set *set, cafi_set_rows r, caface_error *err)
{
    caface_status st = CAFACE_OK, finite = CAFACE_OK;

    if (!r.n)
        return CAFACE_OK;
    if (!(st = check_count(set, &r, err)) && !(st = push_rows(set, &r, err))) {
        set->count += r.n;
        return CAFACE_OK;
    }
    finite = cafi_set_check_finite(set, &r, 0, r.n, err);
    return finite ? finite : st;
}

static caface_status push_simple(caface_set *set, cafi_set_rows r, const int64_t *media,
                                 caface_error *err)
{
    caface_status st = cafi_set_check_finite(set, &r, 0, r.n, err);

    if (!st)
        st = check_count(set, &r, err);
    if (!st)
        st = cafi_baseline_add(&set->baseline, r.feat, media, NULL, r.n, err);
    if (!st)
        set->count += r.n;
    return st;
}

caface_status caface_set_push(caface_set *set, const float *feat, const float *style, size_t n,
                              caface_error *err)
{
    cafi_set_rows r = {.feat = feat, .style = style, .n = n};

    if (!set || (n && !feat) || (n && set->model && !style))
        return cafi_fail(err, CAFACE_EINVAL, "set_push: null argument");
    if (set->options.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL,
                         "set_push: a set by media needs the media of every face");
    return set->model ? push(set, r, err) : push_simple(set, r, NULL, err);
}

caface_status caface_set_push_compact(caface_set *set, const float *feat, const float *compact,
                                      size_t n, caface_error *err)
{
    cafi_set_rows r = {.feat = feat, .compact = compact, .n = n};

    if (!set || (n && !feat) || (n && set->model && !compact))
        return cafi_fail(err, CAFACE_EINVAL, "set_push_compact: null argument");
    if (set->options.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL,
                         "set_push_compact: a set by media needs the media of every face");
    return set->model ? push(set, r, err) : push_simple(set, r, NULL, err);
}

caface_status caface_set_push_media(caface_set *set, const float *feat, const int64_t *media,
                                    size_t n, caface_error *err)
{
    cafi_set_rows r = {.feat = feat, .n = n};

    if (!set || (n && (!feat || !media)))
        return cafi_fail(err, CAFACE_EINVAL, "set_push_media: null argument");
    if (set->options.method != CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "set_push_media: the method is %s, not media",
                         caface_method_name(set->options.method));
    return push_simple(set, r, media, err);
}

caface_status caface_model_compact(const caface_model *model, const float *style, size_t n,
                                   float *compact, caface_error *err)
{
    cafi_scratch scratch = {0};
    unsigned mode = 0;
    size_t bad = 0;
    caface_status st = CAFACE_OK;

    if (!model || (n && (!style || !compact)))
        return cafi_fail(err, CAFACE_EINVAL, "model_compact: null argument");
    bad = model->kernels->finite_rows(style, n, model->info.S * 2);
    if (bad < n)
        return cafi_fail(err, CAFACE_EINVAL, "styles: row %zu holds NaN or Inf", bad);
    st = cafi_scratch_reserve(&scratch, model, n < CAFI_STRIP ? n : CAFI_STRIP, err);
    if (st)
        return st;
    mode = cafi_fp_flush_denormals();
    cafi_network_compact(model, &scratch, style, n, compact);
    cafi_fp_restore(mode);
    cafi_scratch_leave(&scratch, model);
    bad = model->kernels->finite_rows(compact, n, model->info.compact);
    return bad < n ? cafi_fail(err, CAFACE_EINVAL,
                               "styles: row %zu is beyond what the network can hold", bad)
                   : CAFACE_OK;
}
