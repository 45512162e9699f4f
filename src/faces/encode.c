#include "faces/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "faces/encoded_set.h"
#include "faces/feed.h"

/* Batches of the encoder that are collected before it runs, so that its threads
 * are started seldom. */
enum { BATCHES = 8 };

typedef struct work {
    cafi_encode_result *result;
    cafi_encoder *encoder;
    const cafi_encode_input *input;
    const cafi_encode_options *options;
    size_t C, S;
    size_t height, width, bytes;
    /* rows that wait for the encoder */
    size_t room, pending;
    uint8_t *crops;     /* [room][height][width][3] */
    size_t *picture_of; /* [room] */
    bool *failed;       /* [room] a row of NaN in place of a picture */
    float *features, *styles;
    const char **fields; /* [columns] */
    cafi_encoded_set *set;
    /* rows of the set that is carried on, and those of them that wait to be copied */
    size_t *row_of; /* [pictures], or SIZE_MAX */
    size_t run_first, run_count;
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
    for (size_t i = 0; !st && i < w->pending; i++) {
        float *feature = w->features + i * w->C;
        const float *style = w->styles ? w->styles + i * 2 * w->S : NULL;

        for (size_t c = 0; w->failed[i] && c < w->C; c++)
            feature[c] = NAN;
        w->input->fields(w->input->ctx, w->picture_of[i], w->failed[i], w->fields);
        st = cafi_encoded_set_add(w->set, feature, style, w->fields, err);
    }
    w->pending = 0;
    return st;
}

static caface_status flush_run(work *w, caface_error *err)
{
    caface_status st = cafi_encoded_set_copy(w->set, w->run_first, w->run_count, err);

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

/* A picture that was written after the set has another row now. */
static caface_status check_unchanged(const work *w, caface_error *err)
{
    struct stat set;
    struct stat info;
    cafi_buf path = {0};
    bool known = false;

    cafi_buf_printf(&path, "%s/features.npy", w->options->output);
    known = !path.failed && stat(path.data, &set) == 0;
    cafi_buf_free(&path);
    for (size_t i = 0; known && i < w->input->count; i++)
        if (w->row_of[i] != SIZE_MAX && stat(name_of(w, i), &info) == 0 &&
            (info.st_mtim.tv_sec > set.st_mtim.tv_sec ||
             (info.st_mtim.tv_sec == set.st_mtim.tv_sec &&
              info.st_mtim.tv_nsec > set.st_mtim.tv_nsec)))
            return cafi_fail(err, CAFACE_EMODEL,
                             "%s was changed after it was encoded; without --resume all is "
                             "encoded again",
                             name_of(w, i));
    return CAFACE_OK;
}

/* The pictures whose rows the old set has. */
static caface_status match_rows(work *w, caface_error *err)
{
    const cafi_feature_set *old = cafi_encoded_set_old(w->set);
    caface_status st = CAFACE_OK;

    if (!old)
        return CAFACE_OK;
    if ((st = w->input->match(w->input->ctx, old, w->row_of, w->result, err)))
        return cafi_prefix(err, st, w->options->output);
    if (w->input->names_alone && (st = check_unchanged(w, err)))
        return cafi_prefix(err, st, w->options->output);
    for (size_t i = 0; i < w->input->count; i++)
        w->result->resumed += w->row_of[i] != SIZE_MAX;
    w->result->resumed -= w->result->failure_count; /* rows of pictures that still fail */
    return CAFACE_OK;
}

/* Is the old set what would be made now, row by row? */
static bool is_done(const work *w)
{
    const cafi_feature_set *old = cafi_encoded_set_old(w->set);

    if (!old || old->N != w->input->count || !cafi_encoded_set_old_is_complete(w->set))
        return false;
    for (size_t i = 0; i < w->input->count; i++)
        if (w->row_of[i] != i)
            return false;
    return true;
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
        (w->S && (st = cafi_alloc_f32(&w->styles, n, 2 * w->S, err))))
        return st;
    for (size_t i = 0; i < w->input->count; i++)
        w->row_of[i] = SIZE_MAX;
    return CAFACE_OK;
}

static void tear_down(work *w)
{
    cafi_encoded_set_free(w->set);
    free(w->crops);
    free(w->picture_of);
    free(w->failed);
    free((void *)w->fields);
    free(w->features);
    free(w->styles);
    free(w->row_of);
}

static caface_status set_up(work *w, const cafi_encoded_options *set, bool *done, caface_error *err)
{
    caface_status st = CAFACE_OK;

    w->C = cafi_encoder_feature_size(w->encoder);
    w->S = cafi_encoder_style_size(w->encoder);
    cafi_encoder_input_size(w->encoder, &w->height, &w->width);
    w->bytes = w->height * w->width * 3;
    w->room = BATCHES * cafi_encoder_batch(w->encoder);
    if ((st = alloc_rows(w, err)) || (st = cafi_encoded_set_open(&w->set, w->encoder, set, err)) ||
        (st = match_rows(w, err)))
        return st;
    *done = is_done(w);
    return *done ? CAFACE_OK : cafi_encoded_set_begin(w->set, err);
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
    w->result->faces =
        cafi_encoded_set_rows(w->set) - (w->input->keep_failed ? w->result->failure_count : 0);
    if (w->result->faces == 0) {
        if (w->result->stopped)
            return cafi_fail(err, CAFACE_ECANCELLED, "stopped before the first face");
        return cafi_fail(
            err, CAFACE_EFORMAT, "none of the %zu pictures could be used; the first: %s: %s",
            w->result->images, w->result->failures[0].path, w->result->failures[0].error);
    }
    return cafi_encoded_set_commit(w->set, w->result->stopped, err);
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
    const cafi_encoded_options set = {.output = options->output,
                                      .resume = options->resume,
                                      .model = options->model,
                                      .command = options->command,
                                      .columns = input->columns,
                                      .column_count = input->column_count};
    work w = {.result = result, .encoder = encoder, .input = input, .options = options};
    bool done = false;
    caface_status st = CAFACE_OK;

    *result = (cafi_encode_result){0};
    if (input->count == 0)
        return cafi_fail(err, CAFACE_EINVAL, "no pictures to encode");
    st = set_up(&w, &set, &done, err);
    if (!st && !done)
        st = run(&w, err);
    else if (!st) { /* the set that is there stays as it is */
        result->images = input->count;
        result->faces = input->count - result->failure_count;
    }
    tear_down(&w);
    return st;
}
