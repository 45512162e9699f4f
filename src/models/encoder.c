#include "models/encoder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/threads.h"
#include "files/origin.h"
#include "models/calibration.h"
#include "models/network_config.h"

/* Rows a plan works on at once when there are many: enough for Winograd's tiles
 * to fill the vectors, few enough that a batch of 8 keeps two cores busy. */
#define MOST_ROWS 4

/* One thread's place to work. */
typedef struct worker {
    cafi_plan_context *context;
    float *input;                 /* [rows][3][H][W] */
    float *feature;               /* [rows][C] */
    float *styles[CAFI_MAX_TAPS]; /* [rows][Ci][2] */
    float *outputs[1 + CAFI_MAX_TAPS];
} worker;

/* What one call works with; calls that run at the same time have one each. */
typedef struct lane {
    struct lane *next; /* among those that are idle */
    cafi_pool *pool;
    worker *workers;
    size_t worker_count;
    bool has_plan; /* a batch of one runs in the plan's own buffers, on two threads */
} lane;

struct caface_encoder {
    cafi_plan *plan;
    pthread_mutex_t lock; /* of idle */
    lane *idle;
    size_t threads;     /* of a lane */
    size_t batch, rows; /* the caller's, the plan's */
    caface_precision precision;
    bool flip;
    size_t feature_size, style_size;
    size_t tap_sizes[CAFI_MAX_TAPS];
    size_t tap_count;
    char *taps[CAFI_MAX_TAPS];
    char *encoding;
    char family[32], hash[17], input_text[CAFI_INPUT_TEXT];
    cafi_input_convention input;
    float table[3][256]; /* what a byte becomes, by the network's channel */
};

/* What one call of run works on. */
typedef struct job {
    cafi_encoder *encoder;
    lane *lane;
    const uint8_t *crops;
    size_t n;
    float *features, *styles;
} job;

/* ---- lanes ------------------------------------------------------------- */

static void clear_worker(worker *w)
{
    cafi_plan_context_free(w->context);
    free(w->input);
    free(w->feature);
    for (size_t t = 0; t < CAFI_MAX_TAPS; t++)
        free(w->styles[t]);
    *w = (worker){0};
}

static void free_lane(lane *l)
{
    for (size_t i = 0; l->workers && i < l->worker_count; i++)
        clear_worker(&l->workers[i]);
    free(l->workers);
    cafi_pool_free(l->pool);
    free(l);
}

static caface_status new_lane(lane **out, const cafi_encoder *e, bool has_plan, caface_error *err)
{
    lane *l = NULL;
    caface_status st = CAFI_NEW(&l, 1, err);

    *out = NULL;
    if (st)
        return st;
    l->has_plan = has_plan;
    st = cafi_pool_new(&l->pool, e->batch > 1 ? e->threads : 1, err);
    l->worker_count = !st ? cafi_pool_size(l->pool) : 1;
    if (!st)
        st = CAFI_NEW(&l->workers, l->worker_count, err);
    if (st) {
        free_lane(l);
        return st;
    }
    *out = l;
    return CAFACE_OK;
}

static caface_status take_lane(lane **out, cafi_encoder *e, caface_error *err)
{
    pthread_mutex_lock(&e->lock);
    *out = e->idle;
    if (*out)
        e->idle = (*out)->next;
    pthread_mutex_unlock(&e->lock);
    return *out ? CAFACE_OK : new_lane(out, e, false, err);
}

static void give_back(cafi_encoder *e, lane *l)
{
    pthread_mutex_lock(&e->lock);
    l->next = e->idle;
    e->idle = l;
    pthread_mutex_unlock(&e->lock);
}

/* ---- running ----------------------------------------------------------- */

static caface_status make_worker(cafi_encoder *e, worker *w, bool in_plan, caface_error *err)
{
    size_t pixels = 3 * e->input.height * e->input.width;
    caface_status st = cafi_alloc_f32(&w->input, e->rows, pixels, err);

    if (!st)
        st = cafi_alloc_f32(&w->feature, e->rows, e->feature_size, err);
    w->outputs[0] = w->feature;
    for (size_t t = 0; !st && t < e->tap_count; t++) {
        st = cafi_alloc_f32(&w->styles[t], e->rows, 2 * e->tap_sizes[t], err);
        w->outputs[1 + t] = w->styles[t];
    }
    if (!st && !in_plan)
        st = cafi_plan_context_new(&w->context, e->plan, err);
    if (st)
        clear_worker(w); /* the next call tries again */
    return st;
}

/* Into the results, or, of the mirrored crops, their mean with what is there. */
static void keep(float *to, const float *from, size_t n, bool mirrored)
{
    for (size_t i = 0; i < n; i++)
        to[i] = mirrored ? 0.5f * (to[i] + from[i]) : from[i];
}

/* The rows from `first` on, as they are or mirrored. */
static caface_status encode_rows(const job *j, worker *w, size_t first, size_t rows, bool mirrored,
                                 caface_error *err)
{
    cafi_encoder *e = j->encoder;
    size_t pixels = 3 * e->input.height * e->input.width;
    const float *inputs[1] = {w->input};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < rows; i++)
        cafi_input_load(&e->input, e->table, j->crops + (first + i) * pixels, mirrored,
                        w->input + i * pixels);
    memset(w->input + rows * pixels, 0, (e->rows - rows) * pixels * sizeof(float));
    st = w->context ? cafi_plan_context_run(w->context, inputs, w->outputs, err)
                    : cafi_plan_run(e->plan, inputs, w->outputs, err);
    if (st)
        return st;
    keep(j->features + first * e->feature_size, w->feature, rows * e->feature_size, mirrored);
    for (size_t i = 0; j->styles && i < rows; i++) {
        float *to = j->styles + (first + i) * e->style_size * 2;

        for (size_t t = 0; t < e->tap_count; t++) {
            size_t width = 2 * e->tap_sizes[t];

            keep(to, w->styles[t] + i * width, width, mirrored);
            to += width;
        }
    }
    return CAFACE_OK;
}

static caface_status encode_task(void *ctx, size_t index, size_t number, caface_error *err)
{
    const job *j = ctx;
    cafi_encoder *e = j->encoder;
    worker *w = &j->lane->workers[number];
    size_t first = index * e->rows;
    size_t rows = j->n - first < e->rows ? j->n - first : e->rows;
    caface_status st = CAFACE_OK;

    if (!w->input)
        st = make_worker(e, w, e->batch == 1 && j->lane->has_plan, err);
    if (!st)
        st = encode_rows(j, w, first, rows, false, err);
    if (!st && e->flip)
        st = encode_rows(j, w, first, rows, true, err);
    return st;
}

/* Tasks as crops, to whoever watches. */
typedef struct watcher {
    caface_progress progress;
    void *context;
    size_t rows, n;
} watcher;

static int tell(void *ctx, size_t tasks)
{
    const watcher *w = ctx;

    return w->progress(w->context, tasks < w->n / w->rows ? tasks * w->rows : w->n);
}

caface_status cafi_encoder_run(cafi_encoder *encoder, const uint8_t *crops, size_t n,
                               float *features, float *styles, caface_error *err)
{
    return cafi_encoder_run_watched(encoder, crops, n, features, styles, NULL, NULL, err);
}

caface_status cafi_encoder_run_watched(cafi_encoder *encoder, const uint8_t *crops, size_t n,
                                       float *features, float *styles, caface_progress progress,
                                       void *context, caface_error *err)
{
    job j = {encoder, NULL, crops, n, features, styles};
    watcher w = {progress, context, encoder->rows, n};
    size_t tasks = n / encoder->rows + (n % encoder->rows != 0);
    caface_status st = CAFACE_OK;

    if (n == 0)
        return CAFACE_OK;
    if (!crops || !features)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_run: null argument");
    if ((st = take_lane(&j.lane, encoder, err)))
        return st;
    cafi_pool_watch(j.lane->pool, progress ? tell : NULL, &w);
    st = cafi_pool_run(j.lane->pool, tasks, encode_task, &j, err);
    cafi_pool_watch(j.lane->pool, NULL, NULL);
    give_back(encoder, j.lane);
    return st;
}

/* ---- opening ----------------------------------------------------------- */

/* Outputs of the graph: the feature, then a style for every tap. */
static caface_status mark_outputs(cafi_network *network, cafi_encoder *e, caface_error *err)
{
    cafi_graph *g = network->graph;
    caface_status st = cafi_graph_output(g, network->feature, err);

    for (size_t t = 0; !st && t < network->tap_count; t++) {
        char name[CAFI_TAP_NAME];
        size_t style = 0;

        e->tap_sizes[t] = cafi_network_tap_size(network, t);
        e->style_size += e->tap_sizes[t];
        st = cafi_strdup(&e->taps[t], cafi_network_tap_name(network, t, name), err);
        if (!st)
            st = cafi_network_add_style(network, t, &style, err);
        if (!st)
            st = cafi_graph_output(g, style, err);
    }
    e->tap_count = network->tap_count;
    return st;
}

static caface_status check_network(const cafi_network *network, caface_error *err)
{
    const cafi_node *feature = cafi_graph_node(network->graph, network->feature);
    char text[96];

    if (!feature || feature->shape.ndim != 2 || feature->shape.dim[0] != CAFI_BATCH)
        return cafi_fail(err, CAFACE_EMODEL, "the network's output is %s, not one feature a face",
                         feature ? cafi_shape_write(text, sizeof text, &feature->shape) : "absent");
    return CAFACE_OK;
}

static caface_status build(cafi_encoder *e, cafi_network *network, const cafi_encoder_options *o,
                           const cafi_ranges *ranges, caface_error *err)
{
    cafi_plan_options plan = {.precision = o->precision,
                              .batch = e->rows,
                              .threads = o->threads,
                              .low_memory = o->low_memory,
                              .ranges = ranges,
                              .check = o->check};
    caface_status st = CAFACE_OK;

    if (o->taps && o->tap_count)
        st = cafi_network_set_taps(network, o->taps, o->tap_count, err);
    else if (o->styles)
        st = cafi_network_set_styles(network, o->styles, err);
    if (!st)
        st = check_network(network, err);
    if (!st)
        st = mark_outputs(network, e, err);
    if (st)
        return st;
    e->threads = o->threads;
    e->precision = o->precision;
    e->flip = o->flip;
    e->feature_size = (size_t)cafi_graph_node(network->graph, network->feature)->shape.dim[1];
    e->input = o->input ? *o->input : network->input;
    e->input.height = network->input.height;
    e->input.width = network->input.width;
    cafi_input_table(&e->input, e->table);
    cafi_input_text(&e->input, e->input_text);
    snprintf(e->family, sizeof e->family, "%s", network->family);
    snprintf(e->hash, sizeof e->hash, "%s", network->hash);
    if ((st = new_lane(&e->idle, e, true, err)))
        return st;
    return cafi_plan_new(&e->plan, network->graph, &plan, err);
}

caface_status cafi_encoder_new(cafi_encoder **out, cafi_network *network,
                               const cafi_encoder_options *options, const cafi_ranges *ranges,
                               caface_error *err)
{
    cafi_encoder_options defaults = {0};
    cafi_encoder *e = NULL;
    caface_status st = CAFI_NEW(&e, 1, err);

    *out = NULL;
    if (st)
        return st;
    options = options ? options : &defaults;
    pthread_mutex_init(&e->lock, NULL);
    e->batch = options->batch ? options->batch : 8;
    e->rows = e->batch > 2 * MOST_ROWS ? MOST_ROWS : (e->batch + 1) / 2;
    st = build(e, network, options, ranges, err);
    if (!st)
        st = cafi_encoding_make(&e->encoding, cafi_precision_name(e->precision), e->flip,
                                (const char *const *)e->taps, e->tap_count, err);
    if (st) {
        cafi_encoder_free(e);
        return st;
    }
    *out = e;
    return CAFACE_OK;
}

void cafi_encoder_free(cafi_encoder *encoder)
{
    if (!encoder)
        return;
    for (lane *l = encoder->idle, *next = NULL; l; l = next) {
        next = l->next;
        free_lane(l);
    }
    for (size_t t = 0; t < CAFI_MAX_TAPS; t++)
        free(encoder->taps[t]);
    free(encoder->encoding);
    cafi_plan_free(encoder->plan);
    pthread_mutex_destroy(&encoder->lock);
    free(encoder);
}

/* ---- what it is -------------------------------------------------------- */

size_t cafi_encoder_feature_size(const cafi_encoder *encoder)
{
    return encoder->feature_size;
}

size_t cafi_encoder_style_size(const cafi_encoder *encoder)
{
    return encoder->style_size;
}

size_t cafi_encoder_batch(const cafi_encoder *encoder)
{
    return encoder->batch;
}

size_t cafi_encoder_rows(const cafi_encoder *encoder)
{
    return encoder->rows;
}

bool cafi_encoder_flips(const cafi_encoder *encoder)
{
    return encoder->flip;
}

caface_precision cafi_encoder_precision(const cafi_encoder *encoder)
{
    return encoder->precision;
}

caface_status cafi_encoder_fits(const cafi_encoder *encoder, const caface_model_info *model,
                                caface_error *err)
{
    const cafi_origin ours = {"this backbone", encoder->hash, encoder->input_text,
                              encoder->encoding};
    const cafi_origin theirs = {"what the fusion model was trained on", model->backbone,
                                model->input, model->encoding};
    bool unknown = false;

    if ((!model->C || model->C == encoder->feature_size) && model->S == encoder->style_size)
        return cafi_origin_check(ours, theirs, true, &unknown, err);
    return cafi_fail(err, CAFACE_EMODEL,
                     "the fusion model takes %zu features and %zu style channels, the backbone "
                     "gives %zu and %zu",
                     model->C, model->S, encoder->feature_size, encoder->style_size);
}

void cafi_encoder_input_size(const cafi_encoder *encoder, size_t *height, size_t *width)
{
    *height = encoder->input.height;
    *width = encoder->input.width;
}

const char *cafi_encoder_family(const cafi_encoder *encoder)
{
    return encoder->family;
}

const char *cafi_encoder_encoding(const cafi_encoder *encoder)
{
    return encoder->encoding;
}

const char *cafi_encoder_hash(const cafi_encoder *encoder)
{
    return encoder->hash;
}

const char *cafi_encoder_input(const cafi_encoder *encoder)
{
    return encoder->input_text;
}

const char *cafi_encoder_tap(const cafi_encoder *encoder, size_t index)
{
    return index < encoder->tap_count ? encoder->taps[index] : NULL;
}

cafi_plan *cafi_encoder_plan(const cafi_encoder *encoder)
{
    return encoder->plan;
}
