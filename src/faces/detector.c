#include "faces/detector.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "faces/detect_mtcnn.h"
#include "faces/detector_files.h"
#include "faces/direction.h"
#include "faces/landmark_net.h"
#include "faces/resample.h"
#include "faces/turn.h"
#include "media/shared_image.h"

#define DEFAULT_MIN_FACE 20.0f

/* What tells that a picture stands upright. */
static const cafi_evidence of_cascade = {false, 0.999f, 0.144, 0.3, 0.1, false};
static const cafi_evidence of_family[] = {[CAFI_YUNET] = {false, 0.915f, INFINITY, 0.0, 0.0, false},
                                          [CAFI_SCRFD] = {false, 0.85f, INFINITY, 0.0, 0.0, false},
                                          [CAFI_RETINAFACE] = {true, 0.99f, 0.144, 0.3, 0.1, false},
                                          [CAFI_ULTRAFACE] = {true, 0.99f, 0.1, 0.3, 0.1, true},
                                          [CAFI_LFFD] = {true, 0.99f, 0.1, 0.3, 0.1, true}};

/* Pixels of a picture whose searches take longer than a look at a face from all sides. */
#define LARGE_PICTURE (8 * CAFI_SHOWN * CAFI_SHOWN)

/* What one search works with: networks made ready, and their buffers. */
typedef struct searcher {
    struct searcher *next; /* among those that are idle */
    size_t threads;
    cafi_mtcnn_detector *cascade;
    cafi_onnx_file *file; /* building a graph for another size writes into it */
    cafi_shot_detector *shot;
    cafi_landmark_net *landmarks; /* or NULL */
    cafi_resampler resampler;
} searcher;

struct caface_detector {
    cafi_detector_options options;
    cafi_check check;          /* of plans */
    cafi_detector_files files; /* what searchers borrow */
    pthread_mutex_t lock;      /* of idle */
    searcher *idle;
};

static caface_status check_options(cafi_detector_options *o, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (o->min_face == 0.0f)
        o->min_face = DEFAULT_MIN_FACE;
    if (o->max_side == 0)
        o->max_side = CAFI_DETECT_MAX_SIDE;
    if (!(o->min_face > 0.0f) || !isfinite(o->min_face))
        return cafi_fail(err, CAFACE_EINVAL, "a least face of %g pixels", (double)o->min_face);
    if (!(o->score >= 0.0f && o->score < 1.0f))
        return cafi_fail(err, CAFACE_EINVAL, "a least score of %g, it is from 0 to below 1",
                         (double)o->score);
    if (o->precision != CAFACE_FP32 && o->precision != CAFACE_BF16)
        return cafi_fail(err, CAFACE_EINVAL, "a detector in %s: fp32 or bf16",
                         cafi_precision_name(o->precision));
    if ((st = cafi_precision_check(o->precision, err)))
        return st;
    if (o->threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu threads, at most %d", o->threads,
                         CAFI_MAX_THREADS);
    return CAFACE_OK;
}

/* ---- searchers ------------------------------------------------------------- */

static void free_searcher(searcher *s)
{
    cafi_mtcnn_detector_free(s->cascade);
    cafi_shot_detector_free(s->shot);
    cafi_landmark_net_free(s->landmarks);
    cafi_resampler_clear(&s->resampler);
    cafi_onnx_close(s->file);
    free(s);
}

static caface_status open_cascade(const caface_detector *d, searcher *s, caface_error *err)
{
    cafi_mtcnn_options o = {d->options.min_face, {0.6f, 0.7f, 0.9f}, d->check};

    if (d->options.precision != CAFACE_FP32)
        return cafi_fail(err, CAFACE_EINVAL, "MTCNN runs in fp32 alone");
    for (int i = 0; d->options.low_thresholds && i < CAFI_MTCNN_STAGES; i++)
        o.threshold[i] = 0.5f;
    if (d->options.score > 0.0f)
        o.threshold[CAFI_ONET] = d->options.score;
    return cafi_mtcnn_detector_new(&s->cascade, &d->files.mtcnn, &o, s->threads, err);
}

static caface_status open_shot(const caface_detector *d, searcher *s, caface_error *err)
{
    cafi_shot_options o = cafi_shot_defaults(d->files.family);
    caface_status st = CAFACE_OK;

    if (d->options.low_thresholds)
        return cafi_fail(err, CAFACE_EINVAL, "low thresholds are MTCNN's; give a least score");
    if (d->options.score > 0.0f)
        o.threshold = d->options.score;
    o.precision = d->options.precision;
    o.check = d->check;
    if (d->files.onnx.data)
        st = cafi_onnx_parse(&s->file, d->files.path, d->files.onnx.data, d->files.onnx.size, err);
    return st ? st
              : cafi_shot_detector_new(&s->shot, d->files.family, s->file,
                                       s->file ? NULL : d->files.bundle, &o, s->threads, err);
}

static caface_status open_landmarks(const caface_detector *d, searcher *s, caface_error *err)
{
    const cafi_detector_files *f = &d->files;
    cafi_onnx_file *file = NULL;
    caface_status st = CAFACE_OK;

    if (!f->landmarks.data)
        return CAFACE_OK;
    st = cafi_onnx_parse(&file, f->landmark_path, f->landmarks.data, f->landmarks.size, err);
    if (!st)
        st = cafi_landmark_net_new(&s->landmarks, file, s->threads, d->check, err);
    cafi_onnx_close(file);
    return st;
}

static caface_status new_searcher(searcher **out, const caface_detector *d, size_t threads,
                                  caface_error *err)
{
    searcher *s = NULL;
    caface_status st = CAFI_NEW(&s, 1, err);

    *out = NULL;
    if (st)
        return st;
    s->threads = threads;
    st = d->files.is_cascade ? open_cascade(d, s, err) : open_shot(d, s, err);
    if (!st)
        st = open_landmarks(d, s, err);
    if (st) {
        free_searcher(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

/* An idle searcher with so many threads, or a new one. */
static caface_status take_searcher(searcher **out, caface_detector *d, size_t threads,
                                   caface_error *err)
{
    searcher **at = &d->idle;

    pthread_mutex_lock(&d->lock);
    while (*at && (*at)->threads != threads)
        at = &(*at)->next;
    *out = *at;
    if (*at)
        *at = (*at)->next;
    pthread_mutex_unlock(&d->lock);
    return *out ? CAFACE_OK : new_searcher(out, d, threads, err);
}

static void give_back(caface_detector *d, searcher *s)
{
    pthread_mutex_lock(&d->lock);
    s->next = d->idle;
    d->idle = s;
    pthread_mutex_unlock(&d->lock);
}

/* ---- opening --------------------------------------------------------------- */

caface_status cafi_detector_open(cafi_detector **out, const char *path,
                                 const cafi_detector_options *options, caface_error *err)
{
    return cafi_detector_open_checked(out, path, options, CAFI_CHECK_ONCE, err);
}

caface_status cafi_detector_open_checked(cafi_detector **out, const char *path,
                                         const cafi_detector_options *options, cafi_check check,
                                         caface_error *err)
{
    caface_detector *d = NULL;
    searcher *first = NULL;
    caface_status st = CAFI_NEW(&d, 1, err);

    *out = NULL;
    if (st)
        return st;
    if (options)
        d->options = *options;
    d->check = check;
    pthread_mutex_init(&d->lock, NULL);
    /* The first searcher is made now, so that a bad file is known at once. */
    (void)((st = check_options(&d->options, err)) ||
           (st = cafi_detector_files_open(&d->files, path, d->options.landmarks, err)) ||
           (st = new_searcher(&first, d, d->options.threads, err)));
    d->options.landmarks = NULL; /* the caller's */
    if (st) {
        cafi_detector_free(d);
        return st;
    }
    give_back(d, first);
    *out = d;
    return CAFACE_OK;
}

void cafi_detector_free(cafi_detector *d)
{
    if (!d)
        return;
    for (searcher *s = d->idle, *next = NULL; s; s = next) {
        next = s->next;
        free_searcher(s);
    }
    cafi_detector_files_clear(&d->files);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

const char *cafi_detector_family(const cafi_detector *d)
{
    static const char *const names[] = {[CAFI_YUNET] = "yunet",
                                        [CAFI_SCRFD] = "scrfd",
                                        [CAFI_RETINAFACE] = "retinaface",
                                        [CAFI_ULTRAFACE] = "ultraface",
                                        [CAFI_LFFD] = "lffd"};

    return d->files.is_cascade ? "mtcnn" : names[d->files.family];
}

void cafi_detector_describe(const cafi_detector *d, cafi_buf *out)
{
    const cafi_detector_options *o = &d->options;

    cafi_buf_printf(out, "%s min_face %.9g score %.9g max_faces %zu max_side %zu%s%s",
                    cafi_detector_family(d), (double)o->min_face, (double)o->score, o->max_faces,
                    o->max_side, o->low_thresholds ? " low_thresholds" : "",
                    o->rotate ? " rotate" : "");
    if (o->precision != CAFACE_FP32)
        cafi_buf_printf(out, " precision %s", cafi_precision_name(o->precision));
    if (d->files.landmarks.data)
        cafi_buf_printf(out, " landmarks %s", d->files.landmark_digest);
}

/* ---- its plans ------------------------------------------------------------- */

static caface_status visit_net(cafi_flexnet *net, const char *name, size_t height, size_t width,
                               cafi_detector_visit visit, void *ctx, caface_error *err)
{
    cafi_flexnet_slot *slot = NULL;
    caface_status st = cafi_flexnet_get(net, height, width, &slot, err);

    if (!st)
        visit(ctx, name, slot->plan);
    return st;
}

caface_status cafi_detector_plans(cafi_detector *d, cafi_detector_visit visit, void *ctx,
                                  caface_error *err)
{
    static const char *const stages[][CAFI_MTCNN_BATCHES] = {
        [CAFI_PNET] = {"P-Net"},
        [CAFI_RNET] = {"R-Net", "R-Net of 8", "R-Net of 4"},
        [CAFI_ONET] = {"O-Net", "O-Net of 8", "O-Net of 4"}};
    static const size_t sides[] = {[CAFI_PNET] = 64, [CAFI_RNET] = 24, [CAFI_ONET] = 48};
    searcher *s = NULL;
    size_t height = 0;
    size_t width = 0;
    caface_status st = take_searcher(&s, d, d->options.threads, err);

    if (st)
        return st;
    for (size_t k = 0; !st && s->cascade && k < (size_t)CAFI_MTCNN_STAGES * CAFI_MTCNN_BATCHES;
         k++) {
        size_t stage = k / CAFI_MTCNN_BATCHES, batch = k % CAFI_MTCNN_BATCHES;
        cafi_flexnet *net = cafi_mtcnn_net(s->cascade, (cafi_mtcnn_stage)stage, batch);

        if (net)
            st = visit_net(net, stages[stage][batch], sides[stage], sides[stage], visit, ctx, err);
    }
    if (!s->cascade) {
        cafi_flexnet *net = cafi_shot_net(s->shot, &height, &width);

        st = visit_net(net, cafi_detector_family(d), height ? height : 160, width ? width : 160,
                       visit, ctx, err);
    }
    if (!st && s->landmarks)
        visit(ctx, "landmarks", cafi_landmark_net_plan(s->landmarks));
    give_back(d, s);
    return st;
}

/* ---- searching ------------------------------------------------------------- */

static caface_status run_family(searcher *s, const cafi_view *picture, cafi_faces *faces,
                                caface_error *err)
{
    caface_status st = s->cascade ? cafi_mtcnn_detect(s->cascade, picture, faces, err)
                                  : cafi_shot_detect(s->shot, picture, faces, err);

    return st || !s->landmarks ? st : cafi_landmark_net_run(s->landmarks, picture, faces, err);
}

static caface_status run_reduced(searcher *s, const cafi_view *picture, double scale,
                                 cafi_faces *faces, caface_error *err)
{
    size_t width = (size_t)fmax(1.0, rint((double)picture->width * scale));
    size_t height = (size_t)fmax(1.0, rint((double)picture->height * scale));
    double sx = (double)picture->width / (double)width;
    double sy = (double)picture->height / (double)height;
    cafi_view small = {NULL, width, height};
    uint8_t *rgb = NULL;
    caface_status st = cafi_resample(&rgb, picture, width, height, err);

    if (st)
        return st;
    small.rgb = rgb;
    st = run_family(s, &small, faces, err);
    for (size_t i = 0; i < faces->count; i++) {
        cafi_face *f = &faces->items[i];

        f->box = (cafi_box){(float)(f->box.x1 * sx), (float)(f->box.y1 * sy),
                            (float)(f->box.x2 * sx), (float)(f->box.y2 * sy)};
        for (int k = 0; k < CAFI_LANDMARKS; k++) {
            f->landmark[k].x = (float)(f->landmark[k].x * sx);
            f->landmark[k].y = (float)(f->landmark[k].y * sy);
        }
    }
    free(rgb);
    return st;
}

/* The picture in one direction, reduced to options.max_side. */
static caface_status run_once(const caface_detector *d, searcher *s, const cafi_view *picture,
                              cafi_faces *faces, caface_error *err)
{
    double longer = fmax((double)picture->width, (double)picture->height);
    double scale = (double)d->options.max_side / longer;

    faces->count = 0;
    return scale < 1.0 ? run_reduced(s, picture, scale, faces, err)
                       : run_family(s, picture, faces, err);
}

/* A face shown by itself (faces/direction.h). */
static caface_status look(void *ctx, const cafi_view *picture, cafi_faces *faces, caface_error *err)
{
    searcher *s = ctx;
    caface_status st = s->cascade ? cafi_mtcnn_detect(s->cascade, picture, faces, err)
                                  : cafi_shot_look(s->shot, picture, faces, err);

    return st || !s->landmarks ? st : cafi_landmark_net_run(s->landmarks, picture, faces, err);
}

/* The picture in the other directions, or in the one that the faces of its own tell; faces are
 * those of the best one. */
static caface_status turn(const caface_detector *d, searcher *s, const cafi_onlooker *o,
                          const cafi_view *picture, cafi_faces *faces, caface_error *err)
{
    cafi_view turned = {NULL, picture->height, picture->width};
    cafi_faces found[4] = {*faces};
    uint8_t *rgb = NULL;
    int best = 0;
    bool settled = false;
    caface_status st = CAFACE_OK;

    if (picture->width * picture->height >= LARGE_PICTURE)
        st = cafi_direction_choose(o, picture, found, &best, &settled, err);
    if (!st && !(settled && best == 0))
        st = cafi_alloc(&rgb, picture->height, picture->width * 3, err);
    for (int q = 1; !st && rgb && q < 4; q++) {
        if (settled && q != best)
            continue;
        turned.width = q % 2 ? picture->height : picture->width;
        turned.height = q % 2 ? picture->width : picture->height;
        cafi_turn_pixels(rgb, picture, q);
        turned.rgb = rgb;
        st = run_once(d, s, &turned, &found[q], err);
    }
    if (!st && rgb)
        st = cafi_direction_choose(o, picture, found, &best, &settled, err);
    free(rgb);
    for (size_t i = 0; i < found[best].count; i++)
        cafi_turn_back(&found[best].items[i], picture->width, picture->height, best);
    *faces = found[best];
    faces->quarters = best;
    for (int q = 0; q < 4; q++)
        if (q != best)
            cafi_faces_free(&found[q]);
    return st;
}

static caface_status search(cafi_detector *d, const cafi_view *picture, size_t threads, bool rotate,
                            cafi_faces *faces, caface_error *err)
{
    const cafi_evidence *e = d->files.is_cascade ? &of_cascade : &of_family[d->files.family];
    cafi_onlooker o = {e, look, NULL, NULL};
    searcher *s = NULL;
    size_t kept = 0;
    caface_status st =
        take_searcher(&s, d, threads == CAFI_OWN_THREADS ? d->options.threads : threads, err);

    faces->count = 0;
    faces->quarters = 0;
    if (st)
        return st;
    o.resampler = &s->resampler;
    o.ctx = s;
    st = run_once(d, s, picture, faces, err);
    if (!st && rotate) {
        bool sure = false;

        st = cafi_direction_is_sure(&o, picture, faces, &sure, err);
        if (!st && !sure)
            st = turn(d, s, &o, picture, faces, err);
    }
    if (!st)
        st = cafi_direction_confirm(&o, picture, faces, err);
    give_back(d, s);
    if (st) {
        faces->count = 0;
        return st;
    }
    for (size_t i = 0; i < faces->count; i++) {
        const cafi_box *b = &faces->items[i].box;

        if (d->files.is_cascade ||
            2.0f * fmaxf(b->x2 - b->x1, b->y2 - b->y1) >= d->options.min_face)
            faces->items[kept++] = faces->items[i];
    }
    faces->count =
        d->options.max_faces && kept > d->options.max_faces ? d->options.max_faces : kept;
    return CAFACE_OK;
}

caface_status cafi_detector_run(cafi_detector *d, const cafi_view *picture, size_t threads,
                                cafi_faces *faces, caface_error *err)
{
    return search(d, picture, threads, d->options.rotate, faces, err);
}

caface_status cafi_detector_run_upright(cafi_detector *d, const cafi_view *picture, size_t threads,
                                        cafi_faces *faces, caface_error *err)
{
    return search(d, picture, threads, false, faces, err);
}

/* ---- the public side (caface/detector.h) ------------------------------------- */

void caface_detector_options_init_sized(caface_detector_options *options, size_t size)
{
    const caface_detector_options defaults = {.size = size, .min_face = DEFAULT_MIN_FACE};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

caface_status caface_detector_open(caface_detector **out, const char *path,
                                   const caface_detector_options *options, caface_error *err)
{
    caface_detector_options o = {.min_face = DEFAULT_MIN_FACE};
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "detector_open: null argument");
    *out = NULL;
    if (options)
        st = cafi_sized_in(&o, sizeof o, options, options->size,
                           offsetof(caface_detector_options, score), "detector_open", err);
    return st ? st : cafi_detector_open(out, path, &o, err);
}

void caface_detector_free(caface_detector *detector)
{
    cafi_detector_free(detector);
}

const char *caface_detector_family(const caface_detector *detector)
{
    return cafi_detector_family(detector);
}

caface_status caface_detector_find(caface_detector *detector, const caface_image *image,
                                   caface_faces *faces, caface_error *err)
{
    cafi_view view;
    caface_status st = CAFACE_OK;

    if (faces)
        faces->count = 0;
    if (!detector || !image || !faces)
        return cafi_fail(err, CAFACE_EINVAL, "detector_find: null argument");
    if ((st = cafi_shared_image_view(image, &view, err)))
        return st;
    return cafi_detector_run(detector, &view, CAFI_OWN_THREADS, faces, err);
}
