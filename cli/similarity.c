#include "cli/similarity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/batch.h"

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

caface_status cli_gallery_template(const cafi_feature_set *set, const char *label, float *out,
                                   caface_error *err)
{
    cafi_fuse_options average = {.method = CAFACE_METHOD_AVERAGE};
    cafi_groups groups = {0};
    unsigned char *valid = NULL;
    int column = set->index ? cafi_index_column(set->index, "label") : -1;
    caface_status st = CAFACE_OK;

    if (label && column < 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: no label column to find %s in", set->path, label);
    if ((st = CAFI_NEW(&valid, set->N, err)) || (st = cafi_groups_single(&groups, set->N, err)))
        goto done;
    for (size_t i = 0; i < set->N; i++)
        valid[i] = !label || strcmp(cafi_index_text(set->index, (size_t)column, i), label) == 0;
    cafi_groups_keep(&groups, valid);
    if (groups.T == 0)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: none of its %zu rows has the label %s", set->path,
                       set->N, label ? label : "asked for");
    else
        st = cafi_fuse_batch(NULL, set, &groups, &average, out, NULL, err);
done:
    cafi_groups_free(&groups);
    free(valid);
    return st;
}

/* Cosines of all rows, some at a time. */
static caface_status compare_faces(cli_similarity *s, const cafi_feature_set *faces,
                                   const float *gallery, caface_error *err)
{
    enum { PORTION = 1024 };
    float *rows = NULL;
    caface_status st = cafi_alloc_f32(&rows, PORTION, faces->C, err);

    for (size_t first = 0; !st && first < faces->N; first += PORTION) {
        size_t n = faces->N - first < PORTION ? faces->N - first : PORTION;

        cafi_feature_set_rows(faces, first, n, rows, NULL);
        for (size_t i = 0; i < n; i++) {
            double dot = 0, square = 0;
            for (size_t c = 0; c < faces->C; c++) {
                double f = rows[i * faces->C + c];
                dot += f * (double)gallery[c];
                square += f * f;
            }
            s->similarity[first + i] = (float)(square > 0 ? dot / sqrt(square) : 0);
        }
    }
    free(rows);
    return st;
}

static caface_status fuse_way(cli_similarity *s, size_t k, const caface_model *model,
                              const cafi_feature_set *faces, const float *gallery,
                              const cli_way *way, bool keep_weights, cafi_pool *pool,
                              caface_error *err)
{
    cafi_fuse_options options = {
        .method = way->method, .norm_power = way->norm_power, .chunk = way->chunk, .pool = pool};
    cafi_groups groups = {0};
    float *template = NULL;
    double dot = 0;
    caface_status st = CAFACE_OK;

    if ((st = cafi_groups_single(&groups, faces->N, err)) ||
        (st = cafi_alloc_f32(&template, 1, faces->C, err)) ||
        (keep_weights && (st = cafi_alloc_f32(&s->weight, faces->N, 1, err))) ||
        (st = cafi_fuse_batch(model, faces, &groups, &options, template,
                              keep_weights ? s->weight : NULL, err)))
        goto done;
    for (size_t c = 0; c < faces->C; c++)
        dot += (double)template[c] * (double)gallery[c];
    s->stars[k] = (cafi_similarity_star){way->name, dot};
done:
    free(template);
    cafi_groups_free(&groups);
    return st;
}

caface_status cli_similarity_measure(cli_similarity *out, const cli_fusions *fusions,
                                     const cafi_feature_set *faces, const float *gallery,
                                     const cli_way *ways, size_t way_count, cafi_pool *pool,
                                     caface_error *err)
{
    size_t weighing = way_count;
    caface_status st = CAFACE_OK;

    *out = (cli_similarity){0};
    if (way_count > CAFI_SIMILARITY_MAX_STARS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu methods, a plot has room for %d", way_count,
                         CAFI_SIMILARITY_MAX_STARS);
    for (size_t k = 0; k < way_count; k++)
        if (caface_method_is_network(ways[k].method))
            weighing = k;
    if ((st = cafi_alloc_f32(&out->similarity, faces->N, 1, err)) ||
        (st = compare_faces(out, faces, gallery, err)))
        return st;
    for (size_t k = 0; k < way_count && !st; k++)
        st = fuse_way(out, k, cli_fusion_for(fusions, ways[k].method), faces, gallery, &ways[k],
                      k == weighing, pool, err);
    return st;
}

void cli_similarity_free(cli_similarity *s)
{
    free(s->similarity);
    free(s->weight);
    *s = (cli_similarity){0};
}
