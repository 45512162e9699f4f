#include "faces/detector.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "faces/detect_mtcnn.h"
#include "faces/detect_shot.h"
#include "faces/resample.h"

#define DEFAULT_MIN_FACE 20.0f

struct cafi_detector {
    cafi_detector_options options;
    cafi_mtcnn mtcnn;
    cafi_mtcnn_detector *cascade;
    cafi_onnx_file *file;
    cafi_bundle *bundle;
    cafi_shot_family family;
    cafi_shot_detector *shot;
};

static caface_status check_options(cafi_detector_options *o, caface_error *err)
{
    if (o->min_face == 0.0f)
        o->min_face = DEFAULT_MIN_FACE;
    if (o->max_side == 0)
        o->max_side = CAFI_DETECT_MAX_SIDE;
    if (!(o->min_face > 0.0f) || !isfinite(o->min_face))
        return cafi_fail(err, CAFACE_EINVAL, "a least face of %g pixels", (double)o->min_face);
    if (!(o->score >= 0.0f && o->score < 1.0f))
        return cafi_fail(err, CAFACE_EINVAL, "a least score of %g, it is from 0 to below 1",
                         (double)o->score);
    return CAFACE_OK;
}

static caface_status open_cascade(cafi_detector *d, const char *path, caface_error *err)
{
    cafi_mtcnn_options o = {d->options.min_face, {0.6f, 0.7f, 0.9f}};
    caface_status st = cafi_mtcnn_open(&d->mtcnn, path, err);

    for (int i = 0; d->options.low_thresholds && i < CAFI_MTCNN_STAGES; i++)
        o.threshold[i] = 0.5f;
    if (d->options.score > 0.0f)
        o.threshold[CAFI_ONET] = d->options.score;
    return st ? st : cafi_mtcnn_detector_new(&d->cascade, &d->mtcnn, &o, d->options.threads, err);
}

static caface_status open_shot(cafi_detector *d, caface_error *err)
{
    cafi_shot_options o = cafi_shot_defaults(d->family);

    if (d->options.low_thresholds)
        return cafi_fail(err, CAFACE_EINVAL, "low thresholds are MTCNN's; give a least score");
    if (d->options.score > 0.0f)
        o.threshold = d->options.score;
    return cafi_shot_detector_new(&d->shot, d->family, d->file, d->bundle, &o, d->options.threads,
                                  err);
}

static caface_status open_onnx(cafi_detector *d, const char *path, caface_error *err)
{
    caface_status st = cafi_onnx_open(&d->file, path, err);

    if (st)
        return st;
    if (!cafi_shot_recognise(d->file, &d->family))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: its %zu outputs are those of neither YuNet nor SCRFD", path,
                         d->file->output_count);
    return open_shot(d, err);
}

static caface_status open_tensors(cafi_detector *d, const char *path, caface_error *err)
{
    caface_status st = cafi_bundle_open(&d->bundle, path, err);

    if (st)
        return st;
    if (cafi_mtcnn_is(d->bundle)) {
        cafi_bundle_close(d->bundle);
        d->bundle = NULL;
        return open_cascade(d, path, err);
    }
    if (!cafi_retinaface_is(d->bundle))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: its tensors are those of no detector (MTCNN, RetinaFace)", path);
    d->family = CAFI_RETINAFACE;
    return open_shot(d, err);
}

caface_status cafi_detector_open(cafi_detector **out, const char *path,
                                 const cafi_detector_options *options, caface_error *err)
{
    struct stat info;
    cafi_detector *d = NULL;
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof *d, err);

    *out = NULL;
    if (st)
        return st;
    d = memory;
    if (options)
        d->options = *options;
    st = check_options(&d->options, err);
    if (!st && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        st = open_cascade(d, path, err);
    else if (!st && cafi_onnx_is(path))
        st = open_onnx(d, path, err);
    else if (!st)
        st = open_tensors(d, path, err);
    if (st) {
        cafi_detector_free(d);
        return st;
    }
    *out = d;
    return CAFACE_OK;
}

void cafi_detector_free(cafi_detector *d)
{
    if (!d)
        return;
    cafi_mtcnn_detector_free(d->cascade);
    cafi_shot_detector_free(d->shot);
    cafi_mtcnn_clear(&d->mtcnn);
    cafi_onnx_close(d->file);
    cafi_bundle_close(d->bundle);
    free(d);
}

const char *cafi_detector_family(const cafi_detector *d)
{
    static const char *const names[] = {
        [CAFI_YUNET] = "yunet", [CAFI_SCRFD] = "scrfd", [CAFI_RETINAFACE] = "retinaface"};

    return d->cascade ? "mtcnn" : names[d->family];
}

static caface_status run_family(cafi_detector *d, const cafi_view *picture, cafi_faces *faces,
                                caface_error *err)
{
    return d->cascade ? cafi_mtcnn_detect(d->cascade, picture, faces, err)
                      : cafi_shot_detect(d->shot, picture, faces, err);
}

static caface_status run_reduced(cafi_detector *d, const cafi_view *picture, double scale,
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
    st = run_family(d, &small, faces, err);
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

caface_status cafi_detector_run(cafi_detector *d, const cafi_view *picture, cafi_faces *faces,
                                caface_error *err)
{
    double longer = fmax((double)picture->width, (double)picture->height);
    double scale = (double)d->options.max_side / longer;
    size_t kept = 0;
    caface_status st;

    faces->count = 0;
    st = scale < 1.0 ? run_reduced(d, picture, scale, faces, err)
                     : run_family(d, picture, faces, err);
    if (st) {
        faces->count = 0;
        return st;
    }
    for (size_t i = 0; i < faces->count; i++) {
        const cafi_box *b = &faces->items[i].box;

        if (d->cascade || 2.0f * fmaxf(b->x2 - b->x1, b->y2 - b->y1) >= d->options.min_face)
            faces->items[kept++] = faces->items[i];
    }
    faces->count =
        d->options.max_faces && kept > d->options.max_faces ? d->options.max_faces : kept;
    return CAFACE_OK;
}
