#include "train/checkpoint.h"

#include <string.h>

#include "train/snapshot.h"

enum { REALS = 7, COUNTS = 6 };

/* The arrays of fixed size; reals and counts are the scalars, gathered. */
static size_t fields_of(const cafi_params *params, const cafi_run_state *s, double *reals,
                        int64_t *counts, double *entropy, cafi_buffers *b, cafi_snapshot_field *out)
{
    const cafi_train_dims *d = &params->dims;
    const cafi_snapshot_field fields[] = {
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
        {"entropy", CAFI_F64, entropy, 1},
    };

    memcpy(out, fields, sizeof fields);
    return sizeof fields / sizeof *fields - !s->with_entropy;
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
    cafi_snapshot_field fields[CAFI_SNAPSHOT_MOST];
    cafi_buffers buffers = state->buffers;
    double entropy = state->entropy;
    size_t n = fields_of(params, state, reals, counts, &entropy, &buffers, fields);

    pack(state, reals, counts);
    return cafi_snapshot_save(path, fields, n, &state->log, config, err);
}

caface_status cafi_checkpoint_load(const char *path, const cafi_params *params,
                                   cafi_run_state *state, const char *config, caface_error *err)
{
    double reals[REALS] = {0};
    int64_t counts[COUNTS] = {0};
    cafi_snapshot_field fields[CAFI_SNAPSHOT_MOST];
    size_t n = fields_of(params, state, reals, counts, &state->entropy, &state->buffers, fields);
    caface_status st = cafi_snapshot_load(path, fields, n, &state->log, config, err);

    if (!st)
        unpack(state, reals, counts);
    return st;
}
