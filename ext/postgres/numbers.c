#include "extension.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

static cafx_numbers array_numbers(ArrayType *array, const char *what)
{
    int ndim = ARR_NDIM(array);
    bool is_pairs = ndim == 2 && ARR_DIMS(array)[1] == 2;
    int n = ArrayGetNItems(ndim, ARR_DIMS(array));

    if (ARR_ELEMTYPE(array) != FLOAT4OID)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("caface: %s: an array of real is needed", what)));
    if (ndim > 1 && (!is_pairs || strcmp(what, "style") != 0))
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                 errmsg("caface: %s: an array of %d dimensions, one is needed", what, ndim)));
    if (array_contains_nulls(array))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("caface: %s: an array that holds NULL", what)));
    return (cafx_numbers){ARR_DATA_PTR(array), (size_t)n * sizeof(float4), false};
}

cafx_numbers cafpg_numbers(FunctionCallInfo fcinfo, int i, bool is_blob, const char *what)
{
    if (is_blob) {
        bytea *blob = PG_GETARG_BYTEA_PP(i);

        return (cafx_numbers){VARDATA_ANY(blob), VARSIZE_ANY_EXHDR(blob), true};
    }
    return array_numbers(PG_GETARG_ARRAYTYPE_P(i), what);
}

size_t cafpg_feature_width(const cafx_numbers *feature, const caface_model_info *info)
{
    if (info && info->C)
        return info->C;
    if (cafpg_width)
        return (size_t)cafpg_width;
    if (feature->is_blob)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("caface: nothing says whether %zu bytes are f32 or f16", feature->size),
                 errhint("Set caface.width to the numbers of a feature, or caface.model.")));
    if (!feature->size)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("caface: feature: an empty array")));
    return feature->size / sizeof(float4);
}

Datum cafpg_real_array(const float *values, size_t n)
{
    Size size = ARR_OVERHEAD_NONULLS(1) + n * sizeof(float4);
    ArrayType *array = palloc0(size);

    SET_VARSIZE(array, size);
    array->ndim = 1;
    array->dataoffset = 0;
    array->elemtype = FLOAT4OID;
    ARR_DIMS(array)[0] = (int)n;
    ARR_LBOUND(array)[0] = 1;
    memcpy(ARR_DATA_PTR(array), values, n * sizeof(float4));
    return PointerGetDatum(array);
}

/* caface_floats(bytea) -> real[]: f32 or f16, by the width. */
PG_FUNCTION_INFO_V1(cafpg_floats);
Datum cafpg_floats(PG_FUNCTION_ARGS)
{
    cafpg_model *model = cafpg_width ? NULL : cafpg_model_get(false);
    cafx_numbers in = cafpg_numbers(fcinfo, 0, true, "floats");
    size_t width =
        cafpg_width ? (size_t)cafpg_width : cafpg_feature_width(&in, model ? &model->info : NULL);
    float *values = palloc(width * sizeof *values);
    caface_error err;
    caface_status st = cafx_read(values, width, &in, "floats", &err);

    if (st)
        cafpg_raise(st, &err);
    PG_RETURN_DATUM(cafpg_real_array(values, width));
}

/* caface_bytes(real[], half) -> bytea. */
PG_FUNCTION_INFO_V1(cafpg_bytes);
Datum cafpg_bytes(PG_FUNCTION_ARGS)
{
    cafx_numbers in = cafpg_numbers(fcinfo, 0, false, "style");
    bool is_half = PG_GETARG_BOOL(1);
    size_t n = in.size / sizeof(float4);
    bytea *out = palloc(VARHDRSZ + in.size);
    unsigned char *to = (unsigned char *)VARDATA(out);

    SET_VARSIZE(out, VARHDRSZ + n * (is_half ? 2 : 4));
    if (is_half) {
        if (!cafx_to_half(to, in.bytes, n))
            ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                            errmsg("caface: a number that no f16 holds")));
    } else {
        float *copy = palloc(in.size);

        memcpy(copy, in.bytes, in.size);
        cafx_to_little(copy, n);
        memcpy(to, copy, in.size);
        pfree(copy);
    }
    PG_RETURN_BYTEA_P(out);
}
