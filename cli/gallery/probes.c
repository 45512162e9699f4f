#include "cli/gallery/probes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/batch.h"
#include "caface/eval.h"
#include "cli/feature_set.h"

caface_status cli_probes_begin(cli_probes *out, const cli_gallery *g, const char *method,
                               caface_error *err)
{
    const caface_model *only = cli_fusion_only(&g->fusions);
    caface_model_info info = {0};
    caface_status st = CAFACE_OK;

    *out = (cli_probes){0};
    caface_set_options_init(&out->way);
    if (!method && only) {
        caface_model_get_info(only, &info);
    }
    if (info.method != g->info.method && !method && only) {
        out->way.method = info.method;
    } else {
        out->way.method = g->info.method;
        out->way.norm_power = g->info.norm_power;
        out->way.chunk = g->info.chunk;
    }
    if (method && (st = caface_set_options_parse(&out->way, method, err)))
        return st;
    if (out->way.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "method media: probes are not fused by media here");
    out->model = cli_fusion_for(&g->fusions, out->way.method);
    if (caface_method_is_network(out->way.method) && !out->model)
        return cafi_fail(err, CAFACE_EINVAL, "method %s: a fusion model is needed (--model)",
                         caface_method_name(out->way.method));
    if (out->model && out->way.method != g->info.method && *g->info.model && !method)
        return cafi_fail(err, CAFACE_EMODEL,
                         "the gallery's templates are by %s, the model is for %s: give --method %s "
                         "if you want this",
                         caface_method_name(g->info.method), caface_method_name(out->way.method),
                         caface_method_name(out->way.method));
    return CAFACE_OK;
}

/* A set that is fused already to its faces; name and label (or NULL) are copied. */
static caface_status add_probe(cli_probes *p, caface_set *set, const char *name, const char *label,
                               caface_error *err)
{
    size_t C = caface_set_width(set);
    cli_probe item = {.faces = caface_set_count(set),
                      .evidence = (double)NAN,
                      .sharpness = INFINITY,
                      .blur = (double)NAN};
    caface_status st = CAFACE_OK;

    if (p->count && p->C != C)
        return cafi_fail(err, CAFACE_EMODEL, "%s has %zu numbers, the probes before it %zu", name,
                         C, p->C);
    p->C = C;
    (void)((st = CAFI_GROW(&p->items, &p->room, p->count + 1, err)) ||
           (st = CAFI_GROW(&p->templates, &p->template_room, (p->count + 1) * C, err)) ||
           (st = caface_set_template(set, p->templates + p->count * C, err)) ||
           (p->way.method == CAFACE_METHOD_RESTORE &&
            (st = caface_set_evidence(set, &item.evidence, err))) ||
           (st = cafi_strdup(&item.name, name, err)) ||
           (label && (st = cafi_strdup(&item.label, label, err))));
    if (st) {
        free(item.name);
        return st;
    }
    p->items[p->count++] = item;
    return CAFACE_OK;
}

void cli_probes_clear(cli_probes *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
        free(p->items[i].label);
    }
    free(p->items);
    free(p->templates);
    *p = (cli_probes){0};
}

static void set_options(const cli_probes *p, size_t n, size_t C, caface_set_options *out)
{
    *out = p->way;
    out->expected_n = n;
    out->width = C;
    out->keep_weights = p->axis && caface_method_is_network(p->way.method);
}

/* ---- blur --------------------------------------------------------------------------------- */

/* The weights of a set's faces: a network's own, else by their lengths, as `compare` has it. */
static caface_status weigh(const cli_probes *p, caface_set *set, const float *feat, size_t n,
                           size_t C, float *weight, caface_error *err)
{
    double sum = 0.0;

    if (caface_method_is_network(p->way.method))
        return caface_set_weights(set, weight, n, err);
    for (size_t i = 0; i < n; i++) {
        double length = 0.0;

        for (size_t c = 0; c < C; c++)
            length += (double)feat[i * C + c] * feat[i * C + c];
        weight[i] = (float)sqrt(length);
        sum += (double)weight[i];
    }
    for (size_t i = 0; i < n; i++)
        weight[i] = sum > 0.0 ? (float)((double)weight[i] / sum) : 1.0f / (float)n;
    return CAFACE_OK;
}

/* Of the last probe, whose set this is. sharpness [n]: NaN where it is not known; or NULL. */
static caface_status measure_blur(cli_probes *p, caface_set *set, const float *feat,
                                  const float *sharpness, size_t n, caface_error *err)
{
    cli_probe *item = &p->items[p->count - 1];
    float *weight = NULL;
    double blur = 0.0, sharp = 0.0, known = 0.0;
    caface_status st = CAFI_NEW(&weight, n, err);

    st = st ? st : weigh(p, set, feat, n, p->C, weight, err);
    for (size_t i = 0; !st && i < n; i++) {
        double w = (double)weight[i];

        blur += w * caface_cosine(feat + i * p->C, p->axis, p->C);
        if (sharpness && !isnan(sharpness[i])) {
            sharp += w * (double)sharpness[i];
            known += w;
        }
    }
    if (!st) {
        item->blur = blur;
        item->sharpness = known > 0.0 ? sharp / known : INFINITY;
    }
    free(weight);
    return st;
}

caface_status cli_probes_add_faces(cli_probes *p, const caface_gallery_faces *f,
                                   const float *sharpness, const char *name, caface_error *err)
{
    caface_set_options options;
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    set_options(p, f->n, f->C, &options);
    (void)((st = caface_set_new(&set, p->model, &options, err)) ||
           (st = caface_set_push(set, f->feat, f->style, f->n, err)) ||
           (st = add_probe(p, set, name, NULL, err)));
    if (!st && p->axis)
        st = measure_blur(p, set, f->feat, sharpness, f->n, err);
    caface_set_free(set);
    return st;
}

/* ---- feature sets ------------------------------------------------------------------------ */

static caface_status check_backbone(const cli_probes *p, const char *path,
                                    const caface_features_info *set, const cli_gallery *g,
                                    caface_error *err)
{
    const char *backbone = set->backbone, *input = set->input;

    if (g->info.C && set->C != g->info.C)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: its features have %zu numbers, those of the gallery %zu", path,
                         set->C, g->info.C);
    if (backbone && *g->info.backbone && strcmp(backbone, g->info.backbone) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: its backbone is %s, that of the gallery %s", path,
                         backbone, g->info.backbone);
    if (input && *g->info.input && strcmp(input, g->info.input) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: its input is %s, that of the gallery %s", path,
                         input, g->info.input);
    if (backbone && p->backbone && strcmp(backbone, p->backbone) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: its backbone is %s, that of --model %s", path,
                         backbone, p->backbone);
    if (!backbone && *g->info.backbone)
        cli_warn("%s does not say which backbone made it; the gallery's is %s", path,
                 g->info.backbone);
    return cli_check_encoding(path, set->encoding, "the gallery", g->info.encoding,
                              *g->info.model != '\0', err);
}

static caface_status fuse_group(const cli_probes *p, const caface_features *set, size_t C,
                                const size_t *rows, size_t n, caface_set **out, caface_error *err)
{
    caface_set_options options;
    caface_batch_options batch;
    caface_status st = CAFACE_OK;

    caface_batch_options_init(&batch);
    set_options(p, n, C, &options);
    st = caface_set_new(out, p->model, &options, err);
    return st ? st : caface_batch_push(*out, set, rows, n, &batch, err);
}

static float number_of(const char *text)
{
    char *end = NULL;
    float value = strtof(text, &end);

    return *text && !*end ? value : NAN;
}

/* What the set's own figures say of the last probe. */
static caface_status blur_of_rows(cli_probes *p, const caface_features *set, caface_set *faces,
                                  const size_t *rows, size_t n, caface_error *err)
{
    int column = caface_features_column(set, "sharpness");
    float *feat = NULL, *sharpness = NULL;
    caface_status st = cafi_alloc_f32(&feat, n, p->C, err);

    st = st ? st : CAFI_NEW(&sharpness, n, err);
    for (size_t i = 0; !st && i < n; i++) {
        st = caface_features_read(set, rows[i], 1, feat + i * p->C, NULL, NULL, err);
        sharpness[i] = column < 0 ? NAN : number_of(caface_features_text(set, column, rows[i]));
    }
    st = st ? st : measure_blur(p, faces, feat, sharpness, n, err);
    free(feat);
    free(sharpness);
    return st;
}

static caface_status group_probes(caface_groups **out, const caface_features *set, size_t faces,
                                  bool single, bool *by_template, caface_error *err)
{
    int column = single ? -1 : caface_features_column(set, "template");
    int64_t *ids = NULL;
    caface_status st = CAFACE_OK;

    *by_template = column >= 0;
    if (column >= 0) {
        st = CAFI_NEW(&ids, faces, err);
        st = st ? st : caface_features_integers(set, column, ids, err);
    }
    st = st ? st : caface_groups_new(out, ids, faces, err);
    free(ids);
    return st;
}

/* Whose rows these are, where all of them say the same; else NULL. */
static const char *label_of(const caface_features *set, const size_t *rows, size_t n)
{
    int column = caface_features_column(set, "label");
    const char *label = column < 0 ? NULL : caface_features_text(set, column, rows[0]);

    for (size_t i = 1; label && i < n; i++)
        if (strcmp(label, caface_features_text(set, column, rows[i])) != 0)
            label = NULL;
    return label && *label ? label : NULL;
}

caface_status cli_probes_add_set(cli_probes *p, const cli_gallery *g, const char *path, bool single,
                                 caface_error *err)
{
    caface_features *set = NULL;
    caface_features_info info = {0};
    caface_groups *groups = NULL;
    bool by_template = false;
    caface_status st = cli_feature_set_open(&set, path, err);

    if (!st)
        caface_features_get_info(set, &info);
    if (!st && !info.n)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: there are no faces in it", path);
    (void)(st || (st = check_backbone(p, path, &info, g, err)) ||
           (st = group_probes(&groups, set, info.n, single, &by_template, err)));
    for (size_t i = 0; !st && i < caface_groups_count(groups); i++) {
        caface_set *faces = NULL;
        char name[32];
        size_t n = 0;
        const size_t *rows = caface_groups_rows(groups, i, &n);

        snprintf(name, sizeof name, "%lld", (long long)caface_groups_ids(groups)[i]);
        st = fuse_group(p, set, info.C, rows, n, &faces, err);
        st = st ? cafi_prefix(err, st, path)
                : add_probe(p, faces, by_template ? name : path, label_of(set, rows, n), err);
        if (!st && p->axis)
            st = blur_of_rows(p, set, faces, rows, n, err);
        caface_set_free(faces);
    }
    caface_groups_free(groups);
    caface_features_close(set);
    return st;
}
