#include "files/tree.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "files/output.h"

bool cafi_tree_is_safe(const char *name)
{
    for (const char *at = name; *at;) {
        size_t n = strcspn(at, "/");

        if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        at += n;
        if (*at == '/' && !*++at)
            return false;
    }
    return *name != '\0';
}

/* A file system's limits: the name is one that cannot be, not a disk that fails. */
static bool is_too_long(const char *path)
{
    for (const char *at = path; *at; at += strspn(at, "/")) {
        size_t n = strcspn(at, "/");

        if (n > NAME_MAX)
            return true;
        at += n;
    }
    return strlen(path) >= PATH_MAX;
}

/* Makes every folder of path that is not there. */
static caface_status make_folders(char *path, caface_error *err)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        bool made = false;
        caface_status st = CAFACE_OK;

        *at = '\0';
        st = cafi_output_folder(path, &made, err);
        *at = '/';
        if (st)
            return st;
    }
    return CAFACE_OK;
}

caface_status cafi_tree_save(const char *folder, const char *name, const void *bytes, size_t size,
                             caface_error *err)
{
    cafi_buf path = {0};
    caface_status st;

    if (!cafi_tree_is_safe(name))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: a name that leads elsewhere", name);
    cafi_buf_printf(&path, "%s/%s", folder, name);
    if (path.failed)
        st = cafi_fail_memory(err, path.size);
    else if (is_too_long(path.data))
        st = cafi_fail(err, CAFACE_EFORMAT, "%.60s...: a name of %zu bytes, too long for a file",
                       name, strlen(name));
    else if (!(st = make_folders(path.data, err)))
        st = cafi_output_save_of_many(path.data, bytes, size, err);
    cafi_buf_free(&path);
    return st;
}
