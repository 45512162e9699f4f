/* caface eval verify: templates compared in pairs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/bootstrap.h"
#include "eval/scores.h"
#include "eval_input.h"
#include "eval_table.h"
#include "files/json.h"
#include "files/npy.h"
#include "interrupt.h"
#include "plot/chart.h"

typedef struct verify_options {
    cli_common common;
    eval_options in;
    const char *pairs;
    const char *compare;
    const char *roc;
    const char *scores;
} verify_options;

/* A row of the table. */
typedef struct result {
    cafi_roc roc;
    double *tar; /* [resamples][CAFI_FARS], NULL without bootstrap */
    double low[CAFI_FARS], high[CAFI_FARS];
} result;

typedef struct job {
    const verify_options *o;
    eval_input in;
    cafi_pair_list pairs;
    uint32_t *subject; /* [list.count], where the template list has none */
    size_t subjects;
    cafi_bootstrap bootstrap;
    float *score; /* [pairs.count] */
    cafi_npy_writer *scores;
    result results[EVAL_MAX_RECIPES];
    /* --compare A,B: B's TAR is taken from A's */
    size_t compared[2];
    double difference[CAFI_FARS], low[CAFI_FARS], high[CAFI_FARS];
    double started;
} job;

static void defaults(void *options)
{
    eval_defaults(&((verify_options *)options)->in);
}

/* --- work ------------------------------------------------------------------------ */

static caface_status read_pairs(job *j, caface_error *err)
{
    char *meta = NULL;
    const char *path = j->o->pairs;
    caface_status st = CAFACE_OK;

    if (!path && !(path = meta = eval_meta_path(&j->o->in, "_template_pair_label.txt")))
        return cafi_fail_memory(err, 0);
    st = cafi_pairs_read(&j->pairs, path, &j->in.list, j->in.pool, err);
    if (!st && (!j->pairs.genuine || !j->pairs.impostor))
        st =
            cafi_fail(err, CAFACE_EINVAL, "%s: %zu genuine and %zu impostor pairs: both are needed",
                      path, j->pairs.genuine, j->pairs.impostor);
    for (size_t i = 0; !st && j->in.templates.empty_count && i < j->pairs.count; i++)
        if (!(st = cafi_template_set_need(&j->in.templates, cafi_pair_a(j->pairs.pairs[i]), path,
                                          err)))
            st = cafi_template_set_need(&j->in.templates, j->pairs.pairs[i].b, path, err);
    free(meta);
    return st;
}

/* Subjects of the templates, and the resamples of them. */
static caface_status draw_resamples(job *j, caface_error *err)
{
    const cafi_template_list *list = &j->in.list;
    caface_status st = CAFACE_OK;

    j->subjects = list->subjects;
    if (!list->subject) {
        st = cafi_alloc((void **)&j->subject, list->count, sizeof *j->subject, err);
        if (!st)
            st = cafi_pairs_subjects(&j->pairs, list->count, j->subject, &j->subjects, err);
    }
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
    caface_status st = cafi_alloc((void **)&column, count, sizeof *column, err);

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

static caface_status resample(job *j, result *r, caface_error *err)
{
    size_t count = j->o->in.bootstrap;
    caface_status st = CAFACE_OK;

    if (!count)
        return CAFACE_OK;
    st = cafi_alloc((void **)&r->tar, count, CAFI_FARS * sizeof *r->tar, err);
    if (!st)
        st = cafi_bootstrap_run(&j->bootstrap, j->score, r->tar, err);
    for (int f = 0; !st && f < CAFI_FARS; f++)
        st = column_interval(r->tar, NULL, count, f, &r->low[f], &r->high[f], err);
    return st;
}

static caface_status run_recipe(job *j, size_t which, caface_error *err)
{
    result *r = &j->results[which];
    caface_status st = CAFACE_OK;

    if ((st = eval_fuse(&j->in, &j->in.recipes[which], err)) ||
        (st = cafi_scores_pairs(j->score, j->in.fused, j->in.list.count, j->in.C, j->pairs.pairs,
                                j->pairs.count, j->in.pool, err)) ||
        (st = cafi_roc_compute(&r->roc, j->score, j->pairs.pairs, j->pairs.count, err)) ||
        (st = resample(j, r, err)))
        return cafi_prefix(err, st, j->in.recipes[which].name);
    if (cli_interrupted())
        return cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return j->scores ? cafi_npy_append(j->scores, j->score, 1, err) : CAFACE_OK;
}

static caface_status find_compared(job *j, caface_error *err)
{
    const char *text = j->o->compare;
    size_t size = text ? strcspn(text, ",") : 0;
    caface_status st = CAFACE_OK;

    if (!text)
        return CAFACE_OK;
    if (!(st = eval_find_recipe(&j->in, text, size, &j->compared[0], err)))
        st = eval_find_recipe(&j->in, text + size + 1, strlen(text + size + 1), &j->compared[1],
                              err);
    return st;
}

static caface_status compare(job *j, caface_error *err)
{
    const result *a = &j->results[j->compared[0]];
    const result *b = &j->results[j->compared[1]];
    caface_status st = CAFACE_OK;

    for (int f = 0; !st && f < CAFI_FARS; f++) {
        j->difference[f] = a->roc.tar[f] - b->roc.tar[f];
        st = column_interval(a->tar, b->tar, j->o->in.bootstrap, f, &j->low[f], &j->high[f], err);
    }
    return st;
}

/* --- results ----------------------------------------------------------------------- */

static void write_pair_of_numbers(cafi_json *json, const char *key, double low, double high)
{
    cafi_json_begin_array(json, key);
    cafi_json_real(json, NULL, low);
    cafi_json_real(json, NULL, high);
    cafi_json_end_array(json);
}

static void write_result(const job *j, size_t which, cafi_json *json)
{
    const eval_recipe *recipe = &j->in.recipes[which];
    const result *r = &j->results[which];

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "name", recipe->name);
    cafi_json_string(json, "method", caface_method_name(recipe->method));
    if (recipe->method == CAFACE_METHOD_CAFACE)
        cafi_json_int(json, "chunk", (int64_t)recipe->chunk);
    else
        cafi_json_null(json, "chunk");
    if (recipe->method == CAFACE_METHOD_NORM)
        cafi_json_real(json, "norm_power", recipe->power);
    cafi_json_real(json, "auc", r->roc.auc);
    cafi_json_real(json, "eer", r->roc.eer);
    cafi_json_begin_object(json, "tar");
    for (int f = 0; f < CAFI_FARS; f++)
        cafi_json_real(json, cafi_far_names[f], r->roc.tar[f]);
    cafi_json_end_object(json);
    cafi_json_begin_object(json, "threshold");
    for (int f = 0; f < CAFI_FARS; f++)
        cafi_json_real(json, cafi_far_names[f], r->roc.threshold[f]);
    cafi_json_end_object(json);
    cafi_json_begin_object(json, "interval");
    for (int f = 0; r->tar && f < CAFI_FARS; f++)
        write_pair_of_numbers(json, cafi_far_names[f], r->low[f], r->high[f]);
    cafi_json_end_object(json);
    cafi_json_begin_array(json, "unsupported");
    for (int f = 0; f < CAFI_FARS; f++)
        if (!r->roc.supported[f])
            cafi_json_string(json, NULL, cafi_far_names[f]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

static void write_comparison(const job *j, cafi_json *json)
{
    cafi_json_begin_object(json, "compare");
    cafi_json_string(json, "a", j->in.recipes[j->compared[0]].name);
    cafi_json_string(json, "b", j->in.recipes[j->compared[1]].name);
    cafi_json_begin_object(json, "difference");
    for (int f = 0; f < CAFI_FARS; f++)
        cafi_json_real(json, cafi_far_names[f], j->difference[f]);
    cafi_json_end_object(json);
    cafi_json_begin_object(json, "interval");
    for (int f = 0; f < CAFI_FARS; f++)
        write_pair_of_numbers(json, cafi_far_names[f], j->low[f], j->high[f]);
    cafi_json_end_object(json);
    cafi_json_end_object(json);
}

static void write_json(const job *j, cafi_buf *out)
{
    cafi_json json = {.out = out};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "pairs", (int64_t)j->pairs.count);
    cafi_json_int(&json, "genuine", (int64_t)j->pairs.genuine);
    cafi_json_int(&json, "impostor", (int64_t)j->pairs.impostor);
    cafi_json_int(&json, "dropped", (int64_t)j->in.templates.dropped);
    cafi_json_int(&json, "duplicates", (int64_t)j->pairs.duplicates);
    cafi_json_int(&json, "rows", (int64_t)j->in.list.rows);
    cafi_json_int(&json, "templates", (int64_t)j->in.list.count);
    cafi_json_int(&json, "subjects", (int64_t)j->subjects);
    cafi_json_int(&json, "resamples", (int64_t)j->o->in.bootstrap);
    cafi_json_real(&json, "smallest_far", CAFI_MIN_FALSE_ACCEPTS / (double)j->pairs.impostor);
    cafi_json_begin_array(&json, "results");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        write_result(j, i, &json);
    cafi_json_end_array(&json);
    if (j->o->compare)
        write_comparison(j, &json);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
    cafi_buf_text(out, "\n");
}

/* "97.75" or "97.75*", and below it the interval. */
static void percent_cell(eval_table *t, double value, bool flagged, bool interval, double low,
                         double high)
{
    const char *mark = flagged ? "*" : " ";

    if (interval)
        eval_table_cell(t, "%.2f%s\n[%.2f, %.2f]", 100 * value, mark, 100 * low, 100 * high);
    else
        eval_table_cell(t, "%.2f%s", 100 * value, mark);
}

static void fill_table(const job *j, eval_table *t)
{
    t->columns = 3 + CAFI_FARS;
    eval_table_cell(t, "TAR %% at FAR");
    for (int f = 0; f < CAFI_FARS; f++)
        eval_table_cell(t, "%s ", cafi_far_names[f]);
    eval_table_cell(t, "AUC %%");
    eval_table_cell(t, "EER %%");
    for (size_t i = 0; i < j->in.recipe_count; i++) {
        const result *r = &j->results[i];

        eval_table_cell(t, "%s", j->in.recipes[i].name);
        for (int f = 0; f < CAFI_FARS; f++)
            percent_cell(t, r->roc.tar[f], !r->roc.supported[f], r->tar != NULL, r->low[f],
                         r->high[f]);
        eval_table_cell(t, "%.3f", 100 * r->roc.auc);
        eval_table_cell(t, "%.2f", 100 * r->roc.eer);
    }
    if (!j->o->compare)
        return;
    eval_table_cell(t, "%s - %s", j->in.recipes[j->compared[0]].name,
                    j->in.recipes[j->compared[1]].name);
    for (int f = 0; f < CAFI_FARS; f++)
        percent_cell(t, j->difference[f], !j->results[0].roc.supported[f], true, j->low[f],
                     j->high[f]);
    eval_table_cell(t, " ");
    eval_table_cell(t, " ");
}

/* Numbers as they are, one column each. */
static void fill_csv(const job *j, eval_table *t)
{
    t->columns = 3 + 4 * CAFI_FARS;
    eval_table_cell(t, "method");
    for (int f = 0; f < CAFI_FARS; f++) {
        eval_table_cell(t, "tar@%s", cafi_far_names[f]);
        eval_table_cell(t, "low@%s", cafi_far_names[f]);
        eval_table_cell(t, "high@%s", cafi_far_names[f]);
        eval_table_cell(t, "supported@%s", cafi_far_names[f]);
    }
    eval_table_cell(t, "auc");
    eval_table_cell(t, "eer");
    for (size_t i = 0; i < j->in.recipe_count; i++) {
        const result *r = &j->results[i];

        eval_table_cell(t, "%s", j->in.recipes[i].name);
        for (int f = 0; f < CAFI_FARS; f++) {
            eval_table_cell(t, "%.9g", r->roc.tar[f]);
            if (r->tar) {
                eval_table_cell(t, "%.9g", r->low[f]);
                eval_table_cell(t, "%.9g", r->high[f]);
            } else {
                eval_table_cell(t, "%s", "");
                eval_table_cell(t, "%s", "");
            }
            eval_table_cell(t, "%d", r->roc.supported[f]);
        }
        eval_table_cell(t, "%.9g", r->roc.auc);
        eval_table_cell(t, "%.9g", r->roc.eer);
    }
}

static void write_counts(const job *j, cafi_buf *out)
{
    cafi_buf_printf(out,
                    "%zu templates of %zu rows (%zu dropped), %zu pairs: %zu genuine, %zu "
                    "impostor, %zu listed before; %zu subjects\n",
                    j->in.list.count, j->in.list.rows, j->in.templates.dropped, j->pairs.count,
                    j->pairs.genuine, j->pairs.impostor, j->pairs.duplicates, j->subjects);
    if (j->o->in.bootstrap)
        cafi_buf_printf(out, "[ ]: 95 %% interval, %zu resamples of subjects. ",
                        j->o->in.bootstrap);
    cafi_buf_printf(out, "*: not supported by the sample, FAR below %.2g (10 / impostors)\n",
                    CAFI_MIN_FALSE_ACCEPTS / (double)j->pairs.impostor);
}

static caface_status draw_roc(const job *j, caface_error *err)
{
    cafi_chart_series series[EVAL_MAX_RECIPES];
    cafi_chart chart = {.title = "Verification",
                        .x = {.label = "false accept rate", .scale = CAFI_SCALE_LOG},
                        .y = {.label = "true accept rate", .percent = true},
                        .series = series,
                        .series_count = j->in.recipe_count};

    memset(series, 0, sizeof series);
    for (size_t i = 0; i < j->in.recipe_count; i++)
        series[i] = (cafi_chart_series){.name = j->in.recipes[i].name,
                                        .x = j->results[i].roc.far_curve,
                                        .y = j->results[i].roc.tar_curve,
                                        .count = j->results[i].roc.points};
    return cafi_chart_save(&chart, j->o->roc, err);
}

static caface_status write_files(const job *j, const eval_table *table, caface_error *err)
{
    cafi_buf notes = {0};
    eval_table numbers = {0};
    caface_status st = CAFACE_OK;

    if (j->o->in.markdown) {
        write_counts(j, &notes);
        st = eval_save_markdown(j->o->in.markdown, table, &notes, err);
        cafi_buf_free(&notes);
    }
    if (!st && j->o->in.csv) {
        fill_csv(j, &numbers);
        st = eval_save_csv(j->o->in.csv, &numbers, err);
        eval_table_free(&numbers);
    }
    return !st && j->o->roc ? draw_roc(j, err) : st;
}

static caface_status report(const job *j, caface_error *err)
{
    eval_table table = {0};
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    fill_table(j, &table);
    if (table.failed)
        st = cafi_fail_memory(err, 0);
    if (!st)
        st = write_files(j, &table, err);
    if (j->o->common.json)
        write_json(j, &text);
    else if (!st) {
        eval_table_text(&table, &text);
        if (!j->o->common.quiet)
            write_counts(j, &text);
    }
    if (!st && text.failed)
        st = cafi_fail_memory(err, text.capacity);
    if (!st)
        fwrite(text.data, 1, text.size, stdout);
    cafi_buf_free(&text);
    eval_table_free(&table);
    return st;
}

/* --- the command ---------------------------------------------------------------------- */

static caface_status prepare(job *j, caface_error *err)
{
    const verify_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((o->roc && (st = cafi_plot_check(o->roc, err))) ||
        (st = eval_open(&j->in, "eval verify", &o->common, &o->in, err)) ||
        (st = find_compared(j, err)) || (st = read_pairs(j, err)) ||
        (st = draw_resamples(j, err)) ||
        (st = cafi_alloc((void **)&j->score, j->pairs.count, sizeof *j->score, err)))
        return st;
    return o->scores ? cafi_npy_begin(&j->scores, o->scores, CAFI_F32, 1, &j->pairs.count, err)
                     : CAFACE_OK;
}

static caface_status run_job(job *j, caface_error *err)
{
    caface_status st = prepare(j, err);

    for (size_t i = 0; !st && i < j->in.recipe_count; i++)
        st = run_recipe(j, i, err);
    if (!st && j->o->compare)
        st = compare(j, err);
    if (!st && j->scores) {
        st = cafi_npy_commit(j->scores, err);
        j->scores = NULL;
    }
    return st ? st : report(j, err);
}

static void release(job *j)
{
    cafi_npy_abort(j->scores);
    for (size_t i = 0; i < EVAL_MAX_RECIPES; i++) {
        cafi_roc_free(&j->results[i].roc);
        free(j->results[i].tar);
    }
    cafi_bootstrap_free(&j->bootstrap);
    cafi_pairs_free(&j->pairs);
    free(j->subject);
    free(j->score);
    eval_close(&j->in);
}

static int run(void *arg)
{
    const verify_options *o = arg;
    job j = {.o = o, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = eval_check_usage("eval verify", &o->in);

    if (status)
        return status;
    if (!o->pairs && !o->in.meta)
        return cli_usage("eval verify", "--pairs P.txt, or --meta DIR --dataset NAME, is needed");
    if (o->pairs && o->in.meta)
        return cli_usage("eval verify", "--pairs and --meta exclude each other");
    if (o->compare && !strchr(o->compare, ','))
        return cli_usage("eval verify", "--compare %s: two rows are needed: A,B", o->compare);
    if (o->compare && !o->in.bootstrap)
        return cli_usage("eval verify", "--compare needs the bootstrap");
    cli_interrupt_begin();
    status = run_job(&j, &err) ? cli_fail(&err) : CLI_OK;
    release(&j);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {
    EVAL_OPTIONS(verify_options, in),
    {"pairs", 'p', CLI_STRING, offsetof(verify_options, pairs), "P.txt",
     "lines `template template label`, 1 for the same person, 0 for not", 0, 0},
    {"compare", 0, CLI_STRING, offsetof(verify_options, compare), "A,B",
     "add the difference of two rows, with an interval over the same resamples", 0, 0},
    {"roc", 0, CLI_STRING, offsetof(verify_options, roc), "FILE",
     "draw the ROC curves: .png, .svg or .pdf", 0, 0},
    {"scores", 0, CLI_STRING, offsetof(verify_options, scores), "S.npy",
     "write the scores, f32 [rows of the table][pairs]", 0, 0},
    {0},
};

const cli_command cli_eval_verify = {
    .name = "eval verify",
    .summary = "1:1 verification: TAR at FAR of listed pairs of templates",
    .synopsis = "--features SET [--model M] (--meta DIR --dataset D | [--templates T.txt] --pairs "
                "P.txt)",
    .text = "Fuses the rows of every template by every method, scores the pairs by cosine,\n"
            "and prints TAR at FAR 1e-6 to 1e-1, AUC and EER, a row for every method and\n"
            "chunk size. Rows that hold NaN or Inf are dropped and counted. TAR at a FAR is\n"
            "taken at the point of the ROC curve whose FAR is nearest, as the authors'\n"
            "release and scikit-learn's roc_curve have it.\n"
            "\n"
            "Intervals are a bootstrap over subjects: the fourth column of T.txt, the label\n"
            "in index.tsv, or, without either, whoever genuine pairs connect. A FAR that the\n"
            "number of impostors does not support is marked.",
    .example = "  caface eval verify -f ijbc_set -m fusion.safetensors --meta IJBC/meta --dataset "
               "IJBC \\\n"
               "      --chunk 4,8,32,64,128,256,0 --roc roc.png --csv table.csv\n"
               "  caface eval verify -f set -m fusion.safetensors --pairs pairs.txt --compare "
               "caface,average",
    .options = options,
    .options_size = sizeof(verify_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
