/* caface eval pairs: pairs of single pictures, ten folds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "eval/folds.h"
#include "eval/image_pairs.h"
#include "eval/scores.h"
#include "eval_pictures.h"
#include "files/feature_set.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/pair_bin.h"
#include "progress.h"

typedef struct pairs_options {
    cli_common common;
    const char *features;
    const char *pairs;
    const char *bin;
    cli_list models;
    bool flip;
    const char *scores;
} pairs_options;

typedef struct job {
    const pairs_options *o;
    cafi_pool *pool;
    cafi_pair_bin *bin;
    cafi_image_pairs pairs; /* rows of features */
    float *features;        /* [rows][C] */
    size_t rows, C;
    float *score; /* [pairs.count] */
    cafi_folds folds;
    double started;
} job;

/* A .bin's pairs: rows 2i and 2i + 1. */
static caface_status pairs_of_bin(job *j, caface_error *err)
{
    size_t n = cafi_pair_bin_pairs(j->bin);
    caface_status st = CAFACE_OK;

    if (j->rows != 2 * n)
        return cafi_fail(err, CAFACE_EFORMAT, "%s has %zu rows, %s has %zu pictures",
                         j->o->features, j->rows, j->o->bin, 2 * n);
    if ((st = cafi_alloc((void **)&j->pairs.a, n, sizeof *j->pairs.a, err)) ||
        (st = cafi_alloc((void **)&j->pairs.b, n, sizeof *j->pairs.b, err)) ||
        (st = cafi_alloc((void **)&j->pairs.same, n, sizeof *j->pairs.same, err)))
        return st;
    j->pairs.count = n;
    for (size_t i = 0; i < n; i++) {
        j->pairs.a[i] = (uint32_t)(2 * i);
        j->pairs.b[i] = (uint32_t)(2 * i + 1);
        j->pairs.same[i] = cafi_pair_bin_same(j->bin)[i];
    }
    return CAFACE_OK;
}

static caface_status read_set(job *j, caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_status st = cafi_feature_set_open(&set, j->o->features, err);

    if (st)
        return st;
    j->rows = set->N;
    j->C = set->C;
    st = cafi_alloc_f32(&j->features, j->rows, j->C, err);
    if (!st)
        cafi_feature_set_rows(set, 0, j->rows, j->features, NULL);
    if (!st && j->o->pairs && !set->index)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: no index.tsv in it to find pictures by", set->path);
    else if (!st && j->o->pairs)
        st = cafi_image_pairs_read(&j->pairs, j->o->pairs, set->index, set->path, err);
    cafi_feature_set_close(set);
    return st;
}

static caface_status normalise_rows(job *j, caface_error *err)
{
    for (size_t r = 0; r < j->rows; r++) {
        float *row = j->features + r * j->C;
        double sum = 0;

        for (size_t c = 0; c < j->C; c++)
            sum += (double)row[c] * (double)row[c];
        if (!isfinite(sum))
            return cafi_fail(err, CAFACE_EINVAL, "%s: row %zu holds NaN or Inf",
                             j->o->features ? j->o->features : j->o->bin, r);
        sum = sum > 0 ? 1 / sqrt(sum) : 0;
        for (size_t c = 0; c < j->C; c++)
            row[c] = (float)((double)row[c] * sum);
    }
    return CAFACE_OK;
}

static caface_status compute(job *j, caface_error *err)
{
    cafi_pair *pairs = NULL;
    size_t n = j->pairs.count;
    caface_status st = cafi_alloc((void **)&pairs, n, sizeof *pairs, err);

    if (!st)
        st = cafi_alloc((void **)&j->score, n, sizeof *j->score, err);
    for (size_t i = 0; !st && i < n; i++)
        pairs[i] = (cafi_pair){j->pairs.a[i], j->pairs.b[i]};
    if (!st)
        st = cafi_scores_pairs(j->score, j->features, j->rows, j->C, pairs, n, j->pool, err);
    free(pairs);
    if (!st && (st = cafi_folds_compute(&j->folds, j->score, j->pairs.same, n, err)))
        cafi_prefix(err, st, j->o->pairs ? j->o->pairs : j->o->bin);
    return st;
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
        st = eval_encode_bin(&j->features, &j->rows, &j->C, j->bin, o->bin, &o->models, o->flip,
                             &o->common, err);
    if (!st && o->bin)
        st = pairs_of_bin(j, err);
    if (st || (st = normalise_rows(j, err)) || (st = compute(j, err)))
        return st;
    return o->scores ? cafi_npy_save(o->scores, CAFI_F32, 1, &j->pairs.count, j->score, err)
                     : CAFACE_OK;
}

static void print_results(const job *j)
{
    const cafi_folds *f = &j->folds;
    cafi_buf out = {0};
    cafi_json json = {.out = &out};

    if (j->o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "pairs", (int64_t)f->pairs);
        cafi_json_int(&json, "genuine", (int64_t)f->genuine);
        cafi_json_begin_array(&json, "results");
        cafi_json_begin_object(&json, NULL);
        cafi_json_real(&json, "accuracy", f->accuracy);
        cafi_json_real(&json, "std", f->std);
        cafi_json_real(&json, "threshold", f->threshold);
        cafi_json_begin_array(&json, "folds");
        for (int k = 0; k < CAFI_FOLDS; k++)
            cafi_json_real(&json, NULL, f->fold[k]);
        cafi_json_end_array(&json);
        cafi_json_end_object(&json);
        cafi_json_end_array(&json);
        cafi_json_real(&json, "seconds", cli_seconds() - j->started);
        cafi_json_end_object(&json);
    } else
        cafi_buf_printf(&out,
                        "accuracy %.2f %% +- %.2f (standard deviation over ten folds), %zu pairs, "
                        "%zu of one person, threshold %.3f",
                        100 * f->accuracy, 100 * f->std, f->pairs, f->genuine, f->threshold);
    if (out.failed)
        cli_warn("out of memory");
    else
        printf("%s\n", out.data);
    cafi_buf_free(&out);
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
        return cli_usage("eval pairs",
                         "--model and --flip are for the pictures of a --bin; `caface "
                         "encode --flip` makes a set that is flipped already");
    if (run_job(&j, &err))
        status = cli_fail(&err);
    else
        print_results(&j);
    cafi_pair_bin_close(j.bin);
    cafi_image_pairs_free(&j.pairs);
    cafi_pool_free(j.pool);
    free(j.features);
    free(j.score);
    return status;
}

#define MEMBER(name) offsetof(pairs_options, name)

static const cli_option options[] = {
    {"bin", 'b', CLI_STRING, MEMBER(bin), "FILE", "InsightFace's .bin: pictures and labels", 0, 0},
    {"pairs", 'p', CLI_STRING, MEMBER(pairs), "FILE",
     "LFW's pairs.txt, or lines `picture picture 0|1`", 0, 0},
    {"features", 'f', CLI_STRING, MEMBER(features), "SET",
     "feature set of the pictures: by name for --pairs, in order for --bin", 0, 0},
    {"model", 'm', CLI_LIST, MEMBER(models), "M", "backbone that encodes the pictures of --bin", 0,
     0},
    {"flip", 0, CLI_FLAG, MEMBER(flip), NULL, "add the features of the mirror images", 0, 0},
    {"scores", 0, CLI_STRING, MEMBER(scores), "S.npy", "write the cosines, f32 [pairs]", 0, 0},
    {0},
};

const cli_command cli_eval_pairs = {
    .name = "eval pairs",
    .summary = "accuracy on pairs of pictures: LFW, CFP-FP, AgeDB ...",
    .synopsis = "(--bin FILE (--model M | --features SET) | --pairs FILE --features SET)",
    .text = "Ten folds of consecutive pairs: the threshold with the best accuracy on nine\n"
            "decides the tenth. Prints the mean accuracy, its standard deviation over the\n"
            "folds, and the mean threshold as a cosine.",
    .example = "  caface eval pairs --bin lfw.bin --model backbone.ckpt --flip\n"
               "  caface encode --model backbone.ckpt -o lfw_set lfw/\n"
               "  caface eval pairs --pairs pairs.txt --features lfw_set",
    .options = options,
    .options_size = sizeof(pairs_options),
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
