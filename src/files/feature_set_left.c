#include "files/feature_set_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/feature_set.h"
#include "files/mapped.h"
#include "files/npy.h"
#include "files/output.h"
#include "files/output_place.h"

const char *const cafi_set_files[] = {"features.npy", "styles.npy",  "compact.npy",
                                      "index.tsv",    "tracks.json", "set.json",
                                      "gallery.csv",  "pairs.txt",   "probe.csv"};
const size_t cafi_set_file_count = sizeof cafi_set_files / sizeof *cafi_set_files;

/* "FOLDER/NAME", to be freed; NULL: out of memory. */
static char *in_folder(const char *folder, const char *name)
{
    cafi_buf path = {0};

    cafi_buf_printf(&path, "%s/%s", folder, name);
    return path.failed ? NULL : path.data;
}

void cafi_set_remove(const char *folder)
{
    for (size_t i = 0; i < cafi_set_file_count; i++) {
        char *file = in_folder(folder, cafi_set_files[i]);

        if (!file)
            continue;
        unlink(file);
        cafi_output_sweep(file);
        free(file);
    }
    rmdir(folder);
}

/* Calls visit with every folder that was left of path, locked meanwhile. */
typedef void (*left_fn)(void *ctx, const char *folder);

static void each_left(const char *path, left_fn visit, void *ctx)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    cafi_buf parent = {0};
    DIR *dir;
    struct dirent *entry;

    cafi_buf_append(&parent, slash ? path : "./", slash ? (size_t)(name - path) : 2);
    dir = parent.failed ? NULL : opendir(parent.data);
    while (dir && (entry = readdir(dir))) {
        int lock = -1;
        struct stat info;
        char *folder = NULL;

        if (strlen(entry->d_name) != strlen(name) + 11 ||
            !cafi_place_is_left(dirfd(dir), entry->d_name, name, &lock))
            continue;
        if (fstat(lock, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
            (folder = in_folder(slash ? parent.data : ".", entry->d_name)))
            visit(ctx, folder);
        free(folder);
        close(lock);
    }
    if (dir)
        closedir(dir);
    cafi_buf_free(&parent);
}

/* ---- swept ------------------------------------------------------------------- */

/* FOLDER.old is the set that FOLDER was to replace: it goes back where nothing is. */
static void sweep_one(void *ctx, const char *folder)
{
    const char *path = ctx;
    cafi_buf aside = {0};

    cafi_buf_printf(&aside, "%s.old", folder);
    if (!aside.failed && access(aside.data, F_OK) == 0) {
        if (access(path, F_OK) == 0)
            cafi_set_remove(aside.data);
        else
            (void)rename(aside.data, path);
    }
    cafi_buf_free(&aside);
    cafi_set_remove(folder);
}

void cafi_set_sweep(const char *path)
{
    char *copy = NULL;

    if (!cafi_strdup(&copy, path, NULL))
        each_left(path, sweep_one, copy);
    free(copy);
}

/* ---- recovered ---------------------------------------------------------------- */

typedef struct recovery {
    char *path;
    bool there; /* a set at path: only one that was made in the same way replaces it */
    char *best; /* folder */
    size_t rows;
} recovery;

/* A set's file under its name, or under the one it has while it is written. */
static char *find_file(const char *folder, const char *name)
{
    char *path = in_folder(folder, name);
    size_t n = strlen(name);
    DIR *dir = path && access(path, F_OK) != 0 ? opendir(folder) : NULL;
    struct dirent *entry;

    if (!dir)
        return path;
    free(path);
    path = NULL;
    while (!path && (entry = readdir(dir)))
        if (strncmp(entry->d_name, name, n) == 0 && strncmp(entry->d_name + n, ".tmp-", 5) == 0)
            path = in_folder(folder, entry->d_name);
    closedir(dir);
    return path;
}

/* Whole lines of index.tsv behind the first, and the bytes of the first rows + 1 lines. */
static size_t count_lines(const char *path, size_t rows, off_t *bytes)
{
    FILE *file = fopen(path, "rb");
    size_t lines = 0;
    off_t at = 0;
    int c;

    *bytes = 0;
    while (file && lines <= rows && (c = getc(file)) != EOF) {
        at++;
        if (c == '\n') {
            lines++;
            *bytes = at;
        }
    }
    if (file)
        fclose(file);
    return lines ? lines - 1 : 0;
}

/* The rows that all files of a set have whole; 0 where it is none. */
static size_t count_rows(const char *folder)
{
    size_t rows = SIZE_MAX;
    char *info = in_folder(folder, "set.json");
    bool known = info && access(info, F_OK) == 0;
    bool features = false;

    free(info);
    for (size_t i = 0; known && i < 4; i++) { /* the arrays, then the index */
        char *path = find_file(folder, cafi_set_files[i]);
        size_t have = 0;
        off_t bytes = 0;

        if (path && access(path, F_OK) == 0) {
            if (i == 3)
                have = count_lines(path, SIZE_MAX - 1, &bytes);
            else if (cafi_npy_left_rows(path, &have))
                features = features || i == 0;
            rows = have < rows ? have : rows;
        }
        free(path);
    }
    return features ? rows : 0;
}

/* Everything that set.json says but whether it is complete. */
static void read_info(cafi_buf *out, const char *folder)
{
    static const char mark[] = "\"complete\":";
    char *path = in_folder(folder, "set.json");
    cafi_mapped map;
    const char *found = NULL;

    if (path && !cafi_mapped_open(&map, path, NULL)) {
        cafi_buf_append(out, map.data, map.size);
        cafi_mapped_close(&map);
    }
    free(path);
    if (!out->failed && out->data && (found = strstr(out->data, mark))) {
        size_t at = (size_t)(found - out->data) + sizeof mark - 1;
        size_t n = strcspn(out->data + at, ",}");

        memmove(out->data + at, out->data + at + n, out->size - at - n + 1);
    }
}

static bool same_making(const char *a, const char *b)
{
    cafi_buf x = {0};
    cafi_buf y = {0};
    bool same = false;

    read_info(&x, a);
    read_info(&y, b);
    same = !x.failed && !y.failed && x.data && y.data && strcmp(x.data, y.data) == 0;
    cafi_buf_free(&x);
    cafi_buf_free(&y);
    return same;
}

static void look_at(void *ctx, const char *folder)
{
    recovery *r = ctx;
    size_t rows = count_rows(folder);
    char *copy = NULL;

    if (rows > r->rows && (!r->there || same_making(r->path, folder)) &&
        !cafi_strdup(&copy, folder, NULL)) {
        free(r->best);
        r->best = copy;
        r->rows = rows;
    }
}

/* Brings every file to the rows that all have, and to its name. */
static bool finish_files(const char *folder, size_t rows)
{
    bool good = true;

    for (size_t i = 0; good && i < 4; i++) {
        char *path = find_file(folder, cafi_set_files[i]);
        char *name = in_folder(folder, cafi_set_files[i]);
        off_t bytes = 0;

        good = name != NULL;
        if (good && path && access(path, F_OK) == 0) {
            if (i == 3)
                good = count_lines(path, rows, &bytes) == rows && truncate(path, bytes) == 0;
            else
                good = cafi_npy_left_finish(path, rows);
            good = good && (strcmp(path, name) == 0 || rename(path, name) == 0);
        }
        free(path);
        free(name);
    }
    return good;
}

static size_t rows_at(const char *path)
{
    cafi_feature_set *set = NULL;
    size_t rows = 0;

    if (!cafi_feature_set_open(&set, path, NULL))
        rows = set->N;
    cafi_feature_set_close(set);
    return rows;
}

/* The better set takes the place of the one at path, which steps aside first. */
static caface_status exchange(const char *path, const char *better, caface_error *err)
{
    cafi_buf aside = {0};
    bool moved = false;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&aside, "%s.old", better);
    if (aside.failed)
        return cafi_fail_memory(err, strlen(better));
    moved = rename(path, aside.data) == 0;
    if (rename(better, path)) {
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
        if (moved)
            (void)rename(aside.data, path);
    } else if (moved)
        cafi_set_remove(aside.data);
    cafi_buf_free(&aside);
    return st ? st : cafi_place_sync(path, err);
}

caface_status cafi_set_recover(const char *path, caface_error *err)
{
    recovery r = {.rows = 0};
    cafi_feature_set *set = NULL;
    struct stat info;
    caface_status st = cafi_place_folder(&r.path, path, err);

    if (!st && stat(r.path, &info) == 0) {
        r.rows = rows_at(r.path);
        r.there = true;
    }
    /* What is there and is no set, or an empty one: for the caller to say. */
    if (!st && (r.rows || !r.there))
        each_left(r.path, look_at, &r);
    if (r.best && finish_files(r.best, r.rows) && !cafi_feature_set_open(&set, r.best, NULL)) {
        cafi_feature_set_close(set);
        st = exchange(r.path, r.best, err);
    }
    free(r.best);
    free(r.path);
    return st;
}
