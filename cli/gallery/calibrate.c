/* caface gallery calibrate: thresholds that mean a false accept rate. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/gallery/meaning.h"

typedef struct calibrate_options {
    cli_common common;
    cli_list models;
    const char *input, *method, *kind;
    size_t resamples;
    int64_t seed;
} calibrate_options;

static void defaults(void *options)
{
    calibrate_options *o = options;

    o->resamples = 200;
    o->seed = 1;
}

#define MEMBER(m) offsetof(calibrate_options, m)

static const cli_option options[] = {
    CLI_GALLERY_MODEL(calibrate_options, models,
                      "the fusion model that makes templates of the probes"),
    {"input", 'i', CLI_STRING, MEMBER(input), "SET",
     "probes: one for each number in the column template; the column label has their people. "
     "Without it the people of the gallery are compared with each other",
     0, 0},
    {"method", 0, CLI_STRING, MEMBER(method), "M",
     "method of the probes (default: that of the model, else that of the gallery)", 0, 0},
    {"kind", 0, CLI_STRING, MEMBER(kind), "NAME",
     "a name for this kind of probes (default: probes)", 0, 0},
    {"bootstrap", 0, CLI_SIZE, MEMBER(resamples), "N",
     "resamples of the 95 % intervals, over people; 0: none (default: 200)", 0, 10000},
    {"seed", 0, CLI_INT, MEMBER(seed), "N", "of the resamples (default: 1)", 0, 0},
    {0},
};

/* ---- the work ------------------------------------------------------------------------ */

static caface_status calibrate_probes(const calibrate_options *o, cli_gallery *g,
                                      caface_gallery_calibrate_options *how,
                                      caface_gallery_calibration **out, caface_error *err)
{
    cli_probes p = {0};
    caface_gallery_probes probes;
    const char **person = NULL;
    double *evidence = NULL;
    size_t *faces = NULL;
    cli_meaning meaning = {0};
    caface_status st = CAFACE_OK;

    caface_gallery_probes_init(&probes);
    (void)((st = cli_probes_begin(&p, g, o->method, err)) ||
           (st = cli_probes_add_set(&p, g, o->input, false, err)) ||
           (st = CAFI_NEW(&person, p.count, err)) || (st = CAFI_NEW(&evidence, p.count, err)) ||
           (st = CAFI_NEW(&faces, p.count, err)));
    for (size_t i = 0; !st && i < p.count; i++) {
        person[i] = p.items[i].label;
        evidence[i] = p.items[i].evidence;
        faces[i] = p.items[i].faces;
    }
    probes.n = p.count;
    probes.C = p.C;
    probes.templates = p.templates;
    probes.person = person;
    probes.evidence = evidence;
    probes.faces = faces;
    cli_meaning_words(&meaning, &p);
    how->kind = o->kind ? o->kind : "probes";
    how->method = meaning.method;
    how->model = meaning.model;
    (void)(st || (st = caface_gallery_calibrate(g->gallery, &probes, how, err)) ||
           (st = caface_gallery_calibration_find(out, g->gallery, how->kind, how->method,
                                                 how->model, (double)NAN, err)));
    free((void *)person);
    free(evidence);
    free(faces);
    cli_probes_clear(&p);
    return st;
}

static caface_status calibrate(const calibrate_options *o, caface_gallery_calibration **out,
                               caface_error *err)
{
    cli_gallery g;
    caface_gallery_calibrate_options how;
    char way[CAFACE_METHOD_TEXT];
    caface_status st = cli_gallery_open(&g, o->common.args.items[0], &o->models, true, err);

    caface_gallery_calibrate_options_init(&how);
    how.resamples = o->resamples;
    how.seed = (uint64_t)o->seed;
    if (!st && o->input) {
        st = calibrate_probes(o, &g, &how, out, err);
    } else if (!st) {
        cli_gallery_way(&g.info, way);
        how.method = way;
        how.model = g.info.model;
        how.kind = "gallery";
        (void)((st = caface_gallery_calibrate(g.gallery, NULL, &how, err)) ||
               (st = caface_gallery_calibration_find(out, g.gallery, how.kind, how.method,
                                                     how.model, (double)NAN, err)));
    }
    cli_gallery_close(&g);
    return st;
}

/* ---- what is told ---------------------------------------------------------------------- */

static void say(const caface_gallery_calibration *c)
{
    caface_gallery_calibration_info i;

    caface_gallery_calibration_get_info(c, &i);
    cli_say(stdout, "%s, %s: %zu pairs of different people (%zu probes, %zu people)\n\n", i.kind,
            i.method, i.pairs, i.probes, i.people);
    cli_say(stdout, "%8s %10s   %s\n", "FAR", "threshold", "95 % interval");
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        double t, low, high;

        if (!caface_gallery_calibration_threshold(c, f, &t, &low, &high))
            cli_say(stdout, "%8.0e %10s   too few pairs: %.0f are needed\n", caface_gallery_far(f),
                    "-", 10.0 / caface_gallery_far(f));
        else if (isnan(low))
            cli_say(stdout, "%8.0e %10.4f\n", caface_gallery_far(f), t);
        else
            cli_say(stdout, "%8.0e %10.4f   %.4f .. %.4f\n", caface_gallery_far(f), t, low, high);
    }
    if (!isnan(i.evidence))
        cli_say(
            stdout,
            "\nevidence below %.3f is answered \"cannot tell\": 95 of 100 of the %zu probes that "
            "find\ntheir person first have more\n",
            i.evidence, i.found);
}

static int print_json(const caface_gallery_calibration *c)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_begin_object(&json, NULL);
    cli_meaning_json(c, &json);
    cafi_json_begin_array(&json, "thresholds");
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        double t, low, high;
        bool is_supported = caface_gallery_calibration_threshold(c, f, &t, &low, &high);

        cafi_json_begin_object(&json, NULL);
        cafi_json_real(&json, "far", caface_gallery_far(f));
        cafi_json_real(&json, "threshold", t);
        cafi_json_real(&json, "low", low);
        cafi_json_real(&json, "high", high);
        cafi_json_bool(&json, "supported", is_supported);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int run(void *arg)
{
    const calibrate_options *o = arg;
    caface_gallery_calibration *c = NULL;
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;

    if (!o->input && (o->method || o->kind))
        return cli_usage("gallery calibrate", "%s goes with --input SET",
                         o->method ? "--method" : "--kind");
    if (o->kind && strcmp(o->kind, "gallery") == 0)
        return cli_usage("gallery calibrate",
                         "--kind gallery: the gallery against itself is called "
                         "so");
    if ((status = cli_gallery_method_check("gallery calibrate", o->method, &o->models)))
        return status;
    if (calibrate(o, &c, &err))
        status = cli_fail(&err);
    else if (o->common.json)
        status = print_json(c);
    else if (!o->common.quiet)
        say(c);
    caface_gallery_calibration_free(c);
    return status;
}

const cli_command cli_gallery_calibrate = {
    .name = "gallery calibrate",
    .summary = "thresholds of a gallery that mean a false accept rate",
    .synopsis = "DB [--input SET] [--kind NAME] [--model F] [--method M]",
    .text = "Compares the people of the gallery with each other, or the probes of a set\n"
            "with all people other than their own, and stores in the gallery the thresholds\n"
            "at false accept rates of 1e-2 to 1e-6, with 95 % intervals over people. When\n"
            "there are too few pairs for a rate, the tool says so. `search` then shows the\n"
            "false accept rate of every score. Thresholds hold for one method and one kind\n"
            "of probes: calibrate with probes like those you will search for, from people\n"
            "whose labels are right.\n"
            "\n"
            "With a restoring model and probes, the evidence is stored that 95 of 100 of\n"
            "the probes have that find their person first; `search` answers \"cannot tell\"\n"
            "below it.",
    .example = "  caface gallery calibrate people.gallery\n"
               "  caface gallery calibrate people.gallery --input probes --kind cctv --model "
               "fusion.safetensors",
    .options = options,
    .options_size = sizeof(calibrate_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS,
    .run = run,
};
