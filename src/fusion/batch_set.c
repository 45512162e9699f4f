/* Rows of a feature set into a face set. */
#include <stdlib.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "fusion/batch.h"
#include "fusion/gather.h"
#include "fusion/set.h"

/* Rows in memory at a time: enough for the chunks of a few threads. */
#define WINDOW_ROWS 2048

typedef struct window {
    float *feat;    /* [WINDOW_ROWS][C] */
    float *compact; /* [WINDOW_ROWS][E] */
    float *raw;     /* [CAFI_STRIP][S][2] */
    int64_t *media; /* [WINDOW_ROWS] */
    cafi_scratch scratch;
} window;

static caface_status allocate(window *w, const caface_model *model, size_t C, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = cafi_alloc_f32(&w->feat, WINDOW_ROWS, C, err)) ||
        (st = CAFI_NEW(&w->media, WINDOW_ROWS, err)) || !model)
        return st;
    if ((st = cafi_alloc_f32(&w->compact, WINDOW_ROWS, model->info.compact, err)) ||
        (st = cafi_alloc_f32(&w->raw, CAFI_STRIP, model->info.S * 2, err)))
        return st;
    return cafi_scratch_reserve(&w->scratch, model, CAFI_STRIP, err);
}

static void release(window *w)
{
    cafi_scratch_free(&w->scratch);
    free(w->feat);
    free(w->compact);
    free(w->raw);
    free(w->media);
}

static caface_status push_rows(caface_set *to, const cafi_feature_set *set, window *w,
                               const size_t *rows, size_t n, const int64_t *media,
                               caface_error *err)
{
    unsigned mode = 0;
    caface_status st = cafi_gather_checked(set, rows, n, w->feat, err);

    if (st)
        return st;
    if (!to->model) {
        for (size_t i = 0; media && i < n; i++)
            w->media[i] = media[rows[i]];
        return to->options.method == CAFACE_METHOD_MEDIA
                   ? caface_set_push_media(to, w->feat, w->media, n, err)
                   : caface_set_push(to, w->feat, NULL, n, err);
    }
    mode = cafi_fp_flush_denormals();
    st = cafi_gather_compact(set, to->model, &w->scratch, w->raw, rows, n, w->compact, err);
    cafi_fp_restore(mode);
    return st ? st : caface_set_push_compact(to, w->feat, w->compact, n, err);
}

caface_status cafi_fuse_into(caface_set *to, const cafi_feature_set *set, const size_t *rows,
                             size_t n, const cafi_fuse_options *options, caface_error *err)
{
    window w = {0};
    cafi_source source = {0};
    caface_status st = cafi_gather_check(set, to->model, to->options.method, err);

    if (!st && set->C != to->C)
        st = cafi_fail(err, CAFACE_EMODEL, "%s: features have C = %zu, the set has C = %zu",
                       set->path, set->C, to->C);
    if (!st && to->options.method == CAFACE_METHOD_MEDIA && !options->media)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: the method media needs the media of every face",
                       set->path);
    if (!st)
        st = allocate(&w, to->model, set->C, err);
    if (!st)
        st = cafi_source_join(&source, &to->source, cafi_feature_set_origin(set), to->model != NULL,
                              err);
    if (!st)
        cafi_set_use_source(to, &source);
    for (size_t i = 0; !st && i < n; i += WINDOW_ROWS) {
        size_t count = n - i < WINDOW_ROWS ? n - i : WINDOW_ROWS;

        st = push_rows(to, set, &w, rows + i, count, options->media, err);
        if (!st && options->progress && !options->progress(options->progress_ctx, i + count))
            st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    }
    release(&w);
    return st;
}
