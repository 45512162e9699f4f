/* The configuration of all inputs, as the members of one dict. */
#include "convert/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/version.h"
#include "files/fusion_names.h"
#include "files/json.h"

static bool has_fusion(const cafi_bundle *b)
{
    for (size_t i = 0; b && i < cafi_bundle_count(b); i++)
        if (strstr(cafi_bundle_at(b, i)->name, "style_maker."))
            return true;
    return false;
}

static bool same_value(const cafi_value *a, const cafi_value *b)
{
    cafi_buf x = {0};
    cafi_buf y = {0};
    cafi_json jx = {.out = &x};
    cafi_json jy = {.out = &y};
    bool same = false;

    cafi_json_value(&jx, NULL, a);
    cafi_json_value(&jy, NULL, b);
    same = !x.failed && !y.failed && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    cafi_buf_free(&x);
    cafi_buf_free(&y);
    return same;
}

static caface_status append_member(cafi_merge_meta *meta, char *key, const cafi_value *value,
                                   caface_error *err)
{
    size_t n = meta->dict.u.list.count;

    if (n == meta->capacity) {
        size_t bigger = n ? 2 * n : 16;
        caface_status st = CAFI_RESIZE(&meta->dict.u.list.items, bigger, err);

        if (st || (st = CAFI_RESIZE(&meta->dict.u.list.keys, bigger, err)))
            return st;
        meta->capacity = bigger;
    }
    meta->dict.u.list.items[n] = *value;
    meta->dict.u.list.keys[n] = key;
    meta->dict.u.list.count++;
    return CAFACE_OK;
}

/* Adds a member. Where another input has said something else under the same
 * key, this one becomes "key.2", "key.3": nothing is lost. */
static caface_status add_member(cafi_merge_meta *meta, const char *key, const cafi_value *value,
                                caface_error *err)
{
    const cafi_value *old = cafi_value_get(&meta->dict, key);
    char *copy = NULL;
    caface_status st = CAFACE_OK;

    if (old && same_value(old, value))
        return CAFACE_OK;
    if (meta->made_count == sizeof meta->made / sizeof meta->made[0])
        return cafi_fail(err, CAFACE_ELIMIT, "more than %zu members of configuration",
                         meta->made_count);
    if ((st = CAFI_NEW(&copy, strlen(key) + 16, err)))
        return st;
    meta->made[meta->made_count++] = copy;
    memcpy(copy, key, strlen(key));
    for (int n = 2; cafi_value_get(&meta->dict, copy); n++) {
        if (same_value(cafi_value_get(&meta->dict, copy), value))
            return CAFACE_OK;
        snprintf(copy + strlen(key), 16, ".%d", n);
    }
    return append_member(meta, copy, value, err);
}

static caface_status add_config(cafi_merge *m, const cafi_bundle *b, caface_error *err)
{
    const cafi_value *config = cafi_bundle_config(b);
    const cafi_value *decoder = cafi_value_get(config, "decoder_name");
    caface_status st = CAFACE_OK;

    if (config->u.list.count == 0)
        return CAFACE_OK;
    if (cafi_bundle_get_kind(b) == CAFI_BUNDLE_SAFETENSORS) {
        for (size_t i = 0; i < config->u.list.count && !st; i++)
            if (strcmp(config->u.list.keys[i], "caface.version") != 0 &&
                strcmp(config->u.list.keys[i], "caface.network") != 0 &&
                strcmp(config->u.list.keys[i], CAFI_TRAINED_ON) != 0) /* they are written anew */
                st = add_member(&m->meta, config->u.list.keys[i], &config->u.list.items[i], err);
        return st;
    }
    if ((st = add_member(&m->meta, "hyper_parameters", config, err)))
        return st;
    return decoder && decoder->kind == CAFI_STRING
               ? add_member(&m->meta, "decoder_name", decoder, err)
               : CAFACE_OK;
}

/* The same two places in which the fusion room looks. */
static void read_heads(cafi_merge *m, const cafi_value *config)
{
    if (!cafi_value_int(cafi_value_get(config, "fusion"), "H", &m->heads.u.integer))
        cafi_value_int(config, "H", &m->heads.u.integer);
}

/* What is said joins what the others said: the first to say something says it for all. */
static caface_status join_trained_on(cafi_merge *m, cafi_origin said, caface_error *err)
{
    cafi_origin *all = &m->trained_on;
    char *joined = NULL;
    bool unknown = false;
    caface_status st = cafi_origin_check(said, *all, true, &unknown, err);

    if (st ||
        (st = cafi_encoding_join(&joined, all->encoding, said.encoding, true, said.path, err)))
        return st;
    free(m->encoding);
    m->encoding = joined;
    all->encoding = joined;
    if (!all->path || (!all->backbone && !all->input))
        all->path = said.path;
    all->backbone = all->backbone ? all->backbone : said.backbone;
    all->input = all->input ? all->input : said.input;
    return CAFACE_OK;
}

/* A fusion model is for one backbone: what the models say, and whether the backbone is it. */
static caface_status add_trained_on(cafi_merge *m, caface_error *err)
{
    cafi_value value;
    bool unknown = false, any = false;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < m->input_count && !st; i++) {
        const cafi_bundle *b = m->inputs[i];

        if (!b || !cafi_fusion_is_in(b))
            continue;
        any = true;
        st = join_trained_on(
            m, cafi_origin_of(m->paths[i], cafi_value_get(cafi_bundle_config(b), CAFI_TRAINED_ON)),
            err);
    }
    for (size_t i = 0; i < m->input_count && !st && any; i++) {
        const cafi_backbone *b = &m->backbones[i];
        const cafi_origin origin = {m->paths[i], b->hash, b->input, b->encoding};

        if (!b->found)
            continue;
        st = cafi_origin_check(m->trained_on, origin, true, &unknown, err);
        if (!st && !m->trained_on.backbone && !m->trained_on.input && !m->trained_on.encoding)
            m->trained_on = origin;
    }
    value = cafi_origin_value(&m->room, m->trained_on);
    return st || !value.u.list.count ? st : add_member(&m->meta, CAFI_TRAINED_ON, &value, err);
}

/* The configuration of the file with the fusion network comes first, so that
 * its hyper_parameters keep their plain name. */
caface_status cafi_merge_configure(cafi_merge *m, caface_error *err)
{
    static char heads_key[] = "H";
    static char *heads_keys[] = {heads_key};
    static char version_text[] = CAFACE_VERSION;
    cafi_value fusion = {.kind = CAFI_DICT, .u.list = {&m->heads, heads_keys, 1}};
    cafi_value version = {.kind = CAFI_STRING, .u.text = {version_text, sizeof version_text - 1}};
    bool any_fusion = false;
    caface_status st = add_member(&m->meta, "caface.version", &version, err);

    for (int wanted = 1; wanted >= 0; wanted--)
        for (size_t i = 0; i < m->input_count && !st; i++) {
            bool fuses = has_fusion(m->inputs[i]);

            any_fusion = any_fusion || fuses;
            if (fuses && wanted)
                read_heads(m, cafi_bundle_config(m->inputs[i]));
            if (fuses == (wanted == 1) && m->inputs[i])
                st = add_config(m, m->inputs[i], err);
            if (!st && wanted && m->backbones[i].key)
                st = add_member(&m->meta, m->backbones[i].key, &m->backbones[i].value, err);
        }
    if (!st && any_fusion && !cafi_value_get(&m->meta.dict, "fusion"))
        st = add_member(&m->meta, "fusion", &fusion, err);
    return st ? st : add_trained_on(m, err);
}
