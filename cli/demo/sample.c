#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/demo/demo.h"
#include "eval/scores.h"
#include "fusion/batch.h"
#include "cli/progress.h"

enum { RESAMPLES = 1000, TIMED_RUNS = 3 };

const double demo_fars[DEMO_FARS] = {1e-1, 1e-2, 1e-3};

static caface_status in_folder(const char *folder, const char *name, char *path, size_t size,
                               caface_error *err)
{
    int n = snprintf(path, size, "%s/%s", folder, name);

    if (n < 0 || (size_t)n >= size)
        return cafi_fail(err, CAFACE_EINVAL, "%s: the path is too long", folder);
    return CAFACE_OK;
}

static caface_status open_set(cafi_feature_set **out, const char *folder, const char *name,
                              caface_error *err)
{
    char path[4096];
    caface_status st = in_folder(folder, name, path, sizeof path, err);

    if (st || (st = cafi_feature_set_open(out, path, err)))
        return st;
    if (!(*out)->index || cafi_index_column((*out)->index, "template") < 0 ||
        cafi_index_column((*out)->index, "label") < 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: its index needs the columns template and label",
                         path);
    return CAFACE_OK;
}

static caface_status group(cafi_groups *out, const cafi_feature_set *set, caface_error *err)
{
    int64_t *ids = NULL;
    caface_status st = CAFI_NEW(&ids, set->N, err);

    if (!st)
        st = cafi_index_integers(set->index, (size_t)cafi_index_column(set->index, "template"), ids,
                                 err);
    if (!st)
        st = cafi_groups_from_ids(out, ids, set->N, err);
    free(ids);
    return st;
}

/* The label of a template's first row becomes its subject's number. */
static caface_status number_subjects(demo_sample *s, const cafi_feature_set *set,
                                     const cafi_groups *groups, uint32_t *subject,
                                     caface_error *err)
{
    size_t column = (size_t)cafi_index_column(set->index, "label");
    caface_status st = CAFACE_OK;

    for (size_t t = 0; t < groups->T && !st; t++) {
        const char *label = cafi_index_text(set->index, column, groups->rows[groups->start[t]]);
        size_t known = CAFI_NO_NAME;

        st = cafi_names_add(&s->names, label, strlen(label), s->subjects, &known, err);
        subject[t] = (uint32_t)(known == CAFI_NO_NAME ? s->subjects++ : known);
    }
    return st;
}

static caface_status list_templates(const demo_sample *s, cafi_subject_list *list, size_t first,
                                    size_t count, const char *path, caface_error *err)
{
    caface_status st = CAFI_NEW(&list->items, count, err);

    if (st || (st = cafi_strdup(&list->path, path, err)))
        return st;
    list->count = count;
    for (size_t i = 0; i < count; i++)
        list->items[i] = (cafi_enrolled){(uint32_t)(first + i), s->subject[first + i]};
    return CAFACE_OK;
}

static caface_status list_pairs(demo_sample *s, caface_error *err)
{
    size_t G = s->gallery_rows.T;
    caface_status st = CAFACE_OK;

    s->pair_count = G * s->probe_rows.T;
    if ((st = CAFI_NEW(&s->pairs, s->pair_count, err)))
        return st;
    for (size_t p = 0; p < s->probe_rows.T; p++)
        for (size_t g = 0; g < G; g++) {
            bool same = s->subject[G + p] == s->subject[g];
            s->pairs[p * G + g] =
                (cafi_pair){(uint32_t)(G + p) | (same ? CAFI_PAIR_GENUINE : 0), (uint32_t)g};
        }
    return cafi_bootstrap_new(&s->bootstrap, s->pairs, s->pair_count, s->subject, s->subjects,
                              RESAMPLES, 1, s->pool, err);
}

static caface_status prepare(demo_sample *s, caface_error *err)
{
    cafi_fuse_options average = {.method = CAFACE_METHOD_AVERAGE, .pool = s->pool};
    size_t G = 0, P = 0;
    caface_status st = CAFACE_OK;

    if (s->gallery->C != s->probes->C)
        return cafi_fail(err, CAFACE_EMODEL, "%s has features of width %zu, %s of width %zu",
                         s->gallery->path, s->gallery->C, s->probes->path, s->probes->C);
    if ((st = group(&s->gallery_rows, s->gallery, err)) ||
        (st = group(&s->probe_rows, s->probes, err)))
        return st;
    G = s->gallery_rows.T;
    P = s->probe_rows.T;
    s->templates = G + P;
    if ((st = CAFI_NEW(&s->subject, s->templates, err)) ||
        (st = cafi_alloc_f32(&s->features, s->templates, s->gallery->C, err)) ||
        (st = number_subjects(s, s->gallery, &s->gallery_rows, s->subject, err)) ||
        (st = number_subjects(s, s->probes, &s->probe_rows, s->subject + G, err)) ||
        (st = list_templates(s, &s->gallery_list, 0, G, s->gallery->path, err)) ||
        (st = list_templates(s, &s->probe_list, G, P, s->probes->path, err)) ||
        (st = list_pairs(s, err)))
        return st;
    return cafi_fuse_batch(NULL, s->gallery, &s->gallery_rows, &average, s->features, NULL, err);
}

static caface_status open_models(demo_sample *s, const char *folder, caface_error *err)
{
    const char *paths[2] = {s->caface_path, s->restore_path};
    cli_list list = {.items = paths, .count = 1};
    caface_status st =
        in_folder(folder, "model.safetensors", s->caface_path, sizeof s->caface_path, err);

    if (!st)
        st = in_folder(folder, "restore.safetensors", s->restore_path, sizeof s->restore_path, err);
    if (!st && access(s->restore_path, F_OK) == 0)
        list.count = 2;
    if (!st)
        st = cli_fusions_open(&s->fusions, &list, CLI_NO_BACKBONE, err);
    if (!st && !s->fusions.caface)
        st = cafi_fail(err, CAFACE_EMODEL, "%s: no model for the method caface", s->caface_path);
    return st;
}

caface_status demo_sample_open(demo_sample *s, const char *folder, cafi_pool *pool,
                               caface_error *err)
{
    caface_status st = CAFACE_OK;

    *s = (demo_sample){.pool = pool};
    if ((st = open_models(s, folder, err)) ||
        (st = open_set(&s->gallery, folder, "gallery", err)) ||
        (st = open_set(&s->probes, folder, "probes", err)) ||
        (st = open_set(&s->many, folder, "long", err)))
        return st;
    return prepare(s, err);
}

void demo_sample_free(demo_sample *s)
{
    cafi_bootstrap_free(&s->bootstrap);
    cafi_subject_list_free(&s->gallery_list);
    cafi_subject_list_free(&s->probe_list);
    free(s->pairs);
    free(s->features);
    free(s->subject);
    cafi_names_free(&s->names);
    cafi_groups_free(&s->gallery_rows);
    cafi_groups_free(&s->probe_rows);
    cafi_feature_set_close(s->gallery);
    cafi_feature_set_close(s->probes);
    cafi_feature_set_close(s->many);
    cli_fusions_close(&s->fusions);
    *s = (demo_sample){0};
}

/* Fuses all probes a few times, on one thread; the fastest run counts. */
static caface_status fuse_probes(demo_sample *s, const cli_way *way, double *seconds,
                                 caface_error *err)
{
    cafi_fuse_options options = {
        .method = way->method, .norm_power = way->norm_power, .chunk = way->chunk};
    float *probes = s->features + s->gallery_rows.T * s->gallery->C;
    caface_status st = CAFACE_OK;

    *seconds = 0;
    for (int run = 0; run < TIMED_RUNS && !st; run++) {
        double start = cli_seconds();

        st = cafi_fuse_batch(cli_fusion_for(&s->fusions, way->method), s->probes, &s->probe_rows,
                             &options, probes, NULL, err);
        if (run == 0 || cli_seconds() - start < *seconds)
            *seconds = cli_seconds() - start;
    }
    return st;
}

static int by_falling_score(const void *a, const void *b)
{
    float p = *(const float *)a, q = *(const float *)b;

    return p > q ? -1 : p < q;
}

/* The threshold lets floor(FAR * impostors) impostors in, and no more. */
static caface_status find_rates(const demo_sample *s, const float *scores, demo_result *out,
                                caface_error *err)
{
    float *impostors = NULL;
    size_t count = 0, genuine = s->pair_count - out->roc.impostor;
    caface_status st = cafi_alloc_f32(&impostors, out->roc.impostor, 1, err);

    if (st)
        return st;
    for (size_t i = 0; i < s->pair_count; i++)
        if (!cafi_pair_is_genuine(s->pairs[i]))
            impostors[count++] = scores[i];
    qsort(impostors, count, sizeof *impostors, by_falling_score);
    for (size_t f = 0; f < DEMO_FARS; f++) {
        float threshold = impostors[(size_t)(demo_fars[f] * (double)count)];
        size_t accepted = 0;

        for (size_t i = 0; i < s->pair_count; i++)
            accepted += cafi_pair_is_genuine(s->pairs[i]) && scores[i] > threshold;
        out->tar[f] = (double)accepted / (double)genuine;
    }
    free(impostors);
    return CAFACE_OK;
}

/* The interval of TAR at FAR 1e-3, over subjects. */
static caface_status find_interval(demo_sample *s, const float *scores, demo_result *out,
                                   caface_error *err)
{
    enum { FAR_1E_3 = 3 };
    double *tar = NULL, *column = NULL;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&tar, (size_t)RESAMPLES * CAFI_FARS, err)) ||
        (st = CAFI_NEW(&column, RESAMPLES, err)) ||
        (st = cafi_bootstrap_run(&s->bootstrap, scores, tar, err)))
        goto done;
    for (size_t r = 0; r < RESAMPLES; r++)
        column[r] = tar[r * CAFI_FARS + FAR_1E_3];
    cafi_interval95(column, RESAMPLES, &out->low, &out->high);
done:
    free(tar);
    free(column);
    return st;
}

caface_status demo_try(demo_sample *s, const cli_way *way, demo_result *out, caface_error *err)
{
    cafi_identified identified = {0};
    float *scores = NULL;
    caface_status st = CAFACE_OK;

    *out = (demo_result){0};
    if ((st = fuse_probes(s, way, &out->seconds_per_set, err)) ||
        (st = cafi_alloc_f32(&scores, s->pair_count, 1, err)) ||
        (st = cafi_scores_pairs(scores, s->features, s->templates, s->gallery->C, s->pairs,
                                s->pair_count, s->pool, err)) ||
        (st = cafi_roc_compute(&out->roc, scores, s->pairs, s->pair_count, err)) ||
        (st = find_rates(s, scores, out, err)) || (st = find_interval(s, scores, out, err)) ||
        (st = cafi_identify(&identified, s->features, s->gallery->C, &s->gallery_list,
                            &s->probe_list, NULL, s->pool, err)))
        goto done;
    out->rank1 = identified.figure[CAFI_ID_RANK];
    out->seconds_per_set /= (double)s->probe_rows.T;
done:
    cafi_identified_free(&identified);
    free(scores);
    return st;
}
