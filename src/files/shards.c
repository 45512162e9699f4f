#define _GNU_SOURCE
/* A model in several files: an index, NAME.safetensors.index.json or
 * pytorch_model.bin.index.json, with {"weight_map": {tensor: file}}. The files,
 * safetensors or torch's, lie beside it. */
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/readers.h"
#include "files/stranger.h"

/* Files of one model at most, and bytes of an index. */
#define MAX_SHARDS 1024
#define MAX_INDEX ((size_t)64 << 20)

bool cafi_is_shard_index(const unsigned char *bytes, size_t size)
{
    size_t at = 0;

    while (at < size && at < 64 && strchr(" \t\r\n", bytes[at]) && bytes[at])
        at++;
    return at < size && bytes[at] == '{' && size <= MAX_INDEX &&
           memmem(bytes, size, "\"weight_map\"", strlen("\"weight_map\""));
}

/* An index that names an index would have no end. */
static caface_status check_shard(const char *path, caface_error *err)
{
    cafi_mapped map;
    caface_status st = cafi_mapped_open(&map, path, err);
    bool known = false;

    if (st)
        return cafi_prefix(err, st, path);
    known = cafi_is_safetensors(map.data, map.size) || cafi_is_torch_legacy(map.data, map.size) ||
            (map.size > 4 && memcmp(map.data, "PK\3\4", 4) == 0);
    if (!known && (st = cafi_name_stranger(map.data, map.size, err)))
        cafi_prefix(err, st, path);
    else if (!known)
        st = cafi_fail(err, CAFACE_EFORMAT, "%.300s: no safetensors or torch file", path);
    cafi_mapped_close(&map);
    return st;
}

/* The shard of a file's name, opened when it is met first. */
static caface_status shard_of(cafi_bundle *b, const char *file, cafi_bundle **out,
                              caface_error *err)
{
    const char *slash = strrchr(b->path, '/');
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    if (!*file || strchr(file, '/') || strchr(file, '\\') || file[0] == '.')
        return cafi_fail(err, CAFACE_EFORMAT, "index: \"%.200s\" is not a file next to it", file);
    cafi_buf_printf(&path, "%.*s%s", slash ? (int)(slash - b->path) + 1 : 0, b->path, file);
    if (path.failed) {
        cafi_buf_free(&path);
        return cafi_fail_memory(err, strlen(file));
    }
    *out = NULL;
    for (size_t i = 0; i < b->shard_count && !*out; i++)
        if (strcmp(b->shards[i]->path, path.data) == 0)
            *out = b->shards[i];
    if (!*out && b->shard_count == MAX_SHARDS)
        st = cafi_fail(err, CAFACE_ELIMIT, "index: more than %d files", MAX_SHARDS);
    else if (!*out && !(st = check_shard(path.data, err)) &&
             !(st = cafi_bundle_open(out, path.data, err)))
        b->shards[b->shard_count++] = *out;
    cafi_buf_free(&path);
    return st;
}

static caface_status add_tensor(cafi_bundle *b, const char *name, const cafi_value *file,
                                caface_error *err)
{
    const cafi_tensor *t = NULL;
    cafi_bundle *shard = NULL;
    caface_status st = CAFACE_OK;

    if (file->kind != CAFI_STRING)
        return cafi_fail(err, CAFACE_EFORMAT, "index: the file of %.200s is no text", name);
    if ((st = shard_of(b, file->u.text.data, &shard, err)))
        return st;
    if ((t = cafi_bundle_find(shard, name)))
        return cafi_bundle_add(b, name, strlen(name), t, t->data, SIZE_MAX / 2, err); /* checked */
    for (size_t i = 0; i < shard->passed_count; i++)
        if (strcmp(shard->passed[i].name, name) == 0) {
            caface_error why = {CAFACE_EUNSUPPORTED, ""};

            cafi_fail(&why, CAFACE_EUNSUPPORTED, "%.400s", shard->passed[i].why);
            return cafi_bundle_pass(b, name, strlen(name), &why, err);
        }
    return cafi_fail(err, CAFACE_EFORMAT, "index: %.200s is not in %.200s", name,
                     file->u.text.data);
}

caface_status cafi_read_shard_index(cafi_bundle *b, caface_error *err)
{
    cafi_value index = {.kind = CAFI_NULL};
    const cafi_value *map = NULL;
    caface_status st = cafi_json_parse(&index, (const char *)b->file.data, b->file.size, err);

    if (st)
        return cafi_prefix(err, st, "index");
    if (!b->file.owned) {
        cafi_value_clear(&index);
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "an index of several files, which cannot be found from memory: open it by its path");
    }
    map = cafi_value_get(&index, "weight_map");
    if (!map || map->kind != CAFI_DICT)
        st = cafi_fail(err, CAFACE_EFORMAT, "index: weight_map is no object");
    else
        st = CAFI_NEW(&b->shards, MAX_SHARDS, err);
    for (size_t i = 0; !st && i < map->u.list.count; i++)
        st = add_tensor(b, map->u.list.keys[i], &map->u.list.items[i], err);
    b->kind = b->shard_count && b->shards[0]->kind != CAFI_BUNDLE_SAFETENSORS
                  ? CAFI_BUNDLE_TORCH
                  : CAFI_BUNDLE_SAFETENSORS;
    cafi_value_clear(&index);
    return st;
}
