#include "files/feature_set_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/feature_set_left.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/output.h"
#include "files/output_place.h"
#include "math/half.h"

/* Rows that are converted to half precision at a time. */
#define CONVERT_ROWS 256
/* Rows after which everything is handed to the system. */
#define FLUSH_ROWS 64

enum { FEATURES, STYLES, COMPACT, ARRAYS };

static const char *const array_names[ARRAYS] = {"features.npy", "styles.npy", "compact.npy"};

struct cafi_set_writer {
    char *path;   /* where the set will be */
    char *folder; /* where it is made */
    bool made;    /* folder exists */
    int lock;     /* on folder: who works on it is alive */
    cafi_set_layout layout;
    char **columns;
    size_t width[ARRAYS]; /* numbers a row, 0: no such array */
    cafi_npy_writer *arrays[ARRAYS];
    cafi_output *index;
    uint16_t *half; /* [CONVERT_ROWS][widest], for f16 */
    size_t rows;
    size_t fresh; /* rows since the last flush */
};

static caface_status make_text(char **out, const char *a, const char *b, caface_error *err)
{
    size_t front = strlen(a);
    size_t size = strlen(b) + 1;
    caface_status st = CAFI_NEW(out, front + size, err);

    if (!st) {
        memcpy(*out, a, front);
        memcpy(*out + front, b, size);
    }
    return st;
}

static caface_status join(char **out, const char *folder, const char *name, caface_error *err)
{
    char tail[64];

    snprintf(tail, sizeof tail, "/%s", name);
    return make_text(out, folder, tail, err);
}

static bool is_set_file(const char *name)
{
    for (size_t i = 0; i < cafi_set_file_count; i++)
        if (strcmp(name, cafi_set_files[i]) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Replacing a folder deletes it, so anything that is not ours stops the work. */
static caface_status check_place(const char *path, caface_error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry = NULL;
    caface_status st = CAFACE_OK;

    if (!dir && errno == ENOENT)
        return CAFACE_OK;
    if (!dir)
        return cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
    while (!st && (entry = readdir(dir)))
        if (!is_set_file(entry->d_name))
            st = cafi_fail(err, CAFACE_EIO,
                           "%s: holds %.80s, which does not belong to a feature set; the folder is "
                           "not replaced",
                           path, entry->d_name);
    closedir(dir);
    return st;
}

static caface_status copy_columns(cafi_set_writer *w, caface_error *err)
{
    const cafi_set_layout *layout = &w->layout;
    caface_status st = CAFI_NEW(&w->columns, layout->column_count, err);

    for (size_t c = 0; !st && c < layout->column_count; c++) {
        for (size_t d = 0; d < c; d++)
            if (strcmp(layout->columns[c], layout->columns[d]) == 0)
                return cafi_fail(err, CAFACE_EINVAL, "%s: column %s occurs twice", w->path,
                                 layout->columns[c]);
        st = cafi_strdup(&w->columns[c], layout->columns[c], err);
    }
    return st;
}

/* One line of index.tsv. */
static caface_status write_line(cafi_set_writer *w, const char *const *fields, caface_error *err)
{
    cafi_buf line = {0};
    caface_status st = CAFACE_OK;

    for (size_t c = 0; c < w->layout.column_count; c++) {
        if (c)
            cafi_buf_text(&line, "\t");
        if (fields[c])
            cafi_index_escape(&line, fields[c]);
    }
    cafi_buf_text(&line, "\n");
    st = line.failed ? cafi_fail_memory(err, line.capacity)
                     : cafi_output_write(w->index, line.data, line.size, err);
    cafi_buf_free(&line);
    return st;
}

static caface_status open_files(cafi_set_writer *w, caface_error *err)
{
    const cafi_set_layout *layout = &w->layout;
    const size_t shapes[ARRAYS][2] = {{layout->C}, {layout->S, 2}, {layout->compact}};
    char *file = NULL;
    caface_status st = CAFACE_OK;

    for (int a = 0; !st && a < ARRAYS; a++) {
        if (!w->width[a])
            continue;
        if ((st = join(&file, w->folder, array_names[a], err)))
            return st;
        st =
            cafi_npy_begin(&w->arrays[a], file, layout->dtype, a == STYLES ? 2 : 1, shapes[a], err);
        free(file);
    }
    if (st || !layout->column_count || (st = join(&file, w->folder, "index.tsv", err)))
        return st;
    st = cafi_output_open(&w->index, file, err);
    free(file);
    return st ? st : write_line(w, (const char *const *)w->columns, err);
}

static caface_status make_folder(cafi_set_writer *w, caface_error *err)
{
    caface_status st = make_text(&w->folder, w->path, ".tmp-XXXXXX", err);
    mode_t mask = 0;

    if (st)
        return st;
    if (!mkdtemp(w->folder))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", w->path, strerror(errno));
    w->made = true;
    w->lock = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->lock >= 0)
        (void)cafi_place_lock(w->lock);
    /* mkdtemp makes a private folder; a set is an ordinary one. */
    mask = umask(0);
    umask(mask);
    if (chmod(w->folder, 0777 & ~mask))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", w->folder, strerror(errno));
    return CAFACE_OK;
}

static caface_status begin(cafi_set_writer *w, const char *path, caface_error *err)
{
    const cafi_set_layout *layout = &w->layout;
    size_t widest = 0;
    caface_status st = CAFACE_OK;

    if ((st = cafi_place_folder(&w->path, path, err)))
        return st;
    if (!layout->C || (layout->dtype != CAFI_F32 && layout->dtype != CAFI_F16))
        return cafi_fail(err, CAFACE_EINVAL, "%s: C = %zu in %s, a feature set holds F32 or F16",
                         w->path, layout->C, cafi_dtype_name(layout->dtype));
    w->width[FEATURES] = layout->C;
    w->width[COMPACT] = layout->compact;
    if (!cafi_mul_size(layout->S, 2, &w->width[STYLES]))
        return cafi_fail(err, CAFACE_EINVAL, "%s: S = %zu", w->path, layout->S);
    for (int a = 0; a < ARRAYS; a++)
        widest = w->width[a] > widest ? w->width[a] : widest;
    if ((st = check_place(w->path, err)) || (st = copy_columns(w, err)))
        return st;
    w->layout.columns = NULL; /* the caller's; ours are in w->columns */
    if (layout->dtype == CAFI_F16 &&
        (st = cafi_alloc(&w->half, widest, CONVERT_ROWS * sizeof *w->half, err)))
        return st;
    cafi_set_sweep(w->path);
    st = make_folder(w, err);
    return st ? st : open_files(w, err);
}

caface_status cafi_set_begin(cafi_set_writer **out, const char *path, const cafi_set_layout *layout,
                             caface_error *err)
{
    cafi_set_writer *w = NULL;
    caface_status st = CAFI_NEW(&w, 1, err);

    *out = NULL;
    if (st)
        return st;
    w->layout = *layout;
    w->lock = -1;
    st = begin(w, path, err);
    if (st)
        cafi_set_abort(w);
    else
        *out = w;
    return st;
}

static caface_status append_array(cafi_set_writer *w, int array, size_t count, const float *rows,
                                  caface_error *err)
{
    size_t width = w->width[array];
    caface_status st = CAFACE_OK;

    if (!width)
        return CAFACE_OK;
    if (w->layout.dtype == CAFI_F32)
        return cafi_npy_append(w->arrays[array], rows, count, err);
    for (size_t r = 0; !st && r < count; r += CONVERT_ROWS) {
        size_t n = count - r < CONVERT_ROWS ? count - r : CONVERT_ROWS;

        for (size_t i = 0; i < n * width; i++)
            w->half[i] = cafi_f32_to_f16(rows[r * width + i]);
        st = cafi_npy_append(w->arrays[array], w->half, n, err);
    }
    return st;
}

/* No number may become infinite on its way to half precision. */
static caface_status check_halves(const cafi_set_writer *w, size_t count,
                                  const float *const rows[ARRAYS], caface_error *err)
{
    for (int a = 0; w->layout.dtype == CAFI_F16 && a < ARRAYS; a++) {
        size_t n = w->width[a] * count, at = n ? cafi_first_beyond_f16(rows[a], n) : n;

        if (at < n)
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: row %zu of %s has a number of %g, half precision ends at 65504",
                             w->path, w->rows + at / w->width[a], array_names[a],
                             (double)rows[a][at]);
    }
    return CAFACE_OK;
}

static caface_status append_arrays(cafi_set_writer *w, size_t count,
                                   const float *const rows[ARRAYS], caface_error *err)
{
    caface_status st = check_halves(w, count, rows, err);

    for (int a = 0; !st && a < ARRAYS; a++)
        st = append_array(w, a, count, rows[a], err);
    return st;
}

/* What a killed program leaves is whole up to here (files/feature_set_left.h). */
static caface_status flush_files(cafi_set_writer *w, caface_error *err)
{
    caface_status st = w->index ? cafi_output_flush(w->index, err) : CAFACE_OK;

    for (int a = 0; !st && a < ARRAYS; a++)
        if (w->arrays[a])
            st = cafi_npy_flush(w->arrays[a], err);
    w->fresh = 0;
    return st;
}

caface_status cafi_set_append(cafi_set_writer *w, size_t count, const float *features,
                              const float *styles, const float *compact, const char *const *fields,
                              caface_error *err)
{
    const float *const rows[ARRAYS] = {features, styles, compact};
    caface_status st = append_arrays(w, count, rows, err);

    if (w->layout.column_count)
        for (size_t r = 0; !st && r < count; r++)
            st = write_line(w, fields + r * w->layout.column_count, err);
    if (st)
        return st;
    w->rows += count;
    w->fresh += count;
    return w->fresh < FLUSH_ROWS ? CAFACE_OK : flush_files(w, err);
}

static caface_status append_index_rows(cafi_set_writer *w, const cafi_feature_set *set,
                                       size_t first, size_t count, caface_error *err)
{
    size_t columns = w->layout.column_count;
    const char **fields = NULL;
    caface_status st = CAFI_NEW(&fields, columns, err);

    for (size_t r = first; !st && r < first + count; r++) {
        for (size_t c = 0; c < columns; c++) {
            int from = set->index ? cafi_index_column(set->index, w->columns[c]) : -1;

            fields[c] = from < 0 ? NULL : cafi_index_text(set->index, (size_t)from, r);
        }
        st = write_line(w, fields, err);
    }
    free((void *)fields);
    return st;
}

/* Floats hold every half exactly, so a copy through them keeps the bits. */
static caface_status append_set_rows(cafi_set_writer *w, const cafi_feature_set *set, size_t first,
                                     size_t count, float *const rows[ARRAYS], caface_error *err)
{
    const float *const read_only[ARRAYS] = {rows[0], rows[1], rows[2]};
    caface_status st = CAFACE_OK;

    for (size_t r = 0; !st && r < count; r += CONVERT_ROWS) {
        size_t n = count - r < CONVERT_ROWS ? count - r : CONVERT_ROWS;

        cafi_feature_set_rows(set, first + r, n, rows[FEATURES], set->S ? rows[STYLES] : NULL);
        if (set->compact)
            cafi_feature_set_compact(set, first + r, n, rows[COMPACT]);
        st = append_arrays(w, n, read_only, err);
    }
    return st;
}

caface_status cafi_set_append_set(cafi_set_writer *w, const cafi_feature_set *set, size_t first,
                                  size_t count, caface_error *err)
{
    float *rows[ARRAYS] = {NULL, NULL, NULL};
    caface_status st = CAFACE_OK;

    if (set->C != w->layout.C || set->S != w->layout.S || set->compact != w->layout.compact)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: C = %zu, S = %zu, compact = %zu, but %s has C = %zu, S = %zu, "
                         "compact = %zu",
                         set->path, set->C, set->S, set->compact, w->path, w->layout.C, w->layout.S,
                         w->layout.compact);
    if (first > set->N || count > set->N - first)
        return cafi_fail(err, CAFACE_EINVAL, "%s: rows %zu to %zu of %zu", set->path, first,
                         first + count, set->N);
    for (int a = 0; !st && a < ARRAYS; a++)
        st = cafi_alloc_f32(&rows[a], CONVERT_ROWS, w->width[a], err);
    if (!st)
        st = append_set_rows(w, set, first, count, rows, err);
    if (!st && w->layout.column_count)
        st = append_index_rows(w, set, first, count, err);
    for (int a = 0; a < ARRAYS; a++)
        free(rows[a]);
    if (!st)
        w->rows += count;
    return st;
}

const char *cafi_set_folder(const cafi_set_writer *w)
{
    return w->folder;
}

const char *cafi_set_path(const cafi_set_writer *w)
{
    return w->path;
}

size_t cafi_set_rows(const cafi_set_writer *w)
{
    return w->rows;
}

static void optional_text(cafi_json *json, const char *key, const char *text)
{
    if (text)
        cafi_json_string(json, key, text);
}

static caface_status write_info(const cafi_set_writer *w, const cafi_set_info *info,
                                caface_error *err)
{
    cafi_buf buf = {0};
    cafi_json json = {.out = &buf};
    char *file = NULL;
    caface_status st = join(&file, w->folder, "set.json", err);

    if (st)
        return st;
    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "version", 1);
    optional_text(&json, "backbone", info->backbone);
    optional_text(&json, "fusion", info->fusion);
    if (info->taps) {
        cafi_json_begin_array(&json, "taps");
        for (size_t i = 0; i < info->tap_count; i++)
            cafi_json_string(&json, NULL, info->taps[i]);
        cafi_json_end_array(&json);
    }
    optional_text(&json, "input", info->input);
    optional_text(&json, "precision", info->precision);
    optional_text(&json, "detection", info->detection);
    if (info->encoding)
        cafi_json_string(&json, "encoding", info->encoding);
    else
        cafi_json_bool(&json, "flip", info->flip);
    cafi_json_bool(&json, "complete", !info->partial);
    optional_text(&json, "command", info->command);
    cafi_json_end_object(&json);
    cafi_buf_text(&buf, "\n");
    st = buf.failed ? cafi_fail_memory(err, buf.capacity)
                    : cafi_output_save(file, buf.data, buf.size, err);
    cafi_buf_free(&buf);
    free(file);
    return st;
}

static caface_status close_files(cafi_set_writer *w, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (int a = 0; !st && a < ARRAYS; a++) {
        cafi_npy_writer *array = w->arrays[a];

        w->arrays[a] = NULL; /* commit frees it, whatever happens */
        if (array)
            st = cafi_npy_commit(array, err);
    }
    if (!st && w->index) {
        cafi_output *index = w->index;

        w->index = NULL;
        st = cafi_output_commit(index, err);
    }
    return st;
}

/* A folder can't be renamed onto one that is not empty, so the old set steps
 * aside first, and back when the new one can't take its place. */
static caface_status put_in_place(cafi_set_writer *w, caface_error *err)
{
    char *aside = NULL;
    caface_status st = check_place(w->path, err); /* once more: time has passed */
    bool moved = false;

    if (st || (st = make_text(&aside, w->folder, ".old", err)))
        return st;
    if (rename(w->path, aside) == 0)
        moved = true;
    else if (errno != ENOENT)
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", w->path, strerror(errno));
    if (!st && rename(w->folder, w->path)) {
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", w->path, strerror(errno));
        if (moved && rename(aside, w->path))
            st = cafi_fail(err, CAFACE_EIO, "%s: %s; the old set is %s", w->path, strerror(errno),
                           aside);
    } else if (!st) {
        w->made = false;
        st = cafi_place_sync(w->path, err);
        if (moved)
            cafi_set_remove(aside);
    }
    free(aside);
    return st;
}

caface_status cafi_set_describe(cafi_set_writer *w, const cafi_set_info *info, caface_error *err)
{
    cafi_set_info partial = *info;

    partial.partial = true;
    return write_info(w, &partial, err);
}

caface_status cafi_set_commit(cafi_set_writer *w, const cafi_set_info *info, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!(st = close_files(w, err)) && !(st = write_info(w, info, err)))
        st = put_in_place(w, err);
    cafi_set_abort(w); /* frees; removes what did not take its place */
    return st;
}

void cafi_set_abort(cafi_set_writer *w)
{
    if (!w)
        return;
    for (int a = 0; a < ARRAYS; a++)
        if (w->arrays[a])
            cafi_npy_abort(w->arrays[a]);
    cafi_output_abort(w->index);
    if (w->made)
        cafi_set_remove(w->folder);
    cafi_output_release(w->lock);
    if (w->columns)
        for (size_t c = 0; c < w->layout.column_count; c++)
            free(w->columns[c]);
    free(w->columns);
    free(w->half);
    free(w->path);
    free(w->folder);
    free(w);
}
