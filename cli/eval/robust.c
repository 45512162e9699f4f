/* caface eval robust: what is left of a fusion when other people's faces, duplicates or
 * ruined faces get into a set. */
#include "cli/eval/robust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "caface/batch.h"
#include "cli/interrupt.h"
#include "eval/resampling.h"
#include "plot/chart.h"

/* The first is the protocol as it is. */
const robust_condition robust_conditions[ROBUST_CONDITIONS] = {
    {"as it is", ROBUST_OTHER, 0},         {"1 of another", ROBUST_OTHER, 1},
    {"2 of another", ROBUST_OTHER, 2},     {"3 of another", ROBUST_OTHER, 3},
    {"4 of another", ROBUST_OTHER, 4},     {"6 of another", ROBUST_OTHER, 6},
    {"8 of another", ROBUST_OTHER, 8},     {"3 sharp ones", ROBUST_SHARP, 3},
    {"1 clean one", ROBUST_CLEAN, 1},      {"4 clean ones", ROBUST_CLEAN, 4},
    {"8 duplicates", ROBUST_DUPLICATE, 8}, {"4 worst alone", ROBUST_RUINED, 4}};

static void defaults(void *options)
{
    eval_defaults(&((robust_options *)options)->in);
}

/* ---- sets -------------------------------------------------------------- */

static size_t rows_of(const robust_job *j, uint32_t place, const uint32_t **rows)
{
    const cafi_template_list *l = &j->in.list;

    *rows = l->order + l->first[place];
    return l->first[place + 1] - l->first[place];
}

/* A template of another person, of one of the lists. */
static uint32_t stranger(const cafi_subject_list *list, uint32_t subject, cafi_rng *rng)
{
    size_t at = (size_t)cafi_rng_below(rng, list->count);

    for (size_t i = 0; i < list->count; i++, at = (at + 1) % list->count)
        if (list->items[at].subject != subject)
            break;
    return list->items[at].place;
}

/* The k-th row of n by length: longest first, or shortest. */
static size_t by_length(const robust_job *j, const uint32_t *rows, size_t n, size_t k, bool longest)
{
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;

        for (size_t o = 0; o < n; o++) {
            float a = j->length[rows[o]], b = j->length[rows[i]];

            before += (longest ? a > b : a < b) || (!(a < b) && !(a > b) && o < i);
        }
        if (before == k)
            return rows[i];
    }
    return rows[0];
}

/* The rows of probe i under a condition; returns how many. out holds twice the probe's rows
 * and more. The same for every method. */
static size_t make_set(const robust_job *j, size_t i, const robust_condition *c, size_t *out)
{
    const cafi_enrolled *probe = &j->probes.items[i];
    cafi_rng rng = cafi_rng_at((uint64_t)j->o->in.seed, i, (uint64_t)c->kind, 0);
    const uint32_t *rows = NULL, *theirs = NULL;
    size_t n = rows_of(j, probe->place, &rows), count = c->count < n ? c->count : n - 1, others = 0;

    if (c->kind == ROBUST_RUINED) {
        for (size_t k = 0; k < (c->count < n ? c->count : n); k++)
            out[k] = by_length(j, rows, n, k, false);
        return c->count < n ? c->count : n;
    }
    for (size_t k = 0; k < n; k++)
        out[k] = rows[k];
    if (c->kind == ROBUST_DUPLICATE) {
        size_t which = (size_t)cafi_rng_below(&rng, n);

        for (size_t k = 0; k < c->count; k++)
            out[n + k] = rows[which];
        return n + c->count;
    }
    others = rows_of(
        j, stranger(c->kind == ROBUST_CLEAN ? &j->gallery : &j->probes, probe->subject, &rng),
        &theirs);
    /* At places anywhere in the set, on which chunks depend: of the n - at that are left each
     * is taken with the same chance, until count are. */
    for (size_t at = 0, k = 0; at < n; at++)
        if (cafi_rng_below(&rng, n - at) < count - k) {
            out[at] = c->kind == ROBUST_SHARP ? by_length(j, theirs, others, k % others, true)
                                              : theirs[k % others];
            k++;
        }
    return n;
}

static caface_status fuse_set(robust_job *j, const eval_recipe *r, const size_t *rows, size_t n,
                              float *out, double *evidence, caface_error *err)
{
    const caface_model *model = cli_fusion_for(&j->in.fusions, r->method);
    caface_batch_options batch;
    caface_set_options o;
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    caface_batch_options_init(&batch);
    batch.media = j->in.list.media;
    caface_set_options_init(&o);
    o.method = r->method;
    o.chunk = r->chunk;
    o.expected_n = n;
    o.norm_power = r->power;
    o.width = j->in.C;
    if ((st = caface_set_new(&set, model, &o, err)) ||
        (st = caface_batch_push(set, j->set, rows, n, &batch, err)) ||
        (st = caface_set_template(set, out, err)))
        goto done;
    *evidence = NAN;
    if (r->method == CAFACE_METHOD_RESTORE)
        st = caface_set_evidence(set, evidence, err);
done:
    caface_set_free(set);
    return st;
}

static caface_status fuse_gallery(robust_job *j, const eval_recipe *r, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t g = 0; g < j->gallery.count && !st; g++) {
        const uint32_t *rows = NULL;
        size_t n = rows_of(j, j->gallery.items[g].place, &rows), *places = NULL;
        double evidence = 0.0;

        if ((st = CAFI_NEW(&places, n, err)))
            return st;
        for (size_t i = 0; i < n; i++)
            places[i] = rows[i];
        st = fuse_set(j, r, places, n, j->enrolled + g * j->in.C, &evidence, err);
        free(places);
    }
    return st;
}

static caface_status fuse_probes(robust_job *j, const eval_recipe *r, const robust_condition *c,
                                 caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < j->probes.count && !st; i++) {
        const uint32_t *rows = NULL;
        size_t n = rows_of(j, j->probes.items[i].place, &rows), *places = NULL;

        if ((st = CAFI_NEW(&places, n + c->count, err)))
            return st;
        n = make_set(j, i, c, places);
        st = fuse_set(j, r, places, n, j->fused + i * j->in.C, &j->evidence[i], err);
        free(places);
        if (!st && cli_interrupted())
            st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    }
    return st;
}

/* ---- figures ----------------------------------------------------------- */

static void score(robust_job *j)
{
    size_t C = j->in.C, G = j->gallery.count;

    for (size_t i = 0; i < j->probes.count; i++) {
        size_t best = 0;

        for (size_t g = 0; g < G; g++) {
            float sum = 0.0f;

            for (size_t c = 0; c < C; c++)
                sum += j->fused[i * C + c] * j->enrolled[g * C + c];
            j->score[i * G + g] = sum;
            best = sum > j->score[i * G + best] ? g : best;
        }
        j->found[i] = j->gallery.items[best].subject == j->probes.items[i].subject;
    }
}

/* The interval of rank 1 over people. */
static caface_status interval(const robust_job *j, robust_result *r, caface_error *err)
{
    size_t people = j->book.names.count, count = j->o->in.bootstrap;
    cafi_rng rng = cafi_rng_at((uint64_t)j->o->in.seed, 0, 0, ROBUST_RESAMPLED);
    double *share = NULL;
    size_t(*own)[2] = NULL; /* found, and in all, of every person */
    caface_status st = CAFI_NEW(&share, count, err);

    if (!st)
        st = CAFI_NEW(&own, people, err);
    for (size_t i = 0; !st && i < j->probes.count; i++) {
        own[j->probes.items[i].subject][0] += j->found[i];
        own[j->probes.items[i].subject][1]++;
    }
    for (size_t k = 0; !st && k < count; k++) {
        size_t found = 0, all = 0;

        for (size_t i = 0; i < people; i++) {
            size_t who = (size_t)cafi_rng_below(&rng, people);

            found += own[who][0];
            all += own[who][1];
        }
        share[k] = all ? (double)found / (double)all : 0.0;
    }
    if (!st)
        cafi_interval95(share, count, &r->low, &r->high);
    free(own);
    free(share);
    return st;
}

static caface_status measure(robust_job *j, robust_result *r, caface_error *err)
{
    size_t n = j->probes.count * j->gallery.count, found = 0;
    cafi_roc roc = {0};
    caface_status st = CAFACE_OK;

    score(j);
    for (size_t i = 0; i < j->probes.count; i++)
        found += j->found[i];
    r->rank1 = (double)found / (double)j->probes.count;
    if ((st = cafi_roc_compute(&roc, j->score, j->pairs, n, err)))
        return st;
    r->tar3 = roc.tar[ROBUST_FAR_1E3];
    r->tar4 = roc.tar[ROBUST_FAR_1E4];
    r->supported3 = roc.supported[ROBUST_FAR_1E3];
    r->supported4 = roc.supported[ROBUST_FAR_1E4];
    cafi_roc_free(&roc);
    return j->o->in.bootstrap ? interval(j, r, err) : CAFACE_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The evidence that 95 of 100 sets have which are found in the protocol as it is. */
static caface_status calibrate(const robust_job *j, double *least, caface_error *err)
{
    double *values = NULL;
    size_t n = 0;
    caface_status st = CAFI_NEW(&values, j->probes.count, err);

    *least = NAN;
    for (size_t i = 0; !st && i < j->probes.count; i++)
        if (j->found[i] && !isnan(j->evidence[i]))
            values[n++] = j->evidence[i];
    if (n) {
        qsort(values, n, sizeof *values, by_value);
        *least = values[n / 20];
    }
    free(values);
    return st;
}

static caface_status run_recipe(robust_job *j, size_t which, caface_error *err)
{
    const eval_recipe *recipe = &j->in.recipes[which];
    caface_status st = fuse_gallery(j, j->o->in.gallery_method ? &j->in.gallery : recipe, err);

    for (size_t c = 0; c < ROBUST_CONDITIONS && !st; c++) {
        robust_result *r = &j->results[which * ROBUST_CONDITIONS + c];
        size_t refused = 0;

        if ((st = fuse_probes(j, recipe, &robust_conditions[c], err)) ||
            (st = measure(j, r, err)) || (c == 0 && (st = calibrate(j, &j->least[which], err))))
            return st;
        for (size_t i = 0; i < j->probes.count; i++)
            refused += j->evidence[i] < j->least[which];
        r->refused = isnan(j->least[which]) ? NAN : (double)refused / (double)j->probes.count;
    }
    return st;
}

/* ---- the command ------------------------------------------------------- */

/* Strangers are drawn from each list. */
static caface_status check_people(const cafi_subject_list *list, caface_error *err)
{
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i].subject != list->items[0].subject)
            return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "%s: one person; two are needed", list->path);
}

static caface_status check_lists(const robust_job *j, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (j->in.templates.dropped)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: %zu rows hold NaN or Inf, and this evaluation cannot leave them out",
                         j->set->path, j->in.templates.dropped);
    st = check_people(&j->probes, err);
    return st ? st : check_people(&j->gallery, err);
}

static caface_status prepare(robust_job *j, caface_error *err)
{
    size_t P = 0, G = 0, C = j->in.C;
    float *row = NULL;
    caface_status st = CAFACE_OK;

    if ((st = eval_only_plain(&j->in, "eval robust", err)) ||
        (st = cafi_subject_list_read(&j->gallery, j->o->gallery, &j->in.list, &j->book, err)) ||
        (st = cafi_subject_list_read(&j->probes, j->o->probe, &j->in.list, &j->book, err)) ||
        (st = eval_open_set(&j->in, &j->set, err)) || (st = check_lists(j, err)))
        return st;
    P = j->probes.count;
    G = j->gallery.count;
    if ((st = cafi_alloc_f32(&j->length, 1, j->set->N, err)) ||
        (st = cafi_alloc_f32(&j->enrolled, G, C, err)) ||
        (st = cafi_alloc_f32(&j->fused, P, C, err)) || (st = CAFI_NEW(&j->evidence, P, err)) ||
        (st = CAFI_NEW(&j->found, P, err)) || (st = cafi_alloc_f32(&j->score, P, G, err)) ||
        (st = cafi_alloc(&j->pairs, P, G * sizeof *j->pairs, err)) ||
        (st = CAFI_NEW(&j->results, j->in.recipe_count * ROBUST_CONDITIONS, err)) ||
        (st = CAFI_NEW(&j->least, j->in.recipe_count, err)) ||
        (st = cafi_alloc_f32(&row, 1, C, err)))
        return st;
    for (size_t i = 0; i < j->set->N; i++) {
        double square = 0;

        cafi_feature_set_rows(j->set, i, 1, row, NULL);
        for (size_t c = 0; c < C; c++)
            square += (double)row[c] * (double)row[c];
        j->length[i] = (float)sqrt(square);
    }
    free(row);
    for (size_t i = 0; i < P; i++)
        for (size_t g = 0; g < G; g++) {
            bool same = j->gallery.items[g].subject == j->probes.items[i].subject;

            j->pairs[i * G + g] =
                (cafi_pair){(uint32_t)i | (same ? CAFI_PAIR_GENUINE : 0), (uint32_t)g};
        }
    return CAFACE_OK;
}

static caface_status run_job(robust_job *j, caface_error *err)
{
    const robust_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = eval_open(&j->in, "eval robust", &o->common, &o->in, err)) ||
        (st = eval_open_pictures(&j->in, err)) || (st = prepare(j, err)))
        return st;
    for (size_t i = 0; i < j->in.recipe_count && !st; i++)
        st = run_recipe(j, i, err);
    return st ? st : eval_report_robust(j, err);
}

static int run(void *arg)
{
    const robust_options *o = arg;
    robust_job j = {.o = o};
    caface_error err = {CAFACE_OK, ""};
    int status = eval_check_usage("eval robust", &o->in);

    if (status)
        return status;
    if (!o->gallery || !o->probe)
        return cli_usage("eval robust", "--gallery G.csv and --probe P.csv are needed");
    if ((status = cli_plot_check("eval robust", o->plot)))
        return status;
    cli_interrupt_begin();
    status = run_job(&j, &err) ? eval_failed(&j.in, &err) : eval_exit_status(&j.in);
    cafi_feature_set_close(j.set);
    cafi_subject_list_free(&j.gallery);
    cafi_subject_list_free(&j.probes);
    cafi_subject_book_free(&j.book);
    free(j.length);
    free(j.enrolled);
    free(j.fused);
    free(j.evidence);
    free(j.found);
    free(j.score);
    free(j.pairs);
    free(j.results);
    free(j.least);
    eval_close(&j.in);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {
    EVAL_OPTIONS(robust_options, in),
    {"gallery", 'g', CLI_STRING, offsetof(robust_options, gallery), "G.csv",
     "lines TEMPLATE_ID,SUBJECT_ID,... with a header", 0, 0},
    {"probe", 'p', CLI_STRING, offsetof(robust_options, probe), "P.csv", "the probes, likewise", 0,
     0},
    EVAL_GALLERY_OPTION(robust_options, in,
                        "fuse the galleries by this method in every row of the table"),
    {"plot", 0, CLI_STRING, offsetof(robust_options, plot), "FILE",
     "draw rank-1 over the number of faces that are another's: .png, .svg or .pdf", 0, 0},
    {0},
};

const cli_command cli_eval_robust = {
    .name = "eval robust",
    .summary = "what a fusion makes of sets with other people's faces in them",
    .synopsis = "--features SET [--model M...] --gallery G.csv --probe P.csv [--plot FILE]",
    .text = "Every probe set is fused as it is; with 1 to 8 of its faces replaced by one other\n"
            "person's, by the sharpest of another person's, by pictures of a gallery; with one\n"
            "face repeated 8 times; and of its 4 worst faces alone (the shortest features).\n"
            "Every method gets the same sets; what replaces what is drawn from --seed. Rank 1\n"
            "is against the galleries, TAR over every pair of a probe and a gallery.\n"
            "\n"
            "A set by restore knows how much it has seen, the logarithm of its faces' weights\n"
            "(caface_set_evidence). Where that is less than 95 of 100 sets have that are found\n"
            "as it is, the set is called \"cannot tell\": the last column is the share of such\n"
            "sets, and the limit stands below the table.",
    .example = "  caface eval robust -f probes -m caface.safetensors -m restore.safetensors \\\n"
               "      -g probes/gallery.csv -p probes/probe.csv --gallery-method average \\\n"
               "      --method average,norm:7,caface@0,restore --plot robust.png",
    .options = options,
    .options_size = sizeof(robust_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
