/* caface demo: every fusion method on the sample, as a table and as pictures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/demo/demo.h"
#include "files/json.h"
#include "plot/chart.h"

enum { WAYS = 6, PATH_SIZE = 4096 };

typedef struct demo_options {
    cli_common common;
    const char *output;
} demo_options;

static const cli_option options[] = {
    {"output", 'o', CLI_STRING, offsetof(demo_options, output), "DIR",
     "an existing folder for the pictures: similarity and roc, .png and .svg", 0, 0},
    {0},
};

/* One run of the demo. */
typedef struct demo {
    const demo_options *o;
    demo_sample sample;
    cli_way ways[WAYS];
    size_t way_count;
    demo_result results[WAYS];
    cli_way drawn[WAYS];
    cli_similarity many; /* the long set against its person */
    char pictures[4][PATH_SIZE];
    size_t picture_count;
} demo;

/* The picture's main star, its last, is the restoring fusion where the sample has one,
 * else all faces in one chunk. */
static void list_ways(demo *d)
{
    static const size_t order[WAYS] = {0, 1, 2, 4, 3, 5};
    const caface_model *restore = d->sample.fusions.restore;

    cli_way_set(&d->ways[0], CAFACE_METHOD_UNIT, 0, 0);
    cli_way_set(&d->ways[1], CAFACE_METHOD_AVERAGE, 0, 0);
    cli_way_set(&d->ways[2], CAFACE_METHOD_NORM, 7, 0);
    cli_way_set(&d->ways[3], CAFACE_METHOD_CAFACE, 0, 0);
    cli_way_set(&d->ways[4], CAFACE_METHOD_CAFACE, 0, 4);
    cli_way_set(&d->ways[5], CAFACE_METHOD_RESTORE, 0, 0);
    d->way_count = restore ? WAYS : WAYS - 1;
    for (size_t k = 0; k < d->way_count; k++)
        d->drawn[k] = d->ways[order[k]];
}

static caface_status compare_long_set(demo *d, caface_error *err)
{
    const demo_sample *s = &d->sample;
    float *gallery = NULL;
    const char *person = NULL;
    caface_status st = CAFACE_OK;

    if (s->many.info.n == 0 || s->many.info.C != s->C)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: %zu faces of width %zu, the gallery has width %zu", s->many.path,
                         s->many.info.n, s->many.info.C, s->C);
    person = caface_features_text(s->many.faces, caface_features_column(s->many.faces, "label"), 0);
    if ((st = cafi_alloc_f32(&gallery, 1, s->C, err)) ||
        (st = cli_gallery_template(s->gallery.faces, s->gallery.path, person, gallery, err)))
        goto done;
    st = cli_similarity_measure(&d->many, &s->fusions, s->many.faces, gallery, d->drawn,
                                d->way_count, s->threads, err);
done:
    free(gallery);
    return st;
}

/* The path of the next picture; it counts once it is drawn. */
static caface_status next_path(demo *d, const char *name, const char **path, caface_error *err)
{
    char *out = d->pictures[d->picture_count];
    int n = snprintf(out, PATH_SIZE, "%s/%s", d->o->output, name);

    if (n < 0 || n >= PATH_SIZE)
        return cafi_fail(err, CAFACE_EINVAL, "%s: the path is too long", d->o->output);
    *path = out;
    return CAFACE_OK;
}

static caface_status draw_similarity(demo *d, caface_error *err)
{
    static const char *const names[] = {"similarity.png", "similarity.svg"};
    char title[128];
    const cafi_similarity plot = {
        .title = title,
        .subtitle = "Features of heavily degraded pictures of one person, against two clean ones",
        .similarity = d->many.similarity,
        .weight = d->many.weight,
        .count = d->sample.many.info.n,
        .stars = d->many.stars,
        .star_count = d->way_count,
        .seed = 1};
    caface_status st = CAFACE_OK;

    snprintf(title, sizeof title, "%zu poor faces, one template", d->sample.many.info.n);
    for (int i = 0; i < 2 && !st; i++) {
        const char *path = NULL;

        if ((st = next_path(d, names[i], &path, err)) ||
            (st = cafi_similarity_save(&plot, path, err)))
            return st;
        d->picture_count++;
    }
    return CAFACE_OK;
}

static caface_status draw_roc(demo *d, caface_error *err)
{
    static const char *const names[] = {"roc.png", "roc.svg"};
    cafi_chart_series series[WAYS];
    char subtitle[128];
    const cafi_chart chart = {
        .title = "How often is the right person accepted?",
        .subtitle = subtitle,
        .x = {.label = "false accept rate", .scale = CAFI_SCALE_LOG, .min = 1e-4, .max = 1},
        .y = {.label = "true accept rate", .percent = true},
        .series = series,
        .series_count = d->way_count};
    caface_status st = CAFACE_OK;

    snprintf(subtitle, sizeof subtitle,
             "%zu sets of poor faces, %zu genuine and %zu impostor pairs",
             d->sample.probes.templates, d->sample.genuine, d->sample.pairs - d->sample.genuine);
    for (int k = 0; k < (int)d->way_count; k++) {
        const caface_verification *v = d->results[k].verification;
        caface_verification_info info;

        caface_verification_get_info(v, &info);
        series[k] = (cafi_chart_series){.name = d->ways[k].name,
                                        .x = caface_verification_curve_far(v),
                                        .y = caface_verification_curve_tar(v),
                                        .count = info.points};
    }
    for (int i = 0; i < 2 && !st; i++) {
        const char *path = NULL;

        if ((st = next_path(d, names[i], &path, err)) || (st = cafi_chart_save(&chart, path, err)))
            return st;
        d->picture_count++;
    }
    return CAFACE_OK;
}

static void print_table(const demo *d)
{
    const demo_sample *s = &d->sample;

    cli_say(
        stdout,
        "%zu sets of %zu degraded faces are fused, one template each, and compared with a clean\n"
        "template of each of %zu people: %zu genuine and %zu impostor pairs.\n\n",
        s->probes.templates, s->probes.info.n / s->probes.templates, s->gallery.templates,
        s->genuine, s->pairs - s->genuine);
    cli_say(stdout, "%-21s %7s   %-38s %10s\n", "", "", "true accepts at a false accept rate of",
            "time");
    cli_say(stdout, "%-21s %7s   %7s %7s %7s %15s %9s\n", "method", "rank 1", "1e-1", "1e-2",
            "1e-3", "95 % interval", "a set");
    for (int k = 0; k < (int)d->way_count; k++) {
        const demo_result *r = &d->results[k];
        char interval[32], duration[32];

        snprintf(interval, sizeof interval, "%.1f..%.1f", 100 * r->low, 100 * r->high);
        snprintf(duration, sizeof duration, "%.3f ms", 1e3 * r->seconds_per_set);
        cli_say(stdout, "%-21s %5.2f %%   %7.2f %7.2f %7.2f %15s %9s\n", d->ways[k].name,
                100 * r->rank1, 100 * r->tar[0], 100 * r->tar[1], 100 * r->tar[2], interval,
                duration);
    }
    cli_say(
        stdout,
        "\nOne set is %.2f points. A threshold lets at most that share of the impostors in\n"
        "(`caface eval` takes the nearest point of the curve instead, as the IJB protocols do).\n"
        "The interval is a bootstrap over people, at 1e-3; the time is of one thread.\n",
        100.0 / (double)s->genuine);
    cli_say(stdout, "\n%zu degraded faces of one person, cosine to the clean template:\n\n",
            s->many.info.n);
    for (int k = 0; k < (int)d->way_count; k++)
        cli_say(stdout, "%-21s %7.3f\n", d->drawn[k].name, d->many.stars[k].similarity);
    for (size_t i = 0; i < d->picture_count; i++)
        cli_say(stdout, "%s%s", i ? ", " : "\nPictures: ", d->pictures[i]);
    cli_say(stdout, "%s", d->picture_count ? "\n" : "");
}

static void print_way(cafi_json *json, const cli_way *way)
{
    cafi_json_string(json, "method", caface_method_name(way->method));
    if (caface_method_is_network(way->method))
        cafi_json_int(json, "chunk", (int64_t)way->chunk);
    if (way->method == CAFACE_METHOD_NORM)
        cafi_json_real(json, "norm_power", way->norm_power);
}

static int print_json(const demo *d)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "genuine", (int64_t)d->sample.genuine);
    cafi_json_int(&json, "impostor", (int64_t)(d->sample.pairs - d->sample.genuine));
    cafi_json_begin_array(&json, "results");
    for (int k = 0; k < (int)d->way_count; k++) {
        cafi_json_begin_object(&json, NULL);
        print_way(&json, &d->ways[k]);
        cafi_json_real(&json, "rank1", d->results[k].rank1);
        cafi_json_begin_object(&json, "tar");
        for (int f = 0; f < DEMO_FARS; f++) {
            char name[16];
            snprintf(name, sizeof name, "%g", demo_fars[f]);
            cafi_json_real(&json, name, d->results[k].tar[f]);
        }
        cafi_json_end_object(&json);
        cafi_json_real(&json, "seconds_per_set", d->results[k].seconds_per_set);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "long");
    for (int k = 0; k < (int)d->way_count; k++) {
        cafi_json_begin_object(&json, NULL);
        print_way(&json, &d->drawn[k]);
        cafi_json_real(&json, "similarity", d->many.stars[k].similarity);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "pictures");
    for (size_t i = 0; i < d->picture_count; i++)
        cafi_json_string(&json, NULL, d->pictures[i]);
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static caface_status run_all(demo *d, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = demo_sample_open(&d->sample, d->o->common.args.items[0], d->o->common.threads, err)))
        return st;
    list_ways(d);
    for (int k = 0; k < (int)d->way_count; k++)
        if ((st = demo_try(&d->sample, &d->ways[k], &d->results[k], err)))
            return st;
    if ((st = compare_long_set(d, err)) || !d->o->output)
        return st;
    if (!cafi_plot_available()) {
        cli_warn("built without cairo, so there are no pictures");
        return CAFACE_OK;
    }
    if ((st = draw_similarity(d, err)))
        return st;
    return draw_roc(d, err);
}

static int run(void *arg)
{
    const demo_options *o = arg;
    caface_error err = {0};
    demo *d = NULL;
    caface_status st = CAFI_NEW(&d, 1, &err);
    int status = CLI_OK;

    if (st)
        return cli_fail(&err);
    d->o = o;
    st = run_all(d, &err);
    if (!st && o->common.json)
        status = print_json(d);
    else if (!st)
        print_table(d);
    cli_similarity_free(&d->many);
    for (int k = 0; k < (int)d->way_count; k++)
        caface_verification_free(d->results[k].verification);
    demo_sample_free(&d->sample);
    free(d);
    return st ? cli_fail(&err) : status;
}

const cli_command cli_demo = {
    .name = "demo",
    .summary = "every fusion method on the sample: a table and pictures",
    .synopsis = "FOLDER [-o DIR]",
    .text = "FOLDER holds model.safetensors, restore.safetensors if there is one, and the feature "
            "sets gallery, probes and long (in\n"
            "the source tree: data/sample). Every set of probes is fused by every method and\n"
            "compared with the mean of each person in the gallery.",
    .example = "  caface demo data/sample -o out",
    .options = options,
    .options_size = sizeof(demo_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_QUIET,
    .run = run,
};
