#include "cli/eval/identify.h"

#include <math.h>
#include <stdio.h>

#include "cli/eval/curves.h"
#include "cli/eval/report.h"
#include "files/json.h"

static const char *const figure_names[CAFI_ID_FIGURES] = {
    "rank1", "rank5", "rank10", "tpir@0.01", "tpir@0.1", "tpir_open@0.01", "tpir_open@0.1"};

/* The mean has the support of the gallery that has least. */
static bool is_supported(const identify_job *j, const identify_result *r, size_t gallery,
                         size_t figure)
{
    bool supported = true;

    for (size_t g = 0; g < j->galleries; g++) {
        if (gallery < j->galleries && g != gallery)
            continue;
        if (figure >= CAFI_ID_OPEN)
            supported = supported && r->found[g].open_supported[figure - CAFI_ID_OPEN];
        else if (figure >= CAFI_ID_TPIR)
            supported = supported && r->found[g].supported[figure - CAFI_ID_TPIR];
    }
    return supported;
}

static void write_figure_group(cafi_json *json, const char *key, const double *values)
{
    cafi_json_begin_object(json, key);
    for (int f = 0; f < CAFI_FPIRS; f++)
        cafi_json_real(json, cafi_fpir_names[f], values[f]);
    cafi_json_end_object(json);
}

static void write_intervals(const identify_figures *f, cafi_json *json)
{
    cafi_json_begin_object(json, "interval");
    for (size_t k = 0; k < CAFI_ID_FIGURES; k++) {
        cafi_json_begin_array(json, figure_names[k]);
        cafi_json_real(json, NULL, f->low[k]);
        cafi_json_real(json, NULL, f->high[k]);
        cafi_json_end_array(json);
    }
    cafi_json_end_object(json);
}

static void write_result(const identify_job *j, size_t which, size_t gallery, cafi_json *json)
{
    const eval_recipe *recipe = &j->in.recipes[which];
    const identify_result *r = &j->results[which];
    const identify_figures *f = &r->figures[gallery];

    cafi_json_begin_object(json, NULL);
    eval_write_recipe(&j->in, recipe, json);
    cafi_json_string(json, "gallery", j->name[gallery]);
    for (int k = 0; k < CAFI_RANKS; k++)
        cafi_json_real(json, figure_names[k], f->value[k]);
    write_figure_group(json, "tpir", f->value + CAFI_ID_TPIR);
    write_figure_group(json, "tpir_open", f->value + CAFI_ID_OPEN);
    if (gallery < j->galleries) {
        cafi_json_int(json, "gallery_templates", (int64_t)r->found[gallery].gallery);
        cafi_json_int(json, "mated", (int64_t)r->found[gallery].mated);
        cafi_json_int(json, "nonmated", (int64_t)r->found[gallery].nonmated);
    }
    if (j->o->in.bootstrap)
        write_intervals(f, json);
    cafi_json_begin_array(json, "unsupported");
    for (size_t k = CAFI_ID_TPIR; k < CAFI_ID_FIGURES; k++)
        if (!is_supported(j, r, gallery, k))
            cafi_json_string(json, NULL, figure_names[k]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

static void write_comparison(const identify_job *j, cafi_json *json)
{
    cafi_json_begin_array(json, "compare");
    for (size_t g = 0; g <= j->galleries; g++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "a", j->in.recipes[j->compared[0]].name);
        cafi_json_string(json, "b", j->in.recipes[j->compared[1]].name);
        cafi_json_string(json, "gallery", j->name[g]);
        cafi_json_begin_object(json, "difference");
        for (size_t k = 0; k < CAFI_ID_FIGURES; k++)
            cafi_json_real(json, figure_names[k], j->difference[g].value[k]);
        cafi_json_end_object(json);
        write_intervals(&j->difference[g], json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void write_json(const identify_job *j, cafi_buf *out)
{
    cafi_json json = {.out = out};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "rows", (int64_t)j->in.list.rows);
    cafi_json_int(&json, "templates", (int64_t)j->in.list.count);
    cafi_json_int(&json, "probes", (int64_t)j->probes.count);
    cafi_json_int(&json, "subjects", (int64_t)j->book.names.count);
    cafi_json_int(&json, "dropped", (int64_t)j->in.templates.dropped);
    cafi_json_int(&json, "empty_templates", (int64_t)j->in.noted_count);
    cafi_json_int(&json, "resamples", (int64_t)j->o->in.bootstrap);
    cafi_json_begin_array(&json, "results");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        for (size_t g = 0; g <= j->galleries; g++)
            write_result(j, i, g, &json);
    cafi_json_end_array(&json);
    if (j->o->in.compare.count)
        write_comparison(j, &json);
    if (j->in.images)
        eval_images_json(j->in.images, &json);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
}

/* With one gallery the mean is that gallery: one line is enough. */
static size_t lines_of(const identify_job *j)
{
    return j->galleries == 1 ? 1 : j->galleries + 1;
}

/* f: the gallery's figures in r, or a difference. */
static void figure_cell(const identify_job *j, const identify_result *r, const identify_figures *f,
                        size_t gallery, size_t k, eval_table *t)
{
    eval_table_percent(t, f->value[k], is_supported(j, r, gallery, k), j->o->in.bootstrap != 0,
                       f->low[k], f->high[k]);
}

static void fill_table(const identify_job *j, eval_table *t)
{
    static const char *const heads[CAFI_ID_FIGURES] = {
        "rank-1 ", "rank-5 ", "rank-10 ", "TPIR 0.01 ", "TPIR 0.1 ", "open 0.01 ", "open 0.1 "};

    t->columns = 2 + CAFI_ID_FIGURES;
    eval_table_cell(t, "%% of probes");
    eval_table_cell(t, "gallery");
    for (size_t k = 0; k < CAFI_ID_FIGURES; k++)
        eval_table_cell(t, "%s", heads[k]);
    for (size_t i = 0; i < j->in.recipe_count; i++)
        for (size_t g = 0; g < lines_of(j); g++) {
            eval_table_cell(t, "%s", j->in.recipes[i].name);
            eval_table_cell(t, "%.60s", j->name[g]);
            for (size_t k = 0; k < CAFI_ID_FIGURES; k++)
                figure_cell(j, &j->results[i], &j->results[i].figures[g], g, k, t);
        }
    for (size_t g = 0; j->o->in.compare.count && g < lines_of(j); g++) {
        eval_table_cell(t, "%s - %s", j->in.recipes[j->compared[0]].name,
                        j->in.recipes[j->compared[1]].name);
        eval_table_cell(t, "%.60s", j->name[g]);
        for (size_t k = 0; k < CAFI_ID_FIGURES; k++)
            figure_cell(j, &j->results[0], &j->difference[g], g, k, t);
    }
}

static void csv_line(const identify_job *j, const identify_result *r, const identify_figures *f,
                     size_t gallery, eval_table *t)
{
    eval_table_cell(t, "%.120s", j->name[gallery]);
    for (size_t k = 0; k < CAFI_ID_FIGURES; k++) {
        eval_table_number(t, f->value[k]);
        eval_table_number(t, j->o->in.bootstrap ? f->low[k] : NAN);
        eval_table_number(t, j->o->in.bootstrap ? f->high[k] : NAN);
        eval_table_cell(t, "%d", is_supported(j, r, gallery, k));
    }
}

/* Numbers as they are, one column each. */
static void fill_csv(const identify_job *j, eval_table *t)
{
    t->columns = 2 + 4 * CAFI_ID_FIGURES;
    eval_table_cell(t, "method");
    eval_table_cell(t, "gallery");
    for (size_t k = 0; k < CAFI_ID_FIGURES; k++) {
        eval_table_cell(t, "%s", figure_names[k]);
        eval_table_cell(t, "low %s", figure_names[k]);
        eval_table_cell(t, "high %s", figure_names[k]);
        eval_table_cell(t, "supported %s", figure_names[k]);
    }
    for (size_t i = 0; i < j->in.recipe_count; i++)
        for (size_t g = 0; g < lines_of(j); g++) {
            eval_table_cell(t, "%s", j->in.recipes[i].name);
            csv_line(j, &j->results[i], &j->results[i].figures[g], g, t);
        }
    for (size_t g = 0; j->o->in.compare.count && g < lines_of(j); g++) {
        eval_table_cell(t, "%s - %s", j->in.recipes[j->compared[0]].name,
                        j->in.recipes[j->compared[1]].name);
        csv_line(j, &j->results[0], &j->difference[g], g, t);
    }
}

static void write_counts(const identify_job *j, cafi_buf *out)
{
    if (j->in.images)
        eval_images_text(j->in.images, out);
    cafi_buf_printf(out, "%zu templates of %zu rows (%zu dropped), %zu probes\n", j->in.list.count,
                    j->in.list.rows, j->in.templates.dropped, j->probes.count);
    if (j->in.noted_count)
        cafi_buf_printf(out,
                        "without a valid row: %zu of the templates; never found, finding nobody\n",
                        j->in.noted_count);
    for (size_t g = 0; g < j->galleries; g++) {
        const cafi_identified *f = &j->results[0].found[g];

        cafi_buf_printf(out, "%s: %zu templates, %zu probes with a mate, %zu without\n", j->name[g],
                        f->gallery, f->mated, f->nonmated);
    }
    if (j->o->in.bootstrap)
        cafi_buf_printf(out, "[ ]: 95 %% interval, %zu resamples of subjects. ",
                        j->o->in.bootstrap);
    cafi_buf_text(out, "*: not supported by the sample, fewer than 10 false positives\n");
}

static caface_status draw_curves(const identify_job *j, caface_error *err)
{
    eval_curves curves = {.count = j->in.recipe_count, .galleries = j->galleries};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < curves.count; i++) {
        curves.name[i] = j->in.recipes[i].name;
        curves.found[i] = j->results[i].found;
    }
    if (j->o->cmc)
        st = eval_draw_cmc(j->o->cmc, &curves, err);
    return !st && j->o->det ? eval_draw_det(j->o->det, &curves, err) : st;
}

caface_status eval_report_identify(const identify_job *j, caface_error *err)
{
    eval_report report = {0};
    caface_status st = draw_curves(j, err);

    if (st)
        return st;
    fill_table(j, &report.table);
    fill_csv(j, &report.numbers);
    write_counts(j, &report.notes);
    write_json(j, &report.json);
    return eval_report_finish(&report, &j->o->in, &j->o->common, err);
}
