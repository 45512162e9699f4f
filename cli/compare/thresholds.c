#include "cli/compare/thresholds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/mapped.h"

/* The threshold of docs/faces.md; NaN: none was measured for this method. */
static double known(const caface_set_options *way)
{
    /* tools/threshold */
    static const double measured[] = {[CAFACE_METHOD_CAFACE] = 0.35,
                                      [CAFACE_METHOD_RESTORE] = 0.36,
                                      [CAFACE_METHOD_AVERAGE] = 0.30,
                                      [CAFACE_METHOD_NORM] = 0.32,
                                      [CAFACE_METHOD_UNIT] = 0.30};

    if (way->method == CAFACE_METHOD_NORM && way->norm_power != 1)
        return (double)NAN;
    return measured[way->method];
}

caface_status cli_thresholds_default(cafi_comparison *c, caface_error *err)
{
    if (c->far != CLI_DEFAULT_FAR)
        return cafi_fail(err, CAFACE_EINVAL,
                         "--far %g: the thresholds that are known without --thresholds are those "
                         "of %g",
                         c->far, CLI_DEFAULT_FAR);
    for (size_t m = 0; m < c->method_count; m++)
        c->thresholds[m] = known(&c->methods[m]);
    c->measured_elsewhere = true;
    return CAFACE_OK;
}

caface_status cli_thresholds_check(const cafi_comparison *c, caface_error *err)
{
    for (size_t m = 0; m < c->method_count; m++)
        if (isnan(c->thresholds[m]))
            return cafi_fail(err, CAFACE_EINVAL,
                             "method %s: no threshold is known for it: --threshold or --thresholds",
                             c->names[m]);
    return CAFACE_OK;
}

/* The name of the FAR in a result's "threshold", or NULL. */
static const char *far_name(const cafi_value *result, double far)
{
    const cafi_value *t = cafi_value_get(result, "threshold");

    for (size_t i = 0; t && t->kind == CAFI_DICT && i < t->u.list.count; i++)
        if (fabs(strtod(t->u.list.keys[i], NULL) / far - 1.0) < 1e-6)
            return t->u.list.keys[i];
    return NULL;
}

static bool is_unsupported(const cafi_value *result, const char *far)
{
    const cafi_value *list = cafi_value_get(result, "unsupported");

    for (size_t i = 0; list && list->kind == CAFI_LIST && i < list->u.list.count; i++)
        if (list->u.list.items[i].kind == CAFI_STRING &&
            strcmp(list->u.list.items[i].u.text.data, far) == 0)
            return true;
    return false;
}

static const cafi_value *find_method(const cafi_value *results, const char *method)
{
    for (size_t i = 0; i < results->u.list.count; i++) {
        const char *name = cafi_value_text(&results->u.list.items[i], "method");

        if (name && strcmp(name, method) == 0)
            return &results->u.list.items[i];
    }
    return NULL;
}

static caface_status take(cafi_comparison *c, size_t m, const cafi_value *results,
                          caface_error *err)
{
    const char *method = c->names[m];
    const cafi_value *result = find_method(results, method);
    const char *far = result ? far_name(result, c->far) : NULL;
    const cafi_value *t = far ? cafi_value_get(cafi_value_get(result, "threshold"), far) : NULL;

    if (!result)
        return cafi_fail(err, CAFACE_EINVAL, "it has no result of method %s", method);
    if (!t || (t->kind != CAFI_REAL && t->kind != CAFI_INT))
        return cafi_fail(err, CAFACE_EINVAL, "it has no threshold of %s at a FAR of %g", method,
                         c->far);
    if (is_unsupported(result, far))
        return cafi_fail(err, CAFACE_EINVAL, "its impostor pairs are too few for a FAR of %g (%s)",
                         c->far, method);
    c->thresholds[m] = t->kind == CAFI_REAL ? t->u.real : (double)t->u.integer;
    if (!isfinite(c->thresholds[m]))
        return cafi_fail(err, CAFACE_EFORMAT, "its threshold of %s is no number", method);
    return CAFACE_OK;
}

caface_status cli_thresholds_read(cafi_comparison *c, const char *path, caface_error *err)
{
    cafi_mapped file = {.fd = -1};
    cafi_value root = {0};
    const cafi_value *results = NULL;
    caface_status st = cafi_mapped_open(&file, path, err);

    if (!st)
        st = cafi_json_parse(&root, (const char *)file.data, file.size, err);
    results = st ? NULL : cafi_value_get(&root, "results");
    if (!st && (!results || results->kind != CAFI_LIST))
        st = cafi_fail(err, CAFACE_EFORMAT, "it was not written by eval verify --json");
    for (size_t m = 0; !st && m < c->method_count; m++)
        st = take(c, m, results, err);
    cafi_value_clear(&root);
    cafi_mapped_close(&file);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}
