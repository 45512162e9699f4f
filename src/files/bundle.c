#include "files/bundle.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "files/checkpoint.h"
#include "files/readers.h"
#include "files/stranger.h"

const char *cafi_bundle_kind_name(cafi_bundle_kind kind)
{
    static const char *const names[] = {
        [CAFI_BUNDLE_TORCH] = "torch",
        [CAFI_BUNDLE_LIGHTNING] = "lightning",
        [CAFI_BUNDLE_TORCHSCRIPT] = "torchscript",
        [CAFI_BUNDLE_SAFETENSORS] = "safetensors",
        [CAFI_BUNDLE_NPY] = "npy",
        [CAFI_BUNDLE_NPZ] = "npz",
        [CAFI_BUNDLE_PICKLE] = "pickle",
    };
    return names[kind];
}

/* "a/b/features.npy" is called "features". */
static caface_status read_npy_file(cafi_bundle *b, caface_error *err)
{
    const char *slash = strrchr(b->path, '/');
    const char *name = slash ? slash + 1 : b->path;
    size_t size = strlen(name);

    b->kind = CAFI_BUNDLE_NPY;
    if (size > 4 && strcmp(name + size - 4, ".npy") == 0)
        size -= 4;
    return cafi_read_npy(b, b->file.data, b->file.size, name, size, false, err);
}

/* Beside NAME/data.pkl a compiled module has its code. */
static bool is_torchscript(const cafi_zip *zip, const cafi_zip_entry *pickle)
{
    size_t folder = pickle->name_size - strlen("data.pkl");

    for (size_t i = 0; i < zip->count; i++)
        if (zip->entries[i].name_size > folder + 5 &&
            memcmp(zip->entries[i].name, pickle->name, folder) == 0 &&
            memcmp(zip->entries[i].name + folder, "code/", 5) == 0)
            return true;
    return false;
}

/* NAME/data.pkl makes it a checkpoint; else it is an .npz. */
static caface_status read_zip(cafi_bundle *b, caface_error *err)
{
    static const char pickle[] = "/data.pkl";
    static const caface_error code = {CAFACE_OK,
                                      "the compiled graph is not used, its weights alone are"};
    cafi_zip zip;
    size_t found = CAFI_NO_NAME;
    caface_status st = cafi_zip_open(&zip, &b->file, err);

    if (st)
        return st;
    for (size_t i = 0; i < zip.count && found == CAFI_NO_NAME; i++) {
        const cafi_zip_entry *e = &zip.entries[i];
        size_t length = sizeof pickle - 1;

        if (e->name_size > length && memcmp(e->name + e->name_size - length, pickle, length) == 0 &&
            !memchr(e->name, '/', e->name_size - length))
            found = i;
    }
    if (found != CAFI_NO_NAME) {
        st = cafi_read_torch_zip(b, &zip, found, err);
        if (!st && is_torchscript(&zip, &zip.entries[found])) {
            b->kind = CAFI_BUNDLE_TORCHSCRIPT;
            st = cafi_bundle_pass(b, "code", 4, &code, err);
        }
    } else
        st = cafi_read_npz(b, &zip, err);
    cafi_zip_close(&zip);
    return st;
}

/* Could this be a pickle of protocol 2 or later? */
static bool is_pickle(const unsigned char *p, size_t size)
{
    return size > 3 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && p[size - 1] == '.';
}

/* A pickled dict of arrays. *found stays false where it is a pickle of something else, a pair set
 * of pictures, say. */
static caface_status read_pickle(cafi_bundle *b, bool *found, caface_error *err)
{
    cafi_pickle pickle = {0};
    caface_status st = cafi_pickle_read(&pickle, b->file.data, b->file.size, err);

    if (!st && pickle.size != b->file.size)
        st = cafi_fail(err, CAFACE_EFORMAT, "%zu bytes after the pickle of %zu",
                       b->file.size - pickle.size, pickle.size);
    *found = st || cafi_pickle_dict(&pickle, pickle.root);
    if (!st && *found) {
        st = cafi_checkpoint_read(b, &pickle, NULL, err);
        b->kind = b->part ? b->kind : CAFI_BUNDLE_PICKLE;
        if (!st && !b->count && !b->passed_count)
            st = cafi_fail(err, CAFACE_EFORMAT, "a pickled dict that holds no arrays");
    }
    cafi_pickle_free(&pickle);
    return st;
}

/* What people have in place of a model, by its name. */
static caface_status name_it(const cafi_bundle *b, caface_error *err)
{
    caface_status st = cafi_name_stranger(b->file.data, b->file.size, err);

    return st ? st
              : cafi_fail(err, CAFACE_EFORMAT,
                          "%zu bytes that are no checkpoint, safetensors, .npy or .npz",
                          b->file.size);
}

static caface_status read_any(cafi_bundle *b, caface_error *err)
{
    const unsigned char *p = b->file.data;
    size_t size = b->file.size;
    bool found = false;

    if (size >= 6 && memcmp(p, "\x93NUMPY", 6) == 0)
        return read_npy_file(b, err);
    if (size >= 4 && memcmp(p, "PK", 2) == 0 && (p[2] == 3 || p[2] == 5))
        return read_zip(b, err);
    if (cafi_is_torch_legacy(p, size))
        return cafi_read_torch_legacy(b, err);
    if (cafi_is_safetensors(p, size))
        return cafi_read_safetensors(b, err);
    if (cafi_is_shard_index(p, size))
        return cafi_read_shard_index(b, err);
    if (is_pickle(p, size)) {
        caface_status st = read_pickle(b, &found, err);

        if (found)
            return st;
    }
    return name_it(b, err);
}

static caface_status new_bundle(cafi_bundle **out, const char *path, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (st)
        return st;
    (*out)->file.fd = -1;
    (*out)->config.kind = CAFI_DICT;
    if ((st = cafi_strdup(&(*out)->path, path, err))) {
        cafi_bundle_close(*out);
        *out = NULL;
    }
    return st;
}

static caface_status fill(cafi_bundle **out, cafi_bundle *b, caface_error *err)
{
    caface_status st = read_any(b, err);

    if (!st && b->part && b->kind != CAFI_BUNDLE_TORCH && b->kind != CAFI_BUNDLE_LIGHTNING)
        st = cafi_fail(err, CAFACE_EFORMAT, "no checkpoint that has %s", b->part);
    b->part = NULL; /* the caller's */
    if (!st && !b->count && b->passed_count)
        st = cafi_fail(err, CAFACE_EUNSUPPORTED, "nothing in it can be read: %.100s: %.300s",
                       b->passed[0].name, b->passed[0].why);
    if (st) {
        cafi_prefix(err, st, b->path);
        cafi_bundle_close(b);
        return st;
    }
    *out = b;
    return CAFACE_OK;
}

caface_status cafi_bundle_open(cafi_bundle **out, const char *path, caface_error *err)
{
    return cafi_bundle_open_part(out, path, NULL, err);
}

caface_status cafi_bundle_open_part(cafi_bundle **out, const char *path, const char *part,
                                    caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if ((st = new_bundle(&b, path, err)))
        return st;
    b->part = part;
    if ((st = cafi_mapped_open(&b->file, path, err))) {
        cafi_bundle_close(b);
        return cafi_prefix(err, st, path);
    }
    return fill(out, b, err);
}

caface_status cafi_bundle_open_memory(cafi_bundle **out, const void *bytes, size_t size,
                                      const char *name, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if ((st = new_bundle(&b, name, err)))
        return st;
    cafi_mapped_borrow(&b->file, bytes, size);
    return fill(out, b, err);
}

void cafi_bundle_close(cafi_bundle *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        free((void *)(uintptr_t)b->tensors[i].name);
    for (size_t i = 0; i < b->owned_count; i++)
        free(b->owned[i]);
    free(b->tensors);
    free(b->owned);
    for (size_t i = 0; i < b->passed_count; i++) {
        free(b->passed[i].name);
        free(b->passed[i].why);
    }
    for (size_t i = 0; i < b->shard_count; i++)
        cafi_bundle_close(b->shards[i]);
    free(b->shards);
    free(b->passed);
    free(b->ranges);
    free(b->path);
    cafi_names_free(&b->names);
    cafi_value_clear(&b->config);
    cafi_mapped_close(&b->file);
    free(b);
}

caface_status cafi_bundle_verify(const cafi_bundle *b, caface_error *err)
{
    return cafi_bundle_verify_watched(b, NULL, NULL, err);
}

caface_status cafi_bundle_verify_watched(const cafi_bundle *b, caface_progress progress,
                                         void *context, caface_error *err)
{
    for (size_t i = 0; i < b->range_count; i++) {
        const cafi_checked_range *r = &b->ranges[i];

        if (progress && !progress(context, 0))
            return cafi_fail(err, CAFACE_ECANCELLED, "stopped: nothing is written");
        if (crc32_z(crc32_z(0, NULL, 0), r->data, r->size) != r->crc)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: the data of %s does not match its checksum",
                             b->path,
                             r->tensor < b->count ? b->tensors[r->tensor].name : "an entry");
    }
    for (size_t i = 0; i < b->shard_count; i++) {
        caface_status st = cafi_bundle_verify_watched(b->shards[i], progress, context, err);

        if (st)
            return st;
    }
    return CAFACE_OK;
}

cafi_bundle_kind cafi_bundle_get_kind(const cafi_bundle *b)
{
    return b->kind;
}

const char *cafi_bundle_path(const cafi_bundle *b)
{
    return b->path;
}

size_t cafi_bundle_count(const cafi_bundle *b)
{
    return b->count;
}

size_t cafi_bundle_passed_count(const cafi_bundle *b)
{
    return b->passed_count;
}

const cafi_passed *cafi_bundle_passed_at(const cafi_bundle *b, size_t index)
{
    return index < b->passed_count ? &b->passed[index] : NULL;
}

caface_status cafi_bundle_blame(const cafi_bundle *b, caface_status status, caface_error *err)
{
    char sentence[CAFACE_ERROR_SIZE];

    if (!err || !b->passed_count)
        return status;
    memcpy(sentence, err->message, sizeof sentence);
    return cafi_fail(err, status, "%.300s; %zu part%s of the file %s not read: %.80s (%.80s)%s",
                     sentence, b->passed_count, b->passed_count == 1 ? "" : "s",
                     b->passed_count == 1 ? "is" : "are", b->passed[0].name, b->passed[0].why,
                     b->passed_count == 1 ? "" : ", ...");
}

const cafi_tensor *cafi_bundle_at(const cafi_bundle *b, size_t index)
{
    return index < b->count ? &b->tensors[index] : NULL;
}

const cafi_tensor *cafi_bundle_find(const cafi_bundle *b, const char *name)
{
    size_t index = cafi_names_find(&b->names, name, strlen(name));

    return index == CAFI_NO_NAME ? NULL : &b->tensors[index];
}

const cafi_value *cafi_bundle_config(const cafi_bundle *b)
{
    return &b->config;
}

void cafi_bundle_forget(const cafi_bundle *bundle, const void *data, size_t n)
{
    if (!bundle)
        return;
    cafi_mapped_forget(&bundle->file, data, n);
    for (size_t i = 0; i < bundle->shard_count; i++)
        cafi_mapped_forget(&bundle->shards[i]->file, data, n);
}
