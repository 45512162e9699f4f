#include "cli/eval/verify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/eval/report.h"
#include "files/json.h"
#include "plot/chart.h"

static void write_pair_of_numbers(cafi_json *json, const char *key, double low, double high)
{
    cafi_json_begin_array(json, key);
    cafi_json_real(json, NULL, low);
    cafi_json_real(json, NULL, high);
    cafi_json_end_array(json);
}

static void write_result(const verify_job *j, size_t which, cafi_json *json)
{
    const eval_recipe *recipe = &j->in.recipes[which];
    const verify_result *r = &j->results[which];

    cafi_json_begin_object(json, NULL);
    eval_write_recipe(&j->in, recipe, json);
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
    if (r->tar) {
        write_pair_of_numbers(json, "auc_interval", r->auc[0], r->auc[1]);
        write_pair_of_numbers(json, "eer_interval", r->eer[0], r->eer[1]);
    }
    cafi_json_begin_array(json, "unsupported");
    for (int f = 0; f < CAFI_FARS; f++)
        if (!r->roc.supported[f])
            cafi_json_string(json, NULL, cafi_far_names[f]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

static void write_comparison(const verify_job *j, cafi_json *json)
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

static void write_json(const verify_job *j, cafi_buf *out)
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
    cafi_json_int(&json, "contradictions", (int64_t)j->contradictions);
    cafi_json_int(&json, "empty_templates", (int64_t)j->in.noted_count);
    cafi_json_int(&json, "empty_pairs", (int64_t)j->empty_pairs);
    cafi_json_int(&json, "resamples", (int64_t)j->o->in.bootstrap);
    cafi_json_real(&json, "smallest_far", CAFI_MIN_FALSE_ACCEPTS / (double)j->pairs.impostor);
    cafi_json_begin_array(&json, "results");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        write_result(j, i, &json);
    cafi_json_end_array(&json);
    if (j->o->in.compare.count)
        write_comparison(j, &json);
    if (j->in.images)
        eval_images_json(j->in.images, &json);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
}

static void fill_table(const verify_job *j, eval_table *t)
{
    t->columns = 3 + CAFI_FARS;
    eval_table_cell(t, "TAR %% at FAR");
    for (int f = 0; f < CAFI_FARS; f++)
        eval_table_cell(t, "%s ", cafi_far_names[f]);
    eval_table_cell(t, "AUC %%");
    eval_table_cell(t, "EER %%");
    for (size_t i = 0; i < j->in.recipe_count; i++) {
        const verify_result *r = &j->results[i];

        eval_table_cell(t, "%s", j->in.recipes[i].name);
        for (int f = 0; f < CAFI_FARS; f++)
            eval_table_percent(t, r->roc.tar[f], r->roc.supported[f], r->tar != NULL, r->low[f],
                               r->high[f]);
        eval_table_cell(t, "%.3f", 100 * r->roc.auc);
        eval_table_cell(t, "%.2f", 100 * r->roc.eer);
    }
    if (!j->o->in.compare.count)
        return;
    eval_table_cell(t, "%s - %s", j->in.recipes[j->compared[0]].name,
                    j->in.recipes[j->compared[1]].name);
    for (int f = 0; f < CAFI_FARS; f++)
        eval_table_percent(t, j->difference[f], j->results[0].roc.supported[f], true, j->low[f],
                           j->high[f]);
    eval_table_cell(t, " ");
    eval_table_cell(t, " ");
}

/* Numbers as they are, one column each. */
static void fill_csv(const verify_job *j, eval_table *t)
{
    t->columns = 7 + 4 * CAFI_FARS;
    eval_table_cell(t, "method");
    for (int f = 0; f < CAFI_FARS; f++) {
        eval_table_cell(t, "tar@%s", cafi_far_names[f]);
        eval_table_cell(t, "low@%s", cafi_far_names[f]);
        eval_table_cell(t, "high@%s", cafi_far_names[f]);
        eval_table_cell(t, "supported@%s", cafi_far_names[f]);
    }
    eval_table_cell(t, "auc");
    eval_table_cell(t, "eer");
    eval_table_cell(t, "auc_low");
    eval_table_cell(t, "auc_high");
    eval_table_cell(t, "eer_low");
    eval_table_cell(t, "eer_high");
    for (size_t i = 0; i < j->in.recipe_count; i++) {
        const verify_result *r = &j->results[i];

        eval_table_cell(t, "%s", j->in.recipes[i].name);
        for (int f = 0; f < CAFI_FARS; f++) {
            eval_table_number(t, r->roc.tar[f]);
            eval_table_number(t, r->tar ? r->low[f] : NAN);
            eval_table_number(t, r->tar ? r->high[f] : NAN);
            eval_table_cell(t, "%d", r->roc.supported[f]);
        }
        eval_table_number(t, r->roc.auc);
        eval_table_number(t, r->roc.eer);
        eval_table_number(t, r->auc[0]);
        eval_table_number(t, r->auc[1]);
        eval_table_number(t, r->eer[0]);
        eval_table_number(t, r->eer[1]);
    }
    if (!j->o->in.compare.count)
        return;
    eval_table_cell(t, "%s - %s", j->in.recipes[j->compared[0]].name,
                    j->in.recipes[j->compared[1]].name);
    for (int f = 0; f < CAFI_FARS; f++) {
        eval_table_number(t, j->difference[f]);
        eval_table_number(t, j->low[f]);
        eval_table_number(t, j->high[f]);
        eval_table_cell(t, "%d", j->results[0].roc.supported[f]);
    }
    for (int empty = 0; empty < 6; empty++)
        eval_table_number(t, NAN);
}

static void write_counts(const verify_job *j, cafi_buf *out)
{
    if (j->in.images)
        eval_images_text(j->in.images, out);
    cafi_buf_printf(out,
                    "%zu templates of %zu rows (%zu dropped), %zu pairs: %zu genuine, %zu "
                    "impostor, %zu listed before; %zu subjects\n",
                    j->in.list.count, j->in.list.rows, j->in.templates.dropped, j->pairs.count,
                    j->pairs.genuine, j->pairs.impostor, j->pairs.duplicates, j->subjects);
    if (j->contradictions)
        cafi_buf_printf(out, "%zu pairs contradict the subjects that the templates are given\n",
                        j->contradictions);
    if (j->in.noted_count)
        cafi_buf_printf(out, "without a valid row: %zu of the templates; their %zu pairs score 0\n",
                        j->in.noted_count, j->empty_pairs);
    if (j->o->in.bootstrap)
        cafi_buf_printf(out, "[ ]: 95 %% interval, %zu resamples of subjects. ",
                        j->o->in.bootstrap);
    cafi_buf_printf(out, "*: not supported by the sample, FAR below %.2g (10 / impostors)\n",
                    CAFI_MIN_FALSE_ACCEPTS / (double)j->pairs.impostor);
}

static caface_status draw_roc(const verify_job *j, caface_error *err)
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

caface_status eval_report_verify(const verify_job *j, caface_error *err)
{
    eval_report report = {0};
    caface_status st = j->o->roc ? draw_roc(j, err) : CAFACE_OK;

    if (st)
        return st;
    fill_table(j, &report.table);
    fill_csv(j, &report.numbers);
    write_counts(j, &report.notes);
    write_json(j, &report.json);
    return eval_report_finish(&report, &j->o->in, &j->o->common, err);
}
