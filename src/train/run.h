/* What both kinds of training run do alike: files of the run's folder, which the first process
 * alone writes, and what all processes agree on. */
#ifndef CAFI_TRAIN_RUN_H
#define CAFI_TRAIN_RUN_H

#include "dataset/store.h"
#include "train/comm.h"
#include "train/validate.h"

#define CAFI_RUN_CHECKPOINT "checkpoint.safetensors"
#define CAFI_RUN_LAST "last.safetensors"
#define CAFI_RUN_BEST "best.safetensors"
#define CAFI_RUN_LOG "log.csv"

/* Where a run writes; borrowed. */
typedef struct cafi_run_place {
    const char *folder;
    cafi_comm *comm;
} cafi_run_place;

/* comm NULL: this process alone. */
cafi_run_place cafi_run_place_of(const char *folder, cafi_comm *comm);

/* FOLDER/file; the caller's, to free. ENOMEM. */
caface_status cafi_run_path(char **out, const cafi_run_place *place, const char *file,
                            caface_error *err);
/* Removes what a killed run was writing. */
caface_status cafi_run_sweep(const cafi_run_place *place, caface_error *err);
/* Calls write with FOLDER/file in the first process, and does nothing in the others. */
caface_status cafi_run_save(const cafi_run_place *place, const char *file,
                            caface_status (*write)(const char *path, void *run, caface_error *err),
                            void *run, caface_error *err);
/* The log as CAFI_RUN_LOG, likewise. ENOMEM: the log has failed. */
caface_status cafi_run_save_log(const cafi_run_place *place, const cafi_buf *log,
                                caface_error *err);
/* *path: of the checkpoint, the caller's to free; *resumes: it is there, and is wanted. */
caface_status cafi_run_find(char **path, bool *resumes, const cafi_run_place *place, bool wanted,
                            caface_error *err);
/* The figure of FOLDER/last.safetensors; nothing where validation is NULL. */
caface_status cafi_run_validate(const cafi_run_place *place, cafi_validation *validation,
                                double *tar, caface_error *err);
/* *all: any process wants to stop; every process must call it. */
caface_status cafi_run_agree(const cafi_run_place *place, bool wanted, bool *all,
                             caface_error *err);
/* Has the store features and styles of these widths? EMODEL names both. */
caface_status cafi_run_check_widths(const cafi_store *store, size_t C, size_t S, caface_error *err);

#endif
