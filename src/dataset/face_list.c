#include "dataset/face_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "base/text.h"
#include "faces/sources.h"
#include "files/mapped.h"
#include "files/recordio.h"

struct cafi_face_list {
    cafi_sources *sources; /* or */
    cafi_recordio *rec;
    cafi_record_list list;
    size_t count, classes;
    char **names;             /* [count] */
    char **labels;            /* [count] */
    size_t *class_of;         /* [count] */
    const char **class_names; /* [classes], into labels */
    bool swap_colors;
    size_t bad;       /* records left out */
    int64_t stamp[2]; /* of the record set */
    caface_error why;
};

static void stamp_file(const char *path, int64_t stamp[2]);

static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static caface_status add_names(cafi_face_list *l, size_t i, const char *label, const char *file,
                               caface_error *err)
{
    cafi_buf name = {0};
    caface_status st;

    if (!*label)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: it is not in a folder with the name of its person", file);
    cafi_buf_printf(&name, "%s/%s", label, file);
    if (name.failed)
        return cafi_fail_memory(err, strlen(label) + strlen(file));
    l->names[i] = name.data;
    st = cafi_strdup(&l->labels[i], label, err);
    return st;
}

static caface_status make_room(cafi_face_list *l, caface_error *err)
{
    caface_status st;

    if ((st = CAFI_NEW(&l->names, l->count, err)) || (st = CAFI_NEW(&l->labels, l->count, err)) ||
        (st = CAFI_NEW(&l->class_of, l->count, err)))
        return st;
    return CAFI_NEW(&l->class_names, l->count, err);
}

static caface_status open_folder(cafi_face_list *l, const char *path, caface_error *err)
{
    caface_status st;

    if ((st = cafi_sources_new(&l->sources, err)) || (st = cafi_sources_add(l->sources, path, err)))
        return st;
    l->count = cafi_sources_count(l->sources);
    st = make_room(l, err);
    for (size_t i = 0; i < l->count && !st; i++) {
        cafi_source s = cafi_sources_at(l->sources, i);

        st = add_names(l, i, s.label, file_of(s.path), err);
    }
    return st;
}

/* Class and file of one record: from the list where it is named there. */
static caface_status name_record(cafi_face_list *l, size_t i, const char *listed, cafi_buf *buf,
                                 caface_error *err)
{
    cafi_record record;
    char label[32];
    char file[48];
    caface_status st = cafi_recordio_read(l->rec, i, buf, &record, err);
    const char *slash = listed ? strrchr(listed, '/') : NULL;

    if (st)
        return st;
    cafi_format(label, sizeof label, "%.9g", (double)record.label);
    snprintf(file, sizeof file, "%llu.%s", (unsigned long long)record.key,
             record.size > 1 && record.body[0] == 0x89 ? "png" : "jpg");
    if (slash && slash != listed) {
        char *folder = NULL;

        if ((st = cafi_strdup(&folder, listed, err)))
            return st;
        folder[slash - listed] = '\0';
        st = add_names(l, i, folder, slash + 1, err);
        free(folder);
        return st;
    }
    return add_names(l, i, label, file, err);
}

/* Records whose labels are compared with their list's: a set may have millions. */
#define COMPARED 64

/* Is it this set's list? One of other pictures names and sorts the records wrongly. */
static caface_status check_list(const cafi_face_list *l, const char *path, cafi_buf *buf,
                                caface_error *err)
{
    size_t step = l->list.count / COMPARED + 1;

    for (size_t i = 0; i < l->list.count; i += step) {
        size_t at = cafi_recordio_find(l->rec, l->list.keys[i]);
        cafi_record record;

        if (at == SIZE_MAX || cafi_recordio_read(l->rec, at, buf, &record, NULL))
            continue;
        if (record.label != l->list.labels[i])
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: gives record %llu the label %g, its .rec has %g there: it is the "
                             "list of another set, or the .idx is missing or another's",
                             path, (unsigned long long)record.key, (double)l->list.labels[i],
                             (double)record.label);
    }
    return CAFACE_OK;
}

static caface_status open_records(cafi_face_list *l, const char *path, caface_error *err)
{
    cafi_buf list_path = {0};
    cafi_buf buf = {0};
    const char **listed = NULL;
    struct stat info;
    caface_status st = cafi_recordio_open_damaged(&l->rec, path, &l->bad, &l->why, err);

    if (st)
        return st;
    stamp_file(path, l->stamp);
    l->count = cafi_recordio_count(l->rec);
    cafi_buf_printf(&list_path, "%.*slst", (int)strlen(path) - 3, path);
    if (list_path.failed)
        st = cafi_fail_memory(err, strlen(path));
    if (!st && stat(list_path.data, &info) == 0)
        st = cafi_record_list_open(&l->list, list_path.data, err);
    if (!st)
        st = check_list(l, list_path.data, &buf, err);
    if (!st)
        st = make_room(l, err);
    if (!st)
        st = CAFI_NEW(&listed, l->count, err);
    for (size_t i = 0; i < l->list.count && !st; i++) {
        size_t at = cafi_recordio_find(l->rec, l->list.keys[i]);

        if (at != SIZE_MAX)
            listed[at] = l->list.paths[i];
    }
    for (size_t i = 0; i < l->count && !st; i++)
        st = name_record(l, i, listed[i], &buf, err);
    free(listed);
    cafi_buf_free(&buf);
    cafi_buf_free(&list_path);
    return st;
}

typedef struct labelled {
    const char *label;
    size_t index;
} labelled;

static int by_label(const void *a, const void *b)
{
    return strcmp(((const labelled *)a)->label, ((const labelled *)b)->label);
}

static caface_status number_classes(cafi_face_list *l, caface_error *err)
{
    labelled *rows = NULL;
    caface_status st = CAFI_NEW(&rows, l->count, err);

    if (st)
        return st;
    for (size_t i = 0; i < l->count; i++)
        rows[i] = (labelled){l->labels[i], i};
    qsort(rows, l->count, sizeof *rows, by_label);
    for (size_t i = 0; i < l->count; i++) {
        if (i == 0 || strcmp(rows[i].label, rows[i - 1].label) != 0)
            l->class_names[l->classes++] = rows[i].label;
        l->class_of[rows[i].index] = l->classes - 1;
    }
    free(rows);
    return CAFACE_OK;
}

caface_status cafi_face_list_open(cafi_face_list **out, const char *path, caface_error *err)
{
    cafi_face_list *l = NULL;
    cafi_buf rec = {0};
    struct stat info;
    size_t n = strlen(path);
    caface_status st = CAFI_NEW(&l, 1, err);

    *out = NULL;
    if (st)
        return st;
    cafi_buf_printf(&rec, "%s/train.rec", path);
    if (rec.failed)
        st = cafi_fail_memory(err, n);
    else if (n > 4 && !strcmp(path + n - 4, ".rec"))
        st = open_records(l, path, err);
    else if (stat(rec.data, &info) == 0)
        st = open_records(l, rec.data, err);
    else
        st = open_folder(l, path, err);
    if (!st)
        st = number_classes(l, err);
    cafi_buf_free(&rec);
    if (st) {
        cafi_face_list_close(l);
        return st;
    }
    *out = l;
    return CAFACE_OK;
}

void cafi_face_list_close(cafi_face_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++) {
        if (list->names)
            free(list->names[i]);
        if (list->labels)
            free(list->labels[i]);
    }
    free(list->names);
    free(list->labels);
    free(list->class_of);
    free(list->class_names);
    cafi_sources_free(list->sources);
    cafi_recordio_close(list->rec);
    cafi_record_list_close(&list->list);
    free(list);
}

size_t cafi_face_list_count(const cafi_face_list *list)
{
    return list->count;
}

const char *cafi_face_list_name(const cafi_face_list *list, size_t index)
{
    return list->names[index];
}

static void stamp_file(const char *path, int64_t stamp[2])
{
    struct stat info;

    stamp[0] = stamp[1] = 0;
    if (stat(path, &info))
        return;
    stamp[0] = (int64_t)info.st_size;
    stamp[1] = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
}

void cafi_face_list_stamp(const cafi_face_list *list, size_t index, int64_t stamp[2])
{
    if (list->rec)
        memcpy(stamp, list->stamp, sizeof list->stamp);
    else
        stamp_file(cafi_sources_at(list->sources, index).path, stamp);
}

size_t cafi_face_list_left_out(const cafi_face_list *list, const char **why)
{
    *why = list->why.message;
    return list->bad;
}

size_t cafi_face_list_class(const cafi_face_list *list, size_t index)
{
    return list->class_of[index];
}

size_t cafi_face_list_classes(const cafi_face_list *list)
{
    return list->classes;
}

const char *const *cafi_face_list_class_names(const cafi_face_list *list)
{
    return list->class_names;
}

caface_status cafi_face_list_bytes(const cafi_face_list *list, size_t index, cafi_buf *buf,
                                   const void **bytes, size_t *size, caface_error *err)
{
    cafi_record record;
    cafi_mapped map;
    const char *path;
    caface_status st;

    if (list->rec) {
        st = cafi_recordio_read(list->rec, index, buf, &record, err);
        *bytes = record.body;
        *size = record.size;
        return st;
    }
    path = cafi_sources_at(list->sources, index).path;
    if ((st = cafi_mapped_open(&map, path, err)))
        return cafi_prefix(err, st, path);
    buf->size = 0;
    if (map.size <= CAFI_IMAGE_MAX_BYTES)
        cafi_buf_append(buf, map.data, map.size);
    if (map.size > CAFI_IMAGE_MAX_BYTES)
        st = cafi_fail(err, CAFACE_ELIMIT, "%s: %zu bytes, at most %zu are read", path, map.size,
                       CAFI_IMAGE_MAX_BYTES);
    else if (buf->failed)
        st = cafi_fail_memory(err, map.size);
    cafi_mapped_close(&map);
    *bytes = buf->data;
    *size = buf->size;
    return st;
}

void cafi_face_list_swap_colors(cafi_face_list *list)
{
    list->swap_colors = true;
}

bool cafi_face_list_swaps_colors(const cafi_face_list *list)
{
    return list->swap_colors;
}

static void exchange(cafi_image *image)
{
    for (size_t i = 0; i < image->width * image->height; i++) {
        uint8_t red = image->rgb[3 * i];

        image->rgb[3 * i] = image->rgb[3 * i + 2];
        image->rgb[3 * i + 2] = red;
    }
}

caface_status cafi_face_list_read(const cafi_face_list *list, size_t index, cafi_buf *buf,
                                  size_t width, size_t height, cafi_image *out, caface_error *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    caface_status st = cafi_face_list_bytes(list, index, buf, &bytes, &size, err);

    if (st)
        return st;
    st = cafi_image_decode(out, bytes, size, err);
    if (!st && (out->width != width || out->height != height))
        st = cafi_fail(err, CAFACE_EINVAL,
                       "%zu x %zu pixels, the model takes aligned crops of %zu x %zu", out->width,
                       out->height, width, height);
    if (!st && list->swap_colors)
        exchange(out);
    return st ? cafi_prefix(err, st, list->names[index]) : st;
}
