/* Functions of states and of vectors. */
#include "extension.h"

#include "utils/builtins.h"

/* caface_template(state) -> real[] */
PG_FUNCTION_INFO_V1(cafpg_template);
Datum cafpg_template(PG_FUNCTION_ARGS)
{
    Datum state = PG_GETARG_DATUM(0);
    cafpg_loaded from;
    Datum result = 0;
    caface_error err;
    caface_status st = CAFACE_OK;

    from = cafpg_load(state);
    PG_TRY();
    {
        size_t width = caface_set_width(from.set);
        float *values = palloc(width * sizeof *values);

        st = caface_set_template(from.set, values, &err);
        if (!st)
            result = cafpg_real_array(values, width);
        pfree(values);
    }
    PG_FINALLY();
    {
        cafpg_unload(&from);
    }
    PG_END_TRY();
    if (st)
        cafpg_raise(st, &err);
    PG_RETURN_DATUM(result);
}

/* caface_count(state) -> bigint */
PG_FUNCTION_INFO_V1(cafpg_count);
Datum cafpg_count(PG_FUNCTION_ARGS)
{
    cafpg_loaded from = cafpg_load(PG_GETARG_DATUM(0));
    int64 count = (int64)caface_set_count(from.set);

    cafpg_unload(&from);
    PG_RETURN_INT64(count);
}

/* caface_evidence(state) -> double precision */
PG_FUNCTION_INFO_V1(cafpg_evidence);
Datum cafpg_evidence(PG_FUNCTION_ARGS)
{
    cafpg_loaded from = cafpg_load(PG_GETARG_DATUM(0));
    double value = 0.0;
    caface_error err;
    caface_status st = caface_set_evidence(from.set, &value, &err);

    cafpg_unload(&from);
    if (st)
        cafpg_raise(st, &err);
    PG_RETURN_FLOAT8(value);
}

/* caface_method(state) -> text */
PG_FUNCTION_INFO_V1(cafpg_method);
Datum cafpg_method(PG_FUNCTION_ARGS)
{
    cafpg_loaded from = cafpg_load(PG_GETARG_DATUM(0));
    const char *name = caface_method_name(caface_set_method(from.set));

    cafpg_unload(&from);
    PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* caface_model_hash() -> text; NULL without a model */
PG_FUNCTION_INFO_V1(cafpg_model_hash);
Datum cafpg_model_hash(PG_FUNCTION_ARGS)
{
    cafpg_model *model = cafpg_model_get(false);

    if (!model)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(model->info.hash));
}

static Datum cosine(FunctionCallInfo fcinfo, bool is_blob)
{
    cafx_numbers a = cafpg_numbers(fcinfo, 0, is_blob, "feature");
    cafx_numbers b = cafpg_numbers(fcinfo, 1, is_blob, "feature");
    cafpg_model *model = cafpg_width || !is_blob ? NULL : cafpg_model_get(false);
    size_t width =
        is_blob ? cafpg_feature_width(&a, model ? &model->info : NULL) : a.size / sizeof(float4);
    float *values = palloc(2 * width * sizeof *values);
    double result = 0.0;
    caface_error err;
    caface_status st = cafx_read(values, width, &a, "the first", &err);

    if (!st)
        st = cafx_read(values + width, width, &b, "the second", &err);
    if (st)
        cafpg_raise(st, &err);
    result = caface_cosine(values, values + width, width);
    pfree(values);
    PG_RETURN_FLOAT8(result);
}

PG_FUNCTION_INFO_V1(cafpg_cosine_real);
Datum cafpg_cosine_real(PG_FUNCTION_ARGS)
{
    return cosine(fcinfo, false);
}

PG_FUNCTION_INFO_V1(cafpg_cosine_bytea);
Datum cafpg_cosine_bytea(PG_FUNCTION_ARGS)
{
    return cosine(fcinfo, true);
}

/* caface_is_valid(feature, style): may fuse take the row? False for NaN and Inf; another length
 * is an error here as there. */
static Datum is_valid(FunctionCallInfo fcinfo, bool is_blob)
{
    cafpg_model *model = cafpg_model_get(true);
    cafx_numbers feature = cafpg_numbers(fcinfo, 0, is_blob, "feature");
    cafx_numbers style = cafpg_numbers(fcinfo, 1, is_blob, "style");
    bool ok = false, style_ok = false;
    caface_error err;
    caface_status st =
        cafx_is_finite(&ok, cafpg_feature_width(&feature, &model->info), &feature, "feature", &err);

    if (!st)
        st = cafx_is_finite(&style_ok, 2 * model->info.S, &style, "style", &err);
    if (st)
        cafpg_raise(st, &err);
    PG_RETURN_BOOL(ok && style_ok);
}

PG_FUNCTION_INFO_V1(cafpg_is_valid_real);
Datum cafpg_is_valid_real(PG_FUNCTION_ARGS)
{
    return is_valid(fcinfo, false);
}

PG_FUNCTION_INFO_V1(cafpg_is_valid_bytea);
Datum cafpg_is_valid_bytea(PG_FUNCTION_ARGS)
{
    return is_valid(fcinfo, true);
}
