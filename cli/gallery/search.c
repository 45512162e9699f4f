/* caface gallery search: who somebody is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/gallery/meaning.h"
#include "cli/gallery/needed.h"

typedef struct search_options {
    cli_common common;
    cli_list models;
    const char *input, *method, *kind;
    cli_gallery_seeing seeing;
    bool single;
    size_t top;
    double threshold, far; /* NaN: not given */
} search_options;

static void defaults(void *options)
{
    search_options *o = options;

    cli_gallery_seeing_defaults(&o->seeing);
    o->top = 1;
    o->threshold = o->far = NAN;
}

#define MEMBER(m) offsetof(search_options, m)

static const cli_option options[] = {
    CLI_GALLERY_MODEL(search_options, models,
                      "the fusion model that makes templates of the probes; and the backbone of "
                      "pictures"),
    {"input", 'i', CLI_STRING, MEMBER(input), "SET",
     "a feature set of probes, one for each number in its column template", 0, 0},
    {"single", 0, CLI_FLAG, MEMBER(single), NULL, "all faces are one probe", 0, 0},
    {"method", 0, CLI_STRING, MEMBER(method), "M",
     "method of the probes (default: that of the model, else that of the gallery)", 0, 0},
    {"top", 'k', CLI_SIZE, MEMBER(top), "K", "people to name (default: 1)", 1, 1e6},
    {"threshold", 't', CLI_REAL, MEMBER(threshold), "T",
     "cosine from which a person counts as found (default: as calibrated at --far, else 0.35)", -1,
     1},
    {"far", 0, CLI_REAL, MEMBER(far), "RATE",
     "false accept rate of the threshold, 1e-2 to 1e-6, where the gallery is calibrated (default: "
     "1e-3)",
     1e-6, 1e-2},
    {"kind", 0, CLI_STRING, MEMBER(kind), "NAME",
     "the calibrated kind of probes (default: that whose number of faces is nearest)", 0, 0},
    CLI_GALLERY_SEEING(search_options, seeing),
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* What one search has found. */
typedef struct found {
    const search_options *o;
    cli_gallery g;
    cli_gallery_eyes *eyes; /* NULL: of features, without a backbone */
    cli_probes probes;
    size_t k;
    int64_t *person;   /* [probes][k] */
    float *similarity; /* [probes][k] */
    double *needed;    /* [probes][k]: the threshold, or more; infinity: nothing would do */
    cli_meaning meaning;
    size_t labelled, right; /* probes whose person the set tells; those found first */
    size_t unsure;          /* probes of ruined or blurred faces */
    size_t known;           /* probes with somebody at the threshold or above */
    size_t failed;          /* pictures that were passed over */
} found;

static const char *name_of(const found *f, size_t probe, size_t k)
{
    return caface_gallery_name(f->g.gallery, f->person[probe * f->k + k]);
}

static double similarity_of(const found *f, size_t probe, size_t k)
{
    return (double)f->similarity[probe * f->k + k];
}

static double needed_of(const found *f, size_t probe, size_t k)
{
    return f->needed[probe * f->k + k];
}

/* Too blurred: strangers would be as alike as the first (cafi_verdict_of). */
static bool is_blurred(const found *f, size_t probe)
{
    double needed = needed_of(f, probe, 0), s = similarity_of(f, probe, 0);

    return !(s >= needed) && (isinf(needed) || s >= f->meaning.threshold);
}

/* No name is an answer. */
static bool cannot_tell(const found *f, size_t probe)
{
    return cli_meaning_cannot_tell(&f->meaning, &f->probes.items[probe]) || is_blurred(f, probe);
}

static bool is_match(const found *f, size_t probe, size_t k)
{
    return similarity_of(f, probe, k) >= needed_of(f, probe, k) && !cannot_tell(f, probe);
}

static void count(found *f)
{
    for (size_t i = 0; i < f->probes.count; i++) {
        const char *label = f->probes.items[i].label, *name = name_of(f, i, 0);

        f->unsure += cannot_tell(f, i);
        f->known += is_match(f, i, 0);
        f->labelled += label != NULL;
        f->right += label && name && strcmp(label, name) == 0;
    }
}

/* A picture, which is a probe unless all are one. */
static caface_status finish_probe(found *f, const char *name, caface_error *err)
{
    caface_gallery_faces faces;
    const float *sharpness = NULL;
    caface_status st = cli_gallery_eyes_take(f->eyes, &faces, &sharpness, err);

    if (!st && faces.n)
        st = cli_probes_add_faces(&f->probes, &faces, sharpness, name, err);
    cli_gallery_eyes_forget(f->eyes);
    return st;
}

static bool look(void *ctx, const char *path, const char *label, caface_status *st,
                 caface_error *err)
{
    found *f = ctx;
    caface_error why = {CAFACE_OK, ""};
    bool skipped = false;

    (void)label;
    if ((*st = cli_gallery_eyes_look(f->eyes, path, &skipped, &why))) {
        *err = why;
        return false;
    }
    if (skipped) {
        cli_warn("%s", why.message);
        f->failed++;
    }
    if (!skipped && !f->o->single)
        *st = finish_probe(f, path, err);
    return !*st;
}

static caface_status look_at_pictures(found *f, caface_error *err)
{
    const search_options *o = f->o;
    const cli_list *args = &o->common.args;
    size_t total = 0;
    caface_status st =
        cli_gallery_each_picture(args->items + 1, args->count - 1, look, f, &total, err);

    if (!st && o->single)
        st = finish_probe(f, args->items[1], err);
    if (!st && !f->probes.count)
        st = cafi_fail(err, CAFACE_EFORMAT, "none of the %zu pictures could be used", total);
    return st;
}

/* The probes, and where there is a backbone how blurred they are. */
static caface_status add_probes(found *f, caface_error *err)
{
    const search_options *o = f->o;
    caface_status st = o->input ? cli_gallery_eyes_for_features(&f->eyes, &f->g, &o->models,
                                                                o->common.threads, err)
                                : cli_gallery_eyes_open(&f->eyes, &f->g, &o->models, &o->seeing,
                                                        o->common.threads, false, err);

    if (!st && f->eyes)
        st = cli_gallery_eyes_axis(f->eyes, &f->probes.axis, &f->probes.backbone, err);
    if (st)
        return st;
    return o->input ? cli_probes_add_set(&f->probes, &f->g, o->input, o->single, err)
                    : look_at_pictures(f, err);
}

static caface_status search(found *f, caface_error *err)
{
    const search_options *o = f->o;
    caface_status st = CAFACE_OK;

    if ((st = cli_gallery_open(&f->g, o->common.args.items[0], &o->models, false, err)) ||
        (st = cli_probes_begin(&f->probes, &f->g, o->method, err)) || (st = add_probes(f, err)))
        return st;
    st = f->g.info.people
             ? cli_meaning_find(&f->meaning, &f->g, &f->probes, o->kind, o->far, o->threshold, err)
             : cafi_fail(err, CAFACE_EINVAL, "nobody is in it");
    if (st)
        return cafi_prefix(err, st, f->g.shown);
    f->k = o->top < f->g.info.people ? o->top : f->g.info.people;
    (void)((st = CAFI_NEW(&f->person, f->probes.count * f->k, err)) ||
           (st = cafi_alloc_f32(&f->similarity, f->probes.count, f->k, err)) ||
           (st = CAFI_NEW(&f->needed, f->probes.count * f->k, err)) ||
           (st = caface_gallery_search(f->g.gallery, f->probes.templates, f->probes.count,
                                       f->probes.C, f->k, f->person, f->similarity, err)) ||
           (st = cli_gallery_needed(f->needed, &f->g, f->eyes, &f->probes, f->meaning.threshold,
                                    f->person, f->similarity, f->k, err)));
    if (!st)
        count(f);
    return st;
}

/* ---- what is told ------------------------------------------------------------------------ */

static void say_probe(const found *f, size_t i)
{
    const cli_probe *p = &f->probes.items[i];

    if (cannot_tell(f, i)) {
        cli_say(stdout, "%-*s %6zu %4s  %7s  %9s    cannot tell: ", cli_padded(p->name, 20),
                p->name, p->faces, "-", "-", "-");
        if (cli_meaning_cannot_tell(&f->meaning, p))
            cli_say(stdout, "its faces are ruined (evidence %.2f)\n", p->evidence);
        else if (isinf(p->sharpness))
            cli_say(stdout, "too blurred (blur %.2f)\n", p->blur);
        else
            cli_say(stdout, "too blurred (sharpness %.3f, blur %.2f)\n", p->sharpness, p->blur);
        return;
    }
    for (size_t k = 0; k < f->k; k++) {
        const char *name = name_of(f, i, k);
        double s = similarity_of(f, i, k);
        char far[32];

        if (name)
            cli_say(stdout, "%-*s %6zu %4zu  %7.4f  %9s %c  %s\n", cli_padded(k ? "" : p->name, 20),
                    k ? "" : p->name, p->faces, k + 1, s, cli_meaning_far(&f->meaning, s, far),
                    is_match(f, i, k) ? '*' : ' ', name);
    }
}

static void say(const found *f)
{
    caface_gallery_calibration_info c;

    cli_say(stdout, "%-20s %6s %4s  %7s  %9s    %s\n", "probe", "faces", "rank", "cosine", "FAR",
            "person");
    for (size_t i = 0; i < f->probes.count; i++)
        say_probe(f, i);
    cli_say(stdout, "* at or above the threshold %.4f", f->meaning.threshold);
    if (!isnan(f->meaning.far))
        cli_say(stdout, ", at a false accept rate of %.0e", f->meaning.far);
    cli_say(stdout, "\n");
    if (f->meaning.calibration) {
        caface_gallery_calibration_get_info(f->meaning.calibration, &c);
        cli_say(stdout,
                "FAR: of one comparison, from %zu pairs of different people (%s, %s); a search "
                "makes %zu\n",
                c.pairs, c.kind, c.method, f->g.info.people);
    } else {
        cli_say(stdout, "FAR is not known: `caface gallery calibrate` measures it\n");
    }
    if (f->unsure)
        cli_say(stdout, "%zu probe%s of ruined or blurred faces: \"cannot tell\"\n", f->unsure,
                cafi_plural(f->unsure));
    if (f->labelled)
        cli_say(stdout, "%zu of %zu probes with a name find that person first\n", f->right,
                f->labelled);
}

static void json_people(const found *f, size_t i, cafi_json *json)
{
    cafi_json_begin_array(json, "people");
    for (size_t k = 0; k < f->k && !cannot_tell(f, i); k++) {
        const char *name = name_of(f, i, k);

        if (!name)
            continue;
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", name);
        cafi_json_real32(json, "similarity", f->similarity[i * f->k + k]);
        cafi_json_real(json, "needed", needed_of(f, i, k));
        cli_meaning_json_far(&f->meaning, similarity_of(f, i, k), json);
        cafi_json_bool(json, "match", is_match(f, i, k));
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void json_probe(const found *f, size_t i, cafi_json *json)
{
    const cli_probe *p = &f->probes.items[i];

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "probe", p->name);
    if (p->label)
        cafi_json_string(json, "label", p->label);
    cafi_json_int(json, "faces", (int64_t)p->faces);
    cafi_json_real(json, "evidence", p->evidence);
    if (!isnan(p->blur)) {
        cafi_json_real(json, "sharpness", p->sharpness);
        cafi_json_real(json, "blur", p->blur);
    }
    cafi_json_bool(json, "cannot_tell", cannot_tell(f, i));
    json_people(f, i, json);
    cafi_json_end_object(json);
}

static int print_json(const found *f)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    char way[CAFACE_METHOD_TEXT];

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "method", caface_set_options_text(&f->probes.way, way, sizeof way));
    cafi_json_int(&json, "people", (int64_t)f->g.info.people);
    cafi_json_real(&json, "threshold", f->meaning.threshold);
    cafi_json_real(&json, "threshold_far", f->meaning.far);
    if (f->meaning.calibration) {
        cafi_json_begin_object(&json, "calibration");
        cli_meaning_json(f->meaning.calibration, &json);
        cafi_json_end_object(&json);
    }
    cafi_json_begin_array(&json, "probes");
    for (size_t i = 0; i < f->probes.count; i++)
        json_probe(f, i, &json);
    cafi_json_end_array(&json);
    if (f->labelled) {
        cafi_json_int(&json, "labelled", (int64_t)f->labelled);
        cafi_json_int(&json, "found_first", (int64_t)f->right);
    }
    cafi_json_int(&json, "matches", (int64_t)f->known);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int check(const search_options *o)
{
    if (!o->input == (o->common.args.count < 2))
        return cli_usage("gallery search", "--input SET or IMAGE... is needed, and one of them");
    if (o->input && (o->seeing.detection.detector || cli_input_given(&o->seeing.input)))
        return cli_usage("gallery search", "--input SET has no pictures to look at");
    if (!isnan(o->far) && !isnan(o->threshold))
        return cli_usage("gallery search", "--far and --threshold exclude each other");
    if (cli_gallery_method_check("gallery search", o->method, &o->models))
        return CLI_USAGE;
    return cli_gallery_seeing_check("gallery search", &o->seeing);
}

static int run(void *arg)
{
    search_options *o = arg;
    found f = {.o = arg};
    cli_default_models defaults = {0};
    caface_error err = {CAFACE_OK, ""};
    caface_status st = o->input ? CAFACE_OK
                                : cli_gallery_seeing_complete(&defaults, &o->models, &o->seeing,
                                                              o->common.quiet, &err);
    int status = st ? cli_fail(&err) : check(o);

    if (status) {
        cli_default_models_clear(&defaults);
        return status;
    }
    if (search(&f, &err))
        status = cli_fail(&err);
    else if (f.o->common.json)
        status = print_json(&f);
    else if (!f.o->common.quiet)
        say(&f);
    if (!status && f.failed)
        status = CLI_SKIPPED;
    free(f.person);
    free(f.needed);
    free(f.similarity);
    cli_meaning_clear(&f.meaning);
    cli_probes_clear(&f.probes);
    cli_gallery_eyes_close(f.eyes);
    cli_gallery_close(&f.g);
    cli_default_models_clear(&defaults);
    return status;
}

const cli_command cli_gallery_search = {
    .name = "gallery search",
    .summary = "who of a gallery somebody is",
    .synopsis = "DB (IMAGE... | --input SET) [--model M] [--detector D] [--top K] [--threshold T]",
    .text = "Fuses every set of probes into a template, and names the people of the gallery\n"
            "who are most similar to it, by cosine. Every picture is a probe of its own, or\n"
            "with --single all are one person. A probe whose best cosine is below the\n"
            "threshold is of somebody who is not in the gallery. If the gallery is\n"
            "calibrated, every cosine is shown with its false accept rate.\n"
            "\n"
            "The answer for a probe of ruined faces is \"cannot tell\": when both sides are\n"
            "so blurred that strangers would be as similar, for every method (a feature set\n"
            "needs its backbone for this, by --model), or by the calibration of a restoring\n"
            "model.\n"
            "\n"
            "The method of the probes may differ from that of the gallery: many poor faces\n"
            "by restore or caface, for example, and a gallery of clean pictures by average.",
    .example = "  caface gallery search people.gallery --input probes --model fusion.safetensors\n"
               "  caface gallery search people.gallery --input probes --top 5 --json\n"
               "  caface gallery search people.gallery who.jpg --model backbone.onnx \\\n"
               "      --model fusion.safetensors --detector yunet.onnx",
    .options = options,
    .options_size = sizeof(search_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = SIZE_MAX,
    .run = run,
};
