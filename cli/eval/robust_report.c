#include "cli/eval/robust.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/eval/report.h"
#include "files/json.h"
#include "plot/chart.h"

static void fill_table(const robust_job *j, eval_table *t)
{
    bool interval = j->o->in.bootstrap > 0;
    static const char *const columns[] = {"faces of the set", "method",   "rank-1",
                                          "TAR 1e-3",         "TAR 1e-4", "cannot tell"};

    t->columns = sizeof columns / sizeof *columns;
    for (size_t k = 0; k < t->columns; k++)
        eval_table_cell(t, "%s", columns[k]);
    for (size_t c = 0; c < ROBUST_CONDITIONS; c++)
        for (size_t i = 0; i < j->in.recipe_count; i++) {
            const robust_result *r = &j->results[i * ROBUST_CONDITIONS + c];

            eval_table_cell(t, "%s", robust_conditions[c].name);
            eval_table_cell(t, "%s", j->in.recipes[i].name);
            eval_table_percent(t, r->rank1, true, interval, r->low, r->high);
            eval_table_percent(t, r->tar3, r->supported3, false, 0, 0);
            eval_table_percent(t, r->tar4, r->supported4, false, 0, 0);
            eval_table_percent(t, r->refused, true, false, 0, 0);
        }
}

static void fill_csv(const robust_job *j, eval_table *t)
{
    static const char *const columns[] = {"condition",  "method",   "rank1",    "rank1_low",
                                          "rank1_high", "tar_1e-3", "tar_1e-4", "cannot_tell"};

    t->columns = sizeof columns / sizeof *columns;
    for (size_t k = 0; k < t->columns; k++)
        eval_table_cell(t, "%s", columns[k]);
    for (size_t c = 0; c < ROBUST_CONDITIONS; c++)
        for (size_t i = 0; i < j->in.recipe_count; i++) {
            const robust_result *r = &j->results[i * ROBUST_CONDITIONS + c];
            double values[] = {r->rank1,
                               j->o->in.bootstrap ? r->low : NAN,
                               j->o->in.bootstrap ? r->high : NAN,
                               r->tar3,
                               r->tar4,
                               r->refused};

            eval_table_cell(t, "%s", robust_conditions[c].name);
            eval_table_cell(t, "%s", j->in.recipes[i].name);
            for (size_t k = 0; k < sizeof values / sizeof *values; k++)
                if (isnan(values[k]))
                    eval_table_cell(t, "%s", "");
                else
                    eval_table_cell(t, "%.17g", values[k]);
        }
}

static void write_result(const robust_job *j, size_t which, size_t c, cafi_json *json)
{
    static const char *const kinds[] = {"other", "sharp", "clean", "duplicate", "ruined"};
    const robust_result *r = &j->results[which * ROBUST_CONDITIONS + c];

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "name", j->in.recipes[which].name);
    cafi_json_string(json, "method", caface_method_name(j->in.recipes[which].method));
    cafi_json_string(json, "condition", robust_conditions[c].name);
    cafi_json_string(json, "kind", kinds[robust_conditions[c].kind]);
    cafi_json_int(json, "faces", (int64_t)robust_conditions[c].count);
    cafi_json_real(json, "rank1", r->rank1);
    if (j->o->in.bootstrap) {
        cafi_json_begin_array(json, "interval");
        cafi_json_real(json, NULL, r->low);
        cafi_json_real(json, NULL, r->high);
        cafi_json_end_array(json);
    }
    cafi_json_begin_object(json, "tar");
    cafi_json_real(json, cafi_far_names[ROBUST_FAR_1E4], r->tar4);
    cafi_json_real(json, cafi_far_names[ROBUST_FAR_1E3], r->tar3);
    cafi_json_end_object(json);
    if (!isnan(r->refused))
        cafi_json_real(json, "cannot_tell", r->refused);
    cafi_json_end_object(json);
}

static void write_json(const robust_job *j, cafi_buf *out)
{
    cafi_json json = {.out = out};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "probes", (int64_t)j->probes.count);
    cafi_json_int(&json, "gallery", (int64_t)j->gallery.count);
    cafi_json_begin_object(&json, "cannot_tell_below");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        if (!isnan(j->least[i]))
            cafi_json_real(&json, j->in.recipes[i].name, j->least[i]);
    cafi_json_end_object(&json);
    cafi_json_begin_array(&json, "results");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        for (size_t c = 0; c < ROBUST_CONDITIONS; c++)
            write_result(j, i, c, &json);
    cafi_json_end_array(&json);
    if (j->in.images)
        eval_images_json(j->in.images, &json);
    cafi_json_end_object(&json);
}

static void write_notes(const robust_job *j, cafi_buf *out)
{
    cafi_buf_printf(out, "%zu sets against %zu people.", j->probes.count, j->gallery.count);
    if (j->o->in.bootstrap)
        cafi_buf_printf(out, " [ ]: 95 %% interval of rank-1, %zu resamples of people.",
                        j->o->in.bootstrap);
    cafi_buf_text(out, " *: fewer than 10 false accepts, not supported by the sample\n");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        if (!isnan(j->least[i]))
            cafi_buf_printf(out,
                            "%s: \"cannot tell\" below an evidence of %.3f, which 95 of 100 sets "
                            "have that are found as it is\n",
                            j->in.recipes[i].name, j->least[i]);
}

/* Rank-1 over the number of faces that are another person's. */
static caface_status draw(const robust_job *j, caface_error *err)
{
    double x[ROBUST_CONDITIONS], *y = NULL;
    cafi_chart_series series[CAFI_CHART_MAX_SERIES];
    size_t points = 0, count = j->in.recipe_count;
    const cafi_chart chart = {
        .title = "Another person's faces in a set",
        .subtitle = "Rank 1 when faces of each set are replaced by faces of one other person",
        .x = {.label = "faces of the other person", .whole = true},
        .y = {.label = "rank 1", .percent = true},
        .series = series,
        .series_count = count < CAFI_CHART_MAX_SERIES ? count : CAFI_CHART_MAX_SERIES};
    caface_status st = CAFI_NEW(&y, 3 * count * ROBUST_CONDITIONS, err);

    if (st)
        return st;
    for (size_t c = 0; c < ROBUST_CONDITIONS; c++)
        if (robust_conditions[c].kind == ROBUST_OTHER)
            x[points++] = (double)robust_conditions[c].count;
    for (size_t i = 0; i < chart.series_count; i++) {
        double *values = y + 3 * i * ROBUST_CONDITIONS;

        for (size_t c = 0; c < points; c++) { /* they are the first */
            const robust_result *r = &j->results[i * ROBUST_CONDITIONS + c];

            values[c] = r->rank1;
            values[ROBUST_CONDITIONS + c] = r->low;
            values[2 * ROBUST_CONDITIONS + c] = r->high;
        }
        series[i] =
            (cafi_chart_series){.name = j->in.recipes[i].name,
                                .x = x,
                                .y = values,
                                .low = j->o->in.bootstrap ? values + ROBUST_CONDITIONS : NULL,
                                .high = j->o->in.bootstrap ? values + 2 * ROBUST_CONDITIONS : NULL,
                                .count = points,
                                .markers = true};
    }
    st = cafi_chart_save(&chart, j->o->plot, err);
    free(y);
    return st;
}

caface_status eval_report_robust(const robust_job *j, caface_error *err)
{
    eval_report r = {0};
    caface_status st = j->o->plot ? draw(j, err) : CAFACE_OK;

    if (st)
        return st;
    fill_table(j, &r.table);
    fill_csv(j, &r.numbers);
    write_notes(j, &r.notes);
    write_json(j, &r.json);
    return eval_report_finish(&r, &j->o->in, &j->o->common, err);
}
