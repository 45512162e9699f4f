/* caface convert: checkpoints become one safetensors file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/version.h"
#include "cli/backbone.h"
#include "cli/command.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/names.h"
#include "files/safetensors.h"
#include "fusion/model.h"
#include "models/dict_find.h"

/* Attention heads cannot be seen in the tensors. Every known fusion model has
 * this many; a converted file says so, or what its checkpoint says instead. */
enum { DEFAULT_HEADS = 8 };

typedef struct convert_options {
    cli_common common;
    const char *output;
    cli_input input;
    double ensemble;
} convert_options;

static const cli_option options[] = {
    {"output", 'o', CLI_STRING, offsetof(convert_options, output), "OUT.safetensors",
     "the file to write", 0, 0},
    CLI_INPUT_OPTIONS(convert_options, input),
    {"ensemble", 0, CLI_REAL, offsetof(convert_options, ensemble), "POWER",
     "make the restoring fusions of all inputs one model that averages their templates, every "
     "weight to this power, above 0 and at most 1",
     1e-3, 1},
    {0},
};

/* Members of __metadata__; the values are borrowed. */
typedef struct metadata {
    cafi_value dict; /* items and keys are this struct's, what they hold is not */
    size_t capacity;
    char *made[256]; /* keys that were made up */
    size_t made_count;
} metadata;

typedef struct merge {
    const char *const *paths;
    cafi_bundle **inputs; /* NULL for an ONNX file */
    cli_backbone *backbones;
    size_t input_count;
    const char *weights_key; /* of the backbone that is wanted; or NULL */
    const cafi_tensor **tensors;
    size_t *owner; /* index of the input each tensor comes from */
    size_t count;
    cafi_names names;
    cafi_tensor *renamed; /* tensors under other names than their file's */
    char **new_names;     /* of them, this struct's */
    size_t renamed_count;
    size_t members; /* restoring networks so far */
    float power;    /* of --ensemble, else 0 */
    cafi_value heads;
    metadata meta;
} merge;

/* ---- tensors ----------------------------------------------------------- */

/* Compared in pieces, so that no tensor is copied whole. */
static bool same_bits(const cafi_tensor *a, const cafi_tensor *b)
{
    enum { PIECE = 8192 };
    unsigned char x[PIECE];
    unsigned char y[PIECE];
    size_t size = cafi_dtype_size(a->dtype);
    size_t n = cafi_tensor_count(a);

    if (a->dtype != b->dtype || !cafi_tensor_has_shape(a, b->ndim, b->shape))
        return false;
    for (size_t first = 0; first < n; first += PIECE / size) {
        size_t part = n - first < PIECE / size ? n - first : PIECE / size;

        cafi_tensor_read_raw(a, first, part, x);
        cafi_tensor_read_raw(b, first, part, y);
        if (memcmp(x, y, part * size) != 0)
            return false;
    }
    return true;
}

static caface_status fail_conflict(const merge *m, size_t first, size_t input, const cafi_tensor *t,
                                   caface_error *err)
{
    char a[128];
    char b[128];
    const cafi_tensor *old = m->tensors[first];

    return cafi_fail(
        err, CAFACE_EMODEL, "%s and %s both have %.150s, but not the same: %s %s, %s %s",
        m->paths[m->owner[first]], m->paths[input], t->name, cafi_dtype_name(old->dtype),
        cafi_shape_text(a, sizeof a, old->ndim, old->shape), cafi_dtype_name(t->dtype),
        cafi_shape_text(b, sizeof b, t->ndim, t->shape));
}

static caface_status add_tensor(merge *m, size_t input, const cafi_tensor *t, caface_error *err)
{
    size_t existing = 0;
    caface_status st =
        cafi_names_add(&m->names, t->name, strlen(t->name), m->count, &existing, err);

    if (st)
        return st;
    if (existing != CAFI_NO_NAME)
        return same_bits(m->tensors[existing], t) ? CAFACE_OK
                                                  : fail_conflict(m, existing, input, t, err);
    m->tensors[m->count] = t;
    m->owner[m->count++] = input;
    return CAFACE_OK;
}

/* A restoring fusion lies under "restore."; that of a file of its own may have no prefix,
 * and in an ensemble it gets a number. */
static caface_status add_restoring(merge *m, size_t input, const cafi_tensor *t, bool is_bare,
                                   caface_error *err)
{
    const size_t prefix = strlen(CAFI_RESTORE_PREFIX);
    bool is_part = is_bare || strncmp(t->name, CAFI_RESTORE_PREFIX, prefix) == 0;
    const char *name = t->name + (is_bare ? 0 : prefix);
    size_t i = m->renamed_count, room = prefix + 24 + strlen(t->name);
    caface_status st = CAFACE_OK;

    if (!is_part || (!is_bare && !(m->power > 0.0f)))
        return add_tensor(m, input, t, err);
    if ((st = CAFI_NEW(&m->new_names[i], room, err)))
        return st;
    if (m->power > 0.0f)
        snprintf(m->new_names[i], room, CAFI_RESTORE_PREFIX "%zu.%s", m->members, name);
    else
        snprintf(m->new_names[i], room, CAFI_RESTORE_PREFIX "%s", name);
    m->renamed[i] = *t;
    m->renamed[i].name = m->new_names[i];
    m->renamed_count++;
    return add_tensor(m, input, &m->renamed[i], err);
}

static caface_status add_network(merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    bool is_bare = cafi_restore_is_under(b, "");
    caface_status st = CAFACE_OK;

    if (m->power > 0.0f && !is_bare && !cafi_restore_is_under(b, CAFI_RESTORE_PREFIX))
        return cafi_fail(err, CAFACE_EMODEL, "%s: an ensemble already", m->paths[input]);
    for (size_t i = 0; i < cafi_bundle_count(b) && !st; i++)
        st = add_restoring(m, input, cafi_bundle_at(b, i), is_bare, err);
    m->members++;
    return st;
}

static caface_status add_power(merge *m, const char *path, caface_error *err)
{
    cafi_tensor *t = &m->renamed[m->renamed_count];

    if (m->members < 2)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: --ensemble needs two restoring fusions at least, the inputs have %zu",
                         path, m->members);
    *t = (cafi_tensor){.name = CAFI_RESTORE_PREFIX "power",
                       .dtype = CAFI_F32,
                       .data = (const unsigned char *)&m->power};
    return add_tensor(m, 0, t, err);
}

/* With --weights-key a file that holds backbones gives the one of that name and nothing else;
 * with an empty name, what is not under the name of another. */
static bool is_wanted(const merge *m, size_t input, const char *name, const cafi_place *places,
                      size_t place_count)
{
    const char *key = m->weights_key;
    size_t n = key ? strlen(key) : 0;

    if (!key || !m->backbones[input].found)
        return true;
    if (n)
        return strncmp(name, key, n) == 0 && (key[n - 1] == '.' || name[n] == '.');
    for (size_t i = 0; i < place_count; i++)
        if (places[i].size && strncmp(name, places[i].name, places[i].size) == 0)
            return false;
    return true;
}

/* The tensors of a checkpoint that is no restoring fusion. */
static caface_status add_checkpoint(merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    size_t count = cafi_bundle_count(b), place_count = 0;
    cafi_place places[CAFI_MAX_PLACES];
    const cafi_tensor **all = NULL;
    caface_status st = CAFI_NEW(&all, count, err);

    for (size_t i = 0; !st && i < count; i++)
        all[i] = cafi_bundle_at(b, i);
    if (!st)
        place_count = cafi_dict_places(all, count, places);
    for (size_t i = 0; !st && i < count; i++)
        if (is_wanted(m, input, all[i]->name, places, place_count))
            st = add_tensor(m, input, all[i], err);
    free(all);
    return st;
}

static caface_status add_tensors(merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !b && !st && i < m->backbones[input].count; i++)
        st = add_tensor(m, input, &m->backbones[input].tensors[i], err);
    if (!b)
        return st;
    st = cafi_bundle_verify(b, err);
    if (!st && cafi_model_restores(b))
        return add_network(m, input, err);
    return st ? st : add_checkpoint(m, input, err);
}

static bool has_fusion(const cafi_bundle *b)
{
    for (size_t i = 0; b && i < cafi_bundle_count(b); i++)
        if (strstr(cafi_bundle_at(b, i)->name, "style_maker."))
            return true;
    return false;
}

/* ---- configuration ----------------------------------------------------- */

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

static caface_status append_member(metadata *meta, char *key, const cafi_value *value,
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
static caface_status add_member(metadata *meta, const char *key, const cafi_value *value,
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

static caface_status add_config(merge *m, const cafi_bundle *b, caface_error *err)
{
    const cafi_value *config = cafi_bundle_config(b);
    const cafi_value *decoder = cafi_value_get(config, "decoder_name");
    caface_status st = CAFACE_OK;

    if (config->u.list.count == 0)
        return CAFACE_OK;
    if (cafi_bundle_get_kind(b) == CAFI_BUNDLE_SAFETENSORS) {
        for (size_t i = 0; i < config->u.list.count && !st; i++)
            if (strcmp(config->u.list.keys[i], "caface.version") != 0 &&
                strcmp(config->u.list.keys[i], "caface.network") != 0) /* both are written anew */
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
static void read_heads(merge *m, const cafi_value *config)
{
    if (!cafi_value_int(cafi_value_get(config, "fusion"), "H", &m->heads.u.integer))
        cafi_value_int(config, "H", &m->heads.u.integer);
}

/* The configuration of the file with the fusion network comes first, so that
 * its hyper_parameters keep their plain name. */
static caface_status add_configs(merge *m, caface_error *err)
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
            if (!st && wanted && m->backbones[i].found)
                st = add_member(&m->meta, m->backbones[i].key, &m->backbones[i].value, err);
        }
    if (!st && any_fusion && !cafi_value_get(&m->meta.dict, "fusion"))
        st = add_member(&m->meta, "fusion", &fusion, err);
    return st;
}

/* ---- the command ------------------------------------------------------- */

/* One backbone makes a model; two would be two models in one file. */
static caface_status check_backbones(const merge *m, const cli_input *input, caface_error *err)
{
    const char *first = NULL;

    for (size_t i = 0; i < m->input_count; i++) {
        if (first && m->backbones[i].found)
            return cafi_fail(err, CAFACE_EMODEL, "%s and %s both hold a backbone", first,
                             m->paths[i]);
        if (m->backbones[i].found)
            first = m->paths[i];
    }
    if (!first && cli_input_given(input))
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: no backbone for --tap, --styles, --input-* and --weights-key to apply to",
            m->paths[0]);
    return CAFACE_OK;
}

static caface_status open_input(merge *m, const cli_input *input, size_t *total, caface_error *err)
{
    size_t i = m->input_count;
    cafi_bundle **b = &m->inputs[i];
    caface_status st = CAFACE_OK;

    m->input_count++; /* what follows may stop halfway: it is cleared with the rest */
    if ((st = cli_backbone_open(&m->backbones[i], m->paths[i], input, err)))
        return st;
    *total += m->backbones[i].count;
    if (!m->backbones[i].onnx) {
        if ((st = cafi_bundle_open(b, m->paths[i], err)))
            return st;
        if (cafi_bundle_count(*b) == 0)
            st = cafi_fail(err, CAFACE_EMODEL, "%s: no tensors in it", m->paths[i]);
        *total += cafi_bundle_count(*b);
    }
    return st;
}

static caface_status merge_inputs(merge *m, const convert_options *o, caface_error *err)
{
    const cli_list *paths = &o->common.args;
    size_t total = 1; /* with the power of an ensemble */
    caface_status st = CAFI_NEW(&m->inputs, paths->count, err);

    m->paths = paths->items;
    m->weights_key = o->input.weights_key;
    if (st || (st = CAFI_NEW(&m->backbones, paths->count, err)))
        return st;
    for (size_t i = 0; !st && i < paths->count; i++)
        st = open_input(m, &o->input, &total, err);
    if (st || (st = check_backbones(m, &o->input, err)))
        return st;
    m->meta.dict.kind = CAFI_DICT;
    if ((st = CAFI_NEW(&m->tensors, total, err)) || (st = CAFI_NEW(&m->owner, total, err)) ||
        (st = CAFI_NEW(&m->renamed, total, err)) || (st = CAFI_NEW(&m->new_names, total, err)))
        return st;
    for (size_t i = 0; i < m->input_count && !st; i++)
        st = add_tensors(m, i, err);
    if (!st && m->power > 0.0f)
        st = add_power(m, paths->items[0], err);
    return st ? st : add_configs(m, err);
}

static void merge_free(merge *m)
{
    for (size_t i = 0; i < m->input_count; i++)
        cafi_bundle_close(m->inputs[i]);
    for (size_t i = 0; i < m->input_count; i++)
        cli_backbone_clear(&m->backbones[i]);
    for (size_t i = 0; i < m->meta.made_count; i++)
        free(m->meta.made[i]);
    for (size_t i = 0; i < m->renamed_count; i++)
        free(m->new_names[i]);
    free(m->new_names);
    free(m->renamed);
    free(m->inputs);
    free(m->backbones);
    free(m->tensors);
    free(m->owner);
    free(m->meta.dict.u.list.items);
    free(m->meta.dict.u.list.keys);
    cafi_names_free(&m->names);
}

static int report(const merge *m, const convert_options *o)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    size_t bytes = 0;

    for (size_t i = 0; i < m->count; i++)
        bytes += cafi_tensor_count(m->tensors[i]) * cafi_dtype_size(m->tensors[i]->dtype);
    if (!o->common.json) {
        if (!o->common.quiet)
            cli_say(stdout, "%s: %zu tensors, %zu bytes, from %zu file%s\n", o->output, m->count,
                    bytes, m->input_count, m->input_count == 1 ? "" : "s");
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "file", o->output);
    cafi_json_int(&json, "inputs", (int64_t)m->input_count);
    cafi_json_int(&json, "tensors", (int64_t)m->count);
    cafi_json_int(&json, "bytes", (int64_t)bytes);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int run(void *arg)
{
    const convert_options *o = arg;
    merge m = {.power = (float)o->ensemble,
               .heads = {.kind = CAFI_INT, .u.integer = DEFAULT_HEADS}};
    caface_error err;
    caface_status st = CAFACE_OK;
    int status = CLI_OK;

    if (!o->output)
        return cli_usage("convert", "-o OUT.safetensors is needed");
    if ((status = cli_input_check("convert", &o->input)))
        return status;
    st = merge_inputs(&m, o, &err);
    if (!st)
        st = cafi_safetensors_save(o->output, m.tensors, m.count, &m.meta.dict, &err);
    if (!st)
        status = report(&m, o);
    merge_free(&m);
    return st ? cli_fail(&err) : status;
}

const cli_command cli_convert = {
    .name = "convert",
    .summary = "checkpoints into one .safetensors model file",
    .synopsis = "IN... -o OUT.safetensors",
    .text = "Writes the tensors of all inputs into one file, under the names they have and\n"
            "bit for bit, with their configuration as metadata: hyper_parameters as JSON,\n"
            "decoder_name, and fusion.H, the number of attention heads; a restoring fusion is put\n"
            "under the prefix \"restore.\" where it has none. Inputs are torch and\n"
            "Lightning checkpoints, .safetensors, .npz, .npy and ONNX backbones; give a\n"
            "backbone and a fusion file together to get one model file. A tensor that two inputs "
            "have under one\n"
            "name must be the same in both. Where their configurations differ, that of the\n"
            "fusion file keeps its name and the other's gets a number (hyper_parameters.2).\n"
            "Checksums that an input has for its tensors are compared first.\n"
            "\n"
            "A backbone's taps and the way a picture becomes its input go with it, as they\n"
            "are known or as --tap and --input-* say. An ONNX file becomes its graph, as JSON\n"
            "under caface.graph, and the graph's constants as tensors (docs/onnx.md).",
    .example = "  caface convert model.ckpt -o model.safetensors\n"
               "  caface convert backbone.ckpt fusion.ckpt -o model.safetensors\n"
               "  caface convert a.safetensors b.safetensors --ensemble 0.85 -o both.safetensors",
    .options = options,
    .options_size = sizeof(convert_options),
    .min_args = 1,
    .max_args = 64,
    .lacks = CLI_NO_THREADS,
    .run = run,
};
