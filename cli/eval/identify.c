/* caface eval identify: probes against galleries. */
#include "cli/eval/identify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/eval/curves.h"
#include "eval/meta_files.h"
#include "cli/interrupt.h"
#include "plot/chart.h"

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

static caface_status read_gallery(identify_job *j, const char *path, caface_error *err)
{
    cafi_subject_list *list = &j->gallery[j->galleries];
    caface_status st = cafi_subject_list_read(list, path, &j->in.list, &j->book, err);

    return st ? st : name_gallery(&j->name[j->galleries++], path, err);
}

/* The galleries of --meta, both or neither. */
static caface_status read_meta_galleries(identify_job *j, caface_error *err)
{
    const eval_options *in = &j->o->in;
    caface_status st = CAFACE_OK;

    for (size_t number = 1; number <= 2 && !st; number++) {
        char *path = NULL;

        if (!(st = cafi_meta_find_gallery(&path, in->meta, in->dataset, number, err)))
            st = read_gallery(j, path, err);
        free(path);
    }
    return st;
}

static caface_status read_probes(identify_job *j, caface_error *err)
{
    const eval_options *in = &j->o->in;
    char *path = NULL;
    caface_status st =
        j->o->probe ? cafi_strdup(&path, j->o->probe, err)
                    : cafi_meta_find_one(&path, in->meta, in->dataset, "_1N_probe_mixed.csv", err);

    if (!st)
        st = cafi_subject_list_read(&j->probes, path, &j->in.list, &j->book, err);
    free(path);
    return st;
}

static caface_status read_lists(identify_job *j, caface_error *err)
{
    const identify_options *o = j->o;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < o->galleries.count; i++)
        st = read_gallery(j, o->galleries.items[i], err);
    if (!st && !o->galleries.count)
        st = read_meta_galleries(j, err);
    if (st || (st = read_probes(j, err)))
        return st;
    return cafi_strdup(&j->name[j->galleries], "mean", err);
}

/* Templates without a valid row stay in the protocol. */
static void note_empty(identify_job *j)
{
    for (size_t g = 0; j->in.templates.empty_count && g <= j->galleries; g++) {
        const cafi_subject_list *list = g < j->galleries ? &j->gallery[g] : &j->probes;

        for (size_t i = 0; i < list->count; i++)
            eval_note_empty(&j->in, list->items[i].place);
    }
    eval_tell_empty(&j->in);
}

/* With --gallery-method: galleries are fused by one recipe in every row. */
static caface_status fix_galleries(identify_job *j, caface_error *err)
{
    bool *enrolled = NULL;
    caface_status st = CAFI_NEW(&enrolled, j->in.list.count, err);

    if (st)
        return st;
    for (size_t g = 0; g < j->galleries; g++)
        for (size_t i = 0; i < j->gallery[g].count; i++)
            enrolled[j->gallery[g].items[i].place] = true;
    for (size_t i = 0; i < j->probes.count && j->o->in.gallery_method; i++)
        if (enrolled[j->probes.items[i].place]) {
            free(enrolled);
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: template %lld is also in a gallery, and --gallery-method would "
                             "fuse it in another way",
                             j->probes.path, (long long)j->in.list.id[j->probes.items[i].place]);
        }
    return eval_fix_galleries(&j->in, enrolled, err);
}

/* A figure in one resample, of a gallery or of their mean. */
static double resampled(const identify_job *j, const identify_result *r, size_t gallery,
                        size_t resample, size_t figure)
{
    size_t at = resample * CAFI_ID_FIGURES + figure;
    double sum = 0;

    if (gallery < j->galleries)
        return r->found[gallery].resampled[at];
    for (size_t g = 0; g < j->galleries; g++)
        sum += r->found[g].resampled[at];
    return sum / (double)j->galleries;
}

/* The interval of a figure, less that of another result (or NULL) in the same
 * resamples. */
static caface_status interval_of(const identify_job *j, const identify_result *r,
                                 const identify_result *less, size_t gallery, size_t figure,
                                 identify_figures *out, caface_error *err)
{
    size_t count = j->o->in.bootstrap;
    double *column = NULL;
    caface_status st = CAFI_NEW(&column, count, err);

    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        column[i] = resampled(j, r, gallery, i, figure) -
                    (less ? resampled(j, less, gallery, i, figure) : 0);
    cafi_interval95(column, count, &out->low[figure], &out->high[figure]);
    free(column);
    return CAFACE_OK;
}

static caface_status summarise(const identify_job *j, identify_result *r, caface_error *err)
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
            st = interval_of(j, r, NULL, g, k, &r->figures[g], err);
    }
    return st;
}

static caface_status compare(identify_job *j, caface_error *err)
{
    const identify_result *a = &j->results[j->compared[0]];
    const identify_result *b = &j->results[j->compared[1]];
    caface_status st = CAFACE_OK;

    for (size_t g = 0; g <= j->galleries; g++)
        for (size_t k = 0; !st && k < CAFI_ID_FIGURES; k++) {
            j->difference[g].value[k] = a->figures[g].value[k] - b->figures[g].value[k];
            st = interval_of(j, a, b, g, k, &j->difference[g], err);
        }
    return st;
}

/* The probes' templates against the gallery's single pictures. */
static caface_status identify_best(identify_job *j, cafi_identified *found,
                                   const cafi_subject_list *gallery, caface_error *err)
{
    cafi_pictures pictures = {0};
    cafi_feature_set *set = NULL;
    caface_status st = eval_open_set(&j->in, &set, err);

    if (!st)
        st = cafi_pictures_new(&pictures, &j->in.templates, set, gallery, err);
    if (!st)
        st = cafi_identify_best(found, j->in.fused, j->in.C, gallery, &pictures, &j->probes,
                                j->o->in.bootstrap ? &j->resample : NULL, j->in.pool, err);
    cafi_pictures_free(&pictures);
    cafi_feature_set_close(set);
    return st;
}

static caface_status run_recipe(identify_job *j, size_t which, caface_error *err)
{
    identify_result *r = &j->results[which];
    size_t C = j->in.C;
    caface_status st = eval_fuse(&j->in, &j->in.recipes[which], err);

    for (size_t g = 0; !st && g < j->galleries; g++)
        st = j->in.recipes[which].is_best
                 ? identify_best(j, &r->found[g], &j->gallery[g], err)
                 : cafi_identify(&r->found[g], j->in.fused, C, &j->gallery[g], &j->probes,
                                 j->o->in.bootstrap ? &j->resample : NULL, j->in.pool, err);
    if (!st && cli_interrupted())
        st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    if (!st && which == 0 && j->o->det)
        st = eval_check_det(j->o->det, r->found, j->galleries,
                            err); /* not after all the other rows */
    return st ? st : summarise(j, r, err);
}

/* --- the command ---------------------------------------------------------------------- */

static caface_status run_job(identify_job *j, caface_error *err)
{
    const identify_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = eval_open(&j->in, "eval identify", &o->common, &o->in, err)) ||
        (st = eval_find_compared(&j->in, j->compared, err)) || (st = read_lists(j, err)) ||
        (st = eval_open_pictures(&j->in, err)))
        return st;
    note_empty(j);
    if ((st = fix_galleries(j, err)) || (st = CAFI_NEW(&j->results, j->in.recipe_count, err)))
        return st;
    if (o->in.bootstrap)
        st = cafi_resampling_new(&j->resample, j->book.names.count, o->in.bootstrap,
                                 (uint64_t)o->in.seed, err);
    for (size_t i = 0; !st && i < j->in.recipe_count; i++)
        st = run_recipe(j, i, err);
    if (!st && o->in.compare.count)
        st = compare(j, err);
    return st ? st : eval_report_identify(j, err);
}

static void release(identify_job *j)
{
    for (size_t i = 0; j->results && i < j->in.recipe_count; i++)
        for (size_t g = 0; g < EVAL_MAX_GALLERIES; g++)
            cafi_identified_free(&j->results[i].found[g]);
    for (size_t g = 0; g < EVAL_MAX_GALLERIES; g++)
        cafi_subject_list_free(&j->gallery[g]);
    for (size_t g = 0; g <= EVAL_MAX_GALLERIES; g++)
        free(j->name[g]);
    cafi_subject_list_free(&j->probes);
    cafi_subject_book_free(&j->book);
    cafi_resampling_free(&j->resample);
    free(j->results);
    eval_close(&j->in);
}

static int run(void *arg)
{
    const identify_options *o = arg;
    identify_job j = {.o = o, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = eval_check_usage("eval identify", &o->in);

    if (status)
        return status;
    if (!o->in.meta && (!o->galleries.count || !o->probe))
        return cli_usage("eval identify", "--gallery G.csv and --probe P.csv are needed, or --meta "
                                          "DIR --dataset NAME");
    if (o->galleries.count > EVAL_MAX_GALLERIES)
        return cli_usage("eval identify", "%zu galleries, at most %d", o->galleries.count,
                         EVAL_MAX_GALLERIES);
    if ((status = cli_plot_check("eval identify", o->cmc)) ||
        (status = cli_plot_check("eval identify", o->det)))
        return status;
    cli_interrupt_begin();
    status = run_job(&j, &err) ? eval_failed(&j.in, &err) : eval_exit_status(&j.in);
    release(&j);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {
    EVAL_OPTIONS(identify_options, in),
    EVAL_COMPARE_OPTION(identify_options, in),
    {"gallery", 'g', CLI_LIST, offsetof(identify_options, galleries), "G.csv",
     "lines TEMPLATE_ID,SUBJECT_ID,... with a header; may be given twice", 0, 0},
    {"probe", 'p', CLI_STRING, offsetof(identify_options, probe), "P.csv", "the probes, likewise",
     0, 0},
    EVAL_GALLERY_OPTION(identify_options, in,
                        "fuse the galleries by this method in every row of the table"),
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
        "(--features SET | --images DIR) [--model M] (--meta DIR --dataset D | --gallery G.csv "
        "--probe P.csv)",
    .text = "Fuses the rows of every template by every method and compares every probe with\n"
            "every entry of each gallery. Rank-1, -5 and -10 and TPIR are over the probes\n"
            "with a mate in the gallery; \"TPIR 0.01\" is the authors' release's: its\n"
            "threshold is the k-th largest non-mate score, k = ceil(0.01 * probes). \"open\"\n"
            "is ISO/IEC 19795's: its threshold lets that share of the probes without a mate\n"
            "pass. Every gallery and the mean over galleries are reported, with bootstrap\n"
            "intervals over subjects. A probe is never compared with itself, so lists may\n"
            "overlap: surveillance to still, to booking, and to surveillance (IJB-S) are\n"
            "three pairs of lists. A template whose rows all hold NaN or Inf is named on\n"
            "stderr; it is never found, and as a probe finds nobody.\n"
            "\n"
            "--images DIR: as for eval verify.",
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
