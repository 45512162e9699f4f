/* States as values. caface_template(caface_fuse(...)) would save, hash, check and read a state
 * between the two; so a state is an expanded object, which is bytes only when it is stored or
 * sent. To everything else in the server it is a bytea. */
#include "extension.h"

#include "utils/memutils.h"

typedef struct value {
    ExpandedObjectHeader header;
    caface_set *set;
    bool is_own;
    cafpg_model *model; /* held */
    bytea *bytes;       /* once somebody asked for them */
    MemoryContextCallback callback;
} value;

static Size flat_size(ExpandedObjectHeader *header)
{
    value *v = (value *)header;

    if (!v->bytes) {
        MemoryContext before = MemoryContextSwitchTo(header->eoh_context);

        v->bytes = cafpg_bytes_of(v->set, caface_set_save_memory);
        MemoryContextSwitchTo(before);
    }
    return VARSIZE(v->bytes);
}

static void flatten(ExpandedObjectHeader *header, void *result, Size size)
{
    memcpy(result, ((value *)header)->bytes, size);
}

static const ExpandedObjectMethods methods = {flat_size, flatten};

static void forget(void *arg)
{
    value *v = arg;

    if (v->is_own)
        caface_set_free(v->set);
    cafpg_model_release(v->model);
}

Datum cafpg_value(caface_set *set, bool is_own, cafpg_model *model)
{
    MemoryContext context = NULL;
    value *v = NULL;
    char *pointer = NULL;

    /* the set is in safe hands before anything else may fail */
    PG_TRY();
    {
        context = AllocSetContextCreate(CurrentMemoryContext, "caface state", ALLOCSET_SMALL_SIZES);
        v = MemoryContextAllocZero(context, sizeof *v);
        /* here and not in the header: the executor of up to 15 copies, as bytes, what an aggregate
         * returns outside of its own context */
        pointer = palloc(EXPANDED_POINTER_SIZE);
    }
    PG_CATCH();
    {
        if (is_own)
            caface_set_free(set);
        PG_RE_THROW();
    }
    PG_END_TRY();
    EOH_init_header(&v->header, &methods, context);
    v->set = set;
    v->is_own = is_own;
    v->model = cafpg_model_hold(model);
    v->callback.func = forget;
    v->callback.arg = v;
    MemoryContextRegisterResetCallback(context, &v->callback);
    memcpy(pointer, v->header.eoh_ro_ptr, EXPANDED_POINTER_SIZE);
    return PointerGetDatum(pointer);
}

bytea *cafpg_bytes_of(const caface_set *set, cafpg_form form)
{
    void *saved = NULL;
    size_t size = 0;
    bytea *out = NULL;
    caface_error err;
    caface_status st = form(set, &saved, &size, &err);

    if (st)
        cafpg_raise(st, &err);
    if (size < MaxAllocSize - VARHDRSZ)
        out = MemoryContextAllocExtended(CurrentMemoryContext, VARHDRSZ + size, MCXT_ALLOC_NO_OOM);
    if (out) {
        SET_VARSIZE(out, VARHDRSZ + size);
        memcpy(VARDATA(out), saved, size);
    }
    free(saved);
    if (!out)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
                        errmsg("caface: a state of %zu bytes does not fit into memory", size)));
    return out;
}

cafpg_loaded cafpg_load(Datum state)
{
    struct varlena *pointer = (struct varlena *)DatumGetPointer(state);
    cafpg_loaded loaded = {NULL, NULL, true};
    bytea *bytes = NULL;
    caface_error err;
    caface_status st = CAFACE_OK;

    if (VARATT_IS_EXTERNAL_EXPANDED(pointer)) {
        value *v = (value *)DatumGetEOHP(state);

        if (v->header.eoh_methods == &methods)
            return (cafpg_loaded){v->set, v->model, false};
    }
    loaded.model = cafpg_model_get(false);
    bytes = DatumGetByteaPP(state);
    st = caface_set_load_memory(&loaded.set, loaded.model ? loaded.model->model : NULL,
                                VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &err);
    if (st)
        cafpg_raise(st, &err);
    return loaded;
}

void cafpg_unload(cafpg_loaded *loaded)
{
    if (loaded->is_own)
        caface_set_free(loaded->set);
    loaded->set = NULL;
}
