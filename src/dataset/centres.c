#include "dataset/centres.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "files/bundle.h"
#include "files/names.h"
#include "files/safetensors.h"

bool cafi_center_mean_parse(cafi_center_mean *out, const char *text)
{
    *out = !strcmp(text, "raw") ? CAFI_CENTER_RAW : CAFI_CENTER_UNIT;
    return *out == CAFI_CENTER_RAW || !strcmp(text, "unit");
}

void cafi_center_add(double *sum, const float *feature, size_t C, cafi_center_mean mean)
{
    double square = 0.0;
    double scale = 1.0;

    for (size_t c = 0; c < C; c++)
        square += (double)feature[c] * (double)feature[c];
    if (square <= 0.0) /* NaN goes on, and the centre is refused */
        return;
    if (mean == CAFI_CENTER_UNIT)
        scale = 1.0 / sqrt(square);
    for (size_t c = 0; c < C; c++)
        sum[c] += scale * (double)feature[c];
}

bool cafi_center_finish(float *to, const double *sum, size_t C)
{
    double square = 0.0;

    for (size_t c = 0; c < C; c++)
        square += sum[c] * sum[c];
    if (!(square > 0.0) || !isfinite(square))
        return false;
    for (size_t c = 0; c < C; c++)
        to[c] = (float)(sum[c] / sqrt(square));
    return true;
}

/* --- of a feature set ------------------------------------------------------------ */

typedef struct labelled {
    const char *label;
    size_t row;
} labelled;

static int by_label(const void *a, const void *b)
{
    const labelled *x = a;
    const labelled *y = b;
    int order = strcmp(x->label, y->label);

    return order ? order : x->row < y->row ? -1 : x->row > y->row;
}

/* Rows sorted by label: centres [classes][C] and their names. */
static caface_status mean_rows(const cafi_feature_set *set, const labelled *rows,
                               cafi_center_mean mean, float *centers, const char **names,
                               size_t *classes, caface_error *err)
{
    double *sum = NULL;
    float *row = NULL;
    size_t C = set->C;
    caface_status st = CAFI_NEW(&sum, C, err);

    if (!st)
        st = cafi_alloc_f32(&row, 1, C, err);
    *classes = 0;
    for (size_t i = 0; i < set->N && !st; i++) {
        cafi_feature_set_rows(set, rows[i].row, 1, row, NULL);
        cafi_center_add(sum, row, C, mean);
        if (i + 1 < set->N && !strcmp(rows[i].label, rows[i + 1].label))
            continue;
        if (!cafi_center_finish(centers + *classes * C, sum, C))
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: the features of %.100s have no mean",
                           set->path, rows[i].label);
        memset(sum, 0, C * sizeof *sum);
        names[(*classes)++] = rows[i].label;
    }
    free(sum);
    free(row);
    return st;
}

caface_status cafi_centers_of_set(const cafi_feature_set *set, cafi_center_mean mean, float **out,
                                  const char ***names, size_t *classes, caface_error *err)
{
    int column = set->index ? cafi_index_column(set->index, "label") : -1;
    labelled *rows = NULL;
    caface_status st;

    *out = NULL;
    *names = NULL;
    if (column < 0 || !set->N)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: centres need rows with labels", set->path);
    if (!(st = CAFI_NEW(&rows, set->N, err)) && !(st = cafi_alloc_f32(out, set->N, set->C, err)) &&
        !(st = CAFI_NEW(names, set->N, err))) {
        for (size_t i = 0; i < set->N; i++)
            rows[i] = (labelled){cafi_index_text(set->index, (size_t)column, i), i};
        qsort(rows, set->N, sizeof *rows, by_label);
        st = mean_rows(set, rows, mean, *out, *names, classes, err);
    }
    free(rows);
    if (st) {
        free(*out);
        free(*names);
        *out = NULL;
        *names = NULL;
    }
    return st;
}

/* --- files ----------------------------------------------------------------------- */

/* The row of each class of the store, by name. */
static caface_status match_names(size_t *rows, const cafi_value *list, const char *path,
                                 const cafi_store *store, caface_error *err)
{
    cafi_names table = {0};
    size_t classes = cafi_store_get_info(store).classes;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < list->u.list.count && !st; i++) {
        const cafi_value *v = &list->u.list.items[i];
        size_t existing = 0;

        if (v->kind != CAFI_STRING)
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: class name %zu is no text", path, i);
        else
            st = cafi_names_add(&table, v->u.text.data, v->u.text.size, i, &existing, err);
        if (!st && existing != CAFI_NO_NAME)
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: class %.100s occurs twice", path,
                           v->u.text.data);
    }
    for (size_t c = 0; c < classes && !st; c++) {
        const char *name = cafi_store_class_name(store, c);

        rows[c] = cafi_names_find(&table, name, strlen(name));
        if (rows[c] == CAFI_NO_NAME)
            st = cafi_fail(err, CAFACE_EMODEL, "%s: no centre for class %.100s", path, name);
    }
    cafi_names_free(&table);
    return st;
}

/* The row of each class, whose name is its number: more centres than classes and no names. */
static caface_status match_numbers(size_t *rows, size_t centres, const char *path,
                                   const cafi_store *store, caface_error *err)
{
    size_t classes = cafi_store_get_info(store).classes;

    for (size_t c = 0; c < classes; c++) {
        const char *name = cafi_store_class_name(store, c);
        char *end = NULL;
        unsigned long long n = strtoull(name, &end, 10);

        if (*name < '0' || *name > '9' || *end || n >= centres)
            return cafi_fail(err, CAFACE_EMODEL,
                             "%s: %zu centres without names, the features have %zu classes, and "
                             "%.100s is not the number of a class",
                             path, centres, classes, name);
        rows[c] = (size_t)n;
    }
    return CAFACE_OK;
}

static caface_status read_centres(float **out, const cafi_bundle *b, const char *path,
                                  const cafi_store *store, caface_error *err)
{
    cafi_store_info info = cafi_store_get_info(store);
    const cafi_tensor *t = cafi_bundle_find(b, "center.weight");
    const cafi_value *names = cafi_value_get(cafi_bundle_config(b), "class_names");
    size_t *rows = NULL;
    bool unknown = false;
    caface_status st;

    if (!t)
        t = cafi_bundle_find(b, "center");
    if (!t || t->ndim != 2)
        return cafi_fail(err, CAFACE_EMODEL, "%s: no center.weight [classes][C] in it", path);
    if (t->shape[1] != info.C)
        return cafi_fail(err, CAFACE_EMODEL, "%s: centres of %zu numbers, the features have %zu",
                         path, t->shape[1], info.C);
    if (names && (names->kind != CAFI_LIST || names->u.list.count != t->shape[0]))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: class_names is no list of %zu names", path,
                         t->shape[0]);
    if (!names && t->shape[0] < info.classes)
        return cafi_fail(err, CAFACE_EMODEL, "%s: %zu centres, the features have %zu classes", path,
                         t->shape[0], info.classes);
    if ((st = cafi_origin_check(cafi_origin_of(path, cafi_bundle_config(b)),
                                cafi_store_origin(store), false, &unknown, err)) ||
        (st = CAFI_NEW(&rows, info.classes, err)))
        return st;
    for (size_t c = 0; c < info.classes; c++)
        rows[c] = c;
    if (names)
        st = match_names(rows, names, path, store, err);
    else if (t->shape[0] > info.classes)
        st = match_numbers(rows, t->shape[0], path, store, err);
    if (!st)
        st = cafi_alloc_f32(out, info.classes, info.C, err);
    for (size_t c = 0; c < info.classes && !st; c++) {
        float *to = *out + c * info.C;
        float sum = 0.0f;

        cafi_tensor_read_f32(t, rows[c] * info.C, info.C, to);
        for (size_t i = 0; i < info.C; i++)
            sum += to[i] * to[i];
        if (!(sum > 0.0f && sum < 1e30f)) {
            free(*out);
            *out = NULL;
            st = cafi_fail(err, CAFACE_EMODEL,
                           "%s: the centre of class %.100s is zero or not finite", path,
                           cafi_store_class_name(store, c));
        }
    }
    free(rows);
    return st;
}

caface_status cafi_centres_load(float **out, const char *path, const cafi_store *store,
                                caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    *out = NULL;
    if (!st)
        st = read_centres(out, b, path, store, err);
    cafi_bundle_close(b);
    return st;
}

/* The text is borrowed: the value is not to be cleared. */
static void add_text(cafi_value *values, char **keys, size_t *count, char *key, const char *text)
{
    if (!text)
        return;
    keys[*count] = key;
    values[(*count)++] =
        (cafi_value){.kind = CAFI_STRING, .u.text = {(char *)(uintptr_t)text, strlen(text)}};
}

caface_status cafi_centres_save(const char *path, const float *centres, const char *const *names,
                                size_t classes, size_t C, cafi_origin made, caface_error *err)
{
    static char key[] = "class_names", backbone[] = "backbone", input[] = "input";
    char *keys[3] = {key};
    cafi_value values[3];
    size_t members = 1;
    cafi_value *items = NULL;
    cafi_tensor t = {.name = "center.weight",
                     .data = (const unsigned char *)centres,
                     .dtype = CAFI_F32,
                     .ndim = 2,
                     .shape = {classes, C},
                     .stride = {(ptrdiff_t)C, 1}};
    const cafi_tensor *tensors[] = {&t};
    cafi_value dict;
    caface_status st = CAFI_NEW(&items, classes, err);

    for (size_t i = 0; i < classes && !st; i++) {
        items[i].kind = CAFI_STRING;
        items[i].u.text.size = strlen(names[i]);
        st = cafi_strdup(&items[i].u.text.data, names[i], err);
    }
    values[0] = (cafi_value){.kind = CAFI_LIST, .u.list = {items, NULL, classes}};
    add_text(values, keys, &members, backbone, made.backbone);
    add_text(values, keys, &members, input, made.input);
    dict = (cafi_value){.kind = CAFI_DICT, .u.list = {values, keys, members}};
    if (!st)
        st = cafi_safetensors_save(path, tensors, 1, &dict, err);
    for (size_t i = 0; items && i < classes; i++)
        free(items[i].u.text.data);
    free(items);
    return st;
}
