/* The aggregates. A state of transition is a group of rows (common/rows.h) in the aggregate's
 * context, and a callback of that context gives back what the library took. */
#include "extension.h"

#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/memutils.h"

typedef struct transition {
    cafx_group group;
    cafpg_model *model; /* held, or NULL */
    bool was_taken;     /* combined into another without a copy: nobody may use it again */
    bool has_spare;     /* its waiting rows are the spare's */
    MemoryContextCallback callback;
} transition;

/* Room for the waiting rows of one group at a time, which stays: the groups of a sorted plan follow
 * each other, and memory that every one of them took and gave back would go to the system and come
 * again, a page fault for each 4 KB. Groups beside it, as those of a hash table, have room of their
 * own, which the executor counts. */
static struct {
    void *feat, *style;
    size_t feat_size, style_size;
    bool is_taken;
} spare;

/* Rows that become f32 now. */
static cafx_work work;

/* A model whose rows are longer has no use of it. */
#define MOST_SPARE ((size_t)1 << 20)

static void spare_room(void **rows, size_t *size, size_t wanted)
{
    if (*size >= wanted)
        return;
    if (*rows)
        pfree(*rows);
    *rows = NULL;
    *size = 0;
    *rows = MemoryContextAlloc(TopMemoryContext, wanted);
    *size = wanted;
}

static void take_spare(transition *t)
{
    size_t feat = CAFX_ROWS * t->group.options.width * sizeof(float);
    size_t style = CAFX_ROWS * t->group.style.width * sizeof(float);

    if (spare.is_taken || feat + style > MOST_SPARE)
        return;
    spare_room(&spare.feat, &spare.feat_size, feat);
    spare_room(&spare.style, &spare.style_size, style);
    t->group.feat.rows = spare.feat;
    t->group.style.rows = style ? spare.style : NULL;
    t->group.room = CAFX_ROWS;
    t->group.is_lent = t->has_spare = spare.is_taken = true;
}

static MemoryContext context_of(FunctionCallInfo fcinfo, int *kind)
{
    MemoryContext context = NULL;

    *kind = AggCheckCallContext(fcinfo, &context);
    if (!*kind)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("caface: a part of an aggregate was called by itself")));
    return context;
}

static void forget(void *arg)
{
    transition *t = arg;

    caface_set_free(t->group.set);
    t->group.set = NULL;
    cafpg_model_release(t->model);
    t->model = NULL;
    if (t->has_spare)
        spare.is_taken = false;
    t->has_spare = false;
}

static transition *new_transition(MemoryContext context)
{
    transition *t = MemoryContextAllocZero(context, sizeof *t);

    t->callback.func = forget;
    t->callback.arg = t;
    MemoryContextRegisterResetCallback(context, &t->callback);
    return t;
}

/* Counted by the executor, which spills a hash table that grows too large. */
static void *resize(void *context, void *old, size_t size)
{
    return old ? repalloc(old, size) : MemoryContextAlloc(context, size);
}

static cafx_memory memory_in(MemoryContext context)
{
    return (cafx_memory){resize, context, &work, TopMemoryContext};
}

static transition *argument(FunctionCallInfo fcinfo, int i)
{
    transition *t = PG_ARGISNULL(i) ? NULL : (transition *)PG_GETARG_POINTER(i);

    if (t && t->was_taken)
        elog(ERROR, "caface: a state of transition was used twice");
    return t;
}

/* --- rows ---------------------------------------------------------------------- */

static void check_order(FunctionCallInfo fcinfo, const cafpg_model *model)
{
    const Aggref *aggregate = NULL;

    if (!cafpg_require_order || model->info.is_sum)
        return;
    aggregate = AggGetAggref(fcinfo);
    if (!aggregate || aggregate->aggorder == NIL)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("caface: the order of faces is part of what this model makes of them, and "
                        "the aggregate has no ORDER BY"),
                 errhint("caface_fuse(feature, style ORDER BY ...), or caface.require_order = "
                         "off.")));
}

/* The group that a first row begins. */
static transition *begin(MemoryContext context, cafpg_model *model, caface_method method,
                         size_t width, double power)
{
    transition *t = new_transition(context);
    cafx_memory memory = memory_in(context);
    caface_set_options options;
    caface_error err;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    options.method = method;
    options.width = width;
    options.norm_power = power;
    options.chunk = (size_t)cafpg_chunk;
    st = cafx_begin(&t->group, model ? model->model : NULL, &options, &memory, &err);
    if (st)
        cafpg_raise(st, &err);
    t->model = cafpg_model_hold(model);
    take_spare(t);
    return t;
}

static void add(transition *t, const cafx_numbers *feature, const cafx_numbers *style)
{
    caface_error err;
    caface_status st = CAFACE_OK;

    if (t->group.waiting == CAFX_ROWS)
        CHECK_FOR_INTERRUPTS();
    st = cafx_add(&t->group, feature, style, &err);
    if (st)
        cafpg_raise(st, &err);
}

/* A row of which a part is NULL is left out, as SQL's aggregates do. */
static Datum fuse_step(FunctionCallInfo fcinfo, bool is_blob)
{
    int kind = 0;
    MemoryContext context = context_of(fcinfo, &kind);
    transition *t = argument(fcinfo, 0);
    cafx_numbers feature, style;

    if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
        if (!t)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(t);
    }
    feature = cafpg_numbers(fcinfo, 1, is_blob, "feature");
    style = cafpg_numbers(fcinfo, 2, is_blob, "style");
    if (!t) {
        cafpg_model *model = cafpg_model_get(true);

        check_order(fcinfo, model);
        t = begin(context, model, model->info.method, cafpg_feature_width(&feature, &model->info),
                  1.0);
    }
    add(t, &feature, &style);
    PG_RETURN_POINTER(t);
}

PG_FUNCTION_INFO_V1(cafpg_fuse_step_real);
Datum cafpg_fuse_step_real(PG_FUNCTION_ARGS)
{
    return fuse_step(fcinfo, false);
}

PG_FUNCTION_INFO_V1(cafpg_fuse_step_bytea);
Datum cafpg_fuse_step_bytea(PG_FUNCTION_ARGS)
{
    return fuse_step(fcinfo, true);
}

static Datum simple_step(FunctionCallInfo fcinfo, caface_method method, bool is_blob)
{
    int kind = 0;
    MemoryContext context = context_of(fcinfo, &kind);
    transition *t = argument(fcinfo, 0);
    bool has_power = PG_NARGS() > 2;
    double power = 1.0;
    cafx_numbers feature;

    if (PG_ARGISNULL(1) || (has_power && PG_ARGISNULL(2))) {
        if (!t)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(t);
    }
    feature = cafpg_numbers(fcinfo, 1, is_blob, "feature");
    if (has_power)
        power = PG_GETARG_FLOAT8(2);
    if (!t) {
        cafpg_model *model = cafpg_width || !is_blob ? NULL : cafpg_model_get(false);

        t = begin(context, NULL, method, cafpg_feature_width(&feature, model ? &model->info : NULL),
                  power);
    }
    if (power != t->group.options.norm_power)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("caface: the power of the norm is %g, and was %g in the group's "
                               "first row",
                               power, t->group.options.norm_power)));
    add(t, &feature, NULL);
    PG_RETURN_POINTER(t);
}

PG_FUNCTION_INFO_V1(cafpg_average_step_real);
Datum cafpg_average_step_real(PG_FUNCTION_ARGS)
{
    return simple_step(fcinfo, CAFACE_METHOD_AVERAGE, false);
}

PG_FUNCTION_INFO_V1(cafpg_average_step_bytea);
Datum cafpg_average_step_bytea(PG_FUNCTION_ARGS)
{
    return simple_step(fcinfo, CAFACE_METHOD_AVERAGE, true);
}

PG_FUNCTION_INFO_V1(cafpg_norm_step_real);
Datum cafpg_norm_step_real(PG_FUNCTION_ARGS)
{
    return simple_step(fcinfo, CAFACE_METHOD_NORM, false);
}

PG_FUNCTION_INFO_V1(cafpg_norm_step_bytea);
Datum cafpg_norm_step_bytea(PG_FUNCTION_ARGS)
{
    return simple_step(fcinfo, CAFACE_METHOD_NORM, true);
}

/* --- states -------------------------------------------------------------------- */

/* A copy of a set that a value owns goes through its bytes: only a stored or shared one. */
static caface_set *copy_set(const cafpg_loaded *from)
{
    bytea *bytes = cafpg_bytes_of(from->set, caface_set_save_memory);
    caface_set *copy = NULL;
    caface_error err;
    caface_status st = caface_set_load_memory(&copy, from->model ? from->model->model : NULL,
                                              VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &err);

    pfree(bytes);
    if (st)
        cafpg_raise(st, &err);
    return copy;
}

static void adopt(transition *t, cafpg_model *model, caface_set *set, MemoryContext context)
{
    caface_method method = caface_set_method(set);
    bool is_network = method == CAFACE_METHOD_CAFACE || method == CAFACE_METHOD_RESTORE;
    cafx_memory memory = memory_in(context);

    t->model = cafpg_model_hold(is_network ? model : NULL);
    cafx_adopt(&t->group, t->model ? t->model->model : NULL, set, &memory);
}

static void warn_of_mix(cafx_group *group)
{
    if (group->mixes)
        ereport(WARNING,
                (errmsg("states of faces that were encoded in different ways: their features "
                        "differ a little")));
    group->mixes = false;
}

PG_FUNCTION_INFO_V1(cafpg_merge_step);
Datum cafpg_merge_step(PG_FUNCTION_ARGS)
{
    int kind = 0;
    MemoryContext context = context_of(fcinfo, &kind);
    transition *t = argument(fcinfo, 0);
    transition *fresh = NULL;
    cafpg_loaded from;
    caface_error err;
    caface_status st = CAFACE_OK;

    if (PG_ARGISNULL(1)) {
        if (!t)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(t);
    }
    CHECK_FOR_INTERRUPTS();
    if (!t)
        fresh = new_transition(context);
    from = cafpg_load(PG_GETARG_DATUM(1));
    if (fresh) {
        adopt(fresh, from.model, from.is_own ? from.set : copy_set(&from), context);
        PG_RETURN_POINTER(fresh);
    }
    st = cafx_merge(&t->group, from.set, &err);
    cafpg_unload(&from);
    if (st)
        cafpg_raise(st, &err);
    warn_of_mix(&t->group);
    PG_RETURN_POINTER(t);
}

/* The right side comes fresh from deserialising, so an empty left side takes its set, with an
 * unfinished chunk as it is. */
PG_FUNCTION_INFO_V1(cafpg_combine);
Datum cafpg_combine(PG_FUNCTION_ARGS)
{
    int kind = 0;
    MemoryContext context = context_of(fcinfo, &kind);
    transition *left = argument(fcinfo, 0);
    transition *right = argument(fcinfo, 1);
    caface_error err;
    caface_status st = CAFACE_OK;

    if (!right) {
        if (!left)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(left);
    }
    CHECK_FOR_INTERRUPTS();
    if (!left)
        left = new_transition(context);
    if ((st = cafx_push(&right->group, &err)))
        cafpg_raise(st, &err);
    if (!left->group.memory.resize) {
        adopt(left, right->model, right->group.set, context);
        right->group.set = NULL;
        right->was_taken = true;
    } else if ((st = cafx_merge(&left->group, right->group.set, &err))) {
        cafpg_raise(st, &err);
    } else {
        warn_of_mix(&left->group);
    }
    PG_RETURN_POINTER(left);
}

static caface_set *set_of(transition *t, bool *is_own)
{
    caface_set *set = NULL;
    caface_error err;
    caface_status st = CAFACE_OK;

    CHECK_FOR_INTERRUPTS();
    st = cafx_set_of(&t->group, &set, is_own, &err);
    if (st)
        cafpg_raise(st, &err);
    return set;
}

static bytea *bytes_of(caface_set *set, bool is_own, cafpg_form form)
{
    bytea *volatile bytes = NULL;

    PG_TRY();
    {
        bytes = cafpg_bytes_of(set, form);
    }
    PG_FINALLY();
    {
        if (is_own)
            caface_set_free(set);
    }
    PG_END_TRY();
    return bytes;
}

/* What a worker sends has no unfinished chunk, which the leader, alone, would have to fuse. The
 * worker's own state stays as it is: a copy by a merge, which ends the chunk. */
static caface_set *ended(const transition *t, caface_set *set, bool *is_own)
{
    caface_set *copy = NULL;
    caface_error err;
    caface_status st = CAFACE_OK;

    if (!t->model || t->model->info.is_sum)
        return set;
    st = caface_set_new(&copy, t->model->model, &t->group.options, &err);
    if (!st)
        st = caface_set_merge(copy, set, &err);
    if (*is_own)
        caface_set_free(set);
    if (st) {
        caface_set_free(copy);
        cafpg_raise(st, &err);
    }
    *is_own = true;
    return copy;
}

PG_FUNCTION_INFO_V1(cafpg_serialise);
Datum cafpg_serialise(PG_FUNCTION_ARGS)
{
    int kind = 0;
    bool is_own = false;
    transition *t = NULL;
    caface_set *set = NULL;

    context_of(fcinfo, &kind);
    t = argument(fcinfo, 0);
    set = set_of(t, &is_own);
    set = ended(t, set, &is_own);
    PG_RETURN_BYTEA_P(bytes_of(set, is_own, caface_set_pack));
}

PG_FUNCTION_INFO_V1(cafpg_deserialise);
Datum cafpg_deserialise(PG_FUNCTION_ARGS)
{
    int kind = 0;
    transition *t = NULL;
    cafpg_model *model = cafpg_model_get(false);
    bytea *bytes = PG_GETARG_BYTEA_PP(0);
    caface_set *set = NULL;
    caface_error err;
    caface_status st = CAFACE_OK;

    context_of(fcinfo, &kind);
    t = new_transition(CurrentMemoryContext);
    st = caface_set_unpack(&set, model ? model->model : NULL, VARDATA_ANY(bytes),
                           VARSIZE_ANY_EXHDR(bytes), &err);
    if (st)
        cafpg_raise(st, &err);
    adopt(t, model, set, CurrentMemoryContext);
    PG_RETURN_POINTER(t);
}

/* Leaves the state as it is. A window's frames go on after their value was made, so there the
 * value is bytes at once. */
PG_FUNCTION_INFO_V1(cafpg_state);
Datum cafpg_state(PG_FUNCTION_ARGS)
{
    int kind = 0;
    bool is_own = false;
    transition *t = NULL;
    caface_set *set = NULL;

    context_of(fcinfo, &kind);
    t = argument(fcinfo, 0);
    if (!t)
        PG_RETURN_NULL();
    set = set_of(t, &is_own);
    if (kind == AGG_CONTEXT_WINDOW)
        PG_RETURN_BYTEA_P(bytes_of(set, is_own, caface_set_save_memory));
    PG_RETURN_DATUM(cafpg_value(set, is_own, t->model));
}
