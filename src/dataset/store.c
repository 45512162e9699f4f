#include "dataset/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "base/text.h"
#include "dataset/record_shape.h"
#include "files/bundle.h"
#include "files/index.h"
#include "files/json.h"
#include "files/mapped.h"
#include "files/names.h"
#include "files/recordio.h"
#include "math/kernels.h"

struct cafi_store {
    char *path;
    cafi_store_info info;
    cafi_value made; /* set.json, or nothing */
    char *encoding;  /* what it says of that, or NULL */
    /* .npy */
    cafi_bundle *bundles[4];
    const cafi_tensor *features, *styles;
    const cafi_tensor *clean, *clean_styles; /* or NULL */
    /* .rec */
    cafi_recordio *rec;
    cafi_record_shape shape;
    /* classes */
    size_t *image_class; /* [images] */
    size_t *members;     /* [images] by class */
    size_t *first;       /* [classes + 1] into members */
    char **names;        /* [classes] */
};

static caface_status join(char **out, const char *folder, const char *file, caface_error *err)
{
    cafi_buf path = {0};

    cafi_buf_printf(&path, "%s/%s", folder, file);
    if (path.failed)
        return cafi_fail_memory(err, strlen(folder) + strlen(file));
    *out = path.data;
    return CAFACE_OK;
}

/* *found: the folder has the file. ENOMEM is no answer. */
static caface_status look_for(bool *found, const char *folder, const char *file, caface_error *err)
{
    char *path = NULL;
    struct stat info;
    caface_status st = join(&path, folder, file, err);

    *found = !st && stat(path, &info) == 0;
    free(path);
    return st;
}

static caface_status open_array(cafi_store *s, size_t which, const char *file,
                                const cafi_tensor **out, caface_error *err)
{
    char *path = NULL;
    caface_status st = join(&path, s->path, file, err);

    if (!st)
        st = cafi_bundle_open(&s->bundles[which], path, err);
    free(path);
    if (st)
        return st;
    *out = cafi_bundle_at(s->bundles[which], 0);
    if (!*out)
        return cafi_fail(err, CAFACE_EFORMAT, "%s/%s: holds no array", s->path, file);
    return CAFACE_OK;
}

/* One name of an image, to be sorted. */
typedef struct labelled {
    const char *name;
    size_t image;
} labelled;

static int by_name(const void *a, const void *b)
{
    const labelled *x = a;
    const labelled *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->image < y->image ? -1 : x->image > y->image;
}

/* Numbers the classes by name. rows [images] is sorted in place. */
static caface_status number_classes(cafi_store *s, labelled *rows, caface_error *err)
{
    size_t n = s->info.images;
    caface_status st;

    qsort(rows, n, sizeof *rows, by_name);
    if ((st = CAFI_NEW(&s->image_class, n, err)) || (st = CAFI_NEW(&s->members, n, err)) ||
        (st = CAFI_NEW(&s->first, n + 1, err)) || (st = CAFI_NEW(&s->names, n, err)))
        return st;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0) {
            s->first[s->info.classes] = i;
            if ((st = cafi_strdup(&s->names[s->info.classes++], rows[i].name, err)))
                return st;
        }
        s->members[i] = rows[i].image;
        s->image_class[rows[i].image] = s->info.classes - 1;
    }
    s->first[s->info.classes] = n;
    return CAFACE_OK;
}

static caface_status npy_classes(cafi_store *s, caface_error *err)
{
    cafi_index *index = NULL;
    labelled *rows = NULL;
    char *path = NULL;
    int column = -1;
    caface_status st = join(&path, s->path, "index.tsv", err);

    if (!st)
        st = cafi_index_open(&index, path, err);
    if (!st && cafi_index_rows(index) != s->info.images)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: %zu rows, features.npy has %zu images", path,
                       cafi_index_rows(index), s->info.images);
    if (!st && (column = cafi_index_column(index, "label")) < 0)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: no column label, which names the classes", path);
    if (!st)
        st = CAFI_NEW(&rows, s->info.images, err);
    for (size_t i = 0; i < s->info.images && !st; i++) {
        rows[i] = (labelled){cafi_index_text(index, (size_t)column, i), i};
        if (!*rows[i].name)
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: row %zu has no label", path, i + 1);
    }
    if (!st)
        st = number_classes(s, rows, err);
    free(rows);
    free(path);
    cafi_index_free(index);
    return st;
}

/* The pictures as they are, where both arrays are there. */
static caface_status open_clean(cafi_store *s, caface_error *err)
{
    size_t feature[] = {s->info.images, s->info.C};
    size_t style[] = {s->info.images, s->info.S, 2};
    char a[128];
    char b[128];
    bool features = false, styles = false;
    caface_status st;

    if ((st = look_for(&features, s->path, "clean.npy", err)) ||
        (st = look_for(&styles, s->path, "clean_styles.npy", err)) || (!features && !styles))
        return st;
    if ((st = open_array(s, 2, "clean.npy", &s->clean, err)) ||
        (st = open_array(s, 3, "clean_styles.npy", &s->clean_styles, err)))
        return st;
    if (!cafi_tensor_has_shape(s->clean, 2, feature) ||
        !cafi_tensor_has_shape(s->clean_styles, 3, style))
        return cafi_fail(
            err, CAFACE_EFORMAT,
            "%s: clean.npy is %s and clean_styles.npy %s; features.npy has %zu images "
            "of %zu numbers and %zu channels",
            s->path, cafi_shape_text(a, sizeof a, s->clean->ndim, s->clean->shape),
            cafi_shape_text(b, sizeof b, s->clean_styles->ndim, s->clean_styles->shape),
            s->info.images, s->info.C, s->info.S);
    s->info.clean = true;
    return CAFACE_OK;
}

static caface_status open_npy(cafi_store *s, const char *styles, caface_error *err)
{
    char a[128];
    char b[128];
    const cafi_tensor *f;
    const cafi_tensor *y;
    caface_status st;

    if (styles)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: stages of styles can be chosen in record sets only", s->path);
    if ((st = open_array(s, 0, "features.npy", &s->features, err)) ||
        (st = open_array(s, 1, "styles.npy", &s->styles, err)))
        return st;
    f = s->features;
    y = s->styles;
    if ((f->ndim != 2 && f->ndim != 3) || y->ndim != f->ndim + 1 || y->shape[0] != f->shape[0] ||
        y->shape[f->ndim] != 2 || (f->ndim == 3 && y->shape[1] != f->shape[1]))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: features.npy is %s and styles.npy %s; they must be "
                         "[images,variants,C] and [images,variants,S,2]",
                         s->path, cafi_shape_text(a, sizeof a, f->ndim, f->shape),
                         cafi_shape_text(b, sizeof b, y->ndim, y->shape));
    s->info = (cafi_store_info){.images = f->shape[0],
                                .variants = f->ndim == 3 ? f->shape[1] : 1,
                                .C = f->shape[f->ndim - 1],
                                .S = y->shape[f->ndim - 1]};
    if (!s->info.images || !s->info.variants || !s->info.C || !s->info.S)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: features.npy is %s: nothing to train on",
                         s->path, cafi_shape_text(a, sizeof a, f->ndim, f->shape));
    if ((st = open_clean(s, err)))
        return st;
    return npy_classes(s, err);
}

/* The folder of a path ("a/0001" of "a/0001/3.jpg", as `prepare centers` names
 * the class), in place; NULL: none. */
static const char *folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return NULL;
    *slash = '\0';
    return path;
}

/* Names of the classes: folders of the .lst where there is one, else labels. */
static caface_status name_records(cafi_store *s, labelled *rows, char (*texts)[32],
                                  cafi_record_list *list, caface_error *err)
{
    cafi_buf buf = {0};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < s->info.images && !st; i++) {
        cafi_record record = {0};

        if ((st = cafi_recordio_read(s->rec, i, &buf, &record, err)))
            break;
        if (record.size != s->shape.bytes)
            st = cafi_fail(err, CAFACE_EFORMAT,
                           "%s: record %llu holds %zu bytes, the first holds %zu", s->path,
                           (unsigned long long)record.key, record.size, s->shape.bytes);
        else if (!isfinite(record.label))
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: record %llu has no finite label", s->path,
                           (unsigned long long)record.key);
        cafi_format(texts[i], sizeof *texts, "%.9g", (double)record.label);
        rows[i] = (labelled){texts[i], i};
    }
    for (size_t i = 0; i < list->count && !st; i++) {
        size_t image = cafi_recordio_find(s->rec, list->keys[i]);
        size_t offset = (size_t)(list->paths[i] - list->text);
        const char *folder = folder_of(list->text + offset);

        if (image != SIZE_MAX && folder)
            rows[image].name = folder;
    }
    cafi_buf_free(&buf);
    return st;
}

static caface_status rec_classes(cafi_store *s, caface_error *err)
{
    cafi_record_list list = {0};
    labelled *rows = NULL;
    char(*texts)[32] = NULL;
    char *path = NULL;
    bool listed = false;
    caface_status st = join(&path, s->path, "train.lst", err);

    if (!st)
        st = look_for(&listed, s->path, "train.lst", err);
    if (listed)
        st = cafi_record_list_open(&list, path, err);
    if (!st)
        st = CAFI_NEW(&rows, s->info.images, err);
    if (!st)
        st = CAFI_NEW(&texts, s->info.images, err);
    if (!st)
        st = name_records(s, rows, texts, &list, err);
    if (!st)
        st = number_classes(s, rows, err);
    free(rows);
    free(texts);
    free(path);
    cafi_record_list_close(&list);
    return st;
}

static caface_status open_rec(cafi_store *s, const char *styles, caface_error *err)
{
    cafi_buf buf = {0};
    cafi_record record = {0};
    char *path = NULL;
    caface_status st = join(&path, s->path, "train.rec", err);

    if (!st)
        st = cafi_recordio_open(&s->rec, path, err);
    free(path);
    if (!st)
        st = cafi_recordio_read(s->rec, 0, &buf, &record, err);
    if (!st)
        st = cafi_record_shape_find(&s->shape, s->path, record.size, styles, err);
    cafi_buf_free(&buf);
    if (st)
        return st;
    s->info = (cafi_store_info){.images = cafi_recordio_count(s->rec),
                                .variants = s->shape.variants,
                                .C = s->shape.C,
                                .S = s->shape.S};
    return rec_classes(s, err);
}

/* A part that nobody needs refuses nothing: the shape of records is read elsewhere. */
static caface_status read_info(cafi_store *s, caface_error *err)
{
    cafi_mapped map;
    char *path = NULL;
    caface_status st = join(&path, s->path, "set.json", err);

    if (!st && !cafi_mapped_open(&map, path, NULL)) {
        caface_error why;

        if ((st = cafi_json_parse(&s->made, (const char *)map.data, map.size, &why)))
            s->made = (cafi_value){.kind = CAFI_NULL};
        if (st != CAFACE_ENOMEM)
            st = cafi_set_info_encoding(&s->encoding, &s->made, &why);
        st = st == CAFACE_ENOMEM ? cafi_fail(err, st, "%s: %s", path, why.message) : CAFACE_OK;
        cafi_mapped_close(&map);
    }
    free(path);
    return st;
}

caface_status cafi_store_open(cafi_store **out, const char *path, const char *styles,
                              caface_error *err)
{
    cafi_store *s = NULL;
    bool arrays = false, records = false;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&s, 1, err)))
        return st;
    if (!(st = cafi_strdup(&s->path, path, err)) && !(st = read_info(s, err)))
        st = look_for(&arrays, path, "features.npy", err);
    if (!st && !arrays)
        st = look_for(&records, path, "train.rec", err);
    if (arrays)
        st = open_npy(s, styles, err);
    else if (records)
        st = open_rec(s, styles, err);
    else if (!st)
        st = cafi_fail(err, CAFACE_EIO, "%s: holds neither features.npy nor train.rec", path);
    if (st) {
        cafi_store_close(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

void cafi_store_close(cafi_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; store->names && i < store->info.classes; i++)
        free(store->names[i]);
    for (size_t i = 0; i < sizeof store->bundles / sizeof *store->bundles; i++)
        cafi_bundle_close(store->bundles[i]);
    cafi_recordio_close(store->rec);
    cafi_value_clear(&store->made);
    free(store->encoding);
    free(store->image_class);
    free(store->members);
    free(store->first);
    free(store->names);
    free(store->path);
    free(store);
}

cafi_store_info cafi_store_get_info(const cafi_store *store)
{
    return store->info;
}

size_t cafi_store_class(const cafi_store *store, size_t image)
{
    return store->image_class[image];
}

const char *cafi_store_class_name(const cafi_store *store, size_t class_index)
{
    return store->names[class_index];
}

const size_t *cafi_store_class_images(const cafi_store *store, size_t class_index, size_t *count)
{
    *count = store->first[class_index + 1] - store->first[class_index];
    return store->members + store->first[class_index];
}

/* What training cannot use is refused where it can still be named. */
static caface_status check_row(const cafi_store *s, size_t image, size_t variant,
                               const float *feature, const float *style, caface_error *err)
{
    const cafi_kernels *k = cafi_kernels_get();
    bool good = k->finite_rows(feature, 1, s->info.C) == 1;

    if (good && k->finite_rows(style, 1, 2 * s->info.S) == 1)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EFORMAT,
                     "%s: image %zu of class %.100s, variant %zu: the %s is not finite", s->path,
                     image, s->names[s->image_class[image]], variant, good ? "style" : "feature");
}

caface_status cafi_store_clean(const cafi_store *store, size_t image, float *feature, float *style,
                               caface_error *err)
{
    const cafi_store_info *i = &store->info;

    cafi_tensor_read_f32(store->clean, image * i->C, i->C, feature);
    cafi_tensor_read_f32(store->clean_styles, image * i->S * 2, i->S * 2, style);
    return check_row(store, image, i->variants, feature, style, err);
}

cafi_origin cafi_store_origin(const cafi_store *store)
{
    cafi_origin origin = cafi_origin_of(store->path, &store->made);

    origin.encoding = store->encoding;
    return origin;
}

const char *cafi_store_path(const cafi_store *store)
{
    return store->path;
}

caface_status cafi_store_row(const cafi_store *store, size_t image, size_t variant, cafi_buf *buf,
                             float *feature, float *style, caface_error *err)
{
    const cafi_store_info *i = &store->info;
    cafi_record record;
    caface_status st;

    if (!store->rec) {
        size_t row = image * i->variants + variant;

        cafi_tensor_read_f32(store->features, row * i->C, i->C, feature);
        cafi_tensor_read_f32(store->styles, row * i->S * 2, i->S * 2, style);
        return check_row(store, image, variant, feature, style, err);
    }
    if ((st = cafi_recordio_read(store->rec, image, buf, &record, err)))
        return st;
    if (record.size != store->shape.bytes)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: record %llu holds %zu bytes, the first holds %zu", store->path,
                         (unsigned long long)record.key, record.size, store->shape.bytes);
    cafi_record_shape_row(&store->shape, record.body, variant, feature, style);
    return check_row(store, image, variant, feature, style, err);
}
