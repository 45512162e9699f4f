#include "faces/detect_mtcnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/threads.h"
#include "faces/flexnet.h"
#include "faces/resample.h"

#define PYRAMID_FACTOR 0.85
#define WINDOW 12.0 /* P-Net's, at its stride of 2 */
#define SCALE_NMS 0.5
#define STAGE_NMS 0.7
/* Rows of a run: the first fill a vector at every position of a map; the others are for what is
 * left of a picture's windows. P-Net has one. */
static const size_t batches[CAFI_MTCNN_BATCHES] = {16, 8, 4};
/* Plans of P-Net, one for each size of the pyramid. */
#define PNET_BYTES ((size_t)512 << 20)
/* The pyramid has no more levels that are worth a thread. */
#define MAX_WORKERS 8
#define MAX_LEVELS 96

static const cafi_pixel_map pixels = {false, {127.5f, 127.5f, 127.5f}, 0.0078125f, 0.0f};

/* What builds the graph of one stage. */
typedef struct source {
    const cafi_mtcnn *model;
    cafi_mtcnn_stage stage;
} source;

/* What one thread works with. */
typedef struct worker {
    cafi_flexnet *nets[CAFI_MTCNN_STAGES][CAFI_MTCNN_BATCHES];
    cafi_resampler resampler;
    uint8_t *cut; /* a window's pixels */
    size_t cut_room;
    uint8_t *batch; /* windows of a batch, as the network sees them */
    size_t batch_room;
} worker;

struct cafi_mtcnn_detector {
    cafi_mtcnn_options options;
    source sources[CAFI_MTCNN_STAGES];
    cafi_pool *pool;
    worker workers[MAX_WORKERS];
    size_t worker_count;
};

/* A window under way: its edges are whole numbers between the stages, kept in
 * double as the rounding of halves depends on it. */
typedef struct window {
    double edge[4]; /* x1, y1, x2, y2: the last pixels belong to it */
    float offset[4];
    float score;
    cafi_point landmark[CAFI_LANDMARKS];
} window;

typedef struct windows {
    window *items;
    size_t count, capacity;
} windows;

static caface_status build(void *ctx, size_t height, size_t width, cafi_graph **out,
                           caface_error *err)
{
    const source *s = ctx;

    return cafi_mtcnn_graph(out, s->model, s->stage, height, width, err);
}

/* A worker's networks of one stage, whose plans are made when they are needed. */
static caface_status make_nets(cafi_mtcnn_detector *d, worker *w, int stage, caface_error *err)
{
    size_t count = stage == CAFI_PNET ? 1 : CAFI_MTCNN_BATCHES;
    caface_status st = CAFACE_OK;

    for (size_t b = 0; !st && b < count; b++)
        st = cafi_flexnet_new(&w->nets[stage][b], build, &d->sources[stage],
                              stage == CAFI_PNET ? 1 : batches[b], CAFACE_FP32, 1, d->options.check,
                              PNET_BYTES / d->worker_count, err);
    return st;
}

caface_status cafi_mtcnn_detector_new(cafi_mtcnn_detector **out, const cafi_mtcnn *model,
                                      const cafi_mtcnn_options *options, size_t threads,
                                      caface_error *err)
{
    cafi_mtcnn_detector *d = NULL;
    void *memory = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!(options->min_face >= (float)WINDOW))
        return cafi_fail(err, CAFACE_EINVAL, "faces of %g pixels: MTCNN finds those from %g pixels",
                         (double)options->min_face, WINDOW);
    st = cafi_alloc(&memory, 1, sizeof *d, err);
    if (st)
        return st;
    d = memory;
    d->options = *options;
    d->worker_count = threads ? threads : cafi_cpu_count();
    if (d->worker_count > MAX_WORKERS)
        d->worker_count = MAX_WORKERS;
    st = cafi_pool_new(&d->pool, d->worker_count, err);
    for (int s = 0; !st && s < CAFI_MTCNN_STAGES; s++) {
        d->sources[s] = (source){model, (cafi_mtcnn_stage)s};
        for (size_t w = 0; !st && w < d->worker_count; w++)
            st = make_nets(d, &d->workers[w], s, err);
    }
    if (st) {
        cafi_mtcnn_detector_free(d);
        return st;
    }
    *out = d;
    return CAFACE_OK;
}

void cafi_mtcnn_detector_free(cafi_mtcnn_detector *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->worker_count; i++) {
        worker *w = &d->workers[i];

        for (int s = 0; s < CAFI_MTCNN_STAGES; s++)
            for (size_t b = 0; b < CAFI_MTCNN_BATCHES; b++)
                cafi_flexnet_free(w->nets[s][b]);
        cafi_resampler_clear(&w->resampler);
        free(w->cut);
        free(w->batch);
    }
    cafi_pool_free(d->pool);
    free(d);
}

cafi_flexnet *cafi_mtcnn_net(cafi_mtcnn_detector *d, cafi_mtcnn_stage stage, size_t batch)
{
    return d->workers[0].nets[stage][batch];
}

static caface_status add_window(windows *list, const window *w, caface_error *err)
{
    caface_status st = CAFI_GROW(&list->items, &list->capacity, list->count + 1, err);

    if (!st)
        list->items[list->count++] = *w;
    return st;
}

/* Two scores to a probability, in float as the authors' softmax. */
static float face_probability(float none, float face)
{
    float most = fmaxf(none, face);
    float e0 = expf(none - most), e1 = expf(face - most);

    return e1 / (e0 + e1);
}

/* Keeps what suppression keeps, in its order, from item `first` on. */
static caface_status suppress(windows *list, size_t first, double threshold, cafi_overlap kind,
                              caface_error *err)
{
    size_t count = list->count - first, kept = 0;
    void *boxes = NULL, *keep = NULL, *items = NULL;
    window *w = list->items + first;
    caface_status st;

    if (count == 0)
        return CAFACE_OK;
    (void)((st = cafi_alloc(&boxes, count, sizeof(cafi_face), err)) ||
           (st = cafi_alloc(&keep, count, sizeof(size_t), err)) ||
           (st = cafi_alloc(&items, count, sizeof(window), err)));
    for (size_t i = 0; !st && i < count; i++) {
        cafi_face *f = (cafi_face *)boxes + i;

        f->box = (cafi_box){(float)w[i].edge[0], (float)w[i].edge[1], (float)w[i].edge[2],
                            (float)w[i].edge[3]};
        f->score = w[i].score;
    }
    if (!st)
        st = cafi_suppress(boxes, count, threshold, kind, 1.0, keep, &kept, err);
    if (!st) {
        for (size_t i = 0; i < kept; i++)
            ((window *)items)[i] = w[((size_t *)keep)[i]];
        memcpy(w, items, kept * sizeof *w);
        list->count = first + kept;
    }
    free(boxes);
    free(keep);
    free(items);
    return st;
}

/* What the scores of a face and of none differ by at least where the probability is above the
 * threshold; with room for rounding, as most positions are told by this alone. */
static float least_difference(float threshold)
{
    return logf(threshold / (1.0f - threshold)) - 1e-3f;
}

/* P-Net at one scale of the pyramid. */
static caface_status propose(worker *k, float threshold, const cafi_view *picture, double scale,
                             windows *list, caface_error *err)
{
    size_t width = (size_t)ceil((double)picture->width * scale);
    size_t height = (size_t)ceil((double)picture->height * scale);
    size_t first = list->count, rows = 0, cols = 0, plane = 0;
    float least = least_difference(threshold);
    cafi_view small;
    cafi_flexnet_slot *slot = NULL;
    caface_status st;

    (void)((st = cafi_flexnet_get(k->nets[CAFI_PNET][0], height, width, &slot, err)) ||
           (st = cafi_resampler_run(&k->resampler, picture, width, height, &small, err)));
    if (st)
        return st;
    cafi_flexnet_fill(slot, 0, &small, &pixels);
    st = cafi_flexnet_run(slot, err);
    rows = (size_t)slot->shape[0].dim[2];
    cols = (size_t)slot->shape[0].dim[3];
    plane = rows * cols;
    for (size_t i = 0; !st && i < plane; i++) {
        float none = slot->output[0][i], face = slot->output[0][plane + i];
        double x = 0.0, y = 0.0;
        window w;

        if (!(face - none > least))
            continue;
        x = 2.0 * (double)(i % cols) + 1.0;
        y = 2.0 * (double)(i / cols) + 1.0;
        w = (window){.score = face_probability(none, face)};
        if (!(w.score > threshold))
            continue;
        w.edge[0] = rint(x / scale);
        w.edge[1] = rint(y / scale);
        w.edge[2] = rint((x + WINDOW) / scale);
        w.edge[3] = rint((y + WINDOW) / scale);
        for (size_t e = 0; e < 4; e++)
            w.offset[e] = slot->output[0][(2 + e) * plane + i];
        st = add_window(list, &w, err);
    }
    return st ? st : suppress(list, first, SCALE_NMS, CAFI_OVERLAP_UNION, err);
}

/* Moves the edges by the network's offsets, which are fractions of the size. */
static void calibrate(window *w)
{
    double width = w->edge[2] - w->edge[0] + 1.0, height = w->edge[3] - w->edge[1] + 1.0;

    for (int k = 0; k < 4; k++)
        w->edge[k] += (k % 2 ? height : width) * w->offset[k];
}

/* The square around the window's centre, on whole pixels. */
static void make_square(window *w)
{
    double width = w->edge[2] - w->edge[0] + 1.0, height = w->edge[3] - w->edge[1] + 1.0;
    double side = fmax(width, height);
    double x = w->edge[0] + width * 0.5 - side * 0.5;
    double y = w->edge[1] + height * 0.5 - side * 0.5;

    w->edge[0] = rint(x);
    w->edge[1] = rint(y);
    w->edge[2] = rint(x + side - 1.0);
    w->edge[3] = rint(y + side - 1.0);
}

/* Drops windows that no picture can have: without extent, outside, or, which
 * only broken weights give, many times larger than the picture. */
static void drop_hopeless(windows *list, const cafi_view *picture)
{
    double width = (double)picture->width, height = (double)picture->height;
    double most = 4.0 * (width + height);
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        const double *e = list->items[i].edge;

        if (e[2] >= e[0] && e[3] >= e[1] && e[2] >= 0.0 && e[3] >= 0.0 && e[0] < width &&
            e[1] < height && e[2] - e[0] < most && e[3] - e[1] < most)
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

/* The window's pixels, black outside of the picture, resized to side x side. */
static caface_status cut_out(worker *k, const cafi_view *picture, const window *w, size_t side,
                             cafi_view *out, caface_error *err)
{
    long x1 = (long)w->edge[0], y1 = (long)w->edge[1];
    size_t width = (size_t)(w->edge[2] - w->edge[0]) + 1;
    size_t height = (size_t)(w->edge[3] - w->edge[1]) + 1;
    size_t from = x1 < 0 ? (size_t)-x1 : 0;
    size_t to = (size_t)fmin((double)width, (double)picture->width - (double)x1);
    size_t bytes = 0;

    if (x1 >= 0 && y1 >= 0 && (size_t)x1 + width <= picture->width &&
        (size_t)y1 + height <= picture->height)
        return cafi_resampler_part(&k->resampler, picture,
                                   &(cafi_part_of_view){(size_t)x1, (size_t)y1, width, height},
                                   side, side, out, err);
    if (!cafi_mul_size(width, 3, &bytes) || !cafi_mul_size(bytes, height, &bytes))
        return cafi_fail_memory(err, ~0ULL);
    caface_status st = CAFI_GROW(&k->cut, &k->cut_room, bytes, err);
    if (st)
        return st;
    for (size_t y = 0; y < height; y++) {
        long row = y1 + (long)y;
        uint8_t *line = k->cut + y * width * 3;

        if (row < 0 || (size_t)row >= picture->height) {
            memset(line, 0, width * 3);
            continue;
        }
        memset(line, 0, from * 3);
        memcpy(line + from * 3,
               picture->rgb + ((size_t)row * picture->width + (size_t)(x1 + (long)from)) * 3,
               (to - from) * 3);
        memset(line + to * 3, 0, (width - to) * 3);
    }
    return cafi_resampler_run(&k->resampler, &(cafi_view){k->cut, width, height}, side, side, out,
                              err);
}

/* As the authors' code does on the way: from here on the window ends where the
 * picture ends, which later offsets and landmarks are fractions of. */
static void clip(window *w, const cafi_view *picture)
{
    w->edge[0] = fmax(w->edge[0], 0.0);
    w->edge[1] = fmax(w->edge[1], 0.0);
    w->edge[2] = fmin(w->edge[2], (double)picture->width - 1.0);
    w->edge[3] = fmin(w->edge[3], (double)picture->height - 1.0);
}

/* One row of the heads: two scores, four offsets, and of O-Net the landmarks. */
static void read_row(window *w, const cafi_flexnet_slot *slot, size_t row)
{
    size_t columns = (size_t)slot->shape[0].dim[1];
    const float *heads = slot->output[0] + row * columns, *l = heads + 6;

    w->score = face_probability(heads[0], heads[1]);
    memcpy(w->offset, heads + 2, sizeof w->offset);
    for (int i = 0; columns > 6 && i < CAFI_LANDMARKS; i++) {
        w->landmark[i].x = (float)(w->edge[0] + (w->edge[2] - w->edge[0] + 1.0) * l[i]);
        w->landmark[i].y =
            (float)(w->edge[1] + (w->edge[3] - w->edge[1] + 1.0) * l[i + CAFI_LANDMARKS]);
    }
}

/* R-Net or O-Net on all windows; whoever is free takes the next batch. */
typedef struct refinement {
    cafi_mtcnn_detector *d;
    const cafi_view *picture;
    cafi_mtcnn_stage stage;
    windows *list;
} refinement;

/* Run number `index` of `total` windows begins at window *first and has *count of them; batch: the
 * network for it. False: there is none. Whole runs come first; what is left takes the smallest
 * batch that holds it, or the two smaller ones. */
static bool run_at(size_t total, size_t index, size_t *first, size_t *count, size_t *batch)
{
    size_t whole = total / batches[0], rest = total % batches[0], left = 0;
    size_t two = rest > batches[1] && rest <= batches[1] + batches[2] ? batches[1] : 0;

    *first = index * batches[0];
    *batch = 0;
    *count = batches[0];
    if (index < whole)
        return true;
    *first = whole * batches[0] + (index > whole ? two : 0);
    left = total - *first;
    *count = index == whole && two ? two : left;
    while (*batch + 1 < CAFI_MTCNN_BATCHES && batches[*batch + 1] >= *count)
        ++*batch;
    return *count > 0 && index <= whole + (two > 0);
}

static caface_status refine_task(void *ctx, size_t index, size_t thread, caface_error *err)
{
    const refinement *r = ctx;
    worker *k = &r->d->workers[thread];
    size_t side = r->stage == CAFI_RNET ? 24 : 48, bytes = side * side * 3;
    size_t first = 0, count = 0, batch = 0;
    cafi_flexnet_slot *slot = NULL;
    caface_status st = CAFACE_OK;

    (void)run_at(r->list->count, index, &first, &count, &batch);
    (void)((st = cafi_flexnet_get(k->nets[r->stage][batch], side, side, &slot, err)) ||
           (st = CAFI_GROW(&k->batch, &k->batch_room, batches[batch] * bytes, err)));
    for (size_t i = 0; !st && i < count; i++) {
        cafi_view view;

        st = cut_out(k, r->picture, &r->list->items[first + i], side, &view, err);
        if (!st)
            memcpy(k->batch + i * bytes, view.rgb, bytes);
    }
    if (!st) {
        cafi_flexnet_fill_rows(slot, k->batch, count, &pixels);
        st = cafi_flexnet_run(slot, err);
    }
    for (size_t i = 0; !st && i < count; i++) {
        clip(&r->list->items[first + i], r->picture);
        read_row(&r->list->items[first + i], slot, i);
    }
    return st;
}

/* Those below the threshold go. */
static caface_status refine(cafi_mtcnn_detector *d, const cafi_view *picture,
                            cafi_mtcnn_stage stage, windows *list, caface_error *err)
{
    refinement r = {d, picture, stage, list};
    size_t kept = 0, runs = 0, first = 0, count = 0, batch = 0;
    caface_status st = CAFACE_OK;

    drop_hopeless(list, picture);
    while (run_at(list->count, runs, &first, &count, &batch))
        runs++;
    st = cafi_pool_run(d->pool, runs, refine_task, &r, err);
    for (size_t i = 0; !st && i < list->count; i++)
        if (list->items[i].score > d->options.threshold[stage])
            list->items[kept++] = list->items[i];
    list->count = kept;
    return st;
}

static caface_status run_stages(cafi_mtcnn_detector *d, const cafi_view *picture, windows *list,
                                caface_error *err)
{
    caface_status st = suppress(list, 0, STAGE_NMS, CAFI_OVERLAP_UNION, err);

    for (size_t i = 0; !st && i < list->count; i++) {
        calibrate(&list->items[i]);
        make_square(&list->items[i]);
    }
    (void)(st || (st = refine(d, picture, CAFI_RNET, list, err)) ||
           (st = suppress(list, 0, STAGE_NMS, CAFI_OVERLAP_UNION, err)));
    for (size_t i = 0; !st && i < list->count; i++) {
        calibrate(&list->items[i]);
        make_square(&list->items[i]);
    }
    if (!st)
        st = refine(d, picture, CAFI_ONET, list, err);
    for (size_t i = 0; !st && i < list->count; i++)
        calibrate(&list->items[i]);
    return st ? st : suppress(list, 0, STAGE_NMS, CAFI_OVERLAP_SMALLER, err);
}

/* P-Net's pyramid. */
typedef struct pyramid {
    cafi_mtcnn_detector *d;
    const cafi_view *picture;
    double scale[MAX_LEVELS];
    size_t worker[MAX_LEVELS];
    windows found[MAX_LEVELS];
    size_t levels;
} pyramid;

/* The levels, each given to the worker with the least to do so far; the larger
 * come first, and one size of picture always goes the same way. */
static caface_status plan_levels(pyramid *p, caface_error *err)
{
    double first = WINDOW / (double)p->d->options.min_face, load[MAX_WORKERS] = {0};
    double shorter = fmin((double)p->picture->width, (double)p->picture->height);

    for (double least = shorter * first; least > WINDOW; least *= PYRAMID_FACTOR) {
        size_t best = 0, l = p->levels;

        if (l == MAX_LEVELS)
            return cafi_fail(err, CAFACE_ELIMIT, "a picture of %zux%zu pixels is too large",
                             p->picture->width, p->picture->height);
        p->scale[l] = first * pow(PYRAMID_FACTOR, (double)l);
        for (size_t w = 1; w < p->d->worker_count; w++)
            if (load[w] < load[best])
                best = w;
        load[best] += p->scale[l] * p->scale[l];
        p->worker[l] = best;
        p->levels++;
    }
    return CAFACE_OK;
}

static caface_status propose_share(void *ctx, size_t index, size_t thread, caface_error *err)
{
    pyramid *p = ctx;
    float threshold = p->d->options.threshold[CAFI_PNET];
    caface_status st = CAFACE_OK;

    (void)thread;
    for (size_t l = 0; !st && l < p->levels; l++)
        if (p->worker[l] == index)
            st = propose(&p->d->workers[index], threshold, p->picture, p->scale[l], &p->found[l],
                         err);
    return st;
}

/* The windows of all levels, in their order. */
static caface_status propose_all(cafi_mtcnn_detector *d, const cafi_view *picture, windows *list,
                                 caface_error *err)
{
    pyramid *p = NULL;
    caface_status st = CAFI_NEW(&p, 1, err);

    if (st)
        return st;
    p->d = d;
    p->picture = picture;
    st = plan_levels(p, err);
    if (!st)
        st = cafi_pool_run(d->pool, d->worker_count, propose_share, p, err);
    for (size_t l = 0; l < p->levels; l++) {
        windows *f = &p->found[l];

        if (!st)
            st = CAFI_GROW(&list->items, &list->capacity, list->count + f->count, err);
        if (!st && f->count) {
            memcpy(list->items + list->count, f->items, f->count * sizeof *f->items);
            list->count += f->count;
        }
        free(f->items);
    }
    free(p);
    return st;
}

caface_status cafi_mtcnn_detect(cafi_mtcnn_detector *d, const cafi_view *picture, cafi_faces *faces,
                                caface_error *err)
{
    windows list = {0};
    caface_status st = propose_all(d, picture, &list, err);

    if (!st)
        st = run_stages(d, picture, &list, err);
    for (size_t i = 0; !st && i < list.count; i++) {
        const window *w = &list.items[i];
        cafi_face face = {
            .box = {(float)w->edge[0], (float)w->edge[1], (float)w->edge[2], (float)w->edge[3]},
            .score = w->score};

        memcpy(face.landmark, w->landmark, sizeof face.landmark);
        if (cafi_face_is_sound(&face))
            st = cafi_faces_add(faces, &face, err);
    }
    free(list.items);
    return st;
}
