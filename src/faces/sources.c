#define _GNU_SOURCE /* realpath */
#include "faces/sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "files/lines.h"
#include "files/list_text.h"
#include "files/names.h"
#include "files/recordio.h"
#include "media/image.h"

/* Paths lie in one text, whose growth offsets survive. */
typedef struct entry {
    size_t path, label;
} entry;

struct cafi_sources {
    cafi_buf paths;
    entry *entries;
    size_t count, capacity;
    char **labels; /* each once; the number of a label is its template's */
    size_t label_count, label_capacity;
    cafi_names names; /* of the labels */
    bool labelled;
    bool allow_damaged;
    cafi_passed_kind passed[CAFI_SOURCES_MAX_KINDS];
    size_t passed_count;
};

caface_status cafi_sources_new(cafi_sources **out, caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_alloc(&p, 1, sizeof(cafi_sources), err);

    *out = p;
    return st;
}

void cafi_sources_free(cafi_sources *s)
{
    if (!s)
        return;
    cafi_buf_free(&s->paths);
    for (size_t i = 0; i < s->label_count; i++)
        free(s->labels[i]);
    cafi_names_free(&s->names);
    free(s->labels);
    free(s->entries);
    free(s);
}

size_t cafi_sources_count(const cafi_sources *s)
{
    return s->count;
}

cafi_source cafi_sources_at(const cafi_sources *s, size_t index)
{
    const entry *e = &s->entries[index];

    return (cafi_source){s->paths.data + e->path, s->labels[e->label], (int64_t)e->label};
}

bool cafi_sources_labelled(const cafi_sources *s)
{
    return s->labelled;
}

size_t cafi_sources_passed(const cafi_sources *s, const cafi_passed_kind **out)
{
    *out = s->passed;
    return s->passed_count;
}

void cafi_passed_add(cafi_passed_kind *mine, size_t *count, const cafi_passed_kind *other,
                     size_t other_count)
{
    for (size_t k = 0; k < other_count; k++) {
        size_t i = 0;

        while (i < *count && strcmp(mine[i].suffix, other[k].suffix) != 0)
            i++;
        if (i == CAFI_SOURCES_MAX_KINDS) /* the last one takes the rest */
            i--;
        if (i < *count)
            mine[i].count += other[k].count;
        else
            mine[(*count)++] = other[k];
    }
}

/* Counts a file that is no picture under its suffix. */
static void pass_over(cafi_sources *s, const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *dot = strrchr(name, '.');
    cafi_passed_kind kind = {"", 1};

    if (dot && strlen(dot) < sizeof kind.suffix && cafi_is_utf8(dot, strlen(dot)))
        memcpy(kind.suffix, dot, strlen(dot) + 1);
    cafi_passed_add(s->passed, &s->passed_count, &kind, 1);
}

void cafi_sources_allow_damaged(cafi_sources *s)
{
    s->allow_damaged = true;
}

caface_status cafi_sources_decode(const cafi_sources *s, const void *bytes, size_t size,
                                  cafi_image *out, caface_error *err)
{
    return s->allow_damaged ? cafi_image_decode_damaged(out, bytes, size, err)
                            : cafi_image_decode(out, bytes, size, err);
}

caface_status cafi_sources_read(const cafi_sources *s, size_t index, cafi_image *out,
                                caface_error *err)
{
    const char *path = cafi_sources_at(s, index).path;
    unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st = cafi_image_load(&bytes, &size, NULL, path, err);

    if (!st)
        st = cafi_sources_decode(s, bytes, size, out, err);
    free(bytes);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

/* The number of a label, which is new or was seen before. */
static caface_status find_label(cafi_sources *s, const char *label, size_t *out, caface_error *err)
{
    char *copy = NULL;
    caface_status st = CAFACE_OK;

    *out = cafi_names_find(&s->names, label, strlen(label));
    if (*out != CAFI_NO_NAME)
        return CAFACE_OK;
    if ((st = CAFI_GROW(&s->labels, &s->label_capacity, s->label_count + 1, err)) ||
        (st = cafi_strdup(&copy, label, err)))
        return st;
    s->labels[s->label_count] = copy;
    *out = s->label_count++;
    return cafi_names_add(&s->names, copy, strlen(copy), *out, &(size_t){0}, err);
}

static caface_status add_picture(cafi_sources *s, const char *path, const char *label,
                                 caface_error *err)
{
    entry e = {.path = s->paths.size};
    size_t number = 0;
    caface_status st = find_label(s, label, &number, err);

    if (st || (st = CAFI_GROW(&s->entries, &s->capacity, s->count + 1, err)))
        return st;
    cafi_buf_append(&s->paths, path, strlen(path) + 1);
    if (s->paths.failed)
        return cafi_fail_memory(err, s->paths.size);
    e.label = number;
    s->entries[s->count++] = e;
    s->labelled = s->labelled || *label;
    return CAFACE_OK;
}

/* ---- folders ----------------------------------------------------------- */

typedef struct walk {
    cafi_sources *sources;
    cafi_buf path;
    size_t root; /* where the part below the given folder begins */
    char root_name[256];
    struct {
        dev_t device;
        ino_t inode;
    } above[CAFI_SOURCES_MAX_DEPTH];
    int depth;
} walk;

/* "DIR", "DIR/" and "a/DIR//" are all called DIR; "." and "/" by themselves. */
/* The last part of a folder's path is its name; of "." and ".." that of the folder they are. */
static void name_root(walk *w, const char *path)
{
    size_t end = strlen(path);
    size_t begin = 0;
    char *real = NULL;

    while (end > 1 && path[end - 1] == '/')
        end--;
    if (path[end - 1] == '.' &&
        (end == 1 || path[end - 2] == '/' ||
         (path[end - 2] == '.' && (end == 2 || path[end - 3] == '/'))) &&
        (real = realpath(path, NULL))) {
        path = real;
        end = strlen(path);
    }
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';)
        begin--;
    if (end - begin >= sizeof w->root_name)
        end = begin + sizeof w->root_name - 1;
    memcpy(w->root_name, path + begin, end - begin);
    w->root_name[end - begin] = '\0';
    free(real);
}

static int keep_entry(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static caface_status walk_folder(walk *w, caface_error *err);

/* One entry, whose path is in w->path from `folder` on. */
static caface_status walk_entry(walk *w, size_t folder, caface_error *err)
{
    struct stat info;
    char label[CAFI_SOURCES_MAX_PATH];
    size_t n = folder > w->root ? folder - w->root - 1 : 0; /* without the slash */

    /* A link that leads nowhere is told by whoever reads the picture, as one that failed. */
    if (stat(w->path.data, &info) == 0 && S_ISDIR(info.st_mode)) {
        for (int i = 0; i < w->depth; i++)
            if (w->above[i].device == info.st_dev && w->above[i].inode == info.st_ino)
                return CAFACE_OK; /* a link back up */
        if (w->depth == CAFI_SOURCES_MAX_DEPTH)
            return cafi_fail(err, CAFACE_ELIMIT, "%s: folders nested deeper than %d", w->path.data,
                             CAFI_SOURCES_MAX_DEPTH);
        w->above[w->depth].device = info.st_dev;
        w->above[w->depth++].inode = info.st_ino;
        cafi_buf_text(&w->path, "/");
        return walk_folder(w, err);
    }
    if (!cafi_image_is_picture(w->path.data)) {
        pass_over(w->sources, w->path.data);
        return CAFACE_OK;
    }
    memcpy(label, w->path.data + w->root, n);
    label[n] = '\0';
    return add_picture(w->sources, w->path.data, n ? label : w->root_name, err);
}

/* w->path ends in a slash. */
static caface_status walk_folder(walk *w, caface_error *err)
{
    struct dirent **list = NULL;
    size_t folder = w->path.size;
    caface_status st = CAFACE_OK;
    int n = 0;

    if (w->path.failed)
        return cafi_fail_memory(err, folder);
    n = scandir(w->path.data, &list, keep_entry, by_bytes);
    if (n < 0)
        return cafi_fail(err, CAFACE_EIO, "%s: %s", w->path.data, strerror(errno));
    for (int i = 0; i < n; i++) {
        int depth = w->depth;

        cafi_buf_text(&w->path, list[i]->d_name);
        if (!st && w->path.failed)
            st = cafi_fail_memory(err, folder);
        if (!st && w->path.size >= CAFI_SOURCES_MAX_PATH)
            st = cafi_fail(err, CAFACE_ELIMIT, "%.200s...: a path longer than %d bytes",
                           w->path.data, CAFI_SOURCES_MAX_PATH);
        if (!st)
            st = walk_entry(w, folder, err);
        w->path.size = folder;
        w->depth = depth;
        free(list[i]);
    }
    free(list);
    return st;
}

static caface_status add_folder(cafi_sources *s, const char *path, const struct stat *info,
                                caface_error *err)
{
    walk w = {.sources = s, .depth = 1};
    size_t before = s->count;
    caface_status st = CAFACE_OK;

    w.above[0].device = info->st_dev;
    w.above[0].inode = info->st_ino;
    name_root(&w, path);
    cafi_buf_text(&w.path, path);
    if (path[strlen(path) - 1] != '/')
        cafi_buf_text(&w.path, "/");
    w.root = w.path.size;
    st = walk_folder(&w, err);
    cafi_buf_free(&w.path);
    if (!st && s->count == before)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no pictures in this folder", path);
    return st;
}

/* ---- lists ------------------------------------------------------------- */

/* A path of a list, relative to the list's folder; folder: the list's path, or NULL where it
 * has no place of its own (a pipe). */
static caface_status add_listed(cafi_sources *s, const char *folder, const char *name, size_t size,
                                const char *label, caface_error *err)
{
    const char *slash = folder ? strrchr(folder, '/') : NULL;
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    if (*name != '/' && slash)
        cafi_buf_append(&path, folder, (size_t)(slash - folder) + 1);
    cafi_buf_append(&path, name, size);
    st = path.failed ? cafi_fail_memory(err, path.size) : add_picture(s, path.data, label, err);
    cafi_buf_free(&path);
    return st;
}

/* "path", or "path TAB label". */
static caface_status add_line(cafi_sources *s, const char *folder, const cafi_lines *l,
                              caface_error *err)
{
    size_t size = l->text_size - (l->text[l->text_size - 1] == '\r');
    const char *tab = memchr(l->text, '\t', size);
    size_t n = tab ? (size_t)(tab - l->text) : size;
    cafi_buf label = {0};
    caface_status st = CAFACE_OK;

    if (size > CAFI_SOURCES_MAX_PATH)
        return cafi_fail(err, CAFACE_ELIMIT, "line %zu is longer than %d bytes", l->line,
                         CAFI_SOURCES_MAX_PATH);
    if (memchr(l->text, '\0', size) || !cafi_is_utf8(l->text, size))
        return cafi_fail(err, CAFACE_EFORMAT, "line %zu is no UTF-8 text of one path", l->line);
    if (*l->text == '#')
        return CAFACE_OK;
    if (tab)
        cafi_buf_append(&label, tab + 1, size - n - 1);
    st = label.failed ? cafi_fail_memory(err, n)
                      : add_listed(s, folder, l->text, n, label.data ? label.data : "", err);
    cafi_buf_free(&label);
    return st;
}

static caface_status add_list(cafi_sources *s, const char *path, bool piped, caface_error *err)
{
    size_t before = s->count;
    cafi_list_text text;
    caface_status st = cafi_list_text_open(&text, path, err);
    cafi_lines lines = {0};

    if (!st)
        lines = (cafi_lines){.data = text.data, .size = text.size};
    while (!st && cafi_lines_next(&lines))
        if ((st = add_line(s, piped ? NULL : path, &lines, err)))
            cafi_prefix(err, st, path);
    cafi_list_text_close(&text);
    if (!st && s->count == before)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no paths in this list", path);
    return st;
}

/* The list of a record set, or InsightFace's train.lst: paths and numbers of classes. */
static caface_status add_record_list(cafi_sources *s, const char *path, caface_error *err)
{
    cafi_record_list list = {0};
    caface_status st = cafi_record_list_open(&list, path, err);

    for (size_t i = 0; !st && i < list.count; i++) {
        char label[32];

        cafi_format(label, sizeof label, "%.9g", (double)list.labels[i]);
        st = add_listed(s, path, list.paths[i], strlen(list.paths[i]), label, err);
    }
    if (!st && !list.count)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: no paths in this list", path);
    cafi_record_list_close(&list);
    return st;
}

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);

    return n > k && strcmp(path + n - k, suffix) == 0;
}

caface_status cafi_sources_add(cafi_sources *s, const char *path, caface_error *err)
{
    struct stat info;
    size_t n = strlen(path);

    if (n == 0 || n >= CAFI_SOURCES_MAX_PATH)
        return cafi_fail(err, CAFACE_EINVAL, "a path of %zu bytes", n);
    if (stat(path, &info))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return add_folder(s, path, &info, err);
    if (S_ISFIFO(info.st_mode) || ends_in(path, ".txt"))
        return add_list(s, path, S_ISFIFO(info.st_mode), err);
    if (ends_in(path, ".lst"))
        return add_record_list(s, path, err);
    return add_picture(s, path, "", err);
}

bool cafi_sources_is_pictures(const char *path)
{
    unsigned char head[32] = {0};
    struct stat info;
    FILE *file = NULL;
    size_t n = 0;

    if (stat(path, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return false;
    if (S_ISDIR(info.st_mode) || cafi_image_is_name(path) || ends_in(path, ".txt") ||
        ends_in(path, ".lst"))
        return true;
    file = fopen(path, "rb");
    n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    return n && cafi_image_kind(head, n) != NULL;
}

caface_status cafi_sources_add_all(cafi_sources *s, const char *const *paths, size_t count,
                                   caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        struct stat info;

        if (count > 1 && *paths[i] && stat(paths[i], &info) && errno == ENOENT)
            st = add_picture(s, paths[i], "", err);
        else
            st = cafi_sources_add(s, paths[i], err);
    }
    return st;
}
