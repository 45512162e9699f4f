#include "cli/gallery/probes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/batch.h"
#include "cli/feature_set.h"

caface_status cli_probes_begin(cli_probes *out, const cli_gallery *g, const char *method,
                               caface_error *err)
{
    const caface_model *only = cli_fusion_only(&g->fusions);
    caface_model_info info = {0};
    caface_status st = CAFACE_OK;

    *out = (cli_probes){.way = {g->info.method, g->info.norm_power, g->info.chunk}};
    if (!method && only) {
        caface_model_get_info(only, &info);
        if (info.method != g->info.method)
            out->way = (cafi_way){info.method, 1, CAFI_DEFAULT_CHUNK};
    }
    if (method && (st = cafi_way_parse(&out->way, NULL, method, strlen(method), err)))
        return st;
    if (out->way.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "method media: probes are not fused by media here");
    out->model = cli_fusion_for(&g->fusions, out->way.method);
    if (cafi_method_is_network(out->way.method) && !out->model)
        return cafi_fail(err, CAFACE_EINVAL, "method %s: a fusion model is needed (--model)",
                         caface_method_name(out->way.method));
    if (out->model && out->way.method != g->info.method && *g->info.model && !method)
        return cafi_fail(err, CAFACE_EMODEL,
                         "the gallery's templates are by %s, the model is for %s: --method %s says "
                         "that this is meant",
                         caface_method_name(g->info.method), caface_method_name(out->way.method),
                         caface_method_name(out->way.method));
    return CAFACE_OK;
}

caface_status cli_probes_add(cli_probes *p, caface_set *set, const char *name, const char *label,
                             caface_error *err)
{
    size_t C = caface_set_width(set);
    cli_probe item = {.faces = caface_set_count(set), .evidence = (double)NAN};
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

caface_status cli_probes_add_faces(cli_probes *p, const caface_gallery_faces *f, const char *name,
                                   caface_error *err)
{
    caface_set_options options;
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    options.method = p->way.method;
    options.chunk = p->way.chunk;
    options.norm_power = p->way.power;
    options.expected_n = f->n;
    options.width = f->C;
    (void)((st = caface_set_new(&set, p->model, &options, err)) ||
           (st = caface_set_push(set, f->feat, f->style, f->n, err)) ||
           (st = cli_probes_add(p, set, name, NULL, err)));
    caface_set_free(set);
    return st;
}

/* ---- feature sets ------------------------------------------------------------------------ */

static caface_status check_backbone(const cafi_feature_set *set, const cli_gallery *g,
                                    caface_error *err)
{
    const char *backbone = cafi_feature_set_backbone(set);
    const char *input = cafi_feature_set_input(set);

    if (g->info.C && set->C != g->info.C)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: its features have %zu numbers, those of the gallery %zu", set->path,
                         set->C, g->info.C);
    if (backbone && *g->info.backbone && strcmp(backbone, g->info.backbone) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: its backbone is %s, that of the gallery %s",
                         set->path, backbone, g->info.backbone);
    if (input && *g->info.input && strcmp(input, g->info.input) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: its input is %s, that of the gallery %s",
                         set->path, input, g->info.input);
    if (!backbone && *g->info.backbone)
        cli_warn("%s does not say which backbone made it; the gallery's is %s", set->path,
                 g->info.backbone);
    return CAFACE_OK;
}

static caface_status fuse_group(cli_probes *p, const cafi_feature_set *set, const size_t *rows,
                                size_t n, caface_set **out, caface_error *err)
{
    caface_set_options options;
    caface_batch_options batch;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    caface_batch_options_init(&batch);
    options.method = p->way.method;
    options.chunk = p->way.chunk;
    options.norm_power = p->way.power;
    options.expected_n = n;
    options.width = set->C;
    st = caface_set_new(out, p->model, &options, err);
    return st ? st : caface_batch_push(*out, set, rows, n, &batch, err);
}

static caface_status group_probes(caface_groups **out, const cafi_feature_set *set, bool single,
                                  bool *by_template, caface_error *err)
{
    int column = single ? -1 : caface_features_column(set, "template");
    int64_t *ids = NULL;
    caface_status st = CAFACE_OK;

    *by_template = column >= 0;
    if (column >= 0) {
        st = CAFI_NEW(&ids, set->N, err);
        st = st ? st : caface_features_integers(set, column, ids, err);
    }
    st = st ? st : caface_groups_new(out, ids, set->N, err);
    free(ids);
    return st;
}

/* Whose rows these are, where all of them say the same; else NULL. */
static const char *label_of(const cafi_feature_set *set, const size_t *rows, size_t n)
{
    int column = set->index ? cafi_index_column(set->index, "label") : -1;
    const char *label = column < 0 ? NULL : cafi_index_text(set->index, (size_t)column, rows[0]);

    for (size_t i = 1; label && i < n; i++)
        if (strcmp(label, cafi_index_text(set->index, (size_t)column, rows[i])) != 0)
            label = NULL;
    return label && *label ? label : NULL;
}

caface_status cli_probes_add_set(cli_probes *p, const cli_gallery *g, const char *path, bool single,
                                 caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_groups *groups = NULL;
    bool by_template = false;
    caface_status st = cli_feature_set_open(&set, path, err);

    if (!st && !set->N)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: there are no faces in it", path);
    (void)(st || (st = check_backbone(set, g, err)) ||
           (st = group_probes(&groups, set, single, &by_template, err)));
    for (size_t i = 0; !st && i < caface_groups_count(groups); i++) {
        caface_set *faces = NULL;
        char name[32];
        size_t n = 0;
        const size_t *rows = caface_groups_rows(groups, i, &n);

        snprintf(name, sizeof name, "%lld", (long long)caface_groups_ids(groups)[i]);
        st = fuse_group(p, set, rows, n, &faces, err);
        st = st ? cafi_prefix(err, st, path)
                : cli_probes_add(p, faces, by_template ? name : path, label_of(set, rows, n), err);
        caface_set_free(faces);
    }
    caface_groups_free(groups);
    caface_features_close(set);
    return st;
}
