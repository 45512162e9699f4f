/* caface train --fusion restore. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train/plot.h"
#include "cli/train/train.h"
#include "dataset/centres.h"
#include "files/json.h"
#include "plot/chart.h"
#include "train/restore_parts.h"
#include "train/restore_trainer.h"

/* One run of the command. */
typedef struct job {
    const train_options *o;
    cafi_restore_config config;
    train_lists lists;
    cafi_store *store;
    float *centres;
    cafi_pool *pool;
    cafi_comm comm;
    train_folder folder;
    cli_progress progress;
    char what[160];
    bool running; /* a step has been reported */
} job;

/* 0, or the exit status of a wrong call. */
static int configure(job *j)
{
    static const char *const others[] = {
        "epochs",         "batch",          "accumulate",    "schedule",       "milestones",
        "gamma",          "decay-all",      "clip-value",    "clusters",       "blocks",
        "scalar",         "scheme",         "group",         "drop",           "memory-weight",
        "memory-divisor", "memory-mean",    "limit-batches", "keep-all",       "first-epoch",
        "fast-dev-run",   "init-optimizer", "tensorboard",   "sync-batchnorm", "styles",
        "leave-out"};
    const train_options *o = j->o;
    const cli_common *c = &o->common;
    cafi_restore_config *to = &j->config;
    cafi_restore_form form;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (cli_given(c, others[i]))
            return cli_usage("train", "--%s has no meaning with --fusion restore", others[i]);
    if (!o->data || !o->output)
        return cli_usage("train", "--data SET and -o DIR are needed");
    if (!cafi_restore_form_parse(&form, o->form))
        return cli_usage("train", "--form %s: plain, heads or exchange", o->form);
    if (form != CAFI_RESTORE_EXCHANGE && cli_given(c, "chunk"))
        return cli_usage("train", "--chunk has no meaning with --form %s, which knows no chunks",
                         o->form);
    *to = cafi_restore_defaults(form);
    if (!cafi_optimiser_parse(&to->optimiser.kind, o->optimizer))
        return cli_usage("train", "--optimizer %s: adamw, adam or sgd", o->optimizer);
    to->net.dims.form = form;
    to->net.dropout = o->dropout;
    to->net.weights.centre = o->centre_weight;
    to->net.weights.entropy = o->entropy_weight;
    to->net.weights.restore = o->restore_weight;
    to->net.weights.others = o->others_weight;
    to->intruders = to->intruders && !o->no_intruders;
    to->freeze = o->freeze;
    to->steps = o->steps;
    to->rows = o->faces;
    to->warm_up = o->warm_up;
    to->average = o->average;
    to->validate_every = o->validate_every;
    to->seed = o->seed;
    to->stop_after = o->stop_after;
    to->optimiser.beta1 = o->beta1;
    to->optimiser.beta2 = o->beta2;
    to->optimiser.eps = o->eps;
    to->optimiser.momentum = o->momentum;
    /* these have other defaults there */
    to->lr = cli_given(c, "lr") ? o->lr : to->lr;
    to->optimiser.weight_decay =
        cli_given(c, "weight-decay") ? o->weight_decay : to->optimiser.weight_decay;
    to->clip = cli_given(c, "clip") ? o->clip : to->clip;
    to->save_every = cli_given(c, "save-every") ? o->save_every : to->save_every;
    to->log_every = cli_given(c, "log-every") ? o->log_every : to->log_every;
    return train_check_validation(o);
}

static bool report(void *ctx, const cafi_restore_progress *p)
{
    job *j = ctx;
    int n = snprintf(j->what, sizeof j->what, "loss %.4f  centre %.4f  lr %.3g", p->loss,
                     p->losses[0], p->lr);

    if (!isnan(p->validation))
        snprintf(j->what + n, sizeof j->what - (size_t)n, "  TAR %.4f (best %.4f)", p->validation,
                 p->best);
    if (!j->running)
        cli_progress_skip(&j->progress, p->step - 1);
    j->running = true;
    cli_progress_update(&j->progress, p->step);
    return !cli_interrupted();
}

static caface_status prepare(job *j, caface_error *err)
{
    const train_options *o = j->o;
    cafi_store_info info;
    caface_status st;

    if ((o->plot && (st = cafi_plot_check(o->plot, err))) ||
        (st = train_find_lists(&j->lists, o, err)) ||
        (st = cafi_store_open(&j->store, o->data, NULL, err)) ||
        (o->centers && (st = cafi_centres_load(&j->centres, o->centers, j->store, err))))
        return st;
    j->lists.source.trained_on = cafi_store_origin(j->store);
    info = cafi_store_get_info(j->store);
    for (size_t i = 0; j->centres && i < info.classes; i++)
        (void)cafi_unit_fwd(j->centres + i * info.C, j->centres + i * info.C, info.C);
    if ((st = cafi_restore_dims_make(&j->config.net.dims, j->config.net.dims.form, info.C, info.S,
                                     err)) ||
        (st = train_pool_new(&j->pool, o, &j->comm, err)) ||
        (st = train_choose_folder(&j->folder, o, &j->comm, err)))
        return st;
    cafi_comm_wait(&j->comm); /* none writes before all have looked */
    return CAFACE_OK;
}

static int print_result(const job *j, const cafi_restore_progress *p, double seconds)
{
    static const char *const names[] = {"center_loss", "entropy_loss", "restore_loss",
                                        "others_loss"};
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (!j->o->common.json) {
        if (!j->o->common.quiet)
            cli_say(stdout, "%s: %zu steps, loss %.6f, %.1f s\n", j->folder.path, p->step, p->loss,
                    seconds);
        if (!j->o->common.quiet && j->o->validate)
            cli_say(stdout, "TAR at FAR %g: %.4f at the end, %.4f in the best\n", j->o->far,
                    p->validation, p->best);
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "form", cafi_restore_form_name(j->config.net.dims.form));
    cafi_json_int(&json, "steps", (int64_t)p->step);
    cafi_json_real(&json, "loss", p->loss);
    for (size_t i = 0; i < CAFI_RESTORE_LOSSES; i++)
        cafi_json_real(&json, names[i], p->losses[i]);
    cafi_json_real(&json, "validation", p->validation);
    cafi_json_real(&json, "best", p->best);
    cafi_json_real(&json, "seconds", seconds);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static caface_status run_job(job *j, double started, caface_error *err)
{
    const train_options *o = j->o;
    cafi_restore_progress p;
    caface_status st = prepare(j, err);
    cafi_restore_job work = {.store = j->store,
                             .centres = j->centres,
                             .folder = j->folder.path,
                             .init = o->init,
                             .validate = o->validate ? &j->lists.source : NULL,
                             .resume = o->resume,
                             .pool = j->pool,
                             .report = report,
                             .ctx = j,
                             .comm = &j->comm};

    if (st)
        return st;
    snprintf(j->what, sizeof j->what, "training");
    cli_progress_begin(&j->progress, j->what, j->config.steps, o->common.quiet || j->comm.rank);
    st = cafi_restore_train(&j->config, &work, &p, err);
    cli_progress_end(&j->progress);
    if (st == CAFACE_ECANCELLED && o->stop_after && !cli_interrupted())
        st = CAFACE_OK;
    if (j->comm.rank)
        return st;
    if (!st && o->plot)
        st = train_plot(o->plot, o->output, o->far, err);
    if (!st && print_result(j, &p, cli_seconds() - started))
        st = cafi_fail_memory(err, 0);
    return st;
}

int train_restore(const train_options *o, double started)
{
    job j = {.o = o, .folder = {.lock = -1}};
    caface_error err;
    caface_status st;
    bool stopped = false;
    int wrong = configure(&j);

    if (wrong)
        return wrong;
    st = cafi_comm_open(&j.comm, &err);
    if (st)
        return cli_fail(&err);
    cli_interrupt_begin();
    st = run_job(&j, started, &err);
    if (st && st != CAFACE_ECANCELLED && j.comm.size > 1) {
        cli_fail(&err);
        cafi_comm_abort(&j.comm, CLI_FAILED);
    }
    cafi_comm_close(&j.comm);
    cafi_store_close(j.store);
    cafi_pool_free(j.pool);
    free(j.centres);
    train_lists_free(&j.lists);
    train_folder_free(&j.folder);
    stopped = st == CAFACE_ECANCELLED && cli_interrupted();
    cli_interrupt_end();
    if (stopped) {
        cli_warn("stopped; the same command with --resume goes on from the last checkpoint in %s",
                 o->output);
        return CLI_FAILED;
    }
    return st ? cli_fail(&err) : CLI_OK;
}
