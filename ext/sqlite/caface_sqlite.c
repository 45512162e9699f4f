/* A loadable extension of SQLite: docs/sql.md. Features, styles and templates are BLOBs of
 * little-endian f32 or f16, states are BLOBs of the library's saved form. */
#include <sqlite3ext.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <caface/caface.h>

#include "rows.h"

SQLITE_EXTENSION_INIT1

/* A model that is open, shared by a connection and the aggregates that run. One thread at a
 * time: SQLite serialises the use of a connection. */
typedef struct shared_model {
    caface_model *model;
    caface_model_info info;
    int users;
} shared_model;

/* Settings of a connection. */
typedef struct connection {
    shared_model *model; /* or NULL */
    size_t chunk;
    size_t width; /* 0: the model's */
    int users;    /* functions that were registered with it */
    cafx_work work;
} connection;

static void release_model(shared_model *m)
{
    if (!m || --m->users)
        return;
    caface_model_free(m->model);
    free(m);
}

static void release_connection(void *arg)
{
    connection *c = arg;

    if (--c->users)
        return;
    release_model(c->model);
    free(c->work.feat);
    free(c->work.style);
    free(c);
}

static void fail(sqlite3_context *ctx, caface_status status, const char *message)
{
    if (status == CAFACE_ENOMEM) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    char *text = sqlite3_mprintf("caface: %s", message);
    if (!text) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    sqlite3_result_error(ctx, text, -1);
    sqlite3_free(text);
    if (status == CAFACE_ELIMIT)
        sqlite3_result_error_code(ctx, SQLITE_TOOBIG);
}

static void fail_as(sqlite3_context *ctx, const caface_error *err)
{
    fail(ctx, err->status, err->message);
}

/* --- settings -------------------------------------------------------------------- */

static void set_model(sqlite3_context *ctx, connection *c, const char *path)
{
    shared_model *fresh = NULL;
    caface_error err;

    if (*path) {
        fresh = calloc(1, sizeof *fresh);
        if (!fresh) {
            sqlite3_result_error_nomem(ctx);
            return;
        }
        if (caface_model_open(&fresh->model, path, &err)) {
            free(fresh);
            fail_as(ctx, &err);
            return;
        }
        fresh->users = 1;
        caface_model_get_info(fresh->model, &fresh->info);
        sqlite3_result_text(ctx, fresh->info.hash, -1, SQLITE_TRANSIENT);
    }
    release_model(c->model);
    c->model = fresh;
}

/* caface_set(name, value): the model's hash, or the number. */
static void function_set(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    connection *c = sqlite3_user_data(ctx);
    const char *name = (const char *)sqlite3_value_text(argv[0]);
    sqlite3_int64 number = sqlite3_value_int64(argv[1]);
    bool is_integer = sqlite3_value_type(argv[1]) == SQLITE_INTEGER;

    (void)argc;
    if (name && !strcmp(name, "model") && sqlite3_value_type(argv[1]) == SQLITE_TEXT) {
        set_model(ctx, c, (const char *)sqlite3_value_text(argv[1]));
    } else if (name && !strcmp(name, "chunk") && is_integer && number >= 1 &&
               number <= CAFX_MOST_CHUNK) {
        c->chunk = (size_t)number;
        sqlite3_result_int64(ctx, number);
    } else if (name && !strcmp(name, "width") && is_integer && number >= 0 && number <= 65536) {
        c->width = (size_t)number;
        sqlite3_result_int64(ctx, number);
    } else {
        fail(ctx, CAFACE_EINVAL,
             "caface_set takes 'model' and a path, 'chunk' and 1 to 4096, or 'width' and 0 to "
             "65536");
    }
}

static void function_model_hash(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    connection *c = sqlite3_user_data(ctx);

    (void)argc;
    (void)argv;
    if (c->model)
        sqlite3_result_text(ctx, c->model->info.hash, -1, SQLITE_TRANSIENT);
}

static void function_version(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, caface_version(), -1, SQLITE_STATIC);
}

/* --- arguments ------------------------------------------------------------------- */

/* A BLOB; false when a sentence was said. */
static bool numbers_of(sqlite3_context *ctx, sqlite3_value *value, const char *what,
                       cafx_numbers *out)
{
    if (sqlite3_value_type(value) != SQLITE_BLOB) {
        char *text = sqlite3_mprintf("%s: a BLOB of f32 or f16 is needed", what);

        fail(ctx, text ? CAFACE_EINVAL : CAFACE_ENOMEM, text);
        sqlite3_free(text);
        return false;
    }
    out->bytes = sqlite3_value_blob(value);
    out->size = (size_t)sqlite3_value_bytes(value);
    out->is_blob = true;
    return true;
}

/* Numbers of a feature; 0 when a sentence was said. */
static size_t feature_width(sqlite3_context *ctx, const connection *c)
{
    if (c->width)
        return c->width;
    if (c->model && c->model->info.C)
        return c->model->info.C;
    fail(ctx, CAFACE_EINVAL,
         "nothing says whether a BLOB is f32 or f16: caface_set('width', N) or "
         "caface_set('model', PATH)");
    return 0;
}

static bool is_null(int argc, sqlite3_value **argv)
{
    for (int i = 0; i < argc; i++)
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            return true;
    return false;
}

/* --- aggregates ------------------------------------------------------------------ */

typedef struct aggregate {
    cafx_group group;
    shared_model *model; /* held, or NULL */
    bool is_begun;
} aggregate;

static void *resize(void *context, void *old, size_t size)
{
    (void)context;
    return realloc(old, size);
}

static cafx_memory memory_of(connection *c)
{
    return (cafx_memory){.resize = resize, .work = &c->work};
}

static aggregate *aggregate_of(sqlite3_context *ctx)
{
    aggregate *a = sqlite3_aggregate_context(ctx, sizeof *a);

    if (!a)
        sqlite3_result_error_nomem(ctx);
    return a;
}

static void hold(aggregate *a, shared_model *model)
{
    a->model = model;
    if (model)
        model->users++;
}

static bool begin(sqlite3_context *ctx, aggregate *a, caface_method method, size_t width,
                  double power)
{
    connection *c = sqlite3_user_data(ctx);
    bool is_network = method == CAFACE_METHOD_CAFACE || method == CAFACE_METHOD_RESTORE;
    cafx_memory memory = memory_of(c);
    caface_set_options options;
    caface_error err;

    if (a->is_begun)
        return true;
    caface_set_options_init(&options);
    options.method = method;
    options.width = width;
    options.chunk = c->chunk;
    options.norm_power = power;
    if (cafx_begin(&a->group, is_network ? c->model->model : NULL, &options, &memory, &err)) {
        fail_as(ctx, &err);
        return false;
    }
    hold(a, is_network ? c->model : NULL);
    a->is_begun = true;
    return true;
}

/* A row of which a part is NULL is left out, as SQL's aggregates do. */
static void step_fuse(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    connection *c = sqlite3_user_data(ctx);
    aggregate *a = NULL;
    cafx_numbers feature, style;
    caface_error err;
    size_t width = 0;

    if (is_null(argc, argv))
        return;
    if (!c->model) {
        fail(ctx, CAFACE_EINVAL, "no model: SELECT caface_set('model', PATH) names one");
        return;
    }
    if (!numbers_of(ctx, argv[0], "feature", &feature) ||
        !numbers_of(ctx, argv[1], "style", &style) || !(a = aggregate_of(ctx)))
        return;
    width = c->model->info.C ? c->model->info.C : feature_width(ctx, c);
    if (!width || !begin(ctx, a, c->model->info.method, width, 1.0))
        return;
    if (cafx_add(&a->group, &feature, &style, &err))
        fail_as(ctx, &err);
}

static void step_simple(sqlite3_context *ctx, int argc, sqlite3_value **argv, caface_method method)
{
    connection *c = sqlite3_user_data(ctx);
    aggregate *a = NULL;
    double power = argc > 1 ? sqlite3_value_double(argv[1]) : 1.0;
    cafx_numbers feature;
    caface_error err;
    size_t width = 0;

    if (is_null(argc, argv) || !numbers_of(ctx, argv[0], "feature", &feature) ||
        !(width = feature_width(ctx, c)) || !(a = aggregate_of(ctx)) ||
        !begin(ctx, a, method, width, power))
        return;
    if (power != a->group.options.norm_power)
        fail(ctx, CAFACE_EINVAL, "the power of the norm changes within a group");
    else if (cafx_add(&a->group, &feature, NULL, &err))
        fail_as(ctx, &err);
}

static void step_average(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    step_simple(ctx, argc, argv, CAFACE_METHOD_AVERAGE);
}

static void step_norm(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    step_simple(ctx, argc, argv, CAFACE_METHOD_NORM);
}

/* NULL when a sentence was said. */
static caface_set *load(sqlite3_context *ctx, sqlite3_value *value)
{
    connection *c = sqlite3_user_data(ctx);
    caface_set *set = NULL;
    caface_error err;

    if (sqlite3_value_type(value) != SQLITE_BLOB) {
        fail(ctx, CAFACE_EINVAL, "state: a BLOB is needed");
        return NULL;
    }
    if (caface_set_load_memory(&set, c->model ? c->model->model : NULL, sqlite3_value_blob(value),
                               (size_t)sqlite3_value_bytes(value), &err))
        fail_as(ctx, &err);
    return set;
}

static void step_merge(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    connection *c = sqlite3_user_data(ctx);
    aggregate *a = NULL;
    caface_set *set = NULL;
    caface_error err;

    if (is_null(argc, argv) || !(a = aggregate_of(ctx)) || !(set = load(ctx, argv[0])))
        return;
    if (!a->is_begun) {
        cafx_memory memory = memory_of(c);

        hold(a, c->model);
        cafx_adopt(&a->group, c->model ? c->model->model : NULL, set, &memory);
        a->is_begun = true;
        return;
    }
    if (cafx_merge(&a->group, set, &err))
        fail_as(ctx, &err);
    else if (a->group.mixes) /* SQLite has no warnings but its log */
        sqlite3_log(SQLITE_WARNING, "caface: states of faces that were encoded in different ways: "
                                    "their features differ a little");
    caface_set_free(set);
}

/* SQLite calls it after the last step, an error too. */
static void finish(sqlite3_context *ctx)
{
    aggregate *a = sqlite3_aggregate_context(ctx, 0);
    caface_error err;
    void *bytes = NULL;
    size_t size = 0;

    if (!a)
        return;
    if (a->is_begun && cafx_count(&a->group)) {
        if (cafx_push(&a->group, &err) || caface_set_save_memory(a->group.set, &bytes, &size, &err))
            fail_as(ctx, &err);
        else
            sqlite3_result_blob64(ctx, bytes, size, free);
    }
    caface_set_free(a->group.set);
    free(a->group.feat.rows);
    free(a->group.style.rows);
    release_model(a->model);
    memset(a, 0, sizeof *a);
}

/* --- functions of states --------------------------------------------------------- */

static void function_template(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    caface_set *set = NULL;
    float *values = NULL;
    caface_error err;
    size_t size = 0;

    if (is_null(argc, argv) || !(set = load(ctx, argv[0])))
        return;
    size = caface_set_width(set) * sizeof *values;
    values = malloc(size);
    if (!values)
        sqlite3_result_error_nomem(ctx);
    else if (caface_set_template(set, values, &err))
        fail_as(ctx, &err);
    else {
        cafx_to_little(values, caface_set_width(set));
        sqlite3_result_blob64(ctx, values, size, free);
        values = NULL;
    }
    free(values);
    caface_set_free(set);
}

static void function_count(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    caface_set *set = is_null(argc, argv) ? NULL : load(ctx, argv[0]);

    if (set)
        sqlite3_result_int64(ctx, (sqlite3_int64)caface_set_count(set));
    caface_set_free(set);
}

static void function_method(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    caface_set *set = is_null(argc, argv) ? NULL : load(ctx, argv[0]);

    if (set)
        sqlite3_result_text(ctx, caface_method_name(caface_set_method(set)), -1, SQLITE_STATIC);
    caface_set_free(set);
}

static void function_evidence(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    caface_set *set = is_null(argc, argv) ? NULL : load(ctx, argv[0]);
    double value = 0.0;
    caface_error err;

    if (set && caface_set_evidence(set, &value, &err))
        fail_as(ctx, &err);
    else if (set)
        sqlite3_result_double(ctx, value);
    caface_set_free(set);
}

/* --- functions of vectors -------------------------------------------------------- */

static void function_cosine(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const connection *c = sqlite3_user_data(ctx);
    cafx_numbers a, b;
    float *values = NULL;
    caface_error err;
    size_t width = 0;

    if (is_null(argc, argv) || !numbers_of(ctx, argv[0], "the first", &a) ||
        !numbers_of(ctx, argv[1], "the second", &b) || !(width = feature_width(ctx, c)))
        return;
    values = malloc(2 * width * sizeof *values);
    if (!values)
        sqlite3_result_error_nomem(ctx);
    else if (cafx_read(values, width, &a, "the first", &err) ||
             cafx_read(values + width, width, &b, "the second", &err))
        fail_as(ctx, &err);
    else
        sqlite3_result_double(ctx, caface_cosine(values, values + width, width));
    free(values);
}

static void function_is_valid(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const connection *c = sqlite3_user_data(ctx);
    cafx_numbers feature, style;
    bool feature_ok = false, style_ok = false;
    caface_error err;
    size_t width = 0;

    if (is_null(argc, argv))
        return;
    if (!c->model)
        fail(ctx, CAFACE_EINVAL, "no model: SELECT caface_set('model', PATH) names one");
    if (!c->model || !numbers_of(ctx, argv[0], "feature", &feature) ||
        !numbers_of(ctx, argv[1], "style", &style) ||
        !(width = c->model->info.C ? c->model->info.C : feature_width(ctx, c)))
        return;
    if (cafx_is_finite(&feature_ok, width, &feature, "feature", &err) ||
        cafx_is_finite(&style_ok, 2 * c->model->info.S, &style, "style", &err))
        fail_as(ctx, &err);
    else
        sqlite3_result_int(ctx, feature_ok && style_ok);
}

/* --- registration ---------------------------------------------------------------- */

typedef void (*function)(sqlite3_context *ctx, int argc, sqlite3_value **argv);

static const struct {
    const char *name;
    int args;
    int flags;
    function call, step;
} functions[] = {
    {"caface_fuse", 2, 0, NULL, step_fuse},
    {"caface_average", 1, 0, NULL, step_average},
    {"caface_norm", 1, 0, NULL, step_norm},
    {"caface_norm", 2, 0, NULL, step_norm},
    {"caface_merge", 1, 0, NULL, step_merge},
    {"caface_template", 1, 0, function_template, NULL},
    {"caface_count", 1, 0, function_count, NULL},
    {"caface_method", 1, 0, function_method, NULL},
    {"caface_evidence", 1, 0, function_evidence, NULL},
    {"caface_cosine", 2, 0, function_cosine, NULL},
    {"caface_is_valid", 2, 0, function_is_valid, NULL},
    {"caface_model_hash", 0, 0, function_model_hash, NULL},
    {"caface_version", 0, 0, function_version, NULL},
    /* opens files: a view or trigger of somebody else's database must not */
    {"caface_set", 2, SQLITE_DIRECTONLY, function_set, NULL},
};

#ifdef _WIN32
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
    int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
    connection *c = NULL;
    int rc = SQLITE_OK;

    SQLITE_EXTENSION_INIT2(api)
    (void)error;
    c = calloc(1, sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    c->chunk = 512;
    c->users = 1; /* this function, until the end */
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof *functions; i++) {
        c->users++; /* which SQLite gives back, on a failure too */
        rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].args,
                                        SQLITE_UTF8 | functions[i].flags, c, functions[i].call,
                                        functions[i].step, functions[i].step ? finish : NULL,
                                        release_connection);
    }
    release_connection(c);
    return rc;
}
