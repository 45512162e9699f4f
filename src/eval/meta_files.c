#include "eval/meta_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

/* Names of the folder that the message of a missing file has. */
enum { SHOWN = 12 };

static const char *const inner[] = {"", "meta/"};

/* FOLDER/INNERijbc, of which names are continuations. */
static void begin_path(cafi_buf *path, const char *folder, const char *in, const char *dataset)
{
    path->size = 0;
    cafi_buf_printf(path, "%s/%s", folder, in);
    for (const char *c = dataset; *c; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;

        cafi_buf_append(path, &lower, 1);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Files of a folder, sorted; what can't be read has none. */
static caface_status list_folder(const char *folder, char ***names, size_t *count,
                                 caface_error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t room = 0;
    caface_status st = CAFACE_OK;

    *names = NULL;
    *count = 0;
    while (dir && !st && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        if (!(st = CAFI_GROW(names, &room, *count + 1, err)) &&
            !(st = cafi_strdup(&(*names)[*count], entry->d_name, err)))
            (*count)++;
    }
    if (dir)
        closedir(dir);
    if (*count)
        qsort(*names, *count, sizeof **names, compare);
    return st;
}

/* Appends "FOLDER holds a, b, c and 5 more" to text. */
static caface_status tell_folder(cafi_buf *text, const char *folder, caface_error *err)
{
    char **names;
    size_t count;
    caface_status st = list_folder(folder, &names, &count, err);

    cafi_buf_printf(text, "; %s holds", folder);
    for (size_t i = 0; i < count && i < SHOWN; i++)
        cafi_buf_printf(text, "%s %.60s", i ? "," : "", names[i]);
    if (count > SHOWN)
        cafi_buf_printf(text, " and %zu more", count - SHOWN);
    if (!count)
        cafi_buf_text(text, " no files");
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return st;
}

static caface_status refuse(cafi_buf *path, const char *folder, const char *dataset,
                            const char *const *names, caface_error *err)
{
    cafi_buf text = {0};
    struct stat info;
    caface_status st;

    begin_path(path, folder, "", dataset);
    cafi_buf_printf(&text, "%s%s: there is no such file", path->failed ? "" : path->data, names[0]);
    for (size_t i = 1; names[i]; i++)
        cafi_buf_printf(&text, "%s ...%s", i > 1 ? "," : ", nor", names[i]);
    st = tell_folder(&text, folder, err);
    path->size = 0;
    cafi_buf_printf(path, "%s/meta", folder);
    if (!st && !path->failed && stat(path->data, &info) == 0 && S_ISDIR(info.st_mode))
        st = tell_folder(&text, path->data, err);
    if (!st)
        st = text.failed || path->failed ? cafi_fail_memory(err, text.size)
                                         : cafi_fail(err, CAFACE_EIO, "%s", text.data);
    cafi_buf_free(&text);
    return st;
}

caface_status cafi_meta_find(char **out, const char *folder, const char *dataset,
                             const char *const *names, caface_error *err)
{
    cafi_buf path = {0};
    struct stat info;
    caface_status st;

    *out = NULL;
    for (size_t n = 0; names[n]; n++)
        for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
            begin_path(&path, folder, inner[i], dataset);
            cafi_buf_text(&path, names[n]);
            if (!path.failed && stat(path.data, &info) == 0) {
                *out = path.data;
                return CAFACE_OK;
            }
        }
    st = refuse(&path, folder, dataset, names, err);
    cafi_buf_free(&path);
    return st;
}

caface_status cafi_meta_find_one(char **out, const char *folder, const char *dataset,
                                 const char *name, caface_error *err)
{
    const char *names[] = {name, NULL};

    return cafi_meta_find(out, folder, dataset, names, err);
}

caface_status cafi_meta_find_gallery(char **out, const char *folder, const char *dataset,
                                     size_t number, caface_error *err)
{
    char g[32];
    char s[32];
    const char *names[] = {g, s, NULL};

    snprintf(g, sizeof g, "_1N_gallery_G%zu.csv", number);
    snprintf(s, sizeof s, "_1N_gallery_S%zu.csv", number);
    return cafi_meta_find(out, folder, dataset, names, err);
}
