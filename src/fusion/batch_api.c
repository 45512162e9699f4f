/* The public side of fusing many templates. */
#include "caface/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "fusion/batch.h"
#include "fusion/gather.h"
#include "fusion/method.h"
#include "fusion/set.h"

#define OPTIONS_LEAST offsetof(caface_batch_options, chunk)
#define INFO_LEAST offsetof(caface_batch_info, dropped)

static caface_batch_options default_options(void)
{
    return (caface_batch_options){
        .size = sizeof(caface_batch_options), .chunk = CAFI_DEFAULT_CHUNK, .norm_power = 1.0};
}

void caface_batch_options_init_sized(caface_batch_options *options, size_t size)
{
    caface_batch_options own = default_options();

    own.size = size;
    cafi_sized_out(options, size, &own, sizeof own);
}

static caface_status read_options(caface_batch_options *own, const caface_batch_options *options,
                                  const char *what, caface_error *err)
{
    *own = default_options();
    return options
               ? cafi_sized_in(own, sizeof *own, options, options->size, OPTIONS_LEAST, what, err)
               : CAFACE_OK;
}

caface_status caface_batch_options_parse(caface_batch_options *options, int *scored,
                                         const char *text, caface_error *err)
{
    caface_batch_options own;
    cafi_way way = {0};
    cafi_way_said said;
    caface_status st = CAFACE_OK;

    if (!options || !text)
        return cafi_fail(err, CAFACE_EINVAL, "batch_options_parse: null argument");
    if ((st = read_options(&own, options, "batch_options_parse", err)))
        return st;
    way = (cafi_way){own.method, own.norm_power, own.chunk, false};
    if ((st = cafi_way_parse(&way, scored ? &said : NULL, text, strlen(text), err)))
        return st;
    if (scored)
        *scored = way.scored;
    own.method = way.method;
    own.norm_power = way.power;
    own.chunk = way.chunk;
    own.size = options->size;
    cafi_sized_out(options, options->size, &own, sizeof own);
    return CAFACE_OK;
}

caface_status caface_batch_check(const caface_model *model, const caface_features *features,
                                 caface_method method, caface_error *err)
{
    if (!features)
        return cafi_fail(err, CAFACE_EINVAL, "batch_check: null argument");
    if (!caface_method_name(method))
        return cafi_fail(err, CAFACE_EINVAL, "batch_check: method %d is not known", (int)method);
    return cafi_gather_check(features, model, method, err);
}

/* The caller's progress, which answers with an int. */
typedef struct listener {
    caface_progress progress;
    void *context;
} listener;

static bool tell(void *ctx, size_t faces)
{
    const listener *l = ctx;

    return !l->progress || l->progress(l->context, faces) != 0;
}

static caface_status check_options(const caface_batch_options *o, caface_error *err)
{
    if (!caface_method_name(o->method))
        return cafi_fail(err, CAFACE_EINVAL, "batch_fuse: method %d is not known", (int)o->method);
    if (!isfinite(o->norm_power))
        return cafi_fail(err, CAFACE_EINVAL, "batch_fuse: the power of the norm is not a number");
    return CAFACE_OK;
}

static caface_status check_rows(const caface_features *set, const caface_groups *groups,
                                caface_error *err)
{
    for (size_t i = 0; i < groups->N; i++)
        if (groups->rows[i] >= set->N)
            return cafi_fail(err, CAFACE_EINVAL, "batch_fuse: row %zu, but %s has %zu",
                             groups->rows[i], set->path, set->N);
    return CAFACE_OK;
}

/* A batch: the groups as they are fused, without rows that hold NaN or Inf. */
typedef struct work {
    const caface_features *set;
    cafi_groups kept;
    size_t dropped, empty;
    bool is_cut; /* kept is not the caller's */
} work;

static caface_status drop_rows(work *w, const caface_groups *groups, bool with_styles,
                               cafi_pool *pool, caface_error *err)
{
    unsigned char *valid = NULL;
    caface_status st = CAFI_NEW(&valid, w->set->N, err);

    if (!st)
        st = cafi_gather_valid(w->set, with_styles, pool, valid, err);
    if (!st)
        st = cafi_groups_copy(&w->kept, groups, err);
    if (!st) {
        w->is_cut = true;
        w->empty = cafi_groups_keep(&w->kept, valid);
        w->dropped = groups->N - w->kept.N;
        if (!w->kept.T && groups->T)
            st = cafi_fail(err, CAFACE_EINVAL, "%s: every one of its %zu faces holds NaN or Inf",
                           w->set->path, groups->N);
    }
    free(valid);
    return st;
}

/* Templates from their places among the kept groups to those among all: up, so from
 * the end. Both have ascending ids. */
static void spread(const work *w, const caface_groups *groups, float *templates)
{
    size_t C = w->set->C;

    for (size_t i = groups->T, k = w->kept.T; w->empty && i-- > 0;) {
        if (!k || w->kept.ids[k - 1] != groups->ids[i])
            memset(templates + i * C, 0, C * sizeof *templates);
        else if (--k != i)
            memcpy(templates + i * C, templates + k * C, C * sizeof *templates);
    }
}

static void write_info(caface_batch_info *info, const work *w)
{
    caface_batch_info own = {.size = info->size, .dropped = w->dropped, .empty = w->empty};

    cafi_sized_out(info, info->size, &own, sizeof own);
}

caface_status caface_batch_fuse(const caface_model *model, const caface_features *features,
                                const caface_groups *groups, const caface_batch_options *options,
                                float *templates, float *weights, caface_batch_info *info,
                                caface_error *err)
{
    caface_batch_options o;
    cafi_fuse_options batch = {0};
    listener to = {0};
    work w = {.set = features};
    caface_status st = CAFACE_OK;

    if (!features || !groups || (!templates && groups->T))
        return cafi_fail(err, CAFACE_EINVAL, "batch_fuse: null argument");
    if (info && info->size < INFO_LEAST)
        return cafi_fail(err, CAFACE_EINVAL, "batch_fuse: info->size must be sizeof *info");
    if ((st = read_options(&o, options, "batch_fuse", err)) || (st = check_options(&o, err)) ||
        (st = check_rows(features, groups, err)))
        return st;
    to = (listener){o.progress, o.progress_context};
    batch = (cafi_fuse_options){.method = o.method,
                                .norm_power = o.norm_power,
                                .chunk = o.chunk,
                                .media = o.media,
                                .scores = o.scores,
                                .progress = tell,
                                .progress_ctx = &to};
    if ((st = cafi_pool_new(&batch.pool, o.threads, err)))
        return st;
    w.kept = *groups;
    if (o.drop_invalid)
        st = drop_rows(&w, groups, cafi_method_is_network(o.method), batch.pool, err);
    if (!st)
        st = cafi_fuse_batch(model, features, &w.kept, &batch, templates, weights, err);
    if (!st) {
        spread(&w, groups, templates);
        if (info)
            write_info(info, &w);
    }
    if (w.is_cut)
        cafi_groups_free(&w.kept);
    cafi_pool_free(batch.pool);
    return st;
}

caface_status caface_batch_push(caface_set *set, const caface_features *features,
                                const size_t *rows, size_t n, const caface_batch_options *options,
                                caface_error *err)
{
    caface_batch_options o;
    cafi_fuse_options batch = {0};
    listener to = {0};
    size_t *all = NULL;
    caface_status st = CAFACE_OK;

    if (!set || !features)
        return cafi_fail(err, CAFACE_EINVAL, "batch_push: null argument");
    if ((st = read_options(&o, options, "batch_push", err)))
        return st;
    if (o.scores)
        return cafi_fail(err, CAFACE_EINVAL, "batch_push: a set's state knows no scores");
    for (size_t i = 0; i < n; i++)
        if ((rows ? rows[i] : i) >= features->N)
            return cafi_fail(err, CAFACE_EINVAL, "batch_push: row %zu, but %s has %zu",
                             rows ? rows[i] : i, features->path, features->N);
    if (!rows && (st = CAFI_NEW(&all, n, err)))
        return st;
    for (size_t i = 0; all && i < n; i++)
        all[i] = i;
    to = (listener){o.progress, o.progress_context};
    batch = (cafi_fuse_options){.media = o.media, .progress = tell, .progress_ctx = &to};
    st = cafi_fuse_into(set, features, rows ? rows : all, n, &batch, err);
    free(all);
    return st;
}
