#include "media/folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/image.h"

/* Two numbers of any length: longer is larger, leading zeros aside. */
static int number_order(const char **a, const char **b)
{
    size_t na = 0, nb = 0;
    int order = 0;

    while (**a == '0' && isdigit((unsigned char)(*a)[1]))
        (*a)++;
    while (**b == '0' && isdigit((unsigned char)(*b)[1]))
        (*b)++;
    while (isdigit((unsigned char)(*a)[na]))
        na++;
    while (isdigit((unsigned char)(*b)[nb]))
        nb++;
    order = na != nb ? (na < nb ? -1 : 1) : memcmp(*a, *b, na);
    *a += na;
    *b += nb;
    return order;
}

int cafi_folder_order(const char *a, const char *b)
{
    const char *first = a, *second = b;

    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            int order = number_order(&a, &b);
            if (order)
                return order;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    if (*a || *b)
        return *a ? 1 : -1;
    return strcmp(first, second); /* 01 and 1 */
}

static int by_name(const void *a, const void *b)
{
    return cafi_folder_order(*(char *const *)a, *(char *const *)b);
}

static caface_status add(cafi_folder *f, const char *folder, const char *name, caface_error *err)
{
    cafi_buf path = {0};
    caface_status st;

    if (f->count == CAFI_FOLDER_MAX)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: more than %zu pictures", folder, CAFI_FOLDER_MAX);
    st = CAFI_GROW(&f->paths, &f->room, f->count + 1, err);
    if (st)
        return st;
    cafi_buf_printf(&path, "%s/%s", folder, name);
    if (path.failed) {
        cafi_buf_free(&path);
        return cafi_fail_memory(err, strlen(folder) + strlen(name));
    }
    if (cafi_image_is_picture(path.data))
        f->paths[f->count++] = path.data;
    else
        cafi_buf_free(&path);
    return CAFACE_OK;
}

caface_status cafi_folder_open(cafi_folder *out, const char *path, caface_error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry = NULL;
    caface_status st = CAFACE_OK;

    *out = (cafi_folder){0};
    if (!dir)
        return cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
    while (!st && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            st = add(out, path, entry->d_name, err);
    closedir(dir);
    if (!st && out->count == 0)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: a folder without pictures", path);
    if (!st)
        qsort(out->paths, out->count, sizeof *out->paths, by_name);
    return st;
}

void cafi_folder_clear(cafi_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->paths[i]);
    free(folder->paths);
    *folder = (cafi_folder){0};
}
