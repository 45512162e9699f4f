/* The state of a run on disk. */
#ifndef CAFI_TRAIN_CHECKPOINT_H
#define CAFI_TRAIN_CHECKPOINT_H

#include "train/optimiser.h"
#include "train/step.h"

/* What changes during a run. Arrays are the trainer's. */
typedef struct cafi_run_state {
    float *weights; /* [total] */
    cafi_optimiser optimiser;
    cafi_buffers buffers;
    uint64_t epoch, batch; /* the next batch */
    uint64_t logged;       /* updates since the last row of the log */
    double sums[4];        /* since then: loss, centre, memory, gradient norm */
    double entropy;        /* and cross entropy, where it is taken */
    bool with_entropy;     /* is it? Not part of the file */
    double epoch_loss;     /* sum over this epoch's batches */
    double validation, best;
    cafi_buf log; /* log.csv so far */
} cafi_run_state;

/* Writes everything, with the text that describes the configuration. */
caface_status cafi_checkpoint_save(const char *path, const cafi_params *params,
                                   const cafi_run_state *state, const char *config,
                                   caface_error *err);
/* Reads it back, bit for bit. EMODEL: of another configuration, both named; or of
 * other sizes. EFORMAT: damaged. */
caface_status cafi_checkpoint_load(const char *path, const cafi_params *params,
                                   cafi_run_state *state, const char *config, caface_error *err);

#endif
