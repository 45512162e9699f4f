#include "train/validate.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "caface/set.h"
#include "eval/roc.h"

#define MAX_TEMPLATES 20000
/* cafi_fars[4] */
#define FAR_1E2 4

struct cafi_validation {
    cafi_feature_set *set;
    size_t templates;
    size_t *order; /* [N] rows, template by template */
    size_t *first; /* [templates + 1] into order */
    cafi_pair *pairs;
    size_t count;
};

typedef struct row_id {
    int64_t id;
    size_t row;
} row_id;

static int by_id(const void *a, const void *b)
{
    const row_id *x = a;
    const row_id *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static caface_status group_rows(cafi_validation *v, size_t column, caface_error *err)
{
    size_t N = v->set->N;
    int64_t *ids = NULL;
    row_id *rows = NULL;
    caface_status st;

    if (!(st = cafi_alloc((void **)&ids, N, sizeof *ids, err)) &&
        !(st = cafi_alloc((void **)&rows, N, sizeof *rows, err)) &&
        !(st = cafi_alloc((void **)&v->order, N, sizeof(size_t), err)) &&
        !(st = cafi_alloc((void **)&v->first, N + 1, sizeof(size_t), err)) &&
        !(st = cafi_index_integers(v->set->index, column, ids, err))) {
        for (size_t i = 0; i < N; i++)
            rows[i] = (row_id){ids[i], i};
        qsort(rows, N, sizeof *rows, by_id);
        for (size_t i = 0; i < N; i++) {
            if (i == 0 || rows[i].id != rows[i - 1].id)
                v->first[v->templates++] = i;
            v->order[i] = rows[i].row;
        }
        v->first[v->templates] = N;
    }
    free(ids);
    free(rows);
    return st;
}

static caface_status make_pairs(cafi_validation *v, size_t column, caface_error *err)
{
    size_t n = v->templates;
    size_t genuine = 0;
    caface_status st;

    if (n > MAX_TEMPLATES)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %zu templates, validation takes at most %d",
                         v->set->path, n, MAX_TEMPLATES);
    if ((st = cafi_alloc((void **)&v->pairs, n * (n - 1) / 2 + 1, sizeof *v->pairs, err)))
        return st;
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++) {
            const char *x = cafi_index_text(v->set->index, column, v->order[v->first[a]]);
            const char *y = cafi_index_text(v->set->index, column, v->order[v->first[b]]);
            bool same = !strcmp(x, y);

            genuine += same;
            v->pairs[v->count++] =
                (cafi_pair){(uint32_t)a | (same ? CAFI_PAIR_GENUINE : 0), (uint32_t)b};
        }
    if (!genuine || genuine == v->count)
        return cafi_fail(err, CAFACE_EMODEL, "%s: %zu pairs of templates, %zu of them genuine",
                         v->set->path, v->count, genuine);
    return CAFACE_OK;
}

caface_status cafi_validation_open(cafi_validation **out, const char *path, size_t C, size_t S,
                                   caface_error *err)
{
    cafi_validation *v = NULL;
    int template_column = -1;
    int label_column = -1;
    caface_status st;

    *out = NULL;
    if ((st = cafi_alloc((void **)&v, 1, sizeof *v, err)))
        return st;
    st = cafi_feature_set_open(&v->set, path, err);
    if (!st && v->set->index) {
        template_column = cafi_index_column(v->set->index, "template");
        label_column = cafi_index_column(v->set->index, "label");
    }
    if (!st && (template_column < 0 || label_column < 0))
        st = cafi_fail(err, CAFACE_EMODEL,
                       "%s: validation needs an index with the columns template and label", path);
    if (!st && (v->set->C != C || v->set->S != S))
        st = cafi_fail(err, CAFACE_EMODEL,
                       "%s: features of %zu numbers and styles of %zu channels, training has %zu "
                       "and %zu",
                       path, v->set->C, v->set->S, C, S);
    if (!st)
        st = group_rows(v, (size_t)template_column, err);
    if (!st)
        st = make_pairs(v, (size_t)label_column, err);
    if (st) {
        cafi_validation_close(v);
        return st;
    }
    *out = v;
    return CAFACE_OK;
}

void cafi_validation_close(cafi_validation *validation)
{
    if (!validation)
        return;
    cafi_feature_set_close(validation->set);
    free(validation->order);
    free(validation->first);
    free(validation->pairs);
    free(validation);
}

/* One template from its rows. */
static caface_status fuse_template(const cafi_validation *v, const caface_model *model, size_t i,
                                   size_t threads, float *out, caface_error *err)
{
    const cafi_feature_set *f = v->set;
    size_t n = v->first[i + 1] - v->first[i];
    caface_set_options options;
    caface_set *set = NULL;
    float *features = NULL;
    float *styles = NULL;
    caface_status st;

    caface_set_options_init(&options);
    options.expected_n = n;
    options.width = f->C;
    options.threads = threads;
    if (!(st = cafi_alloc_f32(&features, n, f->C, err)) &&
        !(st = cafi_alloc_f32(&styles, n, 2 * f->S, err)) &&
        !(st = caface_set_new(&set, model, &options, err))) {
        for (size_t r = 0; r < n; r++)
            cafi_feature_set_rows(f, v->order[v->first[i] + r], 1, features + r * f->C,
                                  styles + r * 2 * f->S);
        if (!(st = caface_set_push(set, features, styles, n, err)))
            st = caface_set_template(set, out, err);
    }
    caface_set_free(set);
    free(features);
    free(styles);
    return st;
}

static caface_status score(const cafi_validation *v, const float *templates, double *tar,
                           caface_error *err)
{
    size_t C = v->set->C;
    cafi_roc roc = {0};
    float *scores = NULL;
    caface_status st = cafi_alloc_f32(&scores, 1, v->count, err);

    for (size_t i = 0; i < v->count && !st; i++) {
        const float *x = templates + cafi_pair_a(v->pairs[i]) * C;
        const float *y = templates + v->pairs[i].b * C;
        float dot = 0.0f;

        for (size_t c = 0; c < C; c++)
            dot += x[c] * y[c];
        scores[i] = dot;
    }
    if (!st)
        st = cafi_roc_compute(&roc, scores, v->pairs, v->count, err);
    if (!st)
        *tar = roc.tar[FAR_1E2];
    cafi_roc_free(&roc);
    free(scores);
    return st;
}

caface_status cafi_validation_run(cafi_validation *validation, const char *path, size_t threads,
                                  double *tar, caface_error *err)
{
    caface_model *model = NULL;
    float *templates = NULL;
    size_t C = validation->set->C;
    caface_status st = caface_model_open(&model, path, err);

    if (!st)
        st = cafi_alloc_f32(&templates, validation->templates, C, err);
    for (size_t i = 0; i < validation->templates && !st; i++)
        st = fuse_template(validation, model, i, threads, templates + i * C, err);
    if (!st)
        st = score(validation, templates, tar, err);
    free(templates);
    caface_model_free(model);
    return st;
}
