#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "caface/batch.h"
#include "cli/demo/demo.h"
#include "cli/progress.h"
#include "files/names.h"

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

static caface_status open_set(demo_set *set, const char *folder, const char *name,
                              caface_error *err)
{
    int64_t *ids = NULL;
    int column = 0;
    caface_status st = in_folder(folder, name, set->path, sizeof set->path, err);

    if (st || (st = caface_features_open(&set->faces, set->path, err)))
        return st;
    caface_features_get_info(set->faces, &set->info);
    column = caface_features_column(set->faces, "template");
    if (column < 0 || caface_features_column(set->faces, "label") < 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: its index needs the columns template and label",
                         set->path);
    (void)((st = CAFI_NEW(&ids, set->info.n, err)) ||
           (st = caface_features_integers(set->faces, column, ids, err)) ||
           (st = caface_groups_new(&set->groups, ids, set->info.n, err)));
    free(ids);
    if (st)
        return st;
    set->templates = caface_groups_count(set->groups);
    return CAFI_NEW(&set->person, set->templates, err);
}

static void close_set(demo_set *set)
{
    free(set->person);
    caface_groups_free(set->groups);
    caface_features_close(set->faces);
}

/* The label of a template's first row becomes its person's number. */
static caface_status number_people(demo_set *set, cafi_names *names, size_t *people,
                                   caface_error *err)
{
    int column = caface_features_column(set->faces, "label");
    caface_status st = CAFACE_OK;

    for (size_t t = 0; t < set->templates && !st; t++) {
        size_t n = 0, known = CAFI_NO_NAME;
        const size_t *rows = caface_groups_rows(set->groups, t, &n);
        const char *label = caface_features_text(set->faces, column, rows[0]);

        st = cafi_names_add(names, label, strlen(label), *people, &known, err);
        set->person[t] = (int64_t)(known == CAFI_NO_NAME ? (*people)++ : known);
    }
    return st;
}

static caface_status list_pairs(demo_sample *s, caface_error *err)
{
    size_t G = s->gallery.templates, P = s->probes.templates;
    caface_status st = CAFACE_OK;

    s->pairs = G * P;
    if ((st = CAFI_NEW(&s->same, s->pairs, err)) ||
        (st = CAFI_NEW(&s->probe_person, s->pairs, err)) ||
        (st = CAFI_NEW(&s->gallery_person, s->pairs, err)) ||
        (st = cafi_alloc_f32(&s->score, s->pairs, 1, err)))
        return st;
    for (size_t i = 0; i < s->pairs; i++) {
        s->probe_person[i] = s->probes.person[i / G];
        s->gallery_person[i] = s->gallery.person[i % G];
        s->same[i] = s->probe_person[i] == s->gallery_person[i];
        s->genuine += s->same[i];
    }
    return CAFACE_OK;
}

static caface_status prepare(demo_sample *s, caface_error *err)
{
    caface_batch_options average;
    cafi_names names = {0};
    size_t people = 0;
    caface_status st = CAFACE_OK;

    if (s->gallery.info.C != s->probes.info.C)
        return cafi_fail(err, CAFACE_EMODEL, "%s has features of width %zu, %s of width %zu",
                         s->gallery.path, s->gallery.info.C, s->probes.path, s->probes.info.C);
    s->C = s->gallery.info.C;
    (void)((st = number_people(&s->gallery, &names, &people, err)) ||
           (st = number_people(&s->probes, &names, &people, err)) || (st = list_pairs(s, err)) ||
           (st = cafi_alloc_f32(&s->enrolled, s->gallery.templates, s->C, err)) ||
           (st = cafi_alloc_f32(&s->fused, s->probes.templates, s->C, err)));
    cafi_names_free(&names);
    if (st)
        return st;
    caface_batch_options_init(&average);
    average.method = CAFACE_METHOD_AVERAGE;
    average.threads = s->threads;
    return caface_batch_fuse(NULL, s->gallery.faces, s->gallery.groups, &average, s->enrolled, NULL,
                             NULL, err);
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

caface_status demo_sample_open(demo_sample *s, const char *folder, size_t threads,
                               caface_error *err)
{
    caface_status st = CAFACE_OK;

    *s = (demo_sample){.threads = threads};
    if ((st = open_models(s, folder, err)) ||
        (st = open_set(&s->gallery, folder, "gallery", err)) ||
        (st = open_set(&s->probes, folder, "probes", err)) ||
        (st = open_set(&s->many, folder, "long", err)))
        return st;
    return prepare(s, err);
}

void demo_sample_free(demo_sample *s)
{
    free(s->same);
    free(s->probe_person);
    free(s->gallery_person);
    free(s->score);
    free(s->enrolled);
    free(s->fused);
    close_set(&s->gallery);
    close_set(&s->probes);
    close_set(&s->many);
    cli_fusions_close(&s->fusions);
    *s = (demo_sample){0};
}

/* Fuses all probes a few times, on one thread; the fastest run counts. */
static caface_status fuse_probes(demo_sample *s, const cli_way *way, double *seconds,
                                 caface_error *err)
{
    caface_batch_options options;
    caface_status st = CAFACE_OK;

    caface_batch_options_init(&options);
    options.method = way->method;
    options.norm_power = way->norm_power;
    options.chunk = way->chunk;
    options.threads = 1;
    *seconds = 0;
    for (int run = 0; run < TIMED_RUNS && !st; run++) {
        double start = cli_seconds();

        st = caface_batch_fuse(cli_fusion_for(&s->fusions, way->method), s->probes.faces,
                               s->probes.groups, &options, s->fused, NULL, NULL, err);
        if (run == 0 || cli_seconds() - start < *seconds)
            *seconds = cli_seconds() - start;
    }
    return st;
}

static void compare_all(demo_sample *s)
{
    size_t G = s->gallery.templates;

    for (size_t i = 0; i < s->pairs; i++)
        s->score[i] =
            (float)caface_cosine(s->fused + i / G * s->C, s->enrolled + i % G * s->C, s->C);
}

static int by_falling_score(const void *a, const void *b)
{
    float p = *(const float *)a, q = *(const float *)b;

    return p > q ? -1 : p < q;
}

/* The threshold lets floor(FAR * impostors) impostors in, and no more. */
static caface_status find_rates(const demo_sample *s, demo_result *out, caface_error *err)
{
    float *impostors = NULL;
    size_t count = 0;
    caface_status st = cafi_alloc_f32(&impostors, s->pairs - s->genuine, 1, err);

    if (st)
        return st;
    for (size_t i = 0; i < s->pairs; i++)
        if (!s->same[i])
            impostors[count++] = s->score[i];
    qsort(impostors, count, sizeof *impostors, by_falling_score);
    for (size_t f = 0; f < DEMO_FARS; f++) {
        float threshold = impostors[(size_t)(demo_fars[f] * (double)count)];
        size_t accepted = 0;

        for (size_t i = 0; i < s->pairs; i++)
            accepted += s->same[i] && s->score[i] > threshold;
        out->tar[f] = (double)accepted / (double)s->genuine;
    }
    free(impostors);
    return CAFACE_OK;
}

/* The curve, and the interval of TAR at FAR 1e-3 over people. */
static caface_status verify(const demo_sample *s, demo_result *out, caface_error *err)
{
    enum { FAR_1E_3 = 3 };
    caface_eval_options options;
    caface_tar tar;
    caface_status st = CAFACE_OK;

    caface_eval_options_init(&options);
    options.resamples = RESAMPLES;
    options.threads = s->threads;
    options.person_a = s->probe_person;
    options.person_b = s->gallery_person;
    if ((st = caface_verify(&out->verification, s->score, s->same, s->pairs, &options, err)))
        return st;
    caface_verification_tar(out->verification, FAR_1E_3, &tar);
    out->low = tar.tar.low;
    out->high = tar.tar.high;
    return CAFACE_OK;
}

static caface_status identify(const demo_sample *s, demo_result *out, caface_error *err)
{
    caface_identification *identification = NULL;
    caface_eval_options options;
    caface_figure rank1;
    caface_status st = CAFACE_OK;

    caface_eval_options_init(&options);
    options.threads = s->threads;
    if ((st =
             caface_identify(&identification, s->enrolled, s->gallery.person, s->gallery.templates,
                             s->fused, s->probes.person, s->probes.templates, s->C, &options, err)))
        return st;
    caface_identification_rank(identification, 0, &rank1);
    out->rank1 = rank1.value;
    caface_identification_free(identification);
    return CAFACE_OK;
}

caface_status demo_try(demo_sample *s, const cli_way *way, demo_result *out, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (demo_result){0};
    if ((st = fuse_probes(s, way, &out->seconds_per_set, err)))
        return st;
    out->seconds_per_set /= (double)s->probes.templates;
    compare_all(s);
    /* first, as it refuses pairs of which none is of the same person, or all are */
    if ((st = verify(s, out, err)) || (st = find_rates(s, out, err)))
        return st;
    return identify(s, out, err);
}
