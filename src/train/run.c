#include "train/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "files/output.h"

/* Without processes: one. */
static cafi_comm alone = {.rank = 0, .size = 1};

cafi_run_place cafi_run_place_of(const char *folder, cafi_comm *comm)
{
    return (cafi_run_place){folder, comm ? comm : &alone};
}

caface_status cafi_run_path(char **out, const cafi_run_place *place, const char *file,
                            caface_error *err)
{
    cafi_buf path = {0};

    cafi_buf_printf(&path, "%s/%s", place->folder, file);
    *out = path.data;
    return path.failed ? cafi_fail_memory(err, strlen(place->folder)) : CAFACE_OK;
}

caface_status cafi_run_sweep(const cafi_run_place *place, caface_error *err)
{
    static const char *const files[] = {CAFI_RUN_CHECKPOINT, CAFI_RUN_LAST, CAFI_RUN_BEST,
                                        CAFI_RUN_LOG};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && place->comm->rank == 0 && i < sizeof files / sizeof *files; i++) {
        char *path = NULL;

        if (!(st = cafi_run_path(&path, place, files[i], err)))
            cafi_output_sweep(path);
        free(path);
    }
    return st;
}

caface_status cafi_run_save(const cafi_run_place *place, const char *file,
                            caface_status (*write)(const char *path, void *run, caface_error *err),
                            void *run, caface_error *err)
{
    char *path = NULL;
    caface_status st;

    if (place->comm->rank)
        return CAFACE_OK;
    st = cafi_run_path(&path, place, file, err);
    if (!st)
        st = write(path, run, err);
    free(path);
    return st;
}

static caface_status write_text(const char *path, void *run, caface_error *err)
{
    const cafi_buf *log = run;

    return cafi_output_save(path, log->data, log->size, err);
}

caface_status cafi_run_save_log(const cafi_run_place *place, const cafi_buf *log, caface_error *err)
{
    cafi_buf text = *log;

    if (log->failed)
        return cafi_fail_memory(err, log->size);
    return cafi_run_save(place, CAFI_RUN_LOG, write_text, &text, err);
}

caface_status cafi_run_find(char **path, bool *resumes, const cafi_run_place *place, bool wanted,
                            caface_error *err)
{
    struct stat info;
    caface_status st = cafi_run_path(path, place, CAFI_RUN_CHECKPOINT, err);

    *resumes = !st && wanted && stat(*path, &info) == 0;
    return st;
}

caface_status cafi_run_validate(const cafi_run_place *place, cafi_validation *validation,
                                double *tar, caface_error *err)
{
    char *last = NULL;
    caface_status st = CAFACE_OK;

    if (validation && !(st = cafi_run_path(&last, place, CAFI_RUN_LAST, err)))
        st = cafi_validation_run(validation, last, tar, err);
    free(last);
    return st;
}

caface_status cafi_run_agree(const cafi_run_place *place, bool wanted, bool *all, caface_error *err)
{
    double asked = wanted ? 1.0 : 0.0;
    caface_status st = cafi_comm_sum_f64(place->comm, &asked, 1, err);

    *all = asked > 0.0;
    return st;
}

caface_status cafi_run_check_widths(const cafi_store *store, size_t C, size_t S, caface_error *err)
{
    cafi_store_info info = cafi_store_get_info(store);

    if (info.C == C && info.S == S)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL,
                     "the data has features of %zu numbers and styles of %zu channels, the "
                     "model %zu and %zu",
                     info.C, info.S, C, S);
}
