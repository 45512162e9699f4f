/* caface train: a fusion model from augmented features and class centres (caface/train.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/train.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train/plot.h"
#include "files/index.h"
#include "files/json.h"
#include "plot/chart.h"

enum { MAX_MILESTONES = 64, MAX_GROUP = 256 };

typedef struct train_options {
    cli_common common;
    caface_train_options t; /* what the options say is written into it */
    const char *fusion, *milestones, *plot;
    size_t seed;
    bool resume, init_optimizer, sync, keep_all, fast_dev_run, tensorboard, scalar, decay_all,
        memory_mean, no_intruders, leave_out;
} train_options;

#define OPTION(name, kind, member, value, help, min, max)                                          \
    {                                                                                              \
        name, 0, kind, offsetof(train_options, member), value, help, min, max                      \
    }

static const cli_option options[] = {
    OPTION("fusion", CLI_STRING, fusion, "NAME",
           "caface (default), the authors' network; or restore, this project's own", 0, 0),
    OPTION("data", CLI_STRING, t.data, "SET", "augmented features, from `prepare features`", 0, 0),
    OPTION("centers", CLI_STRING, t.centers, "FILE", "class centres, from `prepare centers`", 0, 0),
    {"output", 'o', CLI_STRING, offsetof(train_options, t.output), "DIR", "where the run writes", 0,
     0},
    OPTION("init", CLI_STRING, t.init, "FILE", "start from this fusion model, with its M, L and K",
           0, 0),
    OPTION("init-optimizer", CLI_FLAG, init_optimizer, NULL,
           "take the optimiser's moments too, where --init is a Lightning checkpoint", 0, 0),
    OPTION("first-epoch", CLI_SIZE, t.first_epoch, "N",
           "begin at this epoch, counted from 0, such as that of --init's run (0)", 0, 100000),
    OPTION("validate", CLI_STRING, t.validate, "SET",
           "feature set to score after every epoch: of `prepare probes`, or of IJB images", 0, 0),
    OPTION("meta", CLI_STRING, t.meta, "DIR", "with --validate: InsightFace's files of an IJB set",
           0, 0),
    OPTION("dataset", CLI_STRING, t.dataset, "NAME", "with --meta: IJBB, IJBC or another name", 0,
           0),
    OPTION("pairs", CLI_STRING, t.pairs, "P.txt",
           "with --validate: lines `template template label` (SET/pairs.txt, else all pairs)", 0,
           0),
    OPTION("templates", CLI_STRING, t.templates, "T.txt",
           "with --validate: lines `name template media [subject]` (index.tsv of SET)", 0, 0),
    OPTION("chunk", CLI_SIZE, t.chunk, "N", "with --validate: faces fused at once; 0: all (512)", 0,
           CAFACE_MAX_CHUNK),
    OPTION("far", CLI_REAL, t.far, "X",
           "with --validate: the FAR of TAR at FAR, 1e-6 to 0.1 (0.01)", 1e-6, 0.1),
    OPTION("validate-every", CLI_SIZE, t.validate_every, "N",
           "with --validate: also after every N updates within an epoch", 0, 1e9),
    OPTION("resume", CLI_FLAG, resume, NULL, "go on where the run in DIR stopped", 0, 0),
    OPTION("epochs", CLI_SIZE, t.epochs, "N", "passes over the images (10)", 1, 100000),
    OPTION("batch", CLI_SIZE, t.batch, "N", "samples of a batch (512)", 1, 65536),
    OPTION("limit-batches", CLI_REAL, t.limit_batches, "X",
           "batches of an epoch: up to 1 a share of them, above 1 a number (1)", 1e-9, 1e9),
    OPTION("accumulate", CLI_SIZE, t.accumulate, "N", "batches of an update (1)", 1, 65536),
    OPTION("lr", CLI_REAL, t.lr, "X", "learning rate (1e-3)", 0, 1e6),
    OPTION("schedule", CLI_STRING, t.schedule, "NAME", "step or cosine (step)", 0, 0),
    OPTION("milestones", CLI_STRING, milestones, "E,E", "epochs where the rate drops (6,9)", 0, 0),
    OPTION("gamma", CLI_REAL, t.gamma, "X", "factor at a milestone (0.1)", 0, 1e6),
    OPTION("optimizer", CLI_STRING, t.optimizer, "NAME", "adamw, adam or sgd (adamw)", 0, 0),
    OPTION("weight-decay", CLI_REAL, t.weight_decay, "X", "weight decay (5e-4)", 0, 1e6),
    OPTION("decay-all", CLI_FLAG, decay_all, NULL,
           "adam and sgd: weight decay of biases and other vectors too (adamw: always)", 0, 0),
    OPTION("beta1", CLI_REAL, t.beta1, "X", "Adam's decay of the mean gradient (0.9)", 0, 0.999999),
    OPTION("beta2", CLI_REAL, t.beta2, "X", "Adam's decay of the mean square (0.999)", 0, 0.999999),
    OPTION("eps", CLI_REAL, t.eps, "X", "added to Adam's root mean square (1e-8)", 1e-30, 1),
    OPTION("momentum", CLI_REAL, t.momentum, "X", "momentum of sgd (0.9)", 0, 1),
    OPTION("clip", CLI_REAL, t.clip, "X", "largest norm of the gradient; 0: any (0)", 0, 1e30),
    OPTION("clip-value", CLI_REAL, t.clip_value, "X",
           "largest absolute value of a number of the gradient; 0: any (0)", 0, 1e30),
    OPTION("clusters", CLI_SIZE, t.clusters, "N", "cluster centres M (4)", 1, 64),
    OPTION("blocks", CLI_SIZE, t.blocks, "N", "blocks L of both networks (2)", 1, 16),
    OPTION("scalar", CLI_FLAG, scalar, NULL, "one weight a cluster, not one a channel", 0, 0),
    OPTION("scheme", CLI_STRING, t.scheme, "NAME",
           "dual: samples of two groups, fused by prefixes; single: of one, fused once (dual)", 0,
           0),
    OPTION("group", CLI_SIZE, t.group, "N", "rows of a group (16)", 3, MAX_GROUP),
    OPTION("drop", CLI_REAL, t.drop, "X", "stochastic depth of the last block (0.1)", 0, 0.99),
    OPTION("center-weight", CLI_REAL, t.center_weight, "X", "weight of the centre loss (1)", 0,
           1e6),
    OPTION("memory-weight", CLI_REAL, t.memory_weight, "X",
           "weight of the memory loss; 0: no memory passes (1; of --scheme single 0)", 0, 1e6),
    OPTION("memory-divisor", CLI_REAL, t.memory_divisor, "X",
           "divisor of the memory loss; 0: half the batch, as the authors' two devices have it (0)",
           0, 1e6),
    OPTION("memory-mean", CLI_FLAG, memory_mean, NULL, "the same as --memory-divisor 1", 0, 0),
    OPTION("styles", CLI_STRING, t.styles, "3,5", "stages of a record set's styles", 0, 0),
    OPTION("sync-batchnorm", CLI_FLAG, sync, NULL,
           "BatchNorm statistics over all processes, not each one's", 0, 0),
    OPTION("seed", CLI_SIZE, seed, "N", "seed of everything random (42)", 0, 1e15),
    OPTION("save-every", CLI_SIZE, t.save_every, "N",
           "updates between checkpoints; 0: at the end of epochs (50)", 0, 1e9),
    OPTION("log-every", CLI_SIZE, t.log_every, "N", "updates a row of log.csv (10)", 1, 1e9),
    OPTION("stop-after", CLI_SIZE, t.stop_after, "N", "stop with a checkpoint after N updates", 0,
           1e9),
    OPTION("keep-all", CLI_FLAG, keep_all, NULL, "keep every epoch's model: epoch-N.safetensors", 0,
           0),
    OPTION("fast-dev-run", CLI_FLAG, fast_dev_run, NULL,
           "try the whole path on one batch and leave nothing behind", 0, 0),
    OPTION("tensorboard", CLI_FLAG, tensorboard, NULL,
           "write the log as TensorBoard's event files too", 0, 0),
    OPTION("form", CLI_STRING, t.form, "NAME", "restore: plain, heads or exchange (exchange)", 0,
           0),
    OPTION("steps", CLI_SIZE, t.steps, "N", "restore: updates in all (800)", 1, 1e9),
    OPTION("faces", CLI_SIZE, t.faces, "N", "restore: faces of an update (1024)", 32, 1e6),
    OPTION("warm-up", CLI_SIZE, t.warm_up, "N", "restore: updates until the rate is full (50)", 0,
           1e9),
    OPTION("dropout", CLI_REAL, t.dropout, "X", "restore: dropout of inputs and hidden layer (0.3)",
           0, 0.99),
    OPTION("average", CLI_REAL, t.average, "X",
           "restore: what an update keeps of the average (0.995)", 0, 0.999999),
    OPTION("leave-out", CLI_FLAG, leave_out, NULL,
           "targets without a sample's own pictures (restore: always), from a set with clean "
           "features",
           0, 0),
    OPTION("entropy-weight", CLI_REAL, t.entropy_weight, "X",
           "weight of the cross entropy over class centres (0; of restore 0.3)", 0, 1e6),
    OPTION("restore-weight", CLI_REAL, t.restore_weight, "X",
           "restore: weight of every face's distance to its clean feature (0.5)", 0, 1e6),
    OPTION("others-weight", CLI_REAL, t.others_weight, "X",
           "restore: weight of the share that other people's faces have (0.3)", 0, 1e6),
    OPTION("freeze", CLI_STRING, t.freeze, "PART,PART",
           "restore: leave these as they begin, such as b2 (no restoration), c2 (no read-out), hg "
           "(weights by length alone); docs/restore.md names all",
           0, 0),
    OPTION("no-intruders", CLI_FLAG, no_intruders, NULL,
           "restore: no other people's faces in the sets (as plain, which cannot use them)", 0, 0),
    OPTION(
        "teacher", CLI_STRING, t.teacher, "FILE",
        "restore: a fusion model, such as an ensemble, whose templates are a part of the targets",
        0, 0),
    OPTION("teacher-weight", CLI_REAL, t.teacher_weight, "X",
           "restore: that part, the person's own features the rest (0.5)", 0, 1),
    OPTION("plot", CLI_STRING, plot, "FILE", "draw loss and validation: .png, .svg or .pdf", 0, 0),
    {0},
};

static void defaults(void *arg)
{
    train_options *o = arg;

    caface_train_options_init(&o->t, CAFACE_METHOD_CAFACE);
    o->fusion = "caface";
    o->milestones = "6,9";
    o->seed = (size_t)o->t.seed;
}

/* One run of the command. */
typedef struct job {
    const train_options *o;
    size_t milestones[MAX_MILESTONES];
    cli_progress progress;
    char what[160];
    double started;
    bool running; /* a batch has been reported */
    bool entropy; /* the cross entropy is one of the losses */
} job;

/* "6,9" into the options; false when it is none. An empty text is no milestone. */
static bool parse_milestones(job *j, const char *text, caface_train_options *t)
{
    size_t n = 0;

    while (*text) {
        size_t size = strcspn(text, ",");
        int64_t value;

        if (n == MAX_MILESTONES || !cafi_parse_int64(text, size, &value) || value < 0)
            return false;
        j->milestones[n++] = (size_t)value;
        text += size;
        if (*text == ',' && !*++text)
            return false;
    }
    t->milestones = j->milestones;
    t->milestone_count = n;
    return true;
}

/* Options of one fusion are refused with the other, also where they say what is so anyway. */
static int refuse_others(const train_options *o, bool restores)
{
    static const char *const of_restore[] = {
        "form",           "steps",         "faces",        "warm-up", "dropout", "average",
        "restore-weight", "others-weight", "no-intruders", "freeze",  "teacher", "teacher-weight"};
    static const char *const of_caface[] = {
        "epochs",         "batch",          "accumulate",    "schedule",       "milestones",
        "gamma",          "decay-all",      "clip-value",    "clusters",       "blocks",
        "scalar",         "scheme",         "group",         "drop",           "memory-weight",
        "memory-divisor", "memory-mean",    "limit-batches", "keep-all",       "first-epoch",
        "fast-dev-run",   "init-optimizer", "tensorboard",   "sync-batchnorm", "styles",
        "leave-out"};

    for (size_t i = 0; !restores && i < sizeof of_restore / sizeof *of_restore; i++)
        if (cli_given(&o->common, of_restore[i]))
            return cli_usage("train", "--%s goes with --fusion restore", of_restore[i]);
    for (size_t i = 0; restores && i < sizeof of_caface / sizeof *of_caface; i++)
        if (cli_given(&o->common, of_caface[i]))
            return cli_usage("train", "--%s has no meaning with --fusion restore", of_caface[i]);
    if (restores && strcmp(o->t.form, "exchange") != 0 && cli_given(&o->common, "chunk"))
        return cli_usage("train", "--chunk has no meaning with --form %s, which has no chunks",
                         o->t.form);
    if (!o->t.validate && (cli_given(&o->common, "chunk") || cli_given(&o->common, "far")))
        return cli_usage("train", "--chunk and --far go with --validate");
    return cli_styles_check("train", o->t.styles);
}

/* These have other defaults with restore. */
static void take_recipe(const train_options *o, caface_train_options *t)
{
    const cli_common *c = &o->common;
    caface_train_options recipe;

    caface_train_options_init(&recipe, CAFACE_METHOD_RESTORE);
    t->fusion = CAFACE_METHOD_RESTORE;
    t->entropy_weight = cli_given(c, "entropy-weight") ? t->entropy_weight : recipe.entropy_weight;
    t->lr = cli_given(c, "lr") ? t->lr : recipe.lr;
    t->weight_decay = cli_given(c, "weight-decay") ? t->weight_decay : recipe.weight_decay;
    t->clip = cli_given(c, "clip") ? t->clip : recipe.clip;
    t->save_every = cli_given(c, "save-every") ? t->save_every : recipe.save_every;
    t->log_every = cli_given(c, "log-every") ? t->log_every : recipe.log_every;
}

static void print_failure(void *context, const caface_error *err)
{
    (void)context;
    cli_fail(err);
}

/* 0, or the exit status of a wrong call. */
static int configure(job *j, caface_train_options *t)
{
    const train_options *o = j->o;
    bool restores = !strcmp(o->fusion, "restore");
    caface_error err;
    int wrong;

    *t = o->t;
    if (!restores && strcmp(o->fusion, "caface") != 0)
        return cli_usage("train", "--fusion %s: caface or restore", o->fusion);
    if ((wrong = refuse_others(o, restores)))
        return wrong;
    if (!o->t.data || !o->t.output || (!restores && !o->t.centers))
        return cli_usage("train", "--data SET%s and -o DIR are needed",
                         restores ? "" : ", --centers FILE");
    if (restores)
        take_recipe(o, t);
    else if (!parse_milestones(j, o->milestones, t))
        return cli_usage("train", "--milestones %s: ascending epochs, such as 6,9", o->milestones);
    if (!strcmp(t->scheme, "single") && cli_given(&o->common, "memory-weight") &&
        t->memory_weight > 0.0)
        return cli_usage("train", "--scheme single has no memory loss: --memory-weight %g",
                         t->memory_weight);
    if (o->memory_mean && t->memory_divisor > 0.0)
        return cli_usage("train", "--memory-mean and --memory-divisor exclude each other");
    if (o->fast_dev_run && o->plot)
        return cli_usage("train", "--fast-dev-run leaves nothing behind: no --plot");
    t->memory_divisor = o->memory_mean ? 1.0 : t->memory_divisor;
    t->seed = o->seed;
    t->threads = o->common.threads;
    t->resume = o->resume;
    t->init_optimizer = o->init_optimizer;
    t->sync_batchnorm = o->sync;
    t->keep_all = o->keep_all;
    t->fast_dev_run = o->fast_dev_run;
    t->tensorboard = o->tensorboard;
    t->scalar = o->scalar;
    t->decay_all = o->decay_all;
    t->leave_out = o->leave_out;
    t->no_intruders = o->no_intruders;
    t->processes = 1;
    t->failed = print_failure;
    return caface_train_check(t, &err) ? cli_usage("train", "%s", err.message) : CLI_OK;
}

static int report(void *ctx, const caface_train_progress *p)
{
    job *j = ctx;
    int n = 0;

    if (p->is_row)
        return !cli_interrupted();
    if (p->epochs)
        n = snprintf(j->what, sizeof j->what, "epoch %zu/%zu  loss %.5f  lr %.3g", p->epoch + 1,
                     p->epochs, p->loss, p->lr);
    else
        n = snprintf(j->what, sizeof j->what, "loss %.4f  center %.4f  lr %.3g", p->loss,
                     p->center_loss, p->lr);
    if (!isnan(p->validation))
        snprintf(j->what + n, sizeof j->what - (size_t)n, "  TAR %.4f (best %.4f)", p->validation,
                 p->best);
    if (!j->running) {
        cli_progress_begin(&j->progress, j->what, p->all, j->o->common.quiet || p->rank);
        cli_progress_skip(&j->progress, p->done - 1);
    }
    j->running = true;
    cli_progress_update(&j->progress, p->done);
    return !cli_interrupted();
}

static void print_words(const job *j, const caface_train_progress *p, double seconds)
{
    const train_options *o = j->o;
    const char *beside = o->fast_dev_run ? ".fast-dev-run" : "";

    if (p->epochs)
        cli_say(stdout, "%s%s: %zu of %zu epochs, loss %.6f\n", o->t.output, beside, p->epoch,
                p->epochs, p->loss);
    else
        cli_say(stdout, "%s: %zu steps, loss %.6f, %.1f s\n", o->t.output, p->updates, p->loss,
                seconds);
    if (o->t.validate)
        cli_say(stdout, "TAR at FAR %g: %.4f %s, %.4f in the best\n", o->t.far, p->validation,
                p->epochs ? "in the last epoch" : "at the end", p->best);
}

static int print_result(const job *j, const caface_train_progress *p)
{
    double seconds = cli_seconds() - j->started;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (!j->o->common.json) {
        if (!j->o->common.quiet)
            print_words(j, p, seconds);
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    if (p->epochs) {
        cafi_json_int(&json, "epochs", (int64_t)p->epoch);
        cafi_json_int(&json, "batches", (int64_t)p->batches);
    } else {
        cafi_json_string(&json, "form", j->o->t.form);
        cafi_json_int(&json, "steps", (int64_t)p->updates);
    }
    cafi_json_real(&json, "loss", p->loss);
    cafi_json_real(&json, "center_loss", p->center_loss);
    if (p->epochs)
        cafi_json_real(&json, "memory_loss", p->memory_loss);
    if (j->entropy)
        cafi_json_real(&json, "entropy_loss", p->entropy_loss);
    if (!p->epochs) {
        cafi_json_real(&json, "restore_loss", p->restore_loss);
        cafi_json_real(&json, "others_loss", p->others_loss);
    }
    cafi_json_real(&json, "validation", p->validation);
    cafi_json_real(&json, "best", p->best);
    cafi_json_real(&json, "seconds", seconds);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int run(void *arg)
{
    job j = {.o = arg, .started = cli_seconds()};
    const train_options *o = j.o;
    caface_train_options t;
    caface_train_progress p;
    caface_error err;
    caface_status st = CAFACE_OK;
    int status = CLI_OK;
    int wrong = configure(&j, &t);

    if (wrong)
        return wrong;
    if ((wrong = cli_plot_check("train", o->plot)))
        return wrong;
    j.entropy = t.entropy_weight > 0.0 || t.fusion == CAFACE_METHOD_RESTORE;
    cli_interrupt_begin();
    st = caface_train(&t, report, &j, &p, &err);
    if (j.running)
        cli_progress_end(&j.progress);
    if (st == CAFACE_ECANCELLED && cli_interrupted()) {
        cli_warn("stopped; the same command with --resume goes on from the last checkpoint in %s",
                 o->t.output);
        status = CLI_FAILED;
    } else if (st)
        status = cli_fail(&err);
    cli_interrupt_end(); /* ends the program where it was stopped: what is to be told, is */
    if (status || p.rank)
        return status; /* the first process tells */
    if (o->plot && train_plot(o->plot, o->t.output, o->t.far, &err))
        return cli_fail(&err);
    return print_result(&j, &p);
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
