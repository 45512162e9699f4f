/* caface train: a fusion model from augmented features and class centres. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "base/threads.h"
#include "caface/set.h"
#include "cli/command.h"
#include "dataset/centres.h"
#include "files/index.h"
#include "files/json.h"
#include "files/output.h"
#include "cli/interrupt.h"
#include "plot/chart.h"
#include "cli/progress.h"
#include "cli/train/train.h"
#include "train/model_file.h"
#include "train/restore_trainer.h"
#include "train/trainer.h"
#include "cli/train/plot.h"

#define MAX_MILESTONES 64

#define OPTION(name, kind, member, value, help, min, max)                                          \
    {                                                                                              \
        name, 0, kind, offsetof(train_options, member), value, help, min, max                      \
    }

static const cli_option options[] = {
    OPTION("fusion", CLI_STRING, fusion, "NAME",
           "caface (default), the authors' network; or restore, this project's own", 0, 0),
    OPTION("data", CLI_STRING, data, "SET", "augmented features, from `prepare features`", 0, 0),
    OPTION("centers", CLI_STRING, centers, "FILE", "class centres, from `prepare centers`", 0, 0),
    {"output", 'o', CLI_STRING, offsetof(train_options, output), "DIR", "where the run writes", 0,
     0},
    OPTION("init", CLI_STRING, init, "FILE", "start from this fusion model, with its M, L and K", 0,
           0),
    OPTION("init-optimizer", CLI_FLAG, init_optimizer, NULL,
           "take the optimiser's moments too, where --init is a Lightning checkpoint", 0, 0),
    OPTION("first-epoch", CLI_SIZE, first_epoch, "N",
           "begin at this epoch, counted from 0, such as that of --init's run (0)", 0, 100000),
    OPTION("validate", CLI_STRING, validate, "SET",
           "feature set to score after every epoch: of `prepare probes`, or of IJB images", 0, 0),
    OPTION("meta", CLI_STRING, meta, "DIR", "with --validate: InsightFace's files of an IJB set", 0,
           0),
    OPTION("dataset", CLI_STRING, dataset, "NAME", "with --meta: IJBB, IJBC or another name", 0, 0),
    OPTION("pairs", CLI_STRING, pairs, "P.txt",
           "with --validate: lines `template template label` (SET/pairs.txt, else all pairs)", 0,
           0),
    OPTION("templates", CLI_STRING, templates, "T.txt",
           "with --validate: lines `name template media [subject]` (index.tsv of SET)", 0, 0),
    OPTION("chunk", CLI_SIZE, chunk, "N", "with --validate: faces fused at once; 0: all (512)", 0,
           CAFACE_MAX_CHUNK),
    OPTION("far", CLI_REAL, far, "X", "with --validate: the FAR of TAR at FAR, 1e-6 to 0.1 (0.01)",
           1e-6, 0.1),
    OPTION("validate-every", CLI_SIZE, validate_every, "N",
           "with --validate: also after every N updates within an epoch", 0, 1e9),
    OPTION("resume", CLI_FLAG, resume, NULL, "go on where the run in DIR stopped", 0, 0),
    OPTION("epochs", CLI_SIZE, epochs, "N", "passes over the images (10)", 1, 100000),
    OPTION("batch", CLI_SIZE, batch, "N", "samples of a batch (512)", 1, 65536),
    OPTION("limit-batches", CLI_REAL, limit_batches, "X",
           "batches of an epoch: up to 1 a share of them, above 1 a number (1)", 1e-9, 1e9),
    OPTION("accumulate", CLI_SIZE, accumulate, "N", "batches of an update (1)", 1, 65536),
    OPTION("lr", CLI_REAL, lr, "X", "learning rate (1e-3)", 0, 1e6),
    OPTION("schedule", CLI_STRING, schedule, "NAME", "step or cosine (step)", 0, 0),
    OPTION("milestones", CLI_STRING, milestones, "E,E", "epochs where the rate drops (6,9)", 0, 0),
    OPTION("gamma", CLI_REAL, gamma, "X", "factor at a milestone (0.1)", 0, 1e6),
    OPTION("optimizer", CLI_STRING, optimizer, "NAME", "adamw, adam or sgd (adamw)", 0, 0),
    OPTION("weight-decay", CLI_REAL, weight_decay, "X", "weight decay (5e-4)", 0, 1e6),
    OPTION("decay-all", CLI_FLAG, decay_all, NULL,
           "adam and sgd: weight decay of biases and other vectors too (adamw: always)", 0, 0),
    OPTION("beta1", CLI_REAL, beta1, "X", "Adam's decay of the mean gradient (0.9)", 0, 0.999999),
    OPTION("beta2", CLI_REAL, beta2, "X", "Adam's decay of the mean square (0.999)", 0, 0.999999),
    OPTION("eps", CLI_REAL, eps, "X", "added to Adam's root mean square (1e-8)", 1e-30, 1),
    OPTION("momentum", CLI_REAL, momentum, "X", "momentum of sgd (0.9)", 0, 1),
    OPTION("clip", CLI_REAL, clip, "X", "largest norm of the gradient; 0: any (0)", 0, 1e30),
    OPTION("clip-value", CLI_REAL, clip_value, "X",
           "largest absolute value of a number of the gradient; 0: any (0)", 0, 1e30),
    OPTION("clusters", CLI_SIZE, clusters, "N", "cluster centres M (4)", 1, 64),
    OPTION("blocks", CLI_SIZE, blocks, "N", "blocks L of both networks (2)", 1, 16),
    OPTION("scalar", CLI_FLAG, scalar, NULL, "one weight a cluster, not one a channel", 0, 0),
    OPTION("scheme", CLI_STRING, scheme, "NAME",
           "dual: samples of two groups, fused by prefixes; single: of one, fused once (dual)", 0,
           0),
    OPTION("group", CLI_SIZE, group, "N", "rows of a group (16)", 3, CAFI_NET_MAX_T),
    OPTION("drop", CLI_REAL, drop, "X", "stochastic depth of the last block (0.1)", 0, 0.99),
    OPTION("center-weight", CLI_REAL, centre_weight, "X", "weight of the centre loss (1)", 0, 1e6),
    OPTION("memory-weight", CLI_REAL, memory_weight, "X",
           "weight of the memory loss; 0: no memory passes (1; of --scheme single 0)", 0, 1e6),
    OPTION("memory-divisor", CLI_REAL, memory_divisor, "X",
           "divisor of the memory loss; 0: half the batch, as the authors' two devices have it (0)",
           0, 1e6),
    OPTION("memory-mean", CLI_FLAG, memory_mean, NULL, "the same as --memory-divisor 1", 0, 0),
    OPTION("styles", CLI_STRING, styles, "3,5", "stages of a record set's styles", 0, 0),
    OPTION("sync-batchnorm", CLI_FLAG, sync, NULL,
           "BatchNorm statistics over all processes, not each one's", 0, 0),
    OPTION("seed", CLI_SIZE, seed, "N", "seed of everything random (42)", 0, 1e15),
    OPTION("save-every", CLI_SIZE, save_every, "N",
           "updates between checkpoints; 0: at the end of epochs (50)", 0, 1e9),
    OPTION("log-every", CLI_SIZE, log_every, "N", "updates a row of log.csv (10)", 1, 1e9),
    OPTION("stop-after", CLI_SIZE, stop_after, "N", "stop with a checkpoint after N updates", 0,
           1e9),
    OPTION("keep-all", CLI_FLAG, keep_all, NULL, "keep every epoch's model: epoch-N.safetensors", 0,
           0),
    OPTION("fast-dev-run", CLI_FLAG, fast_dev_run, NULL,
           "try the whole path on one batch and leave nothing behind", 0, 0),
    OPTION("tensorboard", CLI_FLAG, tensorboard, NULL,
           "write the log as TensorBoard's event files too", 0, 0),
    OPTION("form", CLI_STRING, form, "NAME", "restore: plain, heads or exchange (exchange)", 0, 0),
    OPTION("steps", CLI_SIZE, steps, "N", "restore: updates in all (800)", 1, 1e9),
    OPTION("faces", CLI_SIZE, faces, "N", "restore: faces of an update (1024)", 32, 1e6),
    OPTION("warm-up", CLI_SIZE, warm_up, "N", "restore: updates until the rate is full (50)", 0,
           1e9),
    OPTION("dropout", CLI_REAL, dropout, "X", "restore: dropout of inputs and hidden layer (0.3)",
           0, 0.99),
    OPTION("average", CLI_REAL, average, "X",
           "restore: what an update keeps of the average (0.995)", 0, 0.999999),
    OPTION("leave-out", CLI_FLAG, leave_out, NULL,
           "targets without a sample's own pictures (restore: always), from a set with clean "
           "features",
           0, 0),
    OPTION("entropy-weight", CLI_REAL, entropy_weight, "X",
           "weight of the cross entropy over class centres (0; of restore 0.3)", 0, 1e6),
    OPTION("restore-weight", CLI_REAL, restore_weight, "X",
           "restore: weight of every face's distance to its clean feature (0.5)", 0, 1e6),
    OPTION("others-weight", CLI_REAL, others_weight, "X",
           "restore: weight of the share that other people's faces have (0.3)", 0, 1e6),
    OPTION("freeze", CLI_STRING, freeze, "PART,PART",
           "restore: leave these as they begin, such as b2 (no restoration), c2 (no read-out), hg "
           "(weights by length alone); docs/restore.md names all",
           0, 0),
    OPTION("no-intruders", CLI_FLAG, no_intruders, NULL,
           "restore: no other people's faces in the sets (as plain, which cannot use them)", 0, 0),
    OPTION("plot", CLI_STRING, plot, "FILE", "draw loss and validation: .png, .svg or .pdf", 0, 0),
    {0},
};

static void defaults(void *arg)
{
    train_options *o = arg;
    cafi_train_config c = cafi_train_defaults();
    cafi_restore_config r = cafi_restore_defaults(CAFI_RESTORE_EXCHANGE);

    o->fusion = "caface";
    o->form = "exchange";
    o->steps = r.steps;
    o->faces = r.rows;
    o->warm_up = r.warm_up;
    o->dropout = r.net.dropout;
    o->average = r.average;
    o->entropy_weight = r.net.weights.entropy;
    o->restore_weight = r.net.weights.restore;
    o->others_weight = r.net.weights.others;
    o->epochs = c.epochs;
    o->batch = c.batch;
    o->accumulate = c.accumulate;
    o->lr = c.schedule.lr;
    o->gamma = c.schedule.gamma;
    o->milestones = "6,9";
    o->schedule = "step";
    o->optimizer = cafi_optimiser_name(c.optimiser.kind);
    o->weight_decay = c.optimiser.weight_decay;
    o->beta1 = c.optimiser.beta1;
    o->beta2 = c.optimiser.beta2;
    o->eps = c.optimiser.eps;
    o->momentum = c.optimiser.momentum;
    o->chunk = 512;
    o->far = 1e-2;
    o->group = c.net.T;
    o->drop = c.net.drop;
    o->centre_weight = c.net.lambda_centre;
    o->memory_weight = NAN;
    o->scheme = "dual";
    o->seed = (size_t)c.seed;
    o->limit_batches = 1.0;
    o->save_every = c.save_every;
    o->log_every = c.log_every;
}

/* One run of the command. */
typedef struct job {
    const train_options *o;
    cafi_train_config config;
    size_t milestones[MAX_MILESTONES];
    train_lists lists;
    train_folder folder;
    cafi_store *store;
    float *centres;
    cafi_pool *pool;
    cafi_comm comm;
    cli_progress progress;
    char what[128];
    double started;
    bool running; /* a batch has been reported */
} job;

/* "6,9": ascending numbers. False when it is none. An empty text is no milestone. */
static bool parse_milestones(job *j, const char *text)
{
    size_t n = 0;

    while (*text) {
        size_t size = strcspn(text, ",");
        int64_t value;

        if (n == MAX_MILESTONES || !cafi_parse_int64(text, size, &value) || value < 0 ||
            (n && (size_t)value <= j->milestones[n - 1]))
            return false;
        j->milestones[n++] = (size_t)value;
        text += size;
        if (*text == ',' && !*++text)
            return false;
    }
    j->config.schedule.milestones = j->milestones;
    j->config.schedule.count = n;
    return true;
}

/* 0, or the exit status of a wrong call. */
static int configure(job *j)
{
    static const char *const others[] = {
        "form",    "steps",          "faces",         "warm-up",      "dropout",
        "average", "restore-weight", "others-weight", "no-intruders", "freeze"};
    const train_options *o = j->o;
    cafi_train_config *c = &j->config;

    *c = cafi_train_defaults();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (cli_given(&o->common, others[i]))
            return cli_usage("train", "--%s goes with --fusion restore", others[i]);
    if (strcmp(o->fusion, "caface") != 0)
        return cli_usage("train", "--fusion %s: caface or restore", o->fusion);
    if (!o->data || !o->centers || !o->output)
        return cli_usage("train", "--data SET, --centers FILE and -o DIR are needed");
    if (!cafi_optimiser_parse(&c->optimiser.kind, o->optimizer))
        return cli_usage("train", "--optimizer %s: adamw, adam or sgd", o->optimizer);
    if (strcmp(o->schedule, "step") != 0 && strcmp(o->schedule, "cosine") != 0)
        return cli_usage("train", "--schedule %s: step or cosine", o->schedule);
    if (o->limit_batches > 1.0 && o->limit_batches != floor(o->limit_batches))
        return cli_usage("train",
                         "--limit-batches %g: a share up to 1, or a whole number of batches",
                         o->limit_batches);
    if (!parse_milestones(j, o->milestones))
        return cli_usage("train", "--milestones %s: ascending epochs, such as 6,9", o->milestones);
    if (strcmp(o->scheme, "dual") != 0 && strcmp(o->scheme, "single") != 0)
        return cli_usage("train", "--scheme %s: dual or single", o->scheme);
    c->net.single = !strcmp(o->scheme, "single");
    if (c->net.single && o->memory_weight > 0.0)
        return cli_usage("train", "--scheme single has no memory loss: --memory-weight %g",
                         o->memory_weight);
    if (o->memory_mean && o->memory_divisor > 0.0)
        return cli_usage("train", "--memory-mean and --memory-divisor exclude each other");
    if (o->clip > 0.0 && o->clip_value > 0.0)
        return cli_usage("train", "--clip and --clip-value exclude each other");
    if (o->decay_all && c->optimiser.kind == CAFI_ADAMW)
        return cli_usage("train", "--decay-all: adamw decays all weights anyway");
    c->schedule.cosine = !strcmp(o->schedule, "cosine");
    c->schedule.lr = o->lr;
    c->schedule.gamma = o->gamma;
    c->optimiser.weight_decay = o->weight_decay;
    c->optimiser.beta1 = o->beta1;
    c->optimiser.beta2 = o->beta2;
    c->optimiser.eps = o->eps;
    c->optimiser.momentum = o->momentum;
    c->epochs = o->epochs;
    c->batch = o->batch;
    c->accumulate = o->accumulate;
    c->optimiser.decay_all = o->decay_all;
    c->clip = o->clip;
    c->clip_value = o->clip_value;
    c->seed = o->seed;
    c->save_every = o->save_every;
    c->log_every = o->log_every;
    c->stop_after = o->stop_after;
    c->synchronise = o->sync;
    c->keep_all = o->keep_all;
    c->validate_every = o->validate_every;
    c->first_epoch = o->first_epoch;
    if (o->fast_dev_run) {
        c->epochs = o->first_epoch + 1;
        c->validate_every = 0;
    }
    c->net.T = o->group;
    c->net.drop = o->drop;
    c->net.lambda_centre = o->centre_weight;
    if (c->net.single || !isnan(o->memory_weight))
        c->net.lambda_memory = c->net.single ? 0.0 : o->memory_weight;
    c->net.lambda_entropy = cli_given(&o->common, "entropy-weight") ? o->entropy_weight : 0.0;
    c->leave_out = o->leave_out;
    c->net.memory_divisor = o->memory_mean ? 1.0 : o->memory_divisor;
    return train_check_validation(o);
}

static bool report(void *ctx, const cafi_train_progress *p)
{
    job *j = ctx;
    size_t done = p->epoch * p->batches + p->batch;
    int n = snprintf(j->what, sizeof j->what, "epoch %zu/%zu  loss %.5f  lr %.3g", p->epoch + 1,
                     p->epochs, p->last.loss, p->lr);

    if (!isnan(p->validation))
        snprintf(j->what + n, sizeof j->what - (size_t)n, "  TAR %.4f (best %.4f)", p->validation,
                 p->best);
    if (!j->running)
        cli_progress_skip(&j->progress, done - 1);
    j->running = true;
    cli_progress_update(&j->progress, done);
    return !cli_interrupted();
}

/* Removes the folder of a run that was only tried. */
static void remove_folder(const job *j)
{
    DIR *dir = j->folder.path ? opendir(j->folder.path) : NULL;
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        cafi_buf path = {0};

        cafi_buf_printf(&path, "%s/%s", j->folder.path, entry->d_name);
        if (!path.failed && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(path.data);
        cafi_buf_free(&path);
    }
    if (dir) {
        closedir(dir);
        rmdir(j->folder.path);
    }
}

/* --limit-batches of so many images. */
static size_t batches_of(const train_options *o, size_t images)
{
    size_t all = (images + o->batch - 1) / o->batch;
    double limit = o->limit_batches > 1.0 ? o->limit_batches : o->limit_batches * (double)all;

    if (o->fast_dev_run || limit < 1.0)
        return 1;
    return limit < (double)all ? (size_t)limit : all;
}

/* The sizes of --init's model, which the options may repeat but not change. */
static caface_status init_dims(job *j, size_t C, caface_error *err)
{
    const train_options *o = j->o;
    cafi_train_dims *d = &j->config.net.dims;
    caface_status st = cafi_model_file_dims(d, o->init, err);

    if (st)
        return st;
    if ((o->clusters && o->clusters != d->M) || (o->blocks && o->blocks != d->L))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: has %zu clusters and %zu blocks, the options ask for %zu and %zu",
                         o->init, d->M, d->L, o->clusters ? o->clusters : d->M,
                         o->blocks ? o->blocks : d->L);
    if (o->scalar && d->K != 1)
        return cafi_fail(err, CAFACE_EMODEL, "%s: has %zu weights a cluster, --scalar asks for 1",
                         o->init, d->K);
    if (d->K == 1)
        d->C = C; /* one weight a cluster takes features of any width */
    return CAFACE_OK;
}

static caface_status prepare(job *j, caface_error *err)
{
    const train_options *o = j->o;
    cafi_train_dims *dims = &j->config.net.dims;
    cafi_store_info info;
    caface_status st;

    if ((o->plot && (st = cafi_plot_check(o->plot, err))) ||
        (st = train_find_lists(&j->lists, o, err)) ||
        (st = cafi_store_open(&j->store, o->data, o->styles, err)) ||
        (st = cafi_centres_load(&j->centres, o->centers, j->store, err)))
        return st;
    j->lists.source.trained_on = cafi_store_origin(j->store);
    info = cafi_store_get_info(j->store);
    if (o->fast_dev_run || o->limit_batches != 1.0)
        j->config.limit_batches = batches_of(o, info.images);
    if (o->init)
        st = init_dims(j, info.C, err);
    else
        st = cafi_train_dims_make(dims, info.C, info.S, o->clusters ? o->clusters : 4,
                                  o->blocks ? o->blocks : 2, o->scalar ? 1 : info.C, err);
    if (st || (st = train_pool_new(&j->pool, o, &j->comm, err)) ||
        (st = train_choose_folder(&j->folder, o, &j->comm, err)))
        return st;
    cafi_comm_wait(&j->comm); /* none writes before all have looked */
    return CAFACE_OK;
}

static int print_result(const job *j, const cafi_train_progress *p)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (!j->o->common.json) {
        if (!j->o->common.quiet)
            cli_say(stdout, "%s: %zu of %zu epochs, loss %.6f\n", j->folder.path, p->epoch,
                    p->epochs, p->last.loss);
        if (!j->o->common.quiet && j->o->validate)
            cli_say(stdout, "TAR at FAR %g: %.4f in the last epoch, %.4f in the best\n", j->o->far,
                    p->validation, p->best);
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "epochs", (int64_t)p->epoch);
    cafi_json_int(&json, "batches", (int64_t)p->batches);
    cafi_json_real(&json, "loss", p->last.loss);
    cafi_json_real(&json, "center_loss", p->last.centre);
    cafi_json_real(&json, "memory_loss", p->last.memory);
    if (j->config.net.lambda_entropy > 0.0)
        cafi_json_real(&json, "entropy_loss", p->last.entropy);
    cafi_json_real(&json, "validation", p->validation);
    cafi_json_real(&json, "best", j->o->validate ? p->best : NAN);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static caface_status run_job(job *j, caface_error *err)
{
    const train_options *o = j->o;
    cafi_train_progress p;
    caface_status st = prepare(j, err);
    cafi_train_job work = {.store = j->store,
                           .centres = j->centres,
                           .folder = j->folder.path,
                           .init = o->init,
                           .init_optimiser = o->init_optimizer ? o->init : NULL,
                           .tensorboard = o->tensorboard,
                           .validate = o->validate ? &j->lists.source : NULL,
                           .resume = o->resume,
                           .pool = j->pool,
                           .comm = &j->comm,
                           .report = report,
                           .ctx = j};
    size_t batches;

    if (st)
        return st;
    batches = batches_of(o, cafi_store_get_info(j->store).images);
    snprintf(j->what, sizeof j->what, "training");
    cli_progress_begin(&j->progress, j->what, j->config.epochs * batches,
                       o->common.quiet || j->comm.rank);
    st = cafi_train_run(&j->config, &work, &p, err);
    cli_progress_end(&j->progress);
    if (st == CAFACE_ECANCELLED && o->stop_after && !cli_interrupted())
        st = CAFACE_OK;
    if (j->comm.rank)
        return st;
    if (!st && o->plot)
        st = train_plot(o->plot, o->output, o->far, err);
    if (!st && print_result(j, &p))
        st = cafi_fail_memory(err, 0);
    return st;
}

static int run(void *arg)
{
    job j = {.o = arg, .started = cli_seconds(), .folder = {.lock = -1}};
    caface_error err;
    caface_status st;
    bool stopped = false;
    int wrong;

    if (!strcmp(j.o->fusion, "restore"))
        return train_restore(j.o, j.started);
    wrong = configure(&j);
    if (wrong)
        return wrong;
    st = cafi_comm_open(&j.comm, &err);
    if (st)
        return cli_fail(&err);
    cli_interrupt_begin();
    st = run_job(&j, &err);
    if (st && st != CAFACE_ECANCELLED && j.comm.size > 1) {
        cli_fail(&err);
        cafi_comm_abort(&j.comm, CLI_FAILED);
    }
    cafi_comm_close(&j.comm);
    if (j.o->fast_dev_run && j.folder.made)
        remove_folder(&j);
    train_folder_free(&j.folder);
    cafi_store_close(j.store);
    cafi_pool_free(j.pool);
    free(j.centres);
    train_lists_free(&j.lists);
    stopped = st == CAFACE_ECANCELLED && cli_interrupted();
    cli_interrupt_end();
    if (stopped) {
        cli_warn("stopped; the same command with --resume goes on from the last checkpoint in %s",
                 j.o->output);
        return CLI_FAILED;
    }
    return st ? cli_fail(&err) : CLI_OK;
}

const cli_command cli_train = {
    .name = "train",
    .summary = "a fusion model from features and class centres",
    .synopsis = "--data SET --centers FILE -o DIR [options]",
    .text = "Trains the style input maker, the cluster and the aggregation network; the\n"
            "defaults are the authors' recipe. Writes into DIR: last.safetensors and\n"
            "best.safetensors (models that every command takes), log.csv, and a checkpoint.\n"
            "\n"
            "A run that was stopped or killed goes on with --resume and ends with the same\n"
            "bits as one that was not, whatever the number of threads; --resume with other\n"
            "settings is refused. With --validate the best model is the one with the highest\n"
            "TAR at FAR 0.01 (or --far) over the pairs of SET, as `caface eval verify` has\n"
            "it: a set of `prepare probes` brings its pairs along, --meta and --dataset name\n"
            "IJB's. Without it, the best is the one with the lowest loss of an epoch.\n"
            "\n"
            "--leave-out and --entropy-weight give it two losses of the restoring fusion.\n"
            "\n"
            "--fusion restore trains this project's own fusion (docs/restore.md) on features\n"
            "of `prepare features --clean`, in a minute or so. Its class centres are those\n"
            "of the clean features, without a set's own pictures in the target; --centers\n"
            "gives the cross entropy others. Options that begin with \"restore:\" are its\n"
            "own; rate, decay, clip, save and log have defaults of their own there (3e-3,\n"
            "0.01, 5, 100, 20).\n"
            "\n"
            "In a build with MPI, `mpirun -n N caface train ...` shares every batch among N\n"
            "processes. BatchNorm then sees each process's part, as the authors' two devices\n"
            "do; with --sync-batchnorm it sees the whole batch, and the run is that of one\n"
            "process, to rounding.",
    .example = "  caface prepare features faces/ --model backbone.onnx -o features/\n"
               "  caface prepare centers faces/ --model backbone.onnx -o centers.safetensors\n"
               "  caface train --data features/ --centers centers.safetensors -o run/ \\\n"
               "      --validate probes/ --plot run/curves.png\n"
               "  caface train --data features/ --centers centers.safetensors -o run2/ \\\n"
               "      --validate ijbb/ --meta IJBB/meta --dataset IJBB --far 1e-4\n"
               "  caface prepare features faces/ --model backbone.onnx -o clean/ --clean\n"
               "  caface train --fusion restore --data clean/ -o run3/ --validate probes/",
    .options = options,
    .options_size = sizeof(train_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
