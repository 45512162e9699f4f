/* torch checkpoints before 1.6: five pickles (magic, protocol, system, object,
 * storage keys), then for every key a count of elements and the elements. */
#include <stdlib.h>
#include <string.h>

#include "files/bytes.h"
#include "files/checkpoint.h"
#include "files/readers.h"

/* The magic number, 0x1950a86a20f9469cfc6c, as LONG1 holds it. */
static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

typedef struct legacy {
    cafi_bundle *bundle;
    size_t at;        /* what follows the pickles read so far */
    cafi_names names; /* of the storages; value: index below */
    cafi_storage *storages;
    size_t count;
} legacy;

bool cafi_is_torch_legacy(const unsigned char *bytes, size_t size)
{
    /* PROTO n, LONG1 10, magic */
    return size >= 14 && bytes[0] == 0x80 && bytes[2] == 0x8a && bytes[3] == sizeof magic &&
           memcmp(bytes + 4, magic, sizeof magic) == 0;
}

static caface_status next_pickle(legacy *l, cafi_pickle *out, const char *what, caface_error *err)
{
    const cafi_mapped *f = &l->bundle->file;
    caface_status st = cafi_pickle_read(out, f->data + l->at, f->size - l->at, err);

    if (st)
        return cafi_prefix(err, st, what);
    l->at += out->size;
    return CAFACE_OK;
}

/* Magic number, protocol version and what machine wrote it. The data is
 * little-endian whatever that machine was. */
static caface_status read_preamble(legacy *l, caface_error *err)
{
    static const char *const what[] = {"magic number", "protocol", "system"};
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 3 && !st; i++) {
        cafi_pickle p = {0};
        int64_t version = 0;

        if ((st = next_pickle(l, &p, what[i], err)))
            return st;
        if (i == 1 && (!cafi_pickle_int(&p, p.root, &version) || version != 1001))
            st = cafi_fail(err, CAFACE_EUNSUPPORTED, "torch protocol %lld, 1001 is known",
                           (long long)version);
        cafi_pickle_free(&p);
    }
    return st;
}

/* The types and sizes that the object's persistent ids state. */
static caface_status list_storages(legacy *l, const cafi_pickle *object, caface_error *err)
{
    size_t ids = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < object->count; i++)
        ids += object->nodes[i].kind == CAFI_NODE_PERSISTENT;
    if ((st = CAFI_NEW(&l->storages, ids, err)))
        return st;
    for (size_t i = 0; i < object->count; i++) {
        cafi_storage_id id;
        cafi_storage s = {0};
        size_t existing = 0;

        if (object->nodes[i].kind != CAFI_NODE_PERSISTENT)
            continue;
        /* ('module', class, file, source) stands for a class of a pickled module. */
        if (cafi_is_module_id(object, object->nodes[i].u.id))
            continue;
        if ((st = cafi_storage_id_read(object, object->nodes[i].u.id, &id, err)))
            return st;
        s.dtype = id.dtype;
        s.untyped = id.untyped;
        s.foreign = id.foreign;
        s.size = id.count;
        if ((st = cafi_names_add(&l->names, id.key, id.key_size, l->count, &existing, err)))
            return st;
        if (existing == CAFI_NO_NAME)
            l->storages[l->count++] = s;
        else if (l->storages[existing].dtype != s.dtype ||
                 l->storages[existing].foreign != s.foreign || l->storages[existing].size != s.size)
            return cafi_fail(err, CAFACE_EFORMAT, "storage %.*s has two types or sizes",
                             (int)(id.key_size < 100 ? id.key_size : 100), id.key);
    }
    return CAFACE_OK;
}

/* The data of one key, at l->at. */
static caface_status place_storage(legacy *l, const cafi_pickled *key, caface_error *err)
{
    const cafi_mapped *f = &l->bundle->file;
    unsigned char count[8];
    size_t index = CAFI_NO_NAME;
    size_t bytes = 0;
    cafi_storage *s = NULL;

    if (key->kind == CAFI_NODE_TEXT || key->kind == CAFI_NODE_BYTES)
        index = cafi_names_find(&l->names, key->u.bytes.data, key->u.bytes.size);
    if (index == CAFI_NO_NAME)
        return cafi_fail(err, CAFACE_EFORMAT, "data of a storage that nothing refers to");
    s = &l->storages[index];
    if (s->data)
        return cafi_fail(err, CAFACE_EFORMAT, "storage %.*s occurs twice",
                         (int)(key->u.bytes.size < 100 ? key->u.bytes.size : 100),
                         key->u.bytes.data);
    if (!cafi_mapped_peek(f, l->at, count, sizeof count))
        return cafi_fail(err, CAFACE_EFORMAT, "the file ends before its storages do");
    l->at += sizeof count;
    if (cafi_le64(count) != s->size)
        return cafi_fail(err, CAFACE_EFORMAT, "storage %.*s: file has %llu elements, %zu expected",
                         (int)(key->u.bytes.size < 100 ? key->u.bytes.size : 100),
                         key->u.bytes.data, (unsigned long long)cafi_le64(count), s->size);
    if (!cafi_mul_size(s->size, s->foreign ? s->foreign : cafi_dtype_size(s->dtype), &bytes) ||
        bytes > f->size - l->at)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "storage %.*s: %zu elements of %s, but only %zu bytes are left",
                         (int)(key->u.bytes.size < 100 ? key->u.bytes.size : 100),
                         key->u.bytes.data, s->size, cafi_dtype_name(s->dtype), f->size - l->at);
    s->data = f->data + l->at;
    s->size = bytes;
    s->swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    l->at += bytes;
    return CAFACE_OK;
}

static caface_status place_storages(legacy *l, caface_error *err)
{
    cafi_pickle keys = {0};
    const cafi_pickled *list = NULL;
    caface_status st = next_pickle(l, &keys, "storage keys", err);

    if (st)
        return st;
    list = cafi_pickle_node(&keys, keys.root);
    if (list->kind != CAFI_NODE_LIST)
        st = cafi_fail(err, CAFACE_EFORMAT, "the storage keys are no list");
    for (size_t i = 0; !st && i < list->u.seq.count; i++)
        st = place_storage(l, cafi_pickle_node(&keys, list->u.seq.items[i]), err);
    if (!st && l->at != l->bundle->file.size)
        st = cafi_fail(err, CAFACE_EFORMAT, "%zu bytes after the last storage",
                       l->bundle->file.size - l->at);
    cafi_pickle_free(&keys);
    return st;
}

static caface_status find_storage(void *ctx, const cafi_pickle *pickle, cafi_ref ref,
                                  cafi_storage *out, caface_error *err)
{
    legacy *l = ctx;
    cafi_storage_id id;
    size_t index = 0;
    size_t skip = 0;
    caface_status st = cafi_storage_id_read(pickle, ref, &id, err);

    if (st)
        return st;
    index = cafi_names_find(&l->names, id.key, id.key_size);
    if (index == CAFI_NO_NAME || !l->storages[index].data)
        return cafi_fail(err, CAFACE_EFORMAT, "storage %.*s is not in the file",
                         (int)(id.key_size < 100 ? id.key_size : 100), id.key);
    *out = l->storages[index];
    if (id.is_view) {
        if (!cafi_mul_size(id.view_offset, cafi_dtype_size(id.dtype), &skip) || skip > out->size)
            return cafi_fail(err, CAFACE_EFORMAT, "a view that begins outside its storage");
        out->data += skip;
        out->size -= skip;
    }
    return CAFACE_OK;
}

caface_status cafi_read_torch_legacy(cafi_bundle *bundle, caface_error *err)
{
    legacy l = {.bundle = bundle};
    cafi_storages storages = {find_storage, &l};
    cafi_pickle object = {0};
    caface_status st = read_preamble(&l, err);

    if (!st)
        st = next_pickle(&l, &object, "object", err);
    if (!st && !(st = list_storages(&l, &object, err)) && !(st = place_storages(&l, err)))
        st = cafi_checkpoint_read(bundle, &object, &storages, err);
    cafi_pickle_free(&object);
    cafi_names_free(&l.names);
    free(l.storages);
    return st;
}
