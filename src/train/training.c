/* A run of either fusion, from its options to its end (caface/train.h). */
#include "train/training.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/sized.h"
#include "dataset/centres.h"
#include "eval/meta_files.h"
#include "files/output.h"
#include "train/model_file.h"
#include "train/restore_parts.h"
#include "train/run.h"

/* One run, and what belongs to it. */
typedef struct training {
    const caface_train_options *o;
    cafi_comm comm;
    cafi_store *store;
    float *centres;
    cafi_pool *pool;
    cafi_validation_source lists; /* of validation */
    char *templates, *pairs;      /* IJB's, found by meta */
    char *folder;
    bool made; /* it was not there */
    int lock;  /* of the first process; -1: none */
    caface_train_report report;
    void *context;
    void *shown; /* what report is given: a struct of the program's size */
    size_t shown_size;
    caface_train_progress progress;
    bool refused; /* report stopped the run */
} training;

/* ---- what is read and written ------------------------------------------ */

static caface_status find_lists(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    caface_status st = CAFACE_OK;

    t->lists = (cafi_validation_source){.set = o->validate,
                                        .templates = o->templates,
                                        .pairs = o->pairs,
                                        .chunk = o->chunk,
                                        .far = o->far};
    if (!o->meta)
        return CAFACE_OK;
    if ((st = cafi_meta_find_one(&t->templates, o->meta, o->dataset, "_face_tid_mid.txt", err)) ||
        (st = cafi_meta_find_one(&t->pairs, o->meta, o->dataset, "_template_pair_label.txt", err)))
        return st;
    t->lists.templates = t->templates;
    t->lists.pairs = t->pairs;
    return CAFACE_OK;
}

/* The cores are shared by the processes, unless the caller says otherwise. */
static caface_status open_pool(training *t, caface_error *err)
{
    size_t threads = t->o->threads;

    if (!threads && t->comm.size > 1)
        threads = cafi_cpu_count() > t->comm.size ? cafi_cpu_count() / t->comm.size : 1;
    return cafi_pool_new(&t->pool, threads, err);
}

/* The run's folder, or one beside it that is removed in the end. A run that is there is not
 * overwritten by accident, and one at a time works in a folder. */
static caface_status choose_folder(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    cafi_buf folder = {0};
    bool there = false;
    char *checkpoint = NULL;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&folder, "%s%s", o->output, o->fast_dev_run ? ".fast-dev-run" : "");
    t->folder = folder.data;
    if (folder.failed)
        return cafi_fail_memory(err, strlen(o->output));
    if (!o->resume) {
        const cafi_run_place place = cafi_run_place_of(t->folder, &t->comm);

        st = cafi_run_find(&checkpoint, &there, &place, true, err);
        free(checkpoint);
    }
    if (!st && there)
        st =
            cafi_fail(err, CAFACE_EINVAL,
                      "%s: holds a run already; resume goes on with it, another folder starts anew",
                      t->folder);
    if (st || (st = cafi_output_folder(t->folder, &t->made, err)))
        return st;
    st = t->comm.rank ? CAFACE_OK : cafi_output_hold(&t->lock, t->folder, err);
    if (!st)
        cafi_comm_wait(&t->comm); /* none writes before all have looked */
    return st;
}

/* Removes the folder of a run that was only tried. */
static void remove_folder(const training *t)
{
    DIR *dir = t->folder ? opendir(t->folder) : NULL;
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) {
        closedir(dir);
        rmdir(t->folder);
    }
}

/* Data and lists, and the widths of the data. */
static caface_status open_data(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    caface_status st = find_lists(t, err);

    if (!st)
        st = cafi_store_open(&t->store, o->data, o->styles, err);
    if (!st && o->centers)
        st = cafi_centres_load(&t->centres, o->centers, t->store, err);
    if (!st)
        t->lists.trained_on = cafi_store_origin(t->store);
    return st;
}

static caface_status open_run(training *t, caface_error *err)
{
    caface_status st = open_pool(t, err);

    return st ? st : choose_folder(t, err);
}

/* ---- reports ----------------------------------------------------------- */

static bool tell(training *t, const caface_train_progress *p)
{
    t->progress = *p;
    if (!t->report)
        return true;
    cafi_sized_out(t->shown, t->shown_size, p, sizeof *p);
    if (t->report(t->context, t->shown))
        return true;
    t->refused = true;
    return false;
}

static caface_train_progress start_of(const training *t)
{
    return (caface_train_progress){.loss = NAN,
                                   .validation = NAN,
                                   .best = NAN,
                                   .rank = t->comm.rank,
                                   .processes = t->comm.size};
}

static caface_train_progress of_caface(const training *t, const cafi_train_progress *p)
{
    caface_train_progress out = start_of(t);

    out.done = p->epoch * p->batches + p->batch;
    out.all = p->epochs * p->batches;
    out.updates = p->updates;
    out.epoch = p->epoch;
    out.epochs = p->epochs;
    out.batch = p->batch;
    out.batches = p->batches;
    out.lr = p->lr;
    out.loss = p->last.loss;
    out.center_loss = p->last.centre;
    out.memory_loss = p->last.memory;
    out.entropy_loss = p->last.entropy;
    out.gradient_norm = p->gradient_norm;
    out.validation = p->validation;
    out.best = t->o->validate ? p->best : NAN;
    out.is_row = p->is_row;
    return out;
}

static bool report_caface(void *ctx, const cafi_train_progress *p)
{
    training *t = ctx;
    const caface_train_progress out = of_caface(t, p);

    return tell(t, &out);
}

static caface_train_progress of_restore(const training *t, const cafi_restore_progress *p)
{
    caface_train_progress out = start_of(t);

    out.done = out.updates = p->step;
    out.all = p->steps;
    out.lr = p->lr;
    out.loss = p->loss;
    out.center_loss = p->losses[0];
    out.entropy_loss = p->losses[1];
    out.restore_loss = p->losses[2];
    out.others_loss = p->losses[3];
    out.gradient_norm = p->gradient_norm;
    out.validation = p->validation;
    out.best = p->best;
    out.is_row = p->is_row;
    return out;
}

static bool report_restore(void *ctx, const cafi_restore_progress *p)
{
    training *t = ctx;
    const caface_train_progress out = of_restore(t, p);

    return tell(t, &out);
}

/* ---- the two fusions --------------------------------------------------- */

/* Batches of an epoch that limit_batches leaves of so many images. */
static size_t batches_of(const caface_train_options *o, size_t images)
{
    size_t all = (images + o->batch - 1) / o->batch;
    double limit = o->limit_batches > 1.0 ? o->limit_batches : o->limit_batches * (double)all;

    if (o->fast_dev_run || limit < 1.0)
        return 1;
    return limit < (double)all ? (size_t)limit : all;
}

/* The sizes of init's model, which the options may repeat but not change. */
static caface_status init_dims(const caface_train_options *o, cafi_train_dims *d, size_t C,
                               caface_error *err)
{
    caface_status st = cafi_model_file_dims(d, o->init, err);

    if (st)
        return st;
    if ((o->clusters && o->clusters != d->M) || (o->blocks && o->blocks != d->L))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: has %zu clusters and %zu blocks, the options ask for %zu and %zu",
                         o->init, d->M, d->L, o->clusters ? o->clusters : d->M,
                         o->blocks ? o->blocks : d->L);
    if (o->scalar && d->K != 1)
        return cafi_fail(err, CAFACE_EMODEL, "%s: has %zu weights a cluster, scalar asks for 1",
                         o->init, d->K);
    if (d->K == 1)
        d->C = C; /* one weight a cluster takes features of any width */
    return CAFACE_OK;
}

static caface_status train_caface(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    cafi_train_config config;
    cafi_train_progress p;
    cafi_store_info info;
    caface_status st = open_data(t, err);

    if (st)
        return st;
    cafi_training_configure(o, &config);
    info = cafi_store_get_info(t->store);
    if (o->fast_dev_run || o->limit_batches < 1.0 || o->limit_batches > 1.0)
        config.limit_batches = batches_of(o, info.images);
    if (o->init)
        st = init_dims(o, &config.net.dims, info.C, err);
    else
        st = cafi_train_dims_make(&config.net.dims, info.C, info.S, o->clusters ? o->clusters : 4,
                                  o->blocks ? o->blocks : 2, o->scalar ? 1 : info.C, err);
    if (st || (st = open_run(t, err)))
        return st;
    const cafi_train_job job = {.store = t->store,
                                .centres = t->centres,
                                .folder = t->folder,
                                .init = o->init,
                                .init_optimiser = o->init_optimizer ? o->init : NULL,
                                .tensorboard = o->tensorboard != 0,
                                .validate = o->validate ? &t->lists : NULL,
                                .resume = o->resume != 0,
                                .pool = t->pool,
                                .comm = &t->comm,
                                .report = report_caface,
                                .ctx = t};

    st = cafi_train_run(&config, &job, &p, err);
    t->progress = of_caface(t, &p);
    return st;
}

static caface_status train_restore(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    cafi_restore_config config;
    cafi_restore_progress p;
    cafi_store_info info;
    caface_status st = open_data(t, err);

    if (st)
        return st;
    cafi_training_configure_restore(o, &config);
    info = cafi_store_get_info(t->store);
    for (size_t i = 0; t->centres && i < info.classes; i++)
        (void)cafi_unit_fwd(t->centres + i * info.C, t->centres + i * info.C, info.C);
    if ((st =
             cafi_restore_dims_make(&config.net.dims, config.net.dims.form, info.C, info.S, err)) ||
        (st = open_run(t, err)))
        return st;
    const cafi_restore_job job = {.store = t->store,
                                  .centres = t->centres,
                                  .folder = t->folder,
                                  .init = o->init,
                                  .teacher = o->teacher,
                                  .validate = o->validate ? &t->lists : NULL,
                                  .resume = o->resume != 0,
                                  .pool = t->pool,
                                  .comm = &t->comm,
                                  .report = report_restore,
                                  .ctx = t};

    st = cafi_restore_train(&config, &job, &p, err);
    t->progress = of_restore(t, &p);
    return st;
}

/* ---- the public calls -------------------------------------------------- */

static caface_status take_options(caface_train_options *out, const caface_train_options *given,
                                  caface_error *err)
{
    caface_status st;

    if (!given)
        return cafi_fail(err, CAFACE_EINVAL, "train: null argument");
    if (given->size < offsetof(caface_train_options, data)) /* fusion is not there */
        return cafi_sized_in(out, sizeof *out, given, given->size,
                             offsetof(caface_train_options, data), "train", err);
    caface_train_options_init_sized(out, given->fusion, sizeof *out);
    st = cafi_sized_in(out, sizeof *out, given, given->size, offsetof(caface_train_options, data),
                       "train", err);
    out->size = sizeof *out;
    return st ? st : cafi_training_check(out, err);
}

caface_status caface_train_check(const caface_train_options *options, caface_error *err)
{
    caface_train_options o;

    return take_options(&o, options, err);
}

static void release(training *t)
{
    /* A folder that was there is somebody's, and so are the files in it. */
    if (t->o->fast_dev_run && t->made)
        remove_folder(t);
    cafi_output_release(t->lock);
    cafi_store_close(t->store);
    cafi_pool_free(t->pool);
    free(t->centres);
    free(t->templates);
    free(t->pairs);
    free(t->folder);
    free(t->shown);
}

static caface_status run(training *t, caface_error *err)
{
    const caface_train_options *o = t->o;
    unsigned char *shown = NULL;
    caface_status st = CAFACE_OK;

    if (t->report && (st = cafi_alloc_bytes(&shown, t->shown_size, err)))
        return st;
    t->shown = shown;
    if (o->processes && (st = cafi_comm_open(&t->comm, err)))
        return st;
    t->progress = start_of(t);
    st = o->fusion == CAFACE_METHOD_RESTORE ? train_restore(t, err) : train_caface(t, err);
    if (st == CAFACE_ECANCELLED && o->stop_after && !t->refused)
        st = CAFACE_OK; /* as far as it was to go */
    if (st && st != CAFACE_ECANCELLED && t->comm.size > 1) {
        if (o->failed)
            o->failed(t->context, err);
        cafi_comm_abort(&t->comm, 1);
    }
    if (o->processes)
        cafi_comm_close(&t->comm);
    return st;
}

caface_status caface_train_sized(const caface_train_options *options, caface_train_report report,
                                 void *context, caface_train_progress *progress, size_t size,
                                 caface_error *err)
{
    caface_train_options o;
    caface_error own = {CAFACE_OK, ""};
    training t = {.o = &o,
                  .comm = {.rank = 0, .size = 1},
                  .lock = -1,
                  .report = report,
                  .context = context,
                  .shown_size = size};
    caface_status st = CAFACE_OK;

    t.progress = start_of(&t);
    if (!(st = take_options(&o, options, &own))) {
        st = run(&t, &own);
        release(&t);
    }
    if (progress)
        cafi_sized_out(progress, size, &t.progress, sizeof t.progress);
    if (st && err)
        *err = own;
    return st;
}
