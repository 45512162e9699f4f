/* caface eval pairs: pairs of single pictures, ten folds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/feature_set.h"
#include "cli/command.h"
#include "eval/folds.h"
#include "eval/image_pairs.h"
#include "eval/scores.h"
#include "cli/eval/pictures.h"
#include "files/feature_set.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/pair_bin.h"
#include "cli/progress.h"

typedef struct pairs_options {
    cli_common common;
    const char *features;
    const char *pairs;
    const char *bin;
    cli_list models;
    bool flip;
    const char *scores;
    size_t bootstrap;
    int64_t seed;
} pairs_options;

typedef struct job {
    const pairs_options *o;
    cafi_pool *pool;
    cafi_pair_bin *bin;
    cafi_image_pairs pairs; /* rows of features */
    eval_bin in;            /* features, of a .bin's pictures or of a set's rows */
    float *score;           /* [pairs.count] */
    cafi_folds folds;
    double low, high; /* of the accuracy */
    double started;
} job;

static void defaults(void *options)
{
    pairs_options *o = options;

    o->bootstrap = 1000;
    o->seed = 1;
}

/* A .bin's pairs: rows 2i and 2i + 1. It does not say who is in its pictures:
 * every pair is a subject of its own. */
static caface_status pairs_of_bin(job *j, caface_error *err)
{
    cafi_image_pairs *p = &j->pairs;
    size_t n = cafi_pair_bin_pairs(j->bin);
    caface_status st = CAFACE_OK;

    if (j->in.rows != 2 * n)
        return cafi_fail(err, CAFACE_EFORMAT, "%s has %zu rows, %s has %zu pictures",
                         j->o->features, j->in.rows, j->o->bin, 2 * n);
    if ((st = CAFI_NEW(&p->a, n, err)) || (st = CAFI_NEW(&p->b, n, err)) ||
        (st = CAFI_NEW(&p->subject_a, n, err)) || (st = CAFI_NEW(&p->subject_b, n, err)) ||
        (st = CAFI_NEW(&p->same, n, err)))
        return st;
    p->count = p->subjects = n;
    for (size_t i = 0; i < n; i++) {
        p->a[i] = (uint32_t)(2 * i);
        p->b[i] = (uint32_t)(2 * i + 1);
        p->subject_a[i] = p->subject_b[i] = (uint32_t)i;
        p->same[i] = cafi_pair_bin_same(j->bin)[i];
    }
    return CAFACE_OK;
}

static caface_status read_set(job *j, caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_status st = cli_feature_set_open(&set, j->o->features, err);

    if (st)
        return st;
    j->in.rows = set->N;
    j->in.C = set->C;
    st = cafi_alloc_f32(&j->in.features, j->in.rows, j->in.C, err);
    if (!st)
        cafi_feature_set_rows(set, 0, j->in.rows, j->in.features, NULL);
    if (!st && j->o->pairs && !set->index)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: no index.tsv in it to find pictures by", set->path);
    else if (!st && j->o->pairs)
        st = cafi_image_pairs_read(&j->pairs, j->o->pairs, set->index, set->path, err);
    cafi_feature_set_close(set);
    return st;
}

/* Rows of length 1; one that holds NaN or Inf becomes NaN, and so do the scores
 * of its pairs. */
static void normalise_rows(job *j)
{
    for (size_t r = 0; r < j->in.rows; r++) {
        float *row = j->in.features + r * j->in.C;
        double sum = 0;

        for (size_t c = 0; c < j->in.C; c++)
            sum += (double)row[c] * (double)row[c];
        if (!isfinite(sum))
            sum = NAN;
        else
            sum = sum > 0 ? 1 / sqrt(sum) : 0;
        for (size_t c = 0; c < j->in.C; c++)
            row[c] = isnan(sum) ? NAN : (float)((double)row[c] * sum);
    }
}

/* Subjects where neither list nor set names them: whom genuine pairs connect. */
static caface_status find_subjects(job *j, cafi_pair *pairs, caface_error *err)
{
    cafi_image_pairs *p = &j->pairs;
    const cafi_pair_list list = {.pairs = pairs, .count = p->count};
    uint32_t *subject = NULL;
    caface_status st = CAFACE_OK;

    if (p->subject_a)
        return CAFACE_OK;
    if ((st = CAFI_NEW(&subject, j->in.rows, err)) ||
        (st = CAFI_NEW(&p->subject_a, p->count, err)) ||
        (st = CAFI_NEW(&p->subject_b, p->count, err)) ||
        (st = cafi_pairs_subjects(&list, j->in.rows, subject, &p->subjects, err))) {
        free(subject);
        return st;
    }
    for (size_t i = 0; i < p->count; i++) {
        p->subject_a[i] = subject[p->a[i]];
        p->subject_b[i] = subject[p->b[i]];
    }
    free(subject);
    return CAFACE_OK;
}

static caface_status bootstrap(job *j, caface_error *err)
{
    const pairs_options *o = j->o;
    const cafi_image_pairs *p = &j->pairs;
    cafi_resampling resample;
    double *accuracy = NULL;
    caface_status st = CAFACE_OK;

    if (!o->bootstrap)
        return CAFACE_OK;
    if ((st = cafi_resampling_new(&resample, p->subjects, o->bootstrap, (uint64_t)o->seed, err)))
        return st;
    st = CAFI_NEW(&accuracy, o->bootstrap, err);
    if (!st) {
        cafi_folds_bootstrap(accuracy, j->score, p->same, p->subject_a, p->subject_b, p->count,
                             &resample);
        cafi_interval95(accuracy, o->bootstrap, &j->low, &j->high);
    }
    cafi_resampling_free(&resample);
    free(accuracy);
    return st;
}

static caface_status compute(job *j, caface_error *err)
{
    cafi_pair *pairs = NULL;
    size_t n = j->pairs.count;
    caface_status st = CAFI_NEW(&pairs, n, err);

    if (!st)
        st = CAFI_NEW(&j->score, n, err);
    for (size_t i = 0; !st && i < n; i++)
        pairs[i] =
            (cafi_pair){j->pairs.a[i] | (j->pairs.same[i] ? CAFI_PAIR_GENUINE : 0), j->pairs.b[i]};
    if (!st && !(st = find_subjects(j, pairs, err)))
        st = cafi_scores_pairs(j->score, j->in.features, j->in.rows, j->in.C, pairs, n, j->pool,
                               err);
    free(pairs);
    if (!st && (st = cafi_folds_compute(&j->folds, j->score, j->pairs.same, n, err)))
        cafi_prefix(err, st, j->o->pairs ? j->o->pairs : j->o->bin);
    return st ? st : bootstrap(j, err);
}

static caface_status run_job(job *j, caface_error *err)
{
    const pairs_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = cafi_pool_new(&j->pool, o->common.threads, err)) ||
        (o->bin && (st = cafi_pair_bin_open(&j->bin, o->bin, err))))
        return st;
    if (o->features)
        st = read_set(j, err);
    else
        st = eval_encode_bin(&j->in, j->bin, o->bin, &o->models, o->flip, &o->common, err);
    if (!st && o->bin)
        st = pairs_of_bin(j, err);
    if (st)
        return st;
    normalise_rows(j);
    if ((st = compute(j, err)))
        return st;
    return o->scores ? cafi_npy_save(o->scores, CAFI_F32, 1, &j->pairs.count, j->score, err)
                     : CAFACE_OK;
}

static void write_failed(const job *j, cafi_json *json)
{
    cafi_json_begin_array(json, "failed");
    for (size_t i = 0; i < j->in.bad_count; i++) {
        char path[512];

        snprintf(path, sizeof path, "%.400s: picture %zu", j->o->bin, j->in.bad[i].number);
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "path", path);
        cafi_json_string(json, "error", j->in.bad[i].error);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void write_json(const job *j, cafi_buf *out)
{
    const cafi_folds *f = &j->folds;
    cafi_json json = {.out = out};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "pairs", (int64_t)f->pairs);
    cafi_json_int(&json, "genuine", (int64_t)f->genuine);
    cafi_json_int(&json, "impostor", (int64_t)(f->pairs - f->genuine));
    cafi_json_int(&json, "dropped", (int64_t)f->dropped);
    cafi_json_int(&json, "subjects", (int64_t)j->pairs.subjects);
    cafi_json_int(&json, "resamples", (int64_t)j->o->bootstrap);
    cafi_json_begin_array(&json, "results");
    cafi_json_begin_object(&json, NULL);
    cafi_json_real(&json, "accuracy", f->accuracy);
    cafi_json_real(&json, "std", f->std);
    cafi_json_real(&json, "threshold", f->threshold);
    if (j->o->bootstrap) {
        cafi_json_begin_array(&json, "interval");
        cafi_json_real(&json, NULL, j->low);
        cafi_json_real(&json, NULL, j->high);
        cafi_json_end_array(&json);
    }
    cafi_json_begin_array(&json, "folds");
    for (int k = 0; k < CAFI_FOLDS; k++)
        cafi_json_real(&json, NULL, f->fold[k]);
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    cafi_json_end_array(&json);
    write_failed(j, &json);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
}

static void write_text(const job *j, cafi_buf *out)
{
    const cafi_folds *f = &j->folds;

    cafi_buf_printf(out, "accuracy %.2f %% +- %.2f (standard deviation over ten folds)",
                    100 * f->accuracy, 100 * f->std);
    if (j->o->bootstrap)
        cafi_buf_printf(out, ", 95 %% interval [%.2f, %.2f]", 100 * j->low, 100 * j->high);
    cafi_buf_printf(out, ", threshold %.3f", f->threshold);
    if (!j->o->common.quiet)
        cafi_buf_printf(out, "\n%zu pairs, %zu of one person, %zu dropped; %zu resamples of %zu %s",
                        f->pairs, f->genuine, f->dropped, j->o->bootstrap, j->pairs.subjects,
                        j->o->bin ? "pairs" : "subjects");
}

static int print_results(const job *j)
{
    cafi_buf out = {0};

    if (j->o->common.json)
        write_json(j, &out);
    else
        write_text(j, &out);
    return cli_print(&out);
}

/* The first of the pictures that cannot be used, and how many more there are. */
static void tell_bad(const job *j)
{
    for (size_t i = 0; i < j->in.bad_count && i < CLI_TOLD; i++)
        cli_warn("%s: picture %zu: %s", j->o->bin, j->in.bad[i].number, j->in.bad[i].error);
    if (j->in.bad_count > CLI_TOLD)
        cli_warn("... and %zu more pictures that cannot be used; --json lists them",
                 j->in.bad_count - CLI_TOLD);
}

static int run(void *arg)
{
    const pairs_options *o = arg;
    job j = {.o = o, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;

    if (!o->bin == !o->pairs)
        return cli_usage("eval pairs", "one of --bin FILE and --pairs FILE is needed");
    if (o->pairs && !o->features)
        return cli_usage("eval pairs", "--pairs needs --features SET");
    if (!o->features && !o->models.count)
        return cli_usage("eval pairs", "--bin needs --model M, or --features SET of its pictures");
    if (o->features && (o->models.count || o->flip))
        return cli_usage("eval pairs", "--model and --flip are for the pictures of a --bin; "
                                       "`caface encode --flip` makes a set with flipping");
    if ((status = cli_suffix_check("eval pairs", "scores", o->scores, "npy", false)))
        return status;
    if (run_job(&j, &err))
        status = cli_fail(&err);
    else {
        tell_bad(&j);
        status = print_results(&j);
        if (!status && j.in.bad_count)
            status = CLI_SKIPPED;
    }
    cafi_pair_bin_close(j.bin);
    cafi_image_pairs_free(&j.pairs);
    cafi_pool_free(j.pool);
    free(j.in.features);
    free(j.in.bad);
    free(j.score);
    return status;
}

#define MEMBER(name) offsetof(pairs_options, name)

static const cli_option options[] = {
    {"bin", 'b', CLI_STRING, MEMBER(bin), "FILE", "InsightFace's .bin: pictures and labels", 0, 0},
    {"pairs", 'p', CLI_STRING, MEMBER(pairs), "FILE",
     "LFW's pairs.txt, or lines `picture picture 0|1`", 0, 0},
    {"features", 'f', CLI_STRING, MEMBER(features), "SET",
     "feature set of the pictures: by name or end of path for --pairs, in order for --bin", 0, 0},
    {"model", 'm', CLI_LIST, MEMBER(models), "M", "backbone that encodes the pictures of --bin", 0,
     0},
    {"flip", 0, CLI_FLAG, MEMBER(flip), NULL, "add the features of the mirror images", 0, 0},
    {"scores", 0, CLI_STRING, MEMBER(scores), "S.npy",
     "write the cosines, f32 [pairs]; NaN for a pair that is dropped", 0, 0},
    {"bootstrap", 0, CLI_SIZE, MEMBER(bootstrap), "N",
     "resamples of the 95 % interval (default 1000); 0: none", 0, 100000},
    {"seed", 0, CLI_INT, MEMBER(seed), "S", "seed of the resamples (default 1)", 0, 0},
    {0},
};

const cli_command cli_eval_pairs = {
    .name = "eval pairs",
    .summary = "accuracy on pairs of pictures: LFW, CFP-FP, AgeDB ...",
    .synopsis = "(--bin FILE (--model M | --features SET) | --pairs FILE --features SET)",
    .text = "Ten folds of consecutive pairs: the threshold with the best accuracy on nine\n"
            "decides the tenth. Prints the mean accuracy, its standard deviation over the\n"
            "folds, its bootstrap interval, and the mean threshold as a cosine. The bootstrap\n"
            "is over persons: the names in pairs.txt, the labels of the set, or whoever\n"
            "genuine pairs connect; a .bin names nobody, so there it is over pairs. A pair\n"
            "with a row of NaN or a picture that cannot be used is dropped and counted; a bad\n"
            "picture makes the exit status 3.",
    .example = "  caface eval pairs --bin lfw.bin --model backbone.ckpt --flip\n"
               "  caface encode --model backbone.ckpt -o lfw_set lfw/\n"
               "  caface eval pairs --pairs pairs.txt --features lfw_set",
    .options = options,
    .options_size = sizeof(pairs_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
