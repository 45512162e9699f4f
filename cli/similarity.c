#include "cli/similarity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/batch.h"
#include "caface/eval.h"

void cli_way_set(cli_way *way, caface_method method, double norm_power, size_t chunk)
{
    *way = (cli_way){.method = method, .norm_power = norm_power, .chunk = chunk};
    if (method == CAFACE_METHOD_NORM)
        snprintf(way->name, sizeof way->name, "norm, p = %g", norm_power);
    else if (!caface_method_is_network(method) || (method == CAFACE_METHOD_RESTORE && !chunk))
        snprintf(way->name, sizeof way->name, "%s", caface_method_name(method));
    else if (method == CAFACE_METHOD_RESTORE)
        snprintf(way->name, sizeof way->name, "restore, chunks of %zu", chunk);
    else if (chunk == 0)
        snprintf(way->name, sizeof way->name, "CAFace, one chunk");
    else
        snprintf(way->name, sizeof way->name, "CAFace, chunks of %zu", chunk);
}

caface_status cli_gallery_template(const caface_features *set, const char *path, const char *label,
                                   float *out, caface_error *err)
{
    caface_batch_options average;
    caface_features_info info;
    caface_groups *groups = NULL;
    unsigned char *valid = NULL;
    int column = caface_features_column(set, "label");
    caface_status st = CAFACE_OK;

    if (label && column < 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: no label column to find %s in", path, label);
    caface_features_get_info(set, &info);
    caface_batch_options_init(&average);
    average.method = CAFACE_METHOD_AVERAGE;
    average.threads = 1;
    if ((st = CAFI_NEW(&valid, info.n, err)) ||
        (st = caface_groups_new(&groups, NULL, info.n, err)))
        goto done;
    for (size_t i = 0; i < info.n; i++)
        valid[i] = !label || strcmp(caface_features_text(set, column, i), label) == 0;
    caface_groups_keep(groups, valid);
    if (!caface_groups_count(groups))
        st = cafi_fail(err, CAFACE_EINVAL, "%s: none of its %zu rows has the label %s", path,
                       info.n, label ? label : "asked for");
    else
        st = caface_batch_fuse(NULL, set, groups, &average, out, NULL, NULL, err);
done:
    caface_groups_free(groups);
    free(valid);
    return st;
}

/* Cosines of all rows, some at a time. */
static caface_status compare_faces(cli_similarity *s, const caface_features *faces, size_t count,
                                   size_t C, const float *gallery, caface_error *err)
{
    enum { PORTION = 1024 };
    float *rows = NULL;
    caface_status st = cafi_alloc_f32(&rows, PORTION, C, err);

    for (size_t first = 0; !st && first < count; first += PORTION) {
        size_t n = count - first < PORTION ? count - first : PORTION;

        st = caface_features_read(faces, first, n, rows, NULL, NULL, err);
        for (size_t i = 0; !st && i < n; i++)
            s->similarity[first + i] = (float)caface_cosine(rows + i * C, gallery, C);
    }
    free(rows);
    return st;
}

static caface_status fuse_way(cli_similarity *s, size_t k, const caface_model *model,
                              const caface_features *faces, const float *gallery,
                              const cli_way *way, bool keep_weights, size_t threads,
                              caface_error *err)
{
    caface_batch_options options;
    caface_features_info info;
    caface_groups *groups = NULL;
    float *template = NULL;
    double dot = 0;
    caface_status st = CAFACE_OK;

    caface_features_get_info(faces, &info);
    caface_batch_options_init(&options);
    options.method = way->method;
    options.norm_power = way->norm_power;
    options.chunk = way->chunk;
    options.threads = threads;
    if ((st = caface_groups_new(&groups, NULL, info.n, err)) ||
        (st = cafi_alloc_f32(&template, 1, info.C, err)) ||
        (keep_weights && (st = cafi_alloc_f32(&s->weight, info.n, 1, err))) ||
        (st = caface_batch_fuse(model, faces, groups, &options, template,
                                keep_weights ? s->weight : NULL, NULL, err)))
        goto done;
    for (size_t c = 0; c < info.C; c++)
        dot += (double)template[c] * (double)gallery[c];
    s->stars[k] = (cafi_similarity_star){way->name, dot};
done:
    free(template);
    caface_groups_free(groups);
    return st;
}

caface_status cli_similarity_measure(cli_similarity *out, const cli_fusions *fusions,
                                     const caface_features *faces, const float *gallery,
                                     const cli_way *ways, size_t way_count, size_t threads,
                                     caface_error *err)
{
    caface_features_info info;
    size_t weighing = way_count;
    caface_status st = CAFACE_OK;

    *out = (cli_similarity){0};
    if (way_count > CAFI_SIMILARITY_MAX_STARS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu methods, a plot has room for %d", way_count,
                         CAFI_SIMILARITY_MAX_STARS);
    for (size_t k = 0; k < way_count; k++)
        if (caface_method_is_network(ways[k].method))
            weighing = k;
    caface_features_get_info(faces, &info);
    if ((st = cafi_alloc_f32(&out->similarity, info.n, 1, err)) ||
        (st = compare_faces(out, faces, info.n, info.C, gallery, err)))
        return st;
    for (size_t k = 0; k < way_count && !st; k++)
        st = fuse_way(out, k, cli_fusion_for(fusions, ways[k].method), faces, gallery, &ways[k],
                      k == weighing, threads, err);
    return st;
}

void cli_similarity_free(cli_similarity *s)
{
    free(s->similarity);
    free(s->weight);
    *s = (cli_similarity){0};
}
