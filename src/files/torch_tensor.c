/* What torch means by the calls and persistent ids in its pickles. */
#include <string.h>

#include "files/checkpoint.h"

/* torch.XStorage and, for tensors on untyped storages, torch.dtype. */
static const struct {
    const char *storage, *dtype;
    cafi_dtype value;
} types[] = {
    {"FloatStorage", "float32", CAFI_F32}, {"DoubleStorage", "float64", CAFI_F64},
    {"HalfStorage", "float16", CAFI_F16},  {"BFloat16Storage", "bfloat16", CAFI_BF16},
    {"LongStorage", "int64", CAFI_I64},    {"IntStorage", "int32", CAFI_I32},
    {"ShortStorage", "int16", CAFI_I16},   {"CharStorage", "int8", CAFI_I8},
    {"ByteStorage", "uint8", CAFI_U8},     {"BoolStorage", "bool", CAFI_BOOL_T},
    {"UInt16Storage", "uint16", CAFI_U16}, {"UInt32Storage", "uint32", CAFI_U32},
    {"UInt64Storage", "uint64", CAFI_U64},
};

/* Known by their size alone: old files hold their data between the others'. */
static const struct {
    const char *storage;
    size_t size;
} foreign_types[] = {
    {"ComplexHalfStorage", 4}, {"ComplexFloatStorage", 8}, {"ComplexDoubleStorage", 16},
    {"QInt8Storage", 1},       {"QUInt8Storage", 1},       {"QInt32Storage", 4},
    {"QUInt4x2Storage", 1},    {"QUInt2x4Storage", 1},
};

static bool is_torch_module(const cafi_pickle *p, cafi_ref module)
{
    return cafi_pickle_is_text(p, module, "torch") ||
           cafi_pickle_is_text(p, module, "torch.cuda") ||
           cafi_pickle_is_text(p, module, "torch.storage");
}

static bool storage_type(const cafi_pickle *p, cafi_ref ref, cafi_storage_id *out)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    if (n->kind != CAFI_NODE_GLOBAL || !is_torch_module(p, n->u.global.module))
        return false;
    if (cafi_pickle_is_text(p, n->u.global.name, "UntypedStorage") ||
        cafi_pickle_is_text(p, n->u.global.name, "_UntypedStorage")) {
        out->dtype = CAFI_U8;
        out->untyped = true;
        return true;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (cafi_pickle_is_text(p, n->u.global.name, types[i].storage)) {
            out->dtype = types[i].value;
            return true;
        }
    for (size_t i = 0; i < sizeof foreign_types / sizeof foreign_types[0]; i++)
        if (cafi_pickle_is_text(p, n->u.global.name, foreign_types[i].storage)) {
            out->dtype = CAFI_U8;
            out->foreign = foreign_types[i].size;
            return true;
        }
    return false;
}

static bool dtype_of(const cafi_pickle *p, cafi_ref ref, cafi_dtype *out)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (cafi_pickle_is_global(p, ref, "torch", types[i].dtype)) {
            *out = types[i].value;
            return true;
        }
    return false;
}

static bool is_tuple(const cafi_pickle *p, cafi_ref ref, size_t least, size_t most)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    return n->kind == CAFI_NODE_TUPLE && n->u.seq.count >= least && n->u.seq.count <= most;
}

/* A whole number that is a size or a stride; one that does not fit is the largest, which no
 * storage has. */
static bool size_at(const cafi_pickle *p, cafi_ref ref, size_t *out)
{
    int64_t value = 0;

    if (!cafi_pickle_int(p, ref, &value) || value < 0)
        return false;
    if (!cafi_fit_size((uint64_t)value, out) || *out > PTRDIFF_MAX)
        *out = PTRDIFF_MAX;
    return true;
}

bool cafi_is_module_id(const cafi_pickle *p, cafi_ref id)
{
    return is_tuple(p, id, 2, 4) &&
           cafi_pickle_is_text(p, cafi_pickle_node(p, id)->u.seq.items[0], "module");
}

caface_status cafi_storage_id_read(const cafi_pickle *p, cafi_ref id, cafi_storage_id *out,
                                   caface_error *err)
{
    const cafi_pickled *key = NULL;
    const cafi_ref *item = NULL;
    size_t view_size = 0;
    char class[256];

    *out = (cafi_storage_id){0};
    if (!is_tuple(p, id, 5, 6) ||
        !cafi_pickle_is_text(p, (item = cafi_pickle_node(p, id)->u.seq.items)[0], "storage"))
        return cafi_fail(err, CAFACE_EFORMAT, "a persistent id that names no storage");
    if (!storage_type(p, item[1], out))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "storage type %.200s is not read",
                         cafi_pickle_class(p, item[1], class, sizeof class));
    key = cafi_pickle_node(p, item[2]);
    if ((key->kind != CAFI_NODE_TEXT && key->kind != CAFI_NODE_BYTES) ||
        !size_at(p, item[4], &out->count))
        return cafi_fail(err, CAFACE_EFORMAT, "a storage without a key or a size");
    out->key = key->u.bytes.data;
    out->key_size = key->u.bytes.size;
    if (cafi_pickle_node(p, id)->u.seq.count == 6 && item[5] != CAFI_NOTHING) {
        if (!is_tuple(p, item[5], 3, 3) ||
            !size_at(p, cafi_pickle_node(p, item[5])->u.seq.items[1], &out->view_offset) ||
            !size_at(p, cafi_pickle_node(p, item[5])->u.seq.items[2], &view_size))
            return cafi_fail(err, CAFACE_EFORMAT, "a storage's view is damaged");
        out->is_view = true;
    }
    return CAFACE_OK;
}

static caface_status read_sizes(const cafi_pickle *p, cafi_ref size, cafi_ref stride,
                                cafi_tensor *view, caface_error *err)
{
    const cafi_pickled *sizes = cafi_pickle_node(p, size);
    const cafi_pickled *strides = cafi_pickle_node(p, stride);

    if ((sizes->kind != CAFI_NODE_TUPLE && sizes->kind != CAFI_NODE_LIST) ||
        (strides->kind != CAFI_NODE_TUPLE && strides->kind != CAFI_NODE_LIST) ||
        sizes->u.seq.count != strides->u.seq.count)
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor's size and stride do not go together");
    if (sizes->u.seq.count > CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_ELIMIT, "%u dimensions, limit %d", sizes->u.seq.count,
                         CAFI_MAX_DIMS);
    view->ndim = (int)sizes->u.seq.count;
    for (int d = 0; d < view->ndim; d++) {
        size_t step = 0;

        if (!size_at(p, sizes->u.seq.items[d], &view->shape[d]) ||
            !size_at(p, strides->u.seq.items[d], &step))
            return cafi_fail(err, CAFACE_EFORMAT,
                             "a size or stride that is not a whole number >= 0");
        view->stride[d] = (ptrdiff_t)step;
    }
    return CAFACE_OK;
}

/* Is this the id of a storage of a type that is known by its size alone? */
static bool is_foreign(const cafi_pickle *p, cafi_ref id)
{
    cafi_storage_id read = {0};

    return is_tuple(p, id, 5, 6) &&
           storage_type(p, cafi_pickle_node(p, id)->u.seq.items[1], &read) && read.foreign;
}

/* _rebuild_tensor(storage, offset, size, stride), with requires_grad and hooks
 * behind it in v2, and the type behind those in v3. */
static caface_status rebuild(const cafi_pickle *p, cafi_ref args, bool has_type,
                             const cafi_storages *storages, cafi_tensor *view, cafi_storage *inside,
                             caface_error *err)
{
    const cafi_ref *arg = NULL;
    const cafi_pickled *storage = NULL;
    char class[256];
    size_t offset = 0;
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    if (!is_tuple(p, args, has_type ? 7 : 4, 9))
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor's arguments are incomplete");
    arg = cafi_pickle_node(p, args)->u.seq.items;
    storage = cafi_pickle_node(p, arg[0]);
    if (storage->kind == CAFI_NODE_PERSISTENT && is_foreign(p, storage->u.id))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "its type is not read (%.200s)",
                         cafi_pickle_class(p, cafi_pickle_node(p, storage->u.id)->u.seq.items[1],
                                           class, sizeof class));
    if (!storages)
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "a tensor of torch in a pickle of its own; write the file with torch.save");
    if (storage->kind != CAFI_NODE_PERSISTENT || !storages->find)
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor without a storage");
    if ((st = read_sizes(p, arg[2], arg[3], view, err)) ||
        (st = storages->find(storages->ctx, p, storage->u.id, inside, err)))
        return st;
    view->dtype = inside->dtype;
    view->swapped = inside->swapped;
    if (has_type && !dtype_of(p, arg[6], &view->dtype))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "a tensor of a type that is not read");
    if (!has_type && inside->untyped)
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor whose storage has no type");
    view->data = inside->data;
    if (!size_at(p, arg[1], &offset))
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor's offset is no whole number >= 0");
    if (!cafi_tensor_bytes(view, &bytes) || bytes == 0)
        return CAFACE_OK; /* too large is said later; nothing to point at */
    if (!cafi_mul_size(offset, cafi_dtype_size(view->dtype), &offset) || offset > inside->size)
        return cafi_fail(err, CAFACE_EFORMAT, "begins outside its storage of %zu bytes",
                         inside->size);
    view->data += offset;
    return CAFACE_OK;
}

caface_status cafi_torch_tensor(const cafi_pickle *p, cafi_ref ref, const cafi_storages *storages,
                                cafi_tensor *view, cafi_storage *inside, bool *found,
                                caface_error *err)
{
    cafi_ref args = CAFI_NOTHING;
    bool v3 = false;

    /* Parameter(tensor, requires_grad, hooks), a few deep at most. */
    for (int i = 0;
         i < 4 && (cafi_pickle_is_call(p, ref, "torch._utils", "_rebuild_parameter") ||
                   cafi_pickle_is_call(p, ref, "torch._utils", "_rebuild_parameter_with_state"));
         i++)
        ref = cafi_pickle_arg(p, ref, 0);
    *found = false;
    if (cafi_pickle_is_call(p, ref, "torch._tensor", "_rebuild_from_type_v2")) {
        /* (function, type, its arguments, state): a subclass of Tensor */
        cafi_ref function = cafi_pickle_arg(p, ref, 0);

        v3 = cafi_pickle_is_global(p, function, "torch._utils", "_rebuild_tensor_v3");
        if (!v3 && !cafi_pickle_is_global(p, function, "torch._utils", "_rebuild_tensor_v2"))
            return CAFACE_OK;
        args = cafi_pickle_arg(p, ref, 2);
    } else {
        v3 = cafi_pickle_is_call(p, ref, "torch._utils", "_rebuild_tensor_v3");
        if (!v3 && !cafi_pickle_is_call(p, ref, "torch._utils", "_rebuild_tensor_v2") &&
            !cafi_pickle_is_call(p, ref, "torch._utils", "_rebuild_tensor"))
            return CAFACE_OK;
        args = cafi_pickle_node(p, ref)->u.object.args;
    }
    *found = true;
    return rebuild(p, args, v3, storages, view, inside, err);
}
