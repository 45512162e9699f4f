/* torch checkpoints since 1.6: a zip with data.pkl and an entry per storage. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "files/checkpoint.h"
#include "files/readers.h"

typedef struct archive {
    cafi_bundle *bundle;
    cafi_zip *zip;
    const char *folder; /* "NAME/" in front of every entry */
    size_t folder_size;
    bool swapped;
    const unsigned char **found; /* where each entry's bytes are, once known */
} archive;

/* The bytes of an entry: mapped when stored, else inflated, once. */
static caface_status bytes_of(archive *a, size_t entry, const unsigned char **out,
                              caface_error *err)
{
    const cafi_zip_entry *e = &a->zip->entries[entry];
    unsigned char *memory = NULL;
    caface_status st = CAFACE_OK;

    if (!a->found[entry]) {
        if (e->method == 0) {
            if ((st = cafi_zip_stored(a->zip, entry, &a->found[entry], err)) ||
                (st = cafi_bundle_expect_crc(a->bundle, a->found[entry], e->size, e->crc, err)))
                return st;
        } else {
            if ((st = cafi_zip_inflate(a->zip, entry, &memory, err)) ||
                (st = cafi_bundle_own(a->bundle, memory, e->size, err)))
                return st;
            a->found[entry] = memory;
        }
    }
    *out = a->found[entry];
    return CAFACE_OK;
}

/* *entry is CAFI_NO_NAME where there is none. */
static caface_status find_entry(const archive *a, const char *middle, const char *name,
                                size_t name_size, size_t *entry, caface_error *err)
{
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    *entry = CAFI_NO_NAME;
    cafi_buf_append(&path, a->folder, a->folder_size);
    cafi_buf_text(&path, middle);
    cafi_buf_append(&path, name, name_size);
    if (path.failed)
        st = cafi_fail_memory(err, name_size);
    else
        *entry = cafi_zip_find(a->zip, path.data, path.size);
    cafi_buf_free(&path);
    return st;
}

static caface_status find_storage(void *ctx, const cafi_pickle *pickle, cafi_ref ref,
                                  cafi_storage *out, caface_error *err)
{
    archive *a = ctx;
    cafi_storage_id id;
    size_t entry = CAFI_NO_NAME;
    size_t bytes = 0;
    caface_status st = cafi_storage_id_read(pickle, ref, &id, err);

    if (st)
        return st;
    if (id.is_view)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a view of a storage, which only files in the old format have");
    if (id.key_size <= CAFI_MAX_NAME &&
        (st = find_entry(a, "data/", id.key, id.key_size, &entry, err)))
        return st;
    if (entry == CAFI_NO_NAME)
        return cafi_fail(err, CAFACE_EFORMAT, "storage %.*s is not in the file",
                         (int)(id.key_size < 100 ? id.key_size : 100), id.key);
    if (!cafi_mul_size(id.count, cafi_dtype_size(id.dtype), &bytes) ||
        bytes != a->zip->entries[entry].size)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "storage %.*s: file has %zu bytes, %zu elements of %s are expected",
                         (int)(id.key_size < 100 ? id.key_size : 100), id.key,
                         a->zip->entries[entry].size, id.count, cafi_dtype_name(id.dtype));
    out->dtype = id.dtype;
    out->untyped = id.untyped;
    out->swapped = a->swapped;
    out->size = bytes;
    return bytes_of(a, entry, &out->data, err);
}

/* "little" or "big"; little without it. */
static caface_status read_byte_order(archive *a, caface_error *err)
{
    size_t entry = CAFI_NO_NAME;
    bool big = false;
    const unsigned char *text = NULL;
    caface_status st = find_entry(a, "", "byteorder", strlen("byteorder"), &entry, err);

    if (st)
        return st;
    if (entry != CAFI_NO_NAME) {
        size_t size = a->zip->entries[entry].size;

        if ((st = bytes_of(a, entry, &text, err)))
            return st;
        big = size == 3 && memcmp(text, "big", 3) == 0;
        if (!big && (size != 6 || memcmp(text, "little", 6) != 0))
            return cafi_fail(err, CAFACE_EFORMAT, "byteorder is neither little nor big");
    }
    a->swapped = big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    return CAFACE_OK;
}

/* Arrays inside the pickle are not copied out of it, so it stays with the
 * bundle: mapped as a rule. It is small, so its checksum is looked at now. */
static caface_status read_archive(archive *a, size_t pickle_entry, caface_error *err)
{
    const cafi_zip_entry *e = &a->zip->entries[pickle_entry];
    cafi_storages storages = {find_storage, a};
    const unsigned char *bytes = NULL;
    cafi_pickle pickle = {0};
    caface_status st = read_byte_order(a, err);

    if (st || (st = bytes_of(a, pickle_entry, &bytes, err)))
        return st;
    if (crc32_z(crc32_z(0, NULL, 0), bytes, e->size) != e->crc)
        return cafi_fail(err, CAFACE_EFORMAT, "data.pkl does not match its checksum");
    st = cafi_pickle_read(&pickle, bytes, e->size, err);
    if (st)
        cafi_prefix(err, st, "data.pkl");
    else
        st = cafi_checkpoint_read(a->bundle, &pickle, &storages, err);
    cafi_pickle_free(&pickle);
    return st;
}

caface_status cafi_read_torch_zip(cafi_bundle *bundle, cafi_zip *zip, size_t pickle_entry,
                                  caface_error *err)
{
    const cafi_zip_entry *e = &zip->entries[pickle_entry];
    archive a = {.bundle = bundle,
                 .zip = zip,
                 .folder = e->name,
                 .folder_size = e->name_size - strlen("data.pkl")};
    caface_status st = CAFI_NEW(&a.found, zip->count, err);

    if (!st)
        st = read_archive(&a, pickle_entry, err);
    free(a.found);
    return st;
}
