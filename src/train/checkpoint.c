#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "files/bundle.h"
#include "files/safetensors.h"

enum { REALS = 7, COUNTS = 6, TENSORS = 11 };

/* One array of the state. */
typedef struct field {
    const char *name;
    cafi_dtype dtype;
    void *data;
    size_t count;
} field;

/* The arrays of fixed size; reals and counts are the scalars, gathered. */
static size_t fields_of(const cafi_params *params, const cafi_run_state *s, double *reals,
                        int64_t *counts, cafi_buffers *b, field *out)
{
    const cafi_train_dims *d = &params->dims;
    const field fields[] = {
        {"weights", CAFI_F32, s->weights, params->total},
        {"optimiser.first", CAFI_F32, s->optimiser.first, params->total},
        {"optimiser.second", CAFI_F32, s->optimiser.second, params->total},
        {"buffers.sim_mean", CAFI_F32, b->sim_mean, d->E},
        {"buffers.sim_var", CAFI_F32, b->sim_var, d->E},
        {"buffers.norm_mean", CAFI_F32, &b->norm_mean, 1},
        {"buffers.norm_var", CAFI_F32, &b->norm_var, 1},
        {"buffers.pe", CAFI_F32, b->pe, CAFI_PE_ROWS * d->P},
        {"reals", CAFI_F64, reals, REALS},
        {"counts", CAFI_I64, counts, COUNTS},
    };

    memcpy(out, fields, sizeof fields);
    return sizeof fields / sizeof *fields;
}

static void pack(const cafi_run_state *s, double *reals, int64_t *counts)
{
    memcpy(reals, s->sums, sizeof s->sums);
    reals[4] = s->epoch_loss;
    reals[5] = s->validation;
    reals[6] = s->best;
    counts[0] = (int64_t)s->epoch;
    counts[1] = (int64_t)s->batch;
    counts[2] = (int64_t)s->logged;
    counts[3] = (int64_t)s->optimiser.updates;
    counts[4] = s->buffers.sim_batches;
    counts[5] = s->buffers.norm_batches;
}

static void unpack(cafi_run_state *s, const double *reals, const int64_t *counts)
{
    memcpy(s->sums, reals, sizeof s->sums);
    s->epoch_loss = reals[4];
    s->validation = reals[5];
    s->best = reals[6];
    s->epoch = (uint64_t)counts[0];
    s->batch = (uint64_t)counts[1];
    s->logged = (uint64_t)counts[2];
    s->optimiser.updates = (uint64_t)counts[3];
    s->buffers.sim_batches = counts[4];
    s->buffers.norm_batches = counts[5];
}

caface_status cafi_checkpoint_save(const char *path, const cafi_params *params,
                                   const cafi_run_state *state, const char *config,
                                   caface_error *err)
{
    double reals[REALS];
    int64_t counts[COUNTS];
    field fields[TENSORS];
    cafi_tensor tensors[TENSORS];
    const cafi_tensor *order[TENSORS];
    cafi_buffers buffers = state->buffers;
    char key[] = "config";
    char *keys[] = {key};
    char *text = NULL;
    size_t n;
    caface_status st = cafi_strdup(&text, config, err);

    if (st)
        return st;
    pack(state, reals, counts);
    n = fields_of(params, state, reals, counts, &buffers, fields);
    fields[n++] = (field){"log", CAFI_U8, state->log.data, state->log.size};
    for (size_t i = 0; i < n; i++) {
        tensors[i] = (cafi_tensor){.name = fields[i].name,
                                   .data = fields[i].data,
                                   .dtype = fields[i].dtype,
                                   .ndim = 1,
                                   .shape = {fields[i].count},
                                   .stride = {1}};
        order[i] = &tensors[i];
    }
    cafi_value value = {.kind = CAFI_STRING, .u.text = {text, strlen(text)}};
    cafi_value dict = {.kind = CAFI_DICT, .u.list = {&value, keys, 1}};
    st = cafi_safetensors_save(path, order, n, &dict, err);
    free(text);
    return st;
}

static caface_status read_log(cafi_run_state *s, const cafi_bundle *b, caface_error *err)
{
    const cafi_tensor *t = cafi_bundle_find(b, "log");
    void *text = NULL;
    size_t n;
    caface_status st;

    if (!t || t->dtype != CAFI_U8)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no log in it", cafi_bundle_path(b));
    n = cafi_tensor_count(t);
    if ((st = cafi_alloc(&text, n, 1, err)))
        return st;
    cafi_tensor_read_raw(t, 0, n, text);
    s->log.size = 0;
    cafi_buf_append(&s->log, text, n);
    free(text);
    return s->log.failed ? cafi_fail_memory(err, n) : CAFACE_OK;
}

/* Names the first item, between commas, in which two configurations differ. */
static caface_status refuse(const char *path, const char *made, const char *config,
                            caface_error *err)
{
    while (*made && *config) {
        size_t m = strcspn(made, ",");
        size_t c = strcspn(config, ",");

        if (m != c || memcmp(made, config, m) != 0)
            break;
        made += m + strspn(made + m, ", ");
        config += c + strspn(config + c, ", ");
    }
    return cafi_fail(err, CAFACE_EMODEL, "%s: was made with \"%.*s\", this run has \"%.*s\"", path,
                     (int)strcspn(made, ","), made, (int)strcspn(config, ","), config);
}

static caface_status read_all(const cafi_bundle *b, const cafi_params *params, cafi_run_state *s,
                              const char *config, caface_error *err)
{
    double reals[REALS] = {0};
    int64_t counts[COUNTS] = {0};
    field fields[TENSORS];
    const char *made = cafi_value_text(cafi_bundle_config(b), "config");
    size_t n = fields_of(params, s, reals, counts, &s->buffers, fields);

    if (!made || strcmp(made, config) != 0)
        return refuse(cafi_bundle_path(b), made ? made : "", config, err);
    for (size_t i = 0; i < n; i++) {
        const cafi_tensor *t = cafi_bundle_find(b, fields[i].name);

        if (!t || t->dtype != fields[i].dtype || cafi_tensor_count(t) != fields[i].count)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: no %s of %zu numbers", cafi_bundle_path(b),
                             fields[i].name, fields[i].count);
    }
    for (size_t i = 0; i < n; i++)
        cafi_tensor_read_raw(cafi_bundle_find(b, fields[i].name), 0, fields[i].count,
                             fields[i].data);
    unpack(s, reals, counts);
    return read_log(s, b, err);
}

caface_status cafi_checkpoint_load(const char *path, const cafi_params *params,
                                   cafi_run_state *state, const char *config, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    if (!st)
        st = read_all(b, params, state, config, err);
    cafi_bundle_close(b);
    return st;
}
