/* caface eval identify: probes against galleries. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/identify.h"
#include "eval/roc.h"
#include "eval_curves.h"
#include "eval_input.h"
#include "eval_table.h"
#include "files/json.h"
#include "files/output.h"
#include "interrupt.h"
#include "plot/chart.h"

#define MAX_GALLERIES 8

typedef struct identify_options {
    cli_common common;
    eval_options in;
    cli_list galleries;
    const char *probe;
    const char *gallery_method;
    const char *cmc, *det;
} identify_options;

/* Figures of one gallery, or the mean over all, with intervals. */
typedef struct figures {
    double value[CAFI_ID_FIGURES], low[CAFI_ID_FIGURES], high[CAFI_ID_FIGURES];
} figures;

/* A row of the table: one recipe against every gallery. */
typedef struct result {
    cafi_identified found[MAX_GALLERIES];
    figures figures[MAX_GALLERIES + 1]; /* the last: the mean */
} result;

typedef struct job {
    const identify_options *o;
    eval_input in;
    cafi_subject_book book;
    cafi_subject_list gallery[MAX_GALLERIES];
    char *name[MAX_GALLERIES + 1]; /* "G1", "G2", "mean" */
    size_t galleries;
    cafi_subject_list probes;
    cafi_resample resample;
    float *fixed_fused; /* [list.count][C], with --gallery-method */
    bool *enrolled;     /* [list.count] in some gallery and no probe */
    result *results;    /* [recipe_count] */
    double started;
} job;

static void defaults(void *options)
{
    eval_defaults(&((identify_options *)options)->in);
}

/* --- work ------------------------------------------------------------------------ */

/* "G1" of ".../ijbb_1N_gallery_G1.csv": what follows the last '_' of the name,
 * when it is that short, else the name without its suffix. */
static caface_status name_gallery(char **out, const char *path, caface_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *mark = strrchr(name, '_');
    caface_status st = CAFACE_OK;
    char *dot = NULL;

    if (mark && (mark[1] == 'G' || mark[1] == 'S') && mark[2] >= '0' && mark[2] <= '9')
        name = mark + 1;
    st = cafi_strdup(out, name, err);
    if (!st && (dot = strrchr(*out, '.')) && dot != *out)
        *dot = '\0';
    return st;
}

static caface_status need_rows(const job *j, const cafi_subject_list *list, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && j->in.templates.empty_count && i < list->count; i++)
        st = cafi_template_set_need(&j->in.templates, list->items[i].place, list->path, err);
    return st;
}

static caface_status read_gallery(job *j, const char *path, caface_error *err)
{
    cafi_subject_list *list = &j->gallery[j->galleries];
    caface_status st = cafi_subject_list_read(list, path, &j->in.list, &j->book, err);

    if (!st)
        st = need_rows(j, list, err);
    return st ? st : name_gallery(&j->name[j->galleries++], path, err);
}

/* A file of --meta: the probes, or else another gallery. */
static caface_status read_meta(job *j, const char *suffix, cafi_subject_list *probes,
                               caface_error *err)
{
    char *path = eval_meta_path(&j->o->in, suffix);
    caface_status st = CAFACE_OK;

    if (!path)
        return cafi_fail_memory(err, 0);
    if (probes)
        st = cafi_subject_list_read(probes, path, &j->in.list, &j->book, err);
    else
        st = read_gallery(j, path, err);
    free(path);
    return st;
}

static caface_status read_lists(job *j, caface_error *err)
{
    const identify_options *o = j->o;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < o->galleries.count; i++)
        st = read_gallery(j, o->galleries.items[i], err);
    if (!st && !o->galleries.count && !(st = read_meta(j, "_1N_gallery_G1.csv", NULL, err)))
        st = read_meta(j, "_1N_gallery_G2.csv", NULL, err);
    if (st)
        return st;
    st = o->probe ? cafi_subject_list_read(&j->probes, o->probe, &j->in.list, &j->book, err)
                  : read_meta(j, "_1N_probe_mixed.csv", &j->probes, err);
    if (!st)
        st = need_rows(j, &j->probes, err);
    return st ? st : cafi_strdup(&j->name[j->galleries], "mean", err);
}

/* With --gallery-method: galleries are fused by one recipe in every row. */
static caface_status fix_galleries(job *j, caface_error *err)
{
    eval_recipe recipe = {0};
    caface_status st = CAFACE_OK;

    if (!j->o->gallery_method)
        return CAFACE_OK;
    if ((st = eval_parse_recipe(&j->in, j->o->gallery_method, &recipe, err)) ||
        (st = cafi_alloc((void **)&j->enrolled, j->in.list.count, sizeof *j->enrolled, err)) ||
        (st = cafi_alloc_f32(&j->fixed_fused, j->in.list.count, j->in.C, err)) ||
        (st = eval_fuse(&j->in, &recipe, err)))
        return st;
    memcpy(j->fixed_fused, j->in.fused, j->in.list.count * j->in.C * sizeof *j->fixed_fused);
    for (size_t g = 0; g < j->galleries; g++)
        for (size_t i = 0; i < j->gallery[g].count; i++)
            j->enrolled[j->gallery[g].items[i].place] = true;
    for (size_t i = 0; i < j->probes.count; i++)
        if (j->enrolled[j->probes.items[i].place])
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: template %lld is also in a gallery, which --gallery-method "
                             "fuses differently",
                             j->probes.path, (long long)j->in.list.id[j->probes.items[i].place]);
    return CAFACE_OK;
}

static caface_status interval_of(const job *j, const result *r, size_t gallery, size_t figure,
                                 figures *out, caface_error *err)
{
    size_t count = j->o->in.bootstrap;
    double *column = NULL;
    caface_status st = cafi_alloc((void **)&column, count, sizeof *column, err);

    if (st)
        return st;
    for (size_t i = 0; i < count; i++) {
        size_t at = i * CAFI_ID_FIGURES + figure;

        if (gallery < j->galleries)
            column[i] = r->found[gallery].resampled[at];
        else
            for (size_t g = 0; g < j->galleries; g++)
                column[i] += r->found[g].resampled[at] / (double)j->galleries;
    }
    cafi_interval95(column, count, &out->low[figure], &out->high[figure]);
    free(column);
    return CAFACE_OK;
}

static caface_status summarise(const job *j, result *r, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t k = 0; !st && k < CAFI_ID_FIGURES; k++) {
        double sum = 0;

        for (size_t g = 0; g < j->galleries; g++) {
            r->figures[g].value[k] = r->found[g].figure[k];
            sum += r->found[g].figure[k];
        }
        r->figures[j->galleries].value[k] = sum / (double)j->galleries;
        for (size_t g = 0; !st && j->o->in.bootstrap && g <= j->galleries; g++)
            st = interval_of(j, r, g, k, &r->figures[g], err);
    }
    return st;
}

static caface_status run_recipe(job *j, size_t which, caface_error *err)
{
    result *r = &j->results[which];
    size_t C = j->in.C;
    caface_status st = eval_fuse(&j->in, &j->in.recipes[which], err);

    for (size_t t = 0; !st && j->enrolled && t < j->in.list.count; t++)
        if (j->enrolled[t])
            memcpy(j->in.fused + t * C, j->fixed_fused + t * C, C * sizeof *j->in.fused);
    for (size_t g = 0; !st && g < j->galleries; g++)
        st = cafi_identify(&r->found[g], j->in.fused, C, &j->gallery[g], &j->probes,
                           j->o->in.bootstrap ? &j->resample : NULL, j->in.pool, err);
    if (!st && cli_interrupted())
        st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return st ? st : summarise(j, r, err);
}

/* --- results ----------------------------------------------------------------------- */

static const char *const figure_names[CAFI_ID_FIGURES] = {
    "rank1", "rank5", "rank10", "tpir@0.01", "tpir@0.1", "tpir_open@0.01", "tpir_open@0.1"};

/* The mean has the support of the gallery that has least. */
static bool is_supported(const job *j, const result *r, size_t gallery, size_t figure)
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

static void write_result(const job *j, size_t which, size_t gallery, cafi_json *json)
{
    const eval_recipe *recipe = &j->in.recipes[which];
    const result *r = &j->results[which];
    const figures *f = &r->figures[gallery];

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "name", recipe->name);
    cafi_json_string(json, "method", caface_method_name(recipe->method));
    if (recipe->method == CAFACE_METHOD_CAFACE)
        cafi_json_int(json, "chunk", (int64_t)recipe->chunk);
    else
        cafi_json_null(json, "chunk");
    if (recipe->method == CAFACE_METHOD_NORM)
        cafi_json_real(json, "norm_power", recipe->power);
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
    cafi_json_begin_object(json, "interval");
    for (size_t k = 0; j->o->in.bootstrap && k < CAFI_ID_FIGURES; k++) {
        cafi_json_begin_array(json, figure_names[k]);
        cafi_json_real(json, NULL, f->low[k]);
        cafi_json_real(json, NULL, f->high[k]);
        cafi_json_end_array(json);
    }
    cafi_json_end_object(json);
    cafi_json_begin_array(json, "unsupported");
    for (size_t k = CAFI_ID_TPIR; k < CAFI_ID_FIGURES; k++)
        if (!is_supported(j, r, gallery, k))
            cafi_json_string(json, NULL, figure_names[k]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

static void write_json(const job *j, cafi_buf *out)
{
    cafi_json json = {.out = out};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "rows", (int64_t)j->in.list.rows);
    cafi_json_int(&json, "templates", (int64_t)j->in.list.count);
    cafi_json_int(&json, "probes", (int64_t)j->probes.count);
    cafi_json_int(&json, "subjects", (int64_t)j->book.names.count);
    cafi_json_int(&json, "dropped", (int64_t)j->in.templates.dropped);
    cafi_json_int(&json, "resamples", (int64_t)j->o->in.bootstrap);
    cafi_json_begin_array(&json, "results");
    for (size_t i = 0; i < j->in.recipe_count; i++)
        for (size_t g = 0; g <= j->galleries; g++)
            write_result(j, i, g, &json);
    cafi_json_end_array(&json);
    cafi_json_real(&json, "seconds", cli_seconds() - j->started);
    cafi_json_end_object(&json);
    cafi_buf_text(out, "\n");
}

/* With one gallery the mean is that gallery: one line is enough. */
static size_t lines_of(const job *j)
{
    return j->galleries == 1 ? 1 : j->galleries + 1;
}

static void figure_cell(const job *j, const result *r, size_t gallery, size_t k, eval_table *t)
{
    const figures *f = &r->figures[gallery];
    const char *mark = is_supported(j, r, gallery, k) ? " " : "*";

    if (isnan(f->value[k]))
        eval_table_cell(t, "- ");
    else if (j->o->in.bootstrap)
        eval_table_cell(t, "%.2f%s\n[%.2f, %.2f]", 100 * f->value[k], mark, 100 * f->low[k],
                        100 * f->high[k]);
    else
        eval_table_cell(t, "%.2f%s", 100 * f->value[k], mark);
}

static void fill_table(const job *j, eval_table *t)
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
                figure_cell(j, &j->results[i], g, k, t);
        }
}

static void number_cell(eval_table *t, double value)
{
    if (isnan(value))
        eval_table_cell(t, "%s", "");
    else
        eval_table_cell(t, "%.9g", value);
}

static void fill_csv(const job *j, eval_table *t)
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
            const figures *f = &j->results[i].figures[g];

            eval_table_cell(t, "%s", j->in.recipes[i].name);
            eval_table_cell(t, "%.120s", j->name[g]);
            for (size_t k = 0; k < CAFI_ID_FIGURES; k++) {
                number_cell(t, f->value[k]);
                number_cell(t, j->o->in.bootstrap ? f->low[k] : NAN);
                number_cell(t, j->o->in.bootstrap ? f->high[k] : NAN);
                eval_table_cell(t, "%d", is_supported(j, &j->results[i], g, k));
            }
        }
}

static void write_counts(const job *j, cafi_buf *out)
{
    cafi_buf_printf(out, "%zu templates of %zu rows (%zu dropped), %zu probes\n", j->in.list.count,
                    j->in.list.rows, j->in.templates.dropped, j->probes.count);
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

/* --- the command ---------------------------------------------------------------------- */

static caface_status draw_curves(const job *j, caface_error *err)
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
    return st ? st : draw_curves(j, err);
}

static caface_status report(const job *j, caface_error *err)
{
    eval_table table = {0};
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    fill_table(j, &table);
    st = table.failed ? cafi_fail_memory(err, 0) : write_files(j, &table, err);
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

static caface_status run_job(job *j, caface_error *err)
{
    const identify_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((o->cmc && (st = cafi_plot_check(o->cmc, err))) ||
        (o->det && (st = cafi_plot_check(o->det, err))) ||
        (st = eval_open(&j->in, "eval identify", &o->common, &o->in, err)) ||
        (st = read_lists(j, err)) || (st = fix_galleries(j, err)) ||
        (st = cafi_alloc((void **)&j->results, j->in.recipe_count, sizeof *j->results, err)))
        return st;
    if (o->in.bootstrap)
        st = cafi_resample_new(&j->resample, j->book.names.count, o->in.bootstrap,
                               (uint64_t)o->in.seed, err);
    for (size_t i = 0; !st && i < j->in.recipe_count; i++)
        st = run_recipe(j, i, err);
    return st ? st : report(j, err);
}

static void release(job *j)
{
    for (size_t i = 0; j->results && i < j->in.recipe_count; i++)
        for (size_t g = 0; g < MAX_GALLERIES; g++)
            cafi_identified_free(&j->results[i].found[g]);
    for (size_t g = 0; g < MAX_GALLERIES; g++)
        cafi_subject_list_free(&j->gallery[g]);
    for (size_t g = 0; g <= MAX_GALLERIES; g++)
        free(j->name[g]);
    cafi_subject_list_free(&j->probes);
    cafi_subject_book_free(&j->book);
    cafi_resample_free(&j->resample);
    free(j->results);
    free(j->enrolled);
    free(j->fixed_fused);
    eval_close(&j->in);
}

static int run(void *arg)
{
    const identify_options *o = arg;
    job j = {.o = o, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = eval_check_usage("eval identify", &o->in);

    if (status)
        return status;
    if (!o->in.meta && (!o->galleries.count || !o->probe))
        return cli_usage("eval identify", "--gallery G.csv and --probe P.csv are needed, or --meta "
                                          "DIR --dataset NAME");
    if (o->galleries.count > MAX_GALLERIES)
        return cli_usage("eval identify", "%zu galleries, at most %d", o->galleries.count,
                         MAX_GALLERIES);
    cli_interrupt_begin();
    status = run_job(&j, &err) ? cli_fail(&err) : CLI_OK;
    release(&j);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {
    EVAL_OPTIONS(identify_options, in),
    {"gallery", 'g', CLI_LIST, offsetof(identify_options, galleries), "G.csv",
     "lines TEMPLATE_ID,SUBJECT_ID,... with a header; may be given twice", 0, 0},
    {"probe", 'p', CLI_STRING, offsetof(identify_options, probe), "P.csv", "the probes, likewise",
     0, 0},
    {"gallery-method", 0, CLI_STRING, offsetof(identify_options, gallery_method), "M",
     "fuse the galleries by this method in every row of the table", 0, 0},
    {"cmc", 0, CLI_STRING, offsetof(identify_options, cmc), "FILE",
     "draw the CMC curves: .png, .svg or .pdf", 0, 0},
    {"det", 0, CLI_STRING, offsetof(identify_options, det), "FILE",
     "draw the open-set DET curves: .png, .svg or .pdf", 0, 0},
    {0},
};

const cli_command cli_eval_identify = {
    .name = "eval identify",
    .summary = "1:N identification: ranks and TPIR of probes against galleries",
    .synopsis =
        "--features SET [--model M] (--meta DIR --dataset D | --gallery G.csv --probe P.csv)",
    .text = "Fuses the rows of every template by every method and compares every probe with\n"
            "every entry of each gallery. Rank-1, -5 and -10 and TPIR are over the probes\n"
            "with a mate in the gallery; \"TPIR 0.01\" is the authors' release's: its\n"
            "threshold is the k-th largest non-mate score, k = ceil(0.01 * probes). \"open\"\n"
            "is ISO/IEC 19795's: its threshold lets that share of the probes without a mate\n"
            "pass. Every gallery and the mean over galleries are reported, with bootstrap\n"
            "intervals over subjects. A probe is never compared with itself, so lists may\n"
            "overlap: surveillance to still, to booking, and to surveillance (IJB-S) are\n"
            "three pairs of lists.",
    .example =
        "  caface eval identify -f ijbc_set -m fusion.safetensors --meta IJBC/meta --dataset IJBC\n"
        "  caface eval identify -f set -m fusion.safetensors -g still.csv -p surveillance.csv \\\n"
        "      --gallery-method average --cmc cmc.svg",
    .options = options,
    .options_size = sizeof(identify_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
