/* What the readers of checkpoints ask a pickle's graph: is this that global, a
 * dict's member, an argument; and a part of it as a tree of values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "files/bundle_build.h"
#include "files/pickle.h"

bool cafi_pickle_is_text(const cafi_pickle *p, cafi_ref ref, const char *text)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    size_t size = strlen(text);

    return (n->kind == CAFI_NODE_TEXT || n->kind == CAFI_NODE_BYTES) && n->u.bytes.size == size &&
           memcmp(n->u.bytes.data, text, size) == 0;
}

bool cafi_pickle_is_global(const cafi_pickle *p, cafi_ref ref, const char *module, const char *name)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    return n->kind == CAFI_NODE_GLOBAL && cafi_pickle_is_text(p, n->u.global.module, module) &&
           cafi_pickle_is_text(p, n->u.global.name, name);
}

bool cafi_pickle_is_call(const cafi_pickle *p, cafi_ref ref, const char *module, const char *name)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    return n->kind == CAFI_NODE_OBJECT &&
           cafi_pickle_is_global(p, n->u.object.callable, module, name);
}

bool cafi_pickle_int(const cafi_pickle *p, cafi_ref ref, int64_t *out)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    if (n->kind != CAFI_NODE_INT)
        return false;
    *out = n->u.integer;
    return true;
}

cafi_ref cafi_pickle_arg(const cafi_pickle *p, cafi_ref object, size_t i)
{
    const cafi_pickled *n = cafi_pickle_node(p, object);
    const cafi_pickled *args = NULL;

    if (n->kind != CAFI_NODE_OBJECT)
        return CAFI_NOTHING;
    args = cafi_pickle_node(p, n->u.object.args);
    return args->kind == CAFI_NODE_TUPLE && i < args->u.seq.count ? args->u.seq.items[i]
                                                                  : CAFI_NOTHING;
}

static cafi_ref dict_in_state(const cafi_pickle *p, cafi_ref state)
{
    const cafi_pickled *n = cafi_pickle_node(p, state);

    /* copyreg's form with slots: (dict, slots) */
    if (n->kind == CAFI_NODE_TUPLE && n->u.seq.count == 2)
        state = n->u.seq.items[0];
    return cafi_pickle_node(p, state)->kind == CAFI_NODE_DICT ? state : CAFI_NOTHING;
}

/* Objects made without a call of their own, by copyreg._reconstructor(cls,
 * base, state) or copyreg.__newobj__, name their class in the arguments. */
static cafi_ref class_of(const cafi_pickle *p, cafi_ref object)
{
    if (cafi_pickle_is_call(p, object, "copyreg", "_reconstructor") ||
        cafi_pickle_is_call(p, object, "copy_reg", "_reconstructor") ||
        cafi_pickle_is_call(p, object, "copyreg", "__newobj__"))
        return cafi_pickle_arg(p, object, 0);
    return cafi_pickle_node(p, object)->u.object.callable;
}

cafi_ref cafi_pickle_dict(const cafi_pickle *p, cafi_ref ref)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    cafi_ref class = CAFI_NOTHING;
    cafi_ref inner = CAFI_NOTHING;

    if (n->kind == CAFI_NODE_DICT)
        return ref;
    if (n->kind != CAFI_NODE_OBJECT)
        return CAFI_NOTHING;
    if (n->u.object.dict)
        return n->u.object.dict;
    class = class_of(p, ref);
    if (cafi_pickle_is_global(p, class, "argparse", "Namespace") ||
        cafi_pickle_is_global(p, class, "types", "SimpleNamespace"))
        return dict_in_state(p, n->u.object.state);
    if (cafi_pickle_is_global(p, class, "omegaconf.dictconfig", "DictConfig")) {
        inner = dict_in_state(p, n->u.object.state);
        inner = inner ? cafi_pickle_get(p, inner, "_content") : CAFI_NOTHING;
        return cafi_pickle_node(p, inner)->kind == CAFI_NODE_DICT ? inner : CAFI_NOTHING;
    }
    return CAFI_NOTHING;
}

cafi_ref cafi_pickle_state(const cafi_pickle *p, cafi_ref object)
{
    const cafi_pickled *n = cafi_pickle_node(p, object);

    return n->kind == CAFI_NODE_OBJECT ? dict_in_state(p, n->u.object.state) : CAFI_NOTHING;
}

cafi_ref cafi_pickle_get(const cafi_pickle *p, cafi_ref dict, const char *key)
{
    const cafi_pickled *n = cafi_pickle_node(p, dict);

    if (n->kind == CAFI_NODE_DICT)
        for (size_t i = n->u.seq.count; i >= 2; i -= 2)
            if (cafi_pickle_is_text(p, n->u.seq.items[i - 2], key))
                return n->u.seq.items[i - 1];
    return CAFI_NOTHING;
}

const char *cafi_pickle_class(const cafi_pickle *p, cafi_ref ref, char *text, size_t size)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    const cafi_pickled *module = NULL;
    const cafi_pickled *name = NULL;

    if (n->kind == CAFI_NODE_OBJECT)
        n = cafi_pickle_node(p, class_of(p, ref));
    if (n->kind != CAFI_NODE_GLOBAL) {
        snprintf(text, size, "object");
        return text;
    }
    module = cafi_pickle_node(p, n->u.global.module);
    name = cafi_pickle_node(p, n->u.global.name);
    snprintf(text, size, "%.*s.%.*s",
             (int)(module->u.bytes.size < 200 ? module->u.bytes.size : 200), module->u.bytes.data,
             (int)(name->u.bytes.size < 200 ? name->u.bytes.size : 200), name->u.bytes.data);
    return text;
}

/* ---- as a tree --------------------------------------------------------- */

enum { MAX_DEPTH = 64, MAX_VALUES = 1 << 20 };
#define MAX_TEXT ((size_t)64 << 20)

typedef struct builder {
    cafi_pickle *pickle;
    size_t values, text;
    int depth;
    caface_error *err;
} builder;

static caface_status build(builder *b, cafi_ref ref, cafi_value *out);

/* A copy as UTF-8: what is not becomes U+FFFD, byte by byte. */
static caface_status make_text(builder *b, cafi_value_kind kind, const char *data, size_t size,
                               cafi_value *out)
{
    static const char replacement[] = "\xef\xbf\xbd";
    bool valid = cafi_is_utf8(data, size);
    char *text = NULL;
    size_t n = 0;
    caface_status st = CAFACE_OK;

    if (size > MAX_TEXT - b->text)
        return cafi_fail(b->err, CAFACE_ELIMIT, "more than %zu bytes of text", MAX_TEXT);
    b->text += size;
    if ((st = CAFI_NEW(&text, (valid ? 1 : 3) * size + 1, b->err)))
        return st;
    if (valid && size)
        memcpy(text, data, size);
    n = valid ? size : 0;
    for (size_t i = 0; i < size && !valid; i++)
        if ((unsigned char)data[i] < 0x80)
            text[n++] = data[i];
        else {
            memcpy(text + n, replacement, 3);
            n += 3;
        }
    out->kind = kind;
    out->u.text.data = text;
    out->u.text.size = n;
    return CAFACE_OK;
}

/* Keys are C strings, and other kinds are written as Python would print
 * them. */
static caface_status make_key(builder *b, cafi_ref ref, char **out)
{
    const cafi_pickled *n = cafi_pickle_node(b->pickle, ref);
    cafi_value text = {.kind = CAFI_NULL};
    char other[64];
    caface_status st = CAFACE_OK;

    switch (n->kind) {
    case CAFI_NODE_TEXT:
    case CAFI_NODE_BYTES:
        st = make_text(b, CAFI_STRING, n->u.bytes.data, n->u.bytes.size, &text);
        *out = st ? NULL : text.u.text.data;
        return st;
    case CAFI_NODE_INT:
        snprintf(other, sizeof other, "%lld", (long long)n->u.integer);
        break;
    case CAFI_NODE_BOOL:
        snprintf(other, sizeof other, n->u.integer ? "True" : "False");
        break;
    case CAFI_NODE_REAL:
        cafi_format(other, sizeof other, "%.17g", n->u.real);
        break;
    case CAFI_NODE_NONE:
        snprintf(other, sizeof other, "None");
        break;
    default:
        cafi_pickle_class(b->pickle, ref, other, sizeof other);
        break;
    }
    return cafi_strdup(out, other, b->err);
}

static caface_status build_list(builder *b, cafi_ref ref, cafi_value *out)
{
    size_t n = cafi_pickle_node(b->pickle, ref)->u.seq.count;
    caface_status st = CAFACE_OK;

    if (n > MAX_VALUES - b->values)
        return cafi_fail(b->err, CAFACE_ELIMIT, "more than %d values", MAX_VALUES);
    out->u.list.items = NULL;
    out->u.list.keys = NULL;
    out->u.list.count = 0;
    out->kind = CAFI_LIST;
    if ((st = CAFI_NEW(&out->u.list.items, n, b->err)))
        return st;
    for (size_t i = 0; i < n && !st; i++) {
        out->u.list.count = i + 1;
        st = build(b, cafi_pickle_node(b->pickle, ref)->u.seq.items[i], &out->u.list.items[i]);
    }
    return st;
}

static caface_status build_members(builder *b, cafi_ref ref, cafi_value *out, cafi_names *seen)
{
    const cafi_pickled *n = cafi_pickle_node(b->pickle, ref);
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i + 1 < n->u.seq.count && !st; i += 2) {
        size_t at = out->u.list.count;
        size_t existing = 0;
        char *key = NULL;

        if ((st = make_key(b, n->u.seq.items[i], &key)))
            return st;
        if ((st = cafi_names_add(seen, key, strlen(key), at, &existing, b->err))) {
            free(key);
            return st;
        }
        if (existing != CAFI_NO_NAME) { /* as in Python: the last one wins */
            free(key);
            cafi_value_clear(&out->u.list.items[existing]);
            at = existing;
        } else {
            out->u.list.keys[at] = key;
            out->u.list.count++;
        }
        st = build(b, n->u.seq.items[i + 1], &out->u.list.items[at]);
    }
    return st;
}

static caface_status build_dict(builder *b, cafi_ref ref, cafi_value *out)
{
    size_t n = cafi_pickle_node(b->pickle, ref)->u.seq.count / 2;
    cafi_names seen = {0};
    caface_status st = CAFACE_OK;

    if (n > MAX_VALUES - b->values)
        return cafi_fail(b->err, CAFACE_ELIMIT, "more than %d values", MAX_VALUES);
    out->u.list.items = NULL;
    out->u.list.keys = NULL;
    out->u.list.count = 0;
    out->kind = CAFI_DICT;
    if ((st = CAFI_NEW(&out->u.list.items, n, b->err)) ||
        (st = CAFI_NEW(&out->u.list.keys, n, b->err)))
        return st;
    st = build_members(b, ref, out, &seen);
    cafi_names_free(&seen);
    return st;
}

/* OmegaConf wraps every value: ListConfig's are in _content, a scalar's in
 * _val. CAFI_NOTHING, and false, when the object is no such thing. */
static bool unwrap_omegaconf(const cafi_pickle *p, cafi_ref ref, cafi_ref *inner)
{
    static const char *const nodes[] = {"AnyNode",     "StringNode", "IntegerNode", "FloatNode",
                                        "BooleanNode", "EnumNode",   "BytesNode",   "PathNode"};
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    cafi_ref class = class_of(p, ref);
    cafi_ref state = dict_in_state(p, n->u.object.state);

    if (!state)
        return false;
    if (cafi_pickle_is_global(p, class, "omegaconf.listconfig", "ListConfig") ||
        cafi_pickle_is_global(p, class, "omegaconf.dictconfig", "DictConfig")) {
        *inner = cafi_pickle_get(p, state, "_content");
        return true;
    }
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
        if (cafi_pickle_is_global(p, class, "omegaconf.nodes", nodes[i])) {
            *inner = cafi_pickle_get(p, state, "_val");
            return true;
        }
    return false;
}

static caface_status build_object(builder *b, cafi_ref ref, cafi_value *out)
{
    cafi_ref dict = cafi_pickle_dict(b->pickle, ref);
    cafi_ref inner = CAFI_NOTHING;
    char class[256];

    if (dict)
        return build_dict(b, dict, out);
    if (unwrap_omegaconf(b->pickle, ref, &inner))
        return build(b, inner, out);
    if (cafi_pickle_is_call(b->pickle, ref, "collections", "OrderedDict")) {
        *out = (cafi_value){.kind = CAFI_DICT};
        return CAFACE_OK;
    }
    cafi_pickle_class(b->pickle, ref, class, sizeof class);
    return make_text(b, CAFI_OPAQUE, class, strlen(class), out);
}

static caface_status build_node(builder *b, cafi_ref ref, cafi_value *out)
{
    const cafi_pickled *n = cafi_pickle_node(b->pickle, ref);
    char class[256];

    switch (n->kind) {
    case CAFI_NODE_NONE:
        return CAFACE_OK;
    case CAFI_NODE_BOOL:
        out->kind = CAFI_BOOL;
        out->u.boolean = n->u.integer != 0;
        return CAFACE_OK;
    case CAFI_NODE_INT:
        out->kind = CAFI_INT;
        out->u.integer = n->u.integer;
        return CAFACE_OK;
    case CAFI_NODE_REAL:
        out->kind = CAFI_REAL;
        out->u.real = n->u.real;
        return CAFACE_OK;
    case CAFI_NODE_TEXT:
    case CAFI_NODE_BYTES:
        return make_text(b, CAFI_STRING, n->u.bytes.data, n->u.bytes.size, out);
    case CAFI_NODE_LONG:
        return make_text(b, CAFI_OPAQUE, "int", 3, out);
    case CAFI_NODE_LIST:
    case CAFI_NODE_TUPLE:
    case CAFI_NODE_SET:
        return build_list(b, ref, out);
    case CAFI_NODE_DICT:
        return build_dict(b, ref, out);
    case CAFI_NODE_OBJECT:
        return build_object(b, ref, out);
    case CAFI_NODE_GLOBAL:
        cafi_pickle_class(b->pickle, ref, class, sizeof class);
        return make_text(b, CAFI_OPAQUE, class, strlen(class), out);
    case CAFI_NODE_PERSISTENT:
        return make_text(b, CAFI_OPAQUE, "persistent", strlen("persistent"), out);
    }
    return CAFACE_OK;
}

static caface_status build(builder *b, cafi_ref ref, cafi_value *out)
{
    cafi_pickled *n = &b->pickle->nodes[ref];
    caface_status st = CAFACE_OK;

    *out = (cafi_value){.kind = CAFI_NULL};
    if (n->visiting)
        return cafi_fail(b->err, CAFACE_EFORMAT, "something in it contains itself");
    if (++b->values > MAX_VALUES)
        return cafi_fail(b->err, CAFACE_ELIMIT, "more than %d values", MAX_VALUES);
    if (b->depth >= MAX_DEPTH)
        return cafi_fail(b->err, CAFACE_ELIMIT, "nested deeper than %d", MAX_DEPTH);
    n->visiting = true;
    b->depth++;
    st = build_node(b, ref, out);
    b->depth--;
    n->visiting = false;
    return st;
}

caface_status cafi_pickle_value(cafi_pickle *pickle, cafi_ref ref, cafi_value *out,
                                caface_error *err)
{
    builder b = {.pickle = pickle, .err = err};
    caface_status st = build(&b, ref, out);

    if (st)
        cafi_value_clear(out);
    return st;
}
