/* caface eval verify: templates compared in pairs. */
#include "cli/eval/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/best.h"
#include "eval/scores.h"
#include "cli/interrupt.h"
#include "eval/meta_files.h"
#include "plot/chart.h"

static void defaults(void *options)
{
    eval_defaults(&((verify_options *)options)->in);
}

/* --- work ------------------------------------------------------------------------ */

/* The list of --pairs or --meta, the caller's to free. */
static caface_status pairs_path(const verify_job *j, char **out, caface_error *err)
{
    if (j->o->pairs)
        return cafi_strdup(out, j->o->pairs, err);
    return cafi_meta_find_one(out, j->o->in.meta, j->o->in.dataset, "_template_pair_label.txt",
                              err);
}

static caface_status read_pairs(verify_job *j, caface_error *err)
{
    caface_status st = pairs_path(j, &j->pairs_path, err);

    if (!st)
        st = cafi_pairs_read(&j->pairs, j->pairs_path, &j->in.list, j->in.pool, err);
    if (!st && (!j->pairs.genuine || !j->pairs.impostor))
        st =
            cafi_fail(err, CAFACE_EINVAL, "%s: %zu genuine and %zu impostor pairs: both are needed",
                      j->pairs_path, j->pairs.genuine, j->pairs.impostor);
    return st;
}

/* Pairs of a template without a valid row stay in the protocol: they score 0. */
static void count_empty(verify_job *j)
{
    for (size_t i = 0; j->in.templates.empty_count && i < j->pairs.count; i++) {
        bool a = eval_note_empty(&j->in, cafi_pair_a(j->pairs.pairs[i]));
        bool b = eval_note_empty(&j->in, j->pairs.pairs[i].b);

        j->empty_pairs += a || b;
    }
    eval_tell_empty(&j->in);
}

static void count_contradictions(verify_job *j)
{
    const uint32_t *subject = j->in.list.subject;

    for (size_t i = 0; i < j->pairs.count; i++) {
        cafi_pair pair = j->pairs.pairs[i];
        bool same = subject[cafi_pair_a(pair)] == subject[pair.b];

        j->contradictions += same != cafi_pair_is_genuine(pair);
    }
}

/* Subjects of the templates, and the resamples of them. */
static caface_status draw_resamples(verify_job *j, caface_error *err)
{
    const cafi_template_list *list = &j->in.list;
    caface_status st = CAFACE_OK;

    j->subjects = list->subjects;
    if (!list->subject) {
        st = CAFI_NEW(&j->subject, list->count, err);
        if (!st)
            st = cafi_pairs_subjects(&j->pairs, list->count, j->subject, &j->subjects, err);
    } else
        count_contradictions(j);
    if (st || !j->o->in.bootstrap)
        return st;
    return cafi_bootstrap_new(&j->bootstrap, j->pairs.pairs, j->pairs.count,
                              list->subject ? list->subject : j->subject, j->subjects,
                              j->o->in.bootstrap, (uint64_t)j->o->in.seed, j->in.pool, err);
}

/* The interval of one column of tar [count][CAFI_FARS], less another. */
static caface_status column_interval(const double *tar, const double *less, size_t count, int far,
                                     double *low, double *high, caface_error *err)
{
    double *column = NULL;
    caface_status st = CAFI_NEW(&column, count, err);

    if (st)
        return st;
    for (size_t r = 0; r < count; r++) {
        size_t at = r * CAFI_FARS + (size_t)far;

        column[r] = tar[at] - (less ? less[at] : 0);
    }
    cafi_interval95(column, count, low, high);
    free(column);
    return CAFACE_OK;
}

/* The intervals of AUC and EER. */
static caface_status resample_curve(verify_job *j, verify_result *r, caface_error *err)
{
    size_t count = j->o->in.bootstrap;
    double *auc = NULL;
    caface_status st = cafi_alloc(&auc, count, 2 * sizeof *auc, err);

    if (st)
        return st;
    st = cafi_bootstrap_curve(&j->bootstrap, j->score, auc, auc + count, err);
    if (!st) {
        cafi_interval95(auc, count, &r->auc[0], &r->auc[1]);
        cafi_interval95(auc + count, count, &r->eer[0], &r->eer[1]);
    }
    free(auc);
    return st;
}

static caface_status resample(verify_job *j, verify_result *r, caface_error *err)
{
    size_t count = j->o->in.bootstrap;
    caface_status st = CAFACE_OK;

    r->auc[0] = r->auc[1] = r->eer[0] = r->eer[1] = NAN;
    if (!count)
        return CAFACE_OK;
    st = cafi_alloc(&r->tar, count, CAFI_FARS * sizeof *r->tar, err);
    if (!st)
        st = cafi_bootstrap_run(&j->bootstrap, j->score, r->tar, err);
    for (int f = 0; !st && f < CAFI_FARS; f++)
        st = column_interval(r->tar, NULL, count, f, &r->low[f], &r->high[f], err);
    return st ? st : resample_curve(j, r, err);
}

/* Cosines of templates, or of each pair's second template with the pictures of its first. */
static caface_status score_pairs(verify_job *j, const eval_recipe *recipe, caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_status st = CAFACE_OK;

    if (!recipe->is_best)
        return cafi_scores_pairs(j->score, j->in.fused, j->in.list.count, j->in.C, j->pairs.pairs,
                                 j->pairs.count, j->in.pool, err);
    st = eval_open_set(&j->in, &set, err);
    if (!st)
        st = cafi_scores_best(j->score, j->in.fused, &j->in.templates, set, j->pairs.pairs,
                              j->pairs.count, j->in.pool, err);
    cafi_feature_set_close(set);
    return st;
}

static caface_status run_recipe(verify_job *j, size_t which, caface_error *err)
{
    verify_result *r = &j->results[which];
    caface_status st = CAFACE_OK;

    if ((st = eval_fuse(&j->in, &j->in.recipes[which], err)) ||
        (st = score_pairs(j, &j->in.recipes[which], err)) ||
        (st = cafi_roc_compute(&r->roc, j->score, j->pairs.pairs, j->pairs.count, err)) ||
        (st = resample(j, r, err)))
        return cafi_prefix(err, st, j->in.recipes[which].name);
    if (cli_interrupted())
        return cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return j->scores ? cafi_npy_append(j->scores, j->score, 1, err) : CAFACE_OK;
}

static caface_status compare(verify_job *j, caface_error *err)
{
    const verify_result *a = &j->results[j->compared[0]];
    const verify_result *b = &j->results[j->compared[1]];
    caface_status st = CAFACE_OK;

    for (int f = 0; !st && f < CAFI_FARS; f++) {
        j->difference[f] = a->roc.tar[f] - b->roc.tar[f];
        st = column_interval(a->tar, b->tar, j->o->in.bootstrap, f, &j->low[f], &j->high[f], err);
    }
    return st;
}

/* With --gallery-method: what stands first in pairs is the gallery. */
static caface_status fix_galleries(verify_job *j, caface_error *err)
{
    bool *enrolled = NULL;
    caface_status st = CAFI_NEW(&enrolled, j->in.list.count, err);

    if (st)
        return st;
    for (size_t i = 0; i < j->pairs.count; i++)
        enrolled[cafi_pair_a(j->pairs.pairs[i])] = true;
    for (size_t i = 0; i < j->pairs.count && j->o->in.gallery_method; i++)
        if (enrolled[j->pairs.pairs[i].b]) {
            free(enrolled);
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: template %lld stands first in some pairs and second in others, "
                             "so --gallery-method cannot tell the gallery",
                             j->pairs_path, (long long)j->in.list.id[j->pairs.pairs[i].b]);
        }
    return eval_fix_galleries(&j->in, enrolled, err);
}

/* --- the command ---------------------------------------------------------------- */

static caface_status prepare(verify_job *j, caface_error *err)
{
    const verify_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = eval_open(&j->in, "eval verify", &o->common, &o->in, err)) ||
        (st = eval_find_compared(&j->in, j->compared, err)) || (st = read_pairs(j, err)) ||
        (st = draw_resamples(j, err)) || (st = eval_open_pictures(&j->in, err)) ||
        (st = CAFI_NEW(&j->score, j->pairs.count, err)))
        return st;
    count_empty(j);
    if ((st = fix_galleries(j, err)))
        return st;
    return o->scores ? cafi_npy_begin(&j->scores, o->scores, CAFI_F32, 1, &j->pairs.count, err)
                     : CAFACE_OK;
}

static caface_status run_job(verify_job *j, caface_error *err)
{
    caface_status st = prepare(j, err);

    for (size_t i = 0; !st && i < j->in.recipe_count; i++)
        st = run_recipe(j, i, err);
    if (!st && j->o->in.compare.count)
        st = compare(j, err);
    if (!st && j->scores) {
        st = cafi_npy_commit(j->scores, err);
        j->scores = NULL;
    }
    return st ? st : eval_report_verify(j, err);
}

static void release(verify_job *j)
{
    cafi_npy_abort(j->scores);
    for (size_t i = 0; i < EVAL_MAX_RECIPES; i++) {
        cafi_roc_free(&j->results[i].roc);
        free(j->results[i].tar);
    }
    cafi_bootstrap_free(&j->bootstrap);
    cafi_pairs_free(&j->pairs);
    free(j->pairs_path);
    free(j->subject);
    free(j->score);
    eval_close(&j->in);
}

static int run(void *arg)
{
    const verify_options *o = arg;
    verify_job j = {.o = o, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = eval_check_usage("eval verify", &o->in);

    if (status)
        return status;
    if (!o->pairs && !o->in.meta)
        return cli_usage("eval verify", "--pairs P.txt, or --meta DIR --dataset NAME, is needed");
    if (o->pairs && o->in.meta)
        return cli_usage("eval verify", "--pairs and --meta exclude each other");
    if ((status = cli_suffix_check("eval verify", "scores", o->scores, "npy", false)) ||
        (status = cli_plot_check("eval verify", o->roc)))
        return status;
    cli_interrupt_begin();
    status = run_job(&j, &err) ? eval_failed(&j.in, &err) : eval_exit_status(&j.in);
    release(&j);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {
    EVAL_OPTIONS(verify_options, in),
    EVAL_COMPARE_OPTION(verify_options, in),
    {"pairs", 'p', CLI_STRING, offsetof(verify_options, pairs), "P.txt",
     "lines `template template label`, 1 for the same person, 0 for not", 0, 0},
    EVAL_GALLERY_OPTION(verify_options, in,
                        "fuse the first templates of the pairs by this method in every row"),
    {"roc", 0, CLI_STRING, offsetof(verify_options, roc), "FILE",
     "draw the ROC curves: .png, .svg or .pdf", 0, 0},
    {"scores", 0, CLI_STRING, offsetof(verify_options, scores), "S.npy",
     "write the scores, f32 [rows of the table][pairs]", 0, 0},
    {0},
};

const cli_command cli_eval_verify = {
    .name = "eval verify",
    .summary = "1:1 verification: TAR at FAR of listed pairs of templates",
    .synopsis =
        "(--features SET | --images DIR) [--model M] (--meta DIR --dataset D | [--templates "
        "T.txt] --pairs P.txt)",
    .text = "Fuses the rows of every template by every method, scores the pairs by cosine,\n"
            "and prints TAR at FAR 1e-6 to 1e-1, AUC and EER, a row for every method and\n"
            "chunk size. Rows that hold NaN or Inf are dropped and counted; a template that\n"
            "has no other row is named on stderr, and its pairs score 0. TAR at a FAR is\n"
            "taken at the point of the ROC curve whose FAR is nearest, as the authors'\n"
            "release and scikit-learn's roc_curve have it.\n"
            "\n"
            "Intervals are a bootstrap over subjects: the fourth column of T.txt, the label\n"
            "in index.tsv, or, without either, whoever genuine pairs connect. A FAR that the\n"
            "number of impostors does not support is marked.\n"
            "\n"
            "With --images DIR, pictures take the place of features: each is aligned by its\n"
            "five landmarks and encoded by the first --model with a backbone. The features\n"
            "are kept in --cache and used again; a picture or landmark that changed is done\n"
            "anew, another backbone is refused. A picture that cannot be used is named on\n"
            "stderr, is a dropped row, and makes the exit status 3. Ctrl-C keeps what is done.",
    .example =
        "  caface eval verify -f ijbc_set -m fusion.safetensors --meta IJBC/meta --dataset "
        "IJBC \\\n"
        "      --chunk 4,8,32,64,128,256,0 --roc roc.png --csv table.csv\n"
        "  caface eval verify --images IJBC/loose_crop -m CAFace.ckpt --meta IJBC/meta "
        "--dataset IJBC\n"
        "  caface eval verify -f set -m fusion.safetensors --pairs pairs.txt --compare caface "
        "average",
    .options = options,
    .options_size = sizeof(verify_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
