/* The public side of identification. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "eval/api.h"
#include "eval/id_table.h"
#include "eval/identify.h"
#include "eval/pairs.h"
#include "math/kernels.h"

struct caface_identification {
    cafi_identified found;
    caface_figure figure[CAFI_ID_FIGURES];
};

size_t caface_rank(size_t which)
{
    return which < CAFI_RANKS ? cafi_ranks[which] : 0;
}

double caface_fpir(size_t which)
{
    return which < CAFI_FPIRS ? cafi_fpirs[which] : NAN;
}

/* Both sides' templates in one array, and their lists. */
typedef struct work {
    float *templates; /* [gallery + probes][C] */
    cafi_subject_list gallery, probes;
    size_t people;
} work;

static void work_free(work *w)
{
    free(w->templates);
    free(w->gallery.items);
    free(w->probes.items);
}

/* One side: templates first .. first + n of the array. */
static caface_status enrol(work *w, cafi_subject_list *list, const float *from, size_t first,
                           size_t n, size_t C, const char *what, caface_error *err)
{
    size_t good = cafi_kernels_get()->finite_rows(from, n, C);
    caface_status st = CAFI_NEW(&list->items, n, err);

    if (st)
        return st;
    if (good < n)
        return cafi_fail(err, CAFACE_EINVAL, "identify: template %zu of the %s holds NaN or Inf",
                         good, what);
    memcpy(w->templates + first * C, from, n * C * sizeof *from);
    list->count = n;
    for (size_t i = 0; i < n; i++)
        list->items[i].place = (uint32_t)(first + i);
    return CAFACE_OK;
}

static caface_status number_people(work *w, const int64_t *gallery, const int64_t *probes,
                                   caface_error *err)
{
    size_t G = w->gallery.count;
    size_t P = w->probes.count;
    int64_t *ids = NULL;
    cafi_id_table table = {0};
    caface_status st = CAFI_NEW(&ids, G + P, err);

    if (st)
        return st;
    memcpy(ids, gallery, G * sizeof *ids);
    memcpy(ids + G, probes, P * sizeof *ids);
    w->people = cafi_ids_unique(ids, G + P);
    st = cafi_id_table_build(&table, ids, w->people, err);
    for (size_t i = 0; !st && i < G; i++)
        w->gallery.items[i].subject = cafi_id_find(&table, gallery[i]);
    for (size_t i = 0; !st && i < P; i++)
        w->probes.items[i].subject = cafi_id_find(&table, probes[i]);
    cafi_id_table_free(&table);
    free(ids);
    return st;
}

static caface_status identify(caface_identification *id, const work *w, size_t C,
                              const caface_eval_options *o, caface_error *err)
{
    cafi_resampling resample = {0};
    cafi_pool *pool = NULL;
    caface_status st = cafi_pool_new(&pool, o->threads, err);

    if (!st)
        cafi_pool_watch(pool, o->progress, o->progress_context);
    if (!st && o->resamples)
        st = cafi_resampling_new(&resample, w->people, o->resamples, o->seed, err);
    if (!st)
        st = cafi_identify(&id->found, w->templates, C, &w->gallery, &w->probes,
                           o->resamples ? &resample : NULL, pool, err);
    for (size_t f = 0; !st && f < CAFI_ID_FIGURES; f++)
        st = cafi_figure_make(&id->figure[f], id->found.figure[f],
                              id->found.resampled ? id->found.resampled + f : NULL, o->resamples,
                              CAFI_ID_FIGURES, err);
    cafi_resampling_free(&resample);
    cafi_pool_free(pool);
    return st;
}

caface_status caface_identify(caface_identification **out, const float *gallery,
                              const int64_t *gallery_person, size_t gallery_count,
                              const float *probes, const int64_t *probe_person, size_t probe_count,
                              size_t C, const caface_eval_options *options, caface_error *err)
{
    static char gallery_name[] = "the gallery", probes_name[] = "the probes";
    caface_eval_options o;
    caface_identification *id = NULL;
    work w = {.gallery = {.path = gallery_name}, .probes = {.path = probes_name}};
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !gallery || !gallery_person || !gallery_count || !probes || !probe_person ||
        !probe_count || !C)
        return cafi_fail(err, CAFACE_EINVAL, "identify: null argument, or no template");
    if ((st = cafi_eval_options_read(&o, options, "identify", err)))
        return st;
    if (gallery_count > CAFI_MAX_TEMPLATES / 2 || probe_count > CAFI_MAX_TEMPLATES / 2)
        return cafi_fail(err, CAFACE_ELIMIT, "identify: %zu and %zu templates, at most %u",
                         gallery_count, probe_count, CAFI_MAX_TEMPLATES / 2);
    if (!(st = CAFI_NEW(&id, 1, err)) &&
        !(st = cafi_alloc_f32(&w.templates, gallery_count + probe_count, C, err)) &&
        !(st = enrol(&w, &w.gallery, gallery, 0, gallery_count, C, "gallery", err)) &&
        !(st = enrol(&w, &w.probes, probes, gallery_count, probe_count, C, "probes", err)) &&
        !(st = number_people(&w, gallery_person, probe_person, err)))
        st = identify(id, &w, C, &o, err);
    work_free(&w);
    if (st)
        caface_identification_free(id);
    else
        *out = id;
    return st;
}

void caface_identification_free(caface_identification *id)
{
    if (id)
        cafi_identified_free(&id->found);
    free(id);
}

size_t caface_identification_mated(const caface_identification *id)
{
    return id->found.mated;
}

size_t caface_identification_nonmated(const caface_identification *id)
{
    return id->found.nonmated;
}

void caface_identification_rank(const caface_identification *id, size_t which, caface_figure *out)
{
    *out = which < CAFI_RANKS ? id->figure[CAFI_ID_RANK + which] : (caface_figure){NAN, NAN, NAN};
}

const uint32_t *caface_identification_ranks(const caface_identification *id)
{
    return id->found.rank;
}

void caface_identification_tpir_sized(const caface_identification *id, size_t which,
                                      caface_tpir *out, size_t size)
{
    const cafi_identified *f = &id->found;
    caface_tpir own = {0};

    if (which < CAFI_FPIRS)
        own = (caface_tpir){.tpir = id->figure[CAFI_ID_TPIR + which],
                            .threshold = f->threshold[which],
                            .is_supported = f->supported[which],
                            .open = id->figure[CAFI_ID_OPEN + which],
                            .open_threshold = f->open_threshold[which],
                            .open_is_supported = f->open_supported[which]};
    cafi_sized_out(out, size, &own, sizeof own);
}
