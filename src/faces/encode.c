#include "faces/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "faces/feed.h"
#include "files/feature_set_left.h"
#include "files/feature_set_write.h"

/* Batches of the encoder that are collected before it runs, so that its threads
 * are started seldom. */
enum { BATCHES = 8 };

typedef struct work {
    cafi_encode_result *result;
    cafi_encoder *encoder;
    const cafi_encode_input *input;
    const cafi_encode_options *options;
    size_t C, S, E; /* E: width of compact styles, or 0 */
    caface_model_info model;
    size_t height, width, bytes;
    const char *taps[CAFI_MAX_TAPS];
    size_t tap_count;
    /* rows that wait for the encoder */
    size_t room, pending;
    uint8_t *crops;     /* [room][height][width][3] */
    size_t *picture_of; /* [room] */
    bool *failed;       /* [room] a row of NaN in place of a picture */
    float *features, *styles, *compact;
    const char **fields; /* [columns] */
    /* the set that is carried on, and rows of it that wait to be copied */
    cafi_feature_set *old;
    size_t *row_of; /* [pictures] row in old, or SIZE_MAX */
    size_t run_first, run_count;
    cafi_set_writer *writer;
} work;

/* ---- failures ---------------------------------------------------------- */

caface_status cafi_encode_result_failed(cafi_encode_result *r, const char *path, const char *error,
                                        caface_error *err)
{
    cafi_encode_failure f = {NULL, NULL};
    size_t n = strlen(path);
    caface_status st = CAFI_GROW(&r->failures, &r->failure_room, r->failure_count + 1, err);

    if (st)
        return st;
    if (strncmp(error, path, n) == 0 && strncmp(error + n, ": ", 2) == 0)
        error += n + 2; /* the path is a member of its own */
    if ((st = cafi_strdup(&f.path, path, err)) || (st = cafi_strdup(&f.error, error, err))) {
        free(f.path);
        return st;
    }
    r->failures[r->failure_count++] = f;
    return CAFACE_OK;
}

void cafi_encode_result_clear(cafi_encode_result *r)
{
    for (size_t i = 0; i < r->failure_count; i++) {
        free(r->failures[i].path);
        free(r->failures[i].error);
    }
    free(r->failures);
    *r = (cafi_encode_result){0};
}

/* ---- batches ----------------------------------------------------------- */

static const char *name_of(const work *w, size_t picture)
{
    return w->input->name(w->input->ctx, picture);
}

static caface_status check_finite(const work *w, caface_error *err)
{
    for (size_t i = 0; i < w->pending; i++) {
        double sum = 0;

        if (w->failed[i])
            continue;
        for (size_t c = 0; c < w->C; c++)
            sum += fabs((double)w->features[i * w->C + c]);
        for (size_t s = 0; w->styles && s < 2 * w->S; s++)
            sum += fabs((double)w->styles[i * 2 * w->S + s]);
        if (!isfinite(sum))
            return cafi_fail(err, CAFACE_EMODEL, "%s: the network gives NaN or Inf",
                             name_of(w, w->picture_of[i]));
    }
    return CAFACE_OK;
}

static caface_status flush_batch(work *w, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (w->pending == 0)
        return CAFACE_OK;
    if ((st = cafi_encoder_run(w->encoder, w->crops, w->pending, w->features, w->styles, err)) ||
        (st = check_finite(w, err)))
        return st;
    if (w->E &&
        (st = caface_model_compact(w->options->model, w->styles, w->pending, w->compact, err)))
        return st;
    for (size_t i = 0; !st && i < w->pending; i++) {
        float *feature = w->features + i * w->C;
        const float *style = w->styles && !w->E ? w->styles + i * 2 * w->S : NULL;

        for (size_t c = 0; w->failed[i] && c < w->C; c++)
            feature[c] = NAN;
        w->input->fields(w->input->ctx, w->picture_of[i], w->failed[i], w->fields);
        st = cafi_set_append(w->writer, 1, feature, style, w->E ? w->compact + i * w->E : NULL,
                             w->fields, err);
    }
    w->pending = 0;
    return st;
}

static caface_status flush_run(work *w, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (w->run_count)
        st = cafi_set_append_set(w->writer, w->old, w->run_first, w->run_count, err);
    w->run_count = 0;
    return st;
}

/* rgb: NULL for a picture that failed; a black crop keeps its place. */
static caface_status add_crop(work *w, size_t picture, const uint8_t *rgb, caface_error *err)
{
    uint8_t *crop = w->crops + w->pending * w->bytes;

    if (rgb)
        memcpy(crop, rgb, w->bytes);
    else
        memset(crop, 0, w->bytes);
    w->failed[w->pending] = !rgb;
    w->picture_of[w->pending++] = picture;
    return w->pending == w->room ? flush_batch(w, err) : CAFACE_OK;
}

/* ---- a set that is carried on ------------------------------------------ */

static caface_status check_text(const cafi_value *info, const char *key, const char *want,
                                caface_error *err)
{
    const char *have = cafi_value_text(info, key);

    if (strcmp(have ? have : "", want ? want : "") != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s is %s, now it would be %s", key,
                         have ? have : "not stated", want ? want : "none");
    return CAFACE_OK;
}

static caface_status check_info(const work *w, caface_error *err)
{
    const cafi_value *info = &w->old->info;
    const cafi_value *flip = cafi_value_get(info, "flip");
    const cafi_value *taps = cafi_value_get(info, "taps");
    size_t tap_count = taps && taps->kind == CAFI_LIST ? taps->u.list.count : 0;
    caface_status st = CAFACE_OK;

    if (info->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EMODEL, "it has no set.json, so what made it is unknown");
    if ((st = check_text(info, "backbone", cafi_encoder_hash(w->encoder), err)) ||
        (st = check_text(info, "fusion", w->E ? w->model.hash : NULL, err)) ||
        (st = check_text(info, "input", cafi_encoder_input(w->encoder), err)) ||
        (st = check_text(info, "precision", w->options->precision, err)))
        return st;
    if ((flip && flip->kind == CAFI_BOOL && flip->u.boolean) != cafi_encoder_flips(w->encoder))
        return cafi_fail(err, CAFACE_EMODEL, "flip is %s, now it would be %s",
                         cafi_encoder_flips(w->encoder) ? "false" : "true",
                         cafi_encoder_flips(w->encoder) ? "true" : "false");
    if (tap_count != w->tap_count)
        return cafi_fail(err, CAFACE_EMODEL, "it has %zu taps, now there would be %zu", tap_count,
                         w->tap_count);
    for (size_t i = 0; i < tap_count; i++) {
        const cafi_value *t = &taps->u.list.items[i];

        if (t->kind != CAFI_STRING || strcmp(t->u.text.data, w->taps[i]) != 0)
            return cafi_fail(err, CAFACE_EMODEL, "tap %zu is another, now it would be %s", i,
                             w->taps[i]);
    }
    if (w->old->C != w->C || w->old->S != (w->E ? 0 : w->S) || w->old->compact != w->E)
        return cafi_fail(err, CAFACE_EMODEL,
                         "it has %zu features and %zu style channels, now they "
                         "would be %zu and %zu",
                         w->old->C, w->old->S, w->C, w->E ? 0 : w->S);
    return CAFACE_OK;
}

/* The pictures whose rows the old set has. */
static caface_status match_rows(work *w, caface_error *err)
{
    caface_status st = w->input->match(w->input->ctx, w->old, w->row_of, w->result, err);

    if (st)
        return st;
    for (size_t i = 0; i < w->input->count; i++)
        w->result->resumed += w->row_of[i] != SIZE_MAX;
    w->result->resumed -= w->result->failure_count; /* rows of pictures that still fail */
    return CAFACE_OK;
}

/* Is the old set what would be made now, row by row? */
static bool is_done(const work *w)
{
    const cafi_value *complete = w->old ? cafi_value_get(&w->old->info, "complete") : NULL;

    if (!w->old || w->old->N != w->input->count ||
        (complete && complete->kind == CAFI_BOOL && !complete->u.boolean))
        return false;
    for (size_t i = 0; i < w->input->count; i++)
        if (w->row_of[i] != i)
            return false;
    return true;
}

static caface_status open_old(work *w, caface_error *err)
{
    struct stat info;
    caface_status st = CAFACE_OK;

    if (w->options->resume && (st = cafi_set_recover(w->options->output, err)))
        return st;
    if (!w->options->resume || stat(w->options->output, &info))
        return CAFACE_OK; /* nothing there yet: begin at the beginning */
    if ((st = cafi_feature_set_open(&w->old, w->options->output, err)))
        return st;
    if ((st = check_info(w, err)) || (st = match_rows(w, err)))
        cafi_prefix(err, st, w->options->output);
    return st;
}

static cafi_set_info set_info(const work *w)
{
    return (cafi_set_info){.backbone = cafi_encoder_hash(w->encoder),
                           .fusion = w->E ? w->model.hash : NULL,
                           .taps = w->taps,
                           .tap_count = w->tap_count,
                           .input = cafi_encoder_input(w->encoder),
                           .precision = w->options->precision,
                           .command = w->options->command,
                           .flip = cafi_encoder_flips(w->encoder),
                           .partial = w->result->stopped};
}

/* ---- set up and torn down ---------------------------------------------- */

static caface_status alloc_rows(work *w, caface_error *err)
{
    size_t n = w->room;
    caface_status st = CAFACE_OK;

    if ((st = cafi_alloc(&w->crops, n, w->bytes, err)) || (st = CAFI_NEW(&w->picture_of, n, err)) ||
        (st = CAFI_NEW(&w->failed, n, err)) ||
        (st = CAFI_NEW(&w->fields, w->input->column_count, err)) ||
        (st = CAFI_NEW(&w->row_of, w->input->count, err)) ||
        (st = cafi_alloc_f32(&w->features, n, w->C, err)) ||
        (w->S && (st = cafi_alloc_f32(&w->styles, n, 2 * w->S, err))) ||
        (w->E && (st = cafi_alloc_f32(&w->compact, n, w->E, err))))
        return st;
    for (size_t i = 0; i < w->input->count; i++)
        w->row_of[i] = SIZE_MAX;
    return CAFACE_OK;
}

static void tear_down(work *w)
{
    cafi_set_abort(w->writer);
    cafi_feature_set_close(w->old);
    free(w->crops);
    free(w->picture_of);
    free(w->failed);
    free((void *)w->fields);
    free(w->features);
    free(w->styles);
    free(w->compact);
    free(w->row_of);
}

static caface_status set_up(work *w, caface_error *err)
{
    cafi_set_layout layout = {
        .dtype = CAFI_F32, .columns = w->input->columns, .column_count = w->input->column_count};
    cafi_set_info info;
    caface_status st = CAFACE_OK;

    w->C = cafi_encoder_feature_size(w->encoder);
    w->S = cafi_encoder_style_size(w->encoder);
    if (w->options->model) {
        caface_model_get_info(w->options->model, &w->model);
        w->E = w->model.compact;
        if ((st = cafi_encoder_fits(w->encoder, &w->model, err)))
            return st;
    }
    cafi_encoder_input_size(w->encoder, &w->height, &w->width);
    w->bytes = w->height * w->width * 3;
    w->room = BATCHES * cafi_encoder_batch(w->encoder);
    while (w->tap_count < CAFI_MAX_TAPS && cafi_encoder_tap(w->encoder, w->tap_count)) {
        w->taps[w->tap_count] = cafi_encoder_tap(w->encoder, w->tap_count);
        w->tap_count++;
    }
    if ((st = alloc_rows(w, err)) || (st = open_old(w, err)))
        return st;
    layout.C = w->C;
    layout.S = w->E ? 0 : w->S;
    layout.compact = w->E;
    if (is_done(w))
        return CAFACE_OK;
    info = set_info(w);
    st = cafi_set_begin(&w->writer, w->options->output, &layout, err);
    return st ? st : cafi_set_describe(w->writer, &info, err);
}

/* ---- the work ---------------------------------------------------------- */

static bool go_on(work *w, size_t done)
{
    const cafi_encode_options *o = w->options;

    if (w->result->stopped)
        return false;
    w->result->images = done;
    if (o->progress && !o->progress(o->ctx, done, w->input->count))
        w->result->stopped = true;
    return !w->result->stopped;
}

static bool has_row(const work *w, size_t picture)
{
    return w->row_of[picture] != SIZE_MAX;
}

/* One picture: a row that is there already, crops, or a failure. */
static caface_status take(work *w, size_t picture, cafi_feed *feed, caface_error *err)
{
    const cafi_crops *crops = NULL;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    if (has_row(w, picture)) {
        if ((st = flush_batch(w, err)))
            return st;
        if (w->run_count && w->row_of[picture] != w->run_first + w->run_count &&
            (st = flush_run(w, err)))
            return st;
        if (w->run_count == 0)
            w->run_first = w->row_of[picture];
        w->run_count++;
        return CAFACE_OK;
    }
    if ((st = flush_run(w, err)))
        return st;
    if (!cafi_feed_next(feed, &crops, &why)) {
        for (size_t i = 0; !st && i < crops->count; i++)
            st = add_crop(w, picture, crops->rgb + i * w->bytes, err);
        return st;
    }
    if (why.status == CAFACE_ENOMEM) {
        *err = why;
        return why.status;
    }
    st = cafi_encode_result_failed(w->result, name_of(w, picture), why.message, err);
    return !st && w->input->keep_failed ? add_crop(w, picture, NULL, err) : st;
}

static caface_status encode_all(work *w, cafi_feed *feed, caface_error *err)
{
    size_t n = w->input->count;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < n; i++)
        if (go_on(w, i) || has_row(w, i)) /* stopping loses no row of the old set */
            st = take(w, i, feed, err);
    if (st || (st = flush_run(w, err)) || (st = flush_batch(w, err)))
        return st;
    if (!w->result->stopped)
        w->result->images = n;
    return CAFACE_OK;
}

static caface_status commit(work *w, caface_error *err)
{
    cafi_set_info info = set_info(w);
    cafi_set_writer *writer = w->writer;

    w->result->faces =
        cafi_set_rows(writer) - (w->input->keep_failed ? w->result->failure_count : 0);
    if (w->result->faces == 0) {
        if (w->result->stopped)
            return cafi_fail(err, CAFACE_ECANCELLED, "stopped before the first face");
        return cafi_fail(err, CAFACE_EFORMAT,
                         "none of %zu pictures could be used; the first: %s: %s", w->result->images,
                         w->result->failures[0].path, w->result->failures[0].error);
    }
    w->writer = NULL; /* commit frees it in every case */
    return cafi_set_commit(writer, &info, err);
}

/* The pictures that have no row yet, by threads ahead of the encoder. */
static caface_status run(work *w, caface_error *err)
{
    const cafi_encode_input *in = w->input;
    size_t threads = w->options->threads ? w->options->threads : cafi_cpu_count();
    size_t *todo = NULL;
    size_t count = 0;
    cafi_feed *feed = NULL;
    caface_status st = CAFI_NEW(&todo, in->count, err);

    for (size_t i = 0; !st && i < in->count; i++)
        if (!has_row(w, i))
            todo[count++] = i;
    if (!st)
        st = cafi_feed_new(&feed, todo, count, threads, 2 * w->room, in->read, in->ctx, err);
    if (!st)
        st = encode_all(w, feed, err);
    cafi_feed_free(feed);
    free(todo);
    return st ? st : commit(w, err);
}

caface_status cafi_encode(cafi_encode_result *result, cafi_encoder *encoder,
                          const cafi_encode_input *input, const cafi_encode_options *options,
                          caface_error *err)
{
    work w = {.result = result, .encoder = encoder, .input = input, .options = options};
    caface_status st = CAFACE_OK;

    *result = (cafi_encode_result){0};
    if (input->count == 0)
        return cafi_fail(err, CAFACE_EINVAL, "no pictures to encode");
    st = set_up(&w, err);
    if (!st && w.writer)
        st = run(&w, err);
    else if (!st) { /* the set that is there stays as it is */
        result->images = input->count;
        result->faces = input->count - result->failure_count;
    }
    tear_down(&w);
    return st;
}
