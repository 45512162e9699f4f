/* Which place an address or a path names. */
#include <stdio.h>
#include <string.h>

#include "caface/gallery.h"
#include "gallery/storage.h"

/* The scheme with its slashes; NULL: a path. */
static const char *scheme_of(const char *place)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(place, schemes[i], strlen(schemes[i])) == 0)
            return schemes[i];
    return NULL;
}

bool cafi_storage_is_address(const char *place)
{
    return scheme_of(place) != NULL;
}

/* What stands before the last @ is a user and perhaps a password, in which somebody may have left a
 * / or @ unescaped; what stands behind a ? may be one too. */
caface_status cafi_storage_name(char **out, const char *place, caface_error *err)
{
    const char *scheme = scheme_of(place), *rest = NULL, *at = NULL, *end = NULL;
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    if (!scheme)
        return cafi_strdup(out, place, err);
    rest = place + strlen(scheme);
    for (end = rest; *end && *end != '?'; end++)
        if (*end == '@')
            at = end;
    cafi_buf_text(&text, scheme);
    if (at) {
        cafi_buf_append(&text, rest, strcspn(rest, ":@/"));
        rest = at;
    }
    cafi_buf_append(&text, rest, (size_t)(end - rest));
    st = text.failed ? cafi_fail_memory(err, text.size) : cafi_strdup(out, text.data, err);
    cafi_buf_free(&text);
    return st;
}

int caface_gallery_is_address(const char *path)
{
    return path && cafi_storage_is_address(path);
}

caface_status caface_gallery_shown(char **out, const char *path, caface_error *err)
{
    if (out)
        *out = NULL;
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_shown: null argument");
    return cafi_storage_name(out, path, err);
}

caface_status cafi_storage_open(cafi_storage **out, const char *place, bool create, bool write,
                                caface_error *err)
{
    return cafi_storage_is_address(place) ? cafi_postgres_open(out, place, create, write, err)
                                          : cafi_sqlite_open(out, place, create, write, err);
}

void cafi_storage_undo(cafi_storage **storage, const char *place)
{
    if (!cafi_storage_is_address(place)) {
        cafi_sqlite_undo(storage, place);
        return;
    }
    (*storage)->ops->rollback(*storage);
    (*storage)->ops->close(*storage);
    *storage = NULL;
}
