#include "files/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 22, MAX_BESIDE = 64 };

typedef struct walk {
    cafi_bundle *bundle;
    cafi_pickle *pickle;
    const cafi_storages *storages;
    cafi_buf path;
    int depth;
    size_t visits;
    caface_error *err;
} walk;

static caface_status visit(walk *w, cafi_ref ref);

static caface_status fail_at(walk *w, caface_status st)
{
    char name[256];

    snprintf(name, sizeof name, "%.200s", w->path.data ? w->path.data : "");
    return cafi_prefix(w->err, st, name);
}

/* The parts of a module's own dict that its state dict does not name. */
static bool is_transparent(const cafi_pickle *p, cafi_ref key)
{
    return cafi_pickle_is_text(p, key, "_parameters") || cafi_pickle_is_text(p, key, "_buffers") ||
           cafi_pickle_is_text(p, key, "_modules");
}

/* Appends a step to the path; *old is the size to cut it back to. */
static caface_status step_in(walk *w, cafi_ref key, size_t index, size_t *old)
{
    const cafi_pickled *n = cafi_pickle_node(w->pickle, key);

    *old = w->path.size;
    if (w->path.size)
        cafi_buf_append(&w->path, ".", 1);
    if (n->kind == CAFI_NODE_TEXT || n->kind == CAFI_NODE_BYTES)
        cafi_buf_append(&w->path, n->u.bytes.data,
                        n->u.bytes.size <= CAFI_MAX_NAME ? n->u.bytes.size : CAFI_MAX_NAME + 1);
    else if (n->kind == CAFI_NODE_INT)
        cafi_buf_printf(&w->path, "%lld", (long long)n->u.integer);
    else
        cafi_buf_printf(&w->path, "%zu", index);
    if (w->path.failed)
        return cafi_fail_memory(w->err, w->path.size);
    if (w->path.size > 2 * CAFI_MAX_NAME)
        return cafi_fail(w->err, CAFACE_ELIMIT, "a name of more than %zu bytes", 2 * CAFI_MAX_NAME);
    return CAFACE_OK;
}

static void step_out(walk *w, size_t old)
{
    w->path.size = old;
    if (w->path.data)
        w->path.data[old] = '\0';
}

/* The two members of a pair (name, value), or NULL. */
static const cafi_ref *pair_of(const cafi_pickle *p, cafi_ref ref)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    cafi_node_kind name;

    if ((n->kind != CAFI_NODE_TUPLE && n->kind != CAFI_NODE_LIST) || n->u.seq.count != 2)
        return NULL;
    name = cafi_pickle_node(p, n->u.seq.items[0])->kind;
    return name == CAFI_NODE_TEXT || name == CAFI_NODE_BYTES ? n->u.seq.items : NULL;
}

/* A list of pairs, as list(state_dict.items()) is: a dict in all but its kind. */
static bool is_pairs(const cafi_pickle *p, cafi_ref ref)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    size_t i = 0;

    while (i < n->u.seq.count && pair_of(p, n->u.seq.items[i]))
        i++;
    return i > 0 && i == n->u.seq.count;
}

/* module: ref is the dict of a whole module, not of its tensors. */
static caface_status visit_members(walk *w, cafi_ref ref, bool dict, bool module)
{
    bool pairs = !dict && is_pairs(w->pickle, ref);
    size_t stride = dict ? 2 : 1;
    size_t n = cafi_pickle_node(w->pickle, ref)->u.seq.count / stride;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < n && !st; i++) {
        const cafi_ref *items = cafi_pickle_node(w->pickle, ref)->u.seq.items + i * stride;
        const cafi_ref *named = dict ? items : pairs ? pair_of(w->pickle, items[0]) : NULL;
        size_t old = 0;

        if (module && is_transparent(w->pickle, items[0]))
            old = w->path.size;
        else if ((st = step_in(w, named ? named[0] : CAFI_NOTHING, i, &old)))
            return st;
        st = visit(w, named ? named[1] : items[0]);
        if (!st)
            step_out(w, old);
    }
    return st;
}

/* A call of torch's that would give some tensor of a kind this reader lacks. */
static bool is_unknown_rebuild(const cafi_pickle *p, cafi_ref ref, char *class, size_t size)
{
    if (cafi_pickle_node(p, ref)->kind != CAFI_NODE_OBJECT)
        return false;
    cafi_pickle_class(p, ref, class, size);
    return strncmp(class, "torch.", 6) == 0 && strstr(class, "._rebuild_") != NULL;
}

static caface_status visit_object(walk *w, cafi_ref ref)
{
    cafi_tensor view = {0};
    cafi_storage inside = {0};
    cafi_ref objects = CAFI_NOTHING;
    bool found = false;
    char class[256];
    caface_error why = {CAFACE_OK, ""};
    caface_status st = cafi_torch_tensor(w->pickle, ref, w->storages, &view, &inside, &found, &why);

    if (!st && !found)
        st = cafi_numpy_array(w->bundle, w->pickle, ref, &view, &inside, &found, &objects, &why);
    if (!st && objects)
        return visit(w, objects);
    if (!st && !found && is_unknown_rebuild(w->pickle, ref, class, sizeof class))
        st = cafi_fail(&why, CAFACE_EUNSUPPORTED, "a tensor of a kind that is not read (%.200s)",
                       class);
    if (st == CAFACE_EUNSUPPORTED && w->path.size)
        return cafi_bundle_pass(w->bundle, w->path.data, w->path.size, &why, w->err);
    if (st) {
        cafi_fail(w->err, st, "%s", why.message);
        return fail_at(w, st);
    }
    if (!found && (objects = cafi_pickle_state(w->pickle, ref)))
        return visit_members(w, objects, true, true);
    if (found && w->depth == 1 && !w->path.size) /* a checkpoint that is one bare tensor */
        cafi_buf_text(&w->path, "tensor");
    return found ? cafi_bundle_add(w->bundle, w->path.data, w->path.size, &view, inside.data,
                                   inside.size, w->err)
                 : CAFACE_OK;
}

static caface_status visit_node(walk *w, cafi_ref ref)
{
    cafi_ref dict = cafi_pickle_dict(w->pickle, ref);

    if (dict)
        return visit_members(w, dict, true, false);
    switch (cafi_pickle_node(w->pickle, ref)->kind) {
    case CAFI_NODE_LIST:
    case CAFI_NODE_TUPLE:
        return visit_members(w, ref, false, false);
    case CAFI_NODE_OBJECT:
        return visit_object(w, ref);
    default:
        return CAFACE_OK;
    }
}

static caface_status visit(walk *w, cafi_ref ref)
{
    cafi_pickled *n = &w->pickle->nodes[ref];
    caface_status st = CAFACE_OK;

    if (n->visiting)
        return fail_at(w, cafi_fail(w->err, CAFACE_EFORMAT, "contains itself"));
    if (w->depth >= MAX_DEPTH)
        return fail_at(w, cafi_fail(w->err, CAFACE_ELIMIT, "nested deeper than %d", MAX_DEPTH));
    if (++w->visits > MAX_VISITS)
        return fail_at(w, cafi_fail(w->err, CAFACE_ELIMIT, "more than %d values", MAX_VISITS));
    n->visiting = true;
    w->depth++;
    st = visit_node(w, ref);
    w->depth--;
    n->visiting = false;
    return st;
}

caface_status cafi_collect(cafi_bundle *bundle, cafi_pickle *pickle, cafi_ref ref,
                           const char *prefix, size_t prefix_size, const cafi_storages *storages,
                           caface_error *err)
{
    walk w = {.bundle = bundle, .pickle = pickle, .storages = storages, .err = err};
    caface_status st = CAFACE_OK;

    cafi_buf_append(&w.path, prefix, prefix_size);
    st = w.path.failed ? cafi_fail_memory(err, prefix_size) : visit(&w, ref);
    cafi_buf_free(&w.path);
    return st;
}

static caface_status read_config(cafi_bundle *bundle, cafi_pickle *pickle, cafi_ref ref,
                                 caface_error *err)
{
    cafi_value value = {.kind = CAFI_NULL};
    caface_status st = cafi_pickle_value(pickle, ref, &value, err);

    if (st)
        return cafi_prefix(err, st, "hyper_parameters");
    if (value.kind == CAFI_DICT)
        bundle->config = value;
    else
        cafi_value_clear(&value);
    return CAFACE_OK;
}

/* One member of the checkpoint: its tensors by their paths, and the rest as configuration. */
static caface_status read_part(cafi_bundle *bundle, cafi_pickle *pickle, cafi_ref root,
                               const cafi_storages *storages, caface_error *err)
{
    cafi_ref part = cafi_pickle_get(pickle, root, bundle->part);
    cafi_value *member = NULL;
    char **key = NULL;
    caface_status st;

    if (!part)
        return cafi_fail(err, CAFACE_EFORMAT, "no %s in it", bundle->part);
    if (!(st = CAFI_NEW(&member, 1, err)) && !(st = CAFI_NEW(&key, 1, err)) &&
        !(st = cafi_strdup(key, bundle->part, err)))
        st = cafi_pickle_value(pickle, part, member, err);
    if (st) {
        if (key)
            free(*key);
        free(key);
        free(member);
        return cafi_prefix(err, st, bundle->part);
    }
    cafi_value_clear(&bundle->config);
    bundle->config = (cafi_value){.kind = CAFI_DICT, .u.list = {member, key, 1}};
    return cafi_collect(bundle, pickle, part, "", 0, storages, err);
}

/* A dict of tensors and other single values, as a state dict is and an optimiser's state is
 * not; a module's own dict neither. */
static bool is_flat_dict(const cafi_pickle *p, cafi_ref dict)
{
    const cafi_pickled *n = cafi_pickle_node(p, dict);
    bool tensors = false;
    char class[256];

    for (size_t i = 1; i < n->u.seq.count; i += 2) {
        cafi_ref item = n->u.seq.items[i];
        cafi_node_kind kind = cafi_pickle_node(p, item)->kind;

        if (cafi_pickle_dict(p, item) || kind == CAFI_NODE_LIST || kind == CAFI_NODE_TUPLE)
            return false;
        tensors |= kind == CAFI_NODE_OBJECT &&
                   strstr(cafi_pickle_class(p, item, class, sizeof class), "._rebuild_");
    }
    return tensors;
}

/* Does a name that is there begin with "KEY."? */
static bool has_under(const cafi_bundle *bundle, const char *key, size_t size)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (strncmp(bundle->tensors[i].name, key, size) == 0 &&
            bundle->tensors[i].name[size] == '.')
            return true;
    return false;
}

/* The other state dicts of a checkpoint ("state_dict_ema", "backbone"), under their keys: it
 * may be one of them that is meant. One whose names could be the first one's is left aside.
 * Looks at MAX_BESIDE dicts, since objects may be shared: a short file could ask for years. */
static caface_status read_beside(cafi_bundle *bundle, cafi_pickle *pickle, cafi_ref root,
                                 cafi_ref state, const cafi_storages *storages, caface_error *err)
{
    caface_status st = CAFACE_OK;
    int tried = 0;

    for (size_t i = 0; !st && i + 1 < cafi_pickle_node(pickle, root)->u.seq.count; i += 2) {
        cafi_ref key = cafi_pickle_node(pickle, root)->u.seq.items[i];
        cafi_ref dict =
            cafi_pickle_dict(pickle, cafi_pickle_node(pickle, root)->u.seq.items[i + 1]);
        const cafi_pickled *name = cafi_pickle_node(pickle, key);
        caface_error why = {CAFACE_OK, "state_dict has names that begin like its own"};

        if (!dict || dict == cafi_pickle_dict(pickle, state) || name->kind != CAFI_NODE_TEXT ||
            cafi_pickle_is_text(pickle, key, "hyper_parameters") || tried++ >= MAX_BESIDE ||
            !is_flat_dict(pickle, dict))
            continue;
        if (has_under(bundle, (const char *)name->u.bytes.data, name->u.bytes.size))
            st = cafi_bundle_pass(bundle, (const char *)name->u.bytes.data, name->u.bytes.size,
                                  &why, err);
        else
            st = cafi_collect(bundle, pickle, dict, (const char *)name->u.bytes.data,
                              name->u.bytes.size, storages, err);
    }
    return st;
}

caface_status cafi_checkpoint_read(cafi_bundle *bundle, cafi_pickle *pickle,
                                   const cafi_storages *storages, caface_error *err)
{
    cafi_ref root = cafi_pickle_dict(pickle, pickle->root);
    cafi_ref state = cafi_pickle_get(pickle, root, "state_dict");
    cafi_ref hyper = cafi_pickle_get(pickle, root, "hyper_parameters");
    char class[256];
    caface_status st = CAFACE_OK;

    bundle->kind = CAFI_BUNDLE_TORCH;
    if (!cafi_pickle_dict(pickle, state))
        state = CAFI_NOTHING;
    if (state && (hyper || cafi_pickle_get(pickle, root, "pytorch-lightning_version")))
        bundle->kind = CAFI_BUNDLE_LIGHTNING;
    if (bundle->part)
        return read_part(bundle, pickle, root, storages, err);
    if (state && hyper && (st = read_config(bundle, pickle, hyper, err)))
        return st;
    if ((st = cafi_collect(bundle, pickle, state ? state : pickle->root, "", 0, storages, err)))
        return st;
    if (state && root && (st = read_beside(bundle, pickle, root, state, storages, err)))
        return st;
    if (bundle->count || root || cafi_pickle_node(pickle, pickle->root)->kind != CAFI_NODE_OBJECT)
        return CAFACE_OK;
    cafi_pickle_class(pickle, pickle->root, class, sizeof class);
    if (strncmp(class, "__torch__.", 10) == 0)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "a frozen TorchScript module, whose weights have no names any more; save "
                         "its state_dict() before it is frozen");
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "holds a whole object (%.200s), not its tensors; save its state_dict()",
                     class);
}
