/* caface gallery add: faces to people. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/gallery/add.h"
#include "cli/feature_set.h"
#include "cli/interrupt.h"

static void defaults(void *options)
{
    cli_gallery_add_options *o = options;

    cli_gallery_seeing_defaults(&o->seeing);
    o->threshold = NAN;
}

#define MEMBER(m) offsetof(cli_gallery_add_options, m)

static const cli_option options[] = {
    CLI_GALLERY_MODEL(
        cli_gallery_add_options, models,
        "the fusion model of the gallery, if its method needs one; and the backbone for pictures"),
    {"folders", 0, CLI_STRING, MEMBER(folders), "DIR", "pictures: a folder in DIR is a person", 0,
     0},
    {"input", 'i', CLI_STRING, MEMBER(input), "SET", "a feature set: a folder or an .npz", 0, 0},
    {"column", 0, CLI_STRING, MEMBER(column), "NAME",
     "the column of index.tsv with the names of people (default: label, else template)", 0, 0},
    {"threshold", 't', CLI_REAL, MEMBER(threshold), "T",
     "cosine from which two people are reported as alike (default: 0.35)", -1, 1},
    CLI_GALLERY_SEEING(cli_gallery_add_options, seeing),
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* ---- what is noted on the way ------------------------------------------------------------ */

/* Pictures from which it can be told what is poor, and how far below the mean length that is, in
 * standard deviations. */
enum { ENOUGH = 30 };
#define POOR_DEVIATIONS 3.0
/* Faces with a shorter side, in pixels, are poor. */
#define POOR_SIDE 24.0F

static caface_status note_odd(cli_gallery_adding *a, const char *name, cli_gallery_odd odd,
                              const char *picture, caface_error *err)
{
    caface_status st = CAFI_GROW(&a->odd, &a->odd_room, a->odd_count + 1, err);

    if (st || (st = cafi_strdup(&odd.person, name, err)))
        return st;
    st = cafi_strdup(&odd.picture, picture, err);
    a->odd[a->odd_count++] = odd;
    return st;
}

static double length_of(const float *x, size_t C)
{
    double sum = 0.0;

    for (size_t c = 0; c < C; c++)
        sum += (double)x[c] * x[c];
    return sqrt(sum);
}

static caface_status note(cli_gallery_adding *a, const char *name, const caface_gallery_faces *f,
                          const caface_gallery_added *added, caface_error *err)
{
    caface_status st = CAFACE_OK;

    a->faces += added->added;
    a->known += added->known;
    a->fresh += added->is_new != 0;
    for (size_t i = 0; !st && i < f->n; i++) {
        double length = length_of(f->feat + i * f->C, f->C);
        cli_gallery_odd odd = {
            .likeness = NAN, .length = (float)length, .side = f->sides ? f->sides[i] : NAN};
        const char *picture = f->names && f->names[i] ? f->names[i] : "";

        if (!added->fresh[i])
            continue;
        if (length < a->least_length || odd.side < POOR_SIDE)
            st = note_odd(a, name, odd, picture, err);
        odd.likeness = added->likeness[i];
        if (!st && (double)odd.likeness < CLI_GALLERY_UNLIKE) /* NaN: it has no others */
            st = note_odd(a, name, odd, picture, err);
    }
    return st;
}

caface_status cli_gallery_add_faces(cli_gallery_adding *a, const char *name,
                                    const caface_gallery_faces *faces, caface_error *err)
{
    caface_gallery_added added = {.size = sizeof added};
    char *copy = NULL;
    caface_status st = CAFACE_OK;

    (void)((st = cafi_alloc_f32(&added.likeness, 1, faces->n, err)) ||
           (st = CAFI_NEW(&added.fresh, faces->n, err)) ||
           (st = CAFI_GROW(&a->people, &a->people_room, a->people_count + 1, err)) ||
           (st = cafi_strdup(&copy, name, err)) ||
           (st = caface_gallery_add(a->g.gallery, name, faces, &added, err)) ||
           (st = note(a, name, faces, &added, err)));
    if (!st && added.added) {
        a->people[a->people_count++] = copy;
        copy = NULL;
    }
    free(copy);
    free(added.likeness);
    free(added.fresh);
    return st;
}

/* ---- what is told at the end ----------------------------------------------------------- */

static bool is_unlike(const cli_gallery_odd *o)
{
    return !isnan(o->likeness);
}

static void say_odd(const cli_gallery_odd *o)
{
    if (is_unlike(o))
        cli_warn("%s: this picture does not look like the others of %s (cosine %.3f)", o->picture,
                 o->person, (double)o->likeness);
    else if (o->side < POOR_SIDE)
        cli_warn("%s: this picture is poor (the face has %.0f pixels)", o->picture,
                 (double)o->side);
    else
        cli_warn("%s: this picture is poor (its feature's length is %.3g)", o->picture,
                 (double)o->length);
}

static void json_odd(const cli_gallery_odd *o, cafi_json *json)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "person", o->person);
    cafi_json_string(json, "picture", o->picture);
    if (is_unlike(o))
        cafi_json_real32(json, "likeness", o->likeness);
    cafi_json_real32(json, "length", o->length);
    cafi_json_real32(json, "side", o->side);
    cafi_json_end_object(json);
}

/* Those of one kind. */
static void tell_odd(const cli_gallery_adding *a, bool unlike, cafi_json *json)
{
    size_t told = 0;

    if (json)
        cafi_json_begin_array(json, unlike ? "unlike" : "poor");
    for (size_t i = 0; i < a->odd_count; i++) {
        if (is_unlike(&a->odd[i]) != unlike)
            continue;
        if (json)
            json_odd(&a->odd[i], json);
        else if (told < CLI_TOLD)
            say_odd(&a->odd[i]);
        told++;
    }
    if (json)
        cafi_json_end_array(json);
    else if (told > CLI_TOLD)
        cli_warn("%zu more pictures %s", told - CLI_TOLD,
                 unlike ? "do not look like the others" : "are poor");
}

static void clear(cli_gallery_adding *a)
{
    for (size_t i = 0; i < a->people_count; i++)
        free((void *)(uintptr_t)a->people[i]);
    for (size_t i = 0; i < a->odd_count; i++) {
        free(a->odd[i].person);
        free(a->odd[i].picture);
    }
    free((void *)a->people);
    free(a->odd);
}

/* ---- features ------------------------------------------------------------------------------ */

/* The rows of one person, read from the set. */
typedef struct batch {
    float *feat, *style, *compact;
    const char **names;
    size_t room;
} batch;

static void free_batch(batch *b)
{
    free(b->feat);
    free(b->style);
    free(b->compact);
    free((void *)b->names);
}

static caface_status make_room(batch *b, const caface_features_info *set, size_t n,
                               caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (n <= b->room)
        return CAFACE_OK;
    free_batch(b);
    *b = (batch){0};
    (void)((st = cafi_alloc_f32(&b->feat, n, set->C, err)) ||
           (set->S && (st = cafi_alloc_f32(&b->style, n, 2 * set->S, err))) ||
           (set->compact && (st = cafi_alloc_f32(&b->compact, n, set->compact, err))) ||
           (st = CAFI_NEW(&b->names, n, err)));
    b->room = st ? 0 : n;
    return st;
}

static caface_status read_rows(batch *b, const cli_gallery_rows *r, const size_t *rows, size_t n,
                               caface_error *err)
{
    const caface_features_info *set = &r->info;
    int source = caface_features_column(r->set, "source");
    caface_status st = CAFACE_OK;

    if (source < 0)
        source = caface_features_column(r->set, "name");
    for (size_t i = 0; !st && i < n; i++) {
        st = caface_features_read(r->set, rows[i], 1, b->feat + i * set->C,
                                  set->S ? b->style + i * 2 * set->S : NULL,
                                  set->compact ? b->compact + i * set->compact : NULL, err);
        b->names[i] = source < 0 ? "" : caface_features_text(r->set, source, rows[i]);
    }
    return st;
}

static caface_status add_group(cli_gallery_adding *a, const cli_gallery_rows *r, size_t group,
                               batch *b, caface_error *err)
{
    const caface_features_info *set = &r->info;
    const char *name = r->names[caface_groups_ids(r->groups)[group]];
    caface_gallery_faces faces;
    size_t n = 0;
    const size_t *rows = caface_groups_rows(r->groups, group, &n);
    caface_status st = make_room(b, set, n, err);

    if (st || (st = read_rows(b, r, rows, n, err)))
        return st;
    caface_gallery_faces_init(&faces);
    faces.n = n;
    faces.C = set->C;
    faces.S = set->S;
    faces.compact = set->compact;
    faces.feat = b->feat;
    faces.style = b->style;
    faces.compact_style = b->compact;
    faces.backbone = set->backbone;
    faces.fusion = set->fusion;
    faces.input = set->input;
    faces.encoding = set->encoding;
    faces.names = b->names;
    st = cli_gallery_add_faces(a, name, &faces, err);
    return st ? cafi_prefix(err, st, r->path) : CAFACE_OK;
}

/* All rows in one transaction: the set is in the gallery, or it is not. */
static caface_status add_set(cli_gallery_adding *a, const char *name, caface_error *err)
{
    cli_gallery_rows rows;
    batch b = {0};
    size_t count = 0;
    caface_status st = cli_gallery_rows_open(&rows, a->o->input, name, a->o->column, err);

    if (!st)
        st = caface_gallery_begin(a->g.gallery, err);
    count = st ? 0 : caface_groups_count(rows.groups);
    a->unnamed = rows.unnamed;
    if (!st && *a->g.info.backbone && !rows.info.backbone)
        cli_warn("%s does not say which backbone made it; the gallery's is %s", a->o->input,
                 a->g.info.backbone);
    st = st ? st
            : cli_check_encoding(a->o->input, rows.info.encoding, "the gallery", a->g.info.encoding,
                                 *a->g.info.model != '\0', err);
    cli_progress_begin(&a->progress, "people", count, a->o->common.quiet || a->o->common.json);
    for (size_t i = 0; !st && i < count; i++) {
        st = cli_interrupted() ? cafi_fail(err, CAFACE_ECANCELLED, "interrupted; nothing is added")
                               : add_group(a, &rows, i, &b, err);
        cli_progress_update(&a->progress, i + 1);
    }
    cli_progress_end(&a->progress);
    if (!st)
        st = caface_gallery_commit(a->g.gallery, err);
    free_batch(&b);
    cli_gallery_rows_close(&rows);
    return st;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int tell(cli_gallery_adding *a)
{
    const cli_gallery_add_options *o = a->o;
    double threshold = isnan(o->threshold) ? CLI_GALLERY_THRESHOLD : o->threshold;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err = {CAFACE_OK, ""};
    size_t skipped = a->unnamed + a->failed;

    if (o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "people", (int64_t)a->people_count);
        cafi_json_int(&json, "new_people", (int64_t)a->fresh);
        cafi_json_int(&json, "faces", (int64_t)a->faces);
        cafi_json_int(&json, "known", (int64_t)a->known);
        cafi_json_int(&json, "skipped", (int64_t)skipped);
        tell_odd(a, true, &json);
        tell_odd(a, false, &json);
    } else if (!o->common.quiet) {
        cli_say(stdout, "%zu face%s of %zu %s added (%zu new)", a->faces, a->faces == 1 ? "" : "s",
                a->people_count, cafi_people(a->people_count), a->fresh);
        if (a->known)
            cli_say(stdout, ", %zu %s there already", a->known, a->known == 1 ? "was" : "were");
        cli_say(stdout, "\n");
        tell_odd(a, true, NULL);
        tell_odd(a, false, NULL);
    }
    if (cli_gallery_tell_alike(&a->g, a->people, a->people_count, threshold,
                               o->common.json ? &json : NULL, &err)) {
        cafi_buf_free(&text);
        return cli_fail(&err);
    }
    if (o->common.json) {
        cafi_json_end_object(&json);
        if (cli_print(&text))
            return CLI_FAILED;
    }
    if (a->failed)
        cli_warn("%zu picture%s passed over", a->failed, a->failed == 1 ? " was" : "s were");
    if (a->unnamed)
        cli_warn("%s: %zu rows have no name, and were skipped", o->input, a->unnamed);
    return skipped ? CLI_SKIPPED : CLI_OK;
}

static int check(const cli_gallery_add_options *o)
{
    size_t args = o->common.args.count;
    bool pictures = !o->input;

    if (o->input && o->folders)
        return cli_usage("gallery add", "--input and --folders exclude each other");
    if (!o->input && !o->folders && args < 3)
        return cli_usage("gallery add",
                         "nothing to add: NAME IMAGE..., --folders DIR or --input SET is needed");
    if (o->folders && args > 1)
        return cli_usage("gallery add", "--folders DIR: the folders in it are the people's names");
    if (o->input && args > 2)
        return cli_usage("gallery add", "--input SET takes one NAME at most");
    if (o->column && (args > 1 || pictures))
        return cli_usage("gallery add", "--column goes with --input SET, without a NAME");
    if (o->input && (o->seeing.detection.detector || cli_input_given(&o->seeing.input)))
        return cli_usage("gallery add", "--input SET has no pictures to look at");
    return cli_gallery_seeing_check("gallery add", &o->seeing);
}

/* What is poor is told by the pictures that were there before. */
static caface_status learn_lengths(cli_gallery_adding *a, caface_error *err)
{
    double mean = 0.0, deviation = 0.0;
    caface_status st = caface_gallery_lengths(a->g.gallery, &mean, &deviation, err);

    if (!st && a->g.info.pictures >= ENOUGH)
        a->least_length = mean - POOR_DEVIATIONS * deviation;
    return st;
}

static int run(void *arg)
{
    cli_gallery_add_options *o = arg;
    cli_gallery_adding a = {.o = arg};
    cli_default_models defaults = {0};
    const cli_list *args = &a.o->common.args;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = o->input ? CAFACE_OK
                                : cli_gallery_seeing_complete(&defaults, &o->models, &o->seeing,
                                                              o->common.quiet, &err);
    int status = st ? cli_fail(&err) : check(o);

    if (status) {
        cli_default_models_clear(&defaults);
        return status;
    }
    cli_interrupt_begin();
    (void)((st = cli_gallery_open(&a.g, args->items[0], &a.o->models, true, &err)) ||
           (st = learn_lengths(&a, &err)) ||
           (st = a.o->input ? add_set(&a, args->count > 1 ? args->items[1] : NULL, &err)
                            : cli_gallery_add_pictures(&a, &err)));
    status = st ? cli_fail(&err) : tell(&a);
    cli_gallery_close(&a.g);
    clear(&a);
    cli_default_models_clear(&defaults);
    cli_interrupt_end();
    return status;
}

const cli_command cli_gallery_add = {
    .name = "gallery add",
    .summary = "faces to the people of a gallery",
    .synopsis =
        "DB (NAME IMAGE... | --folders DIR | [NAME] --input SET) [--model M] [--detector D]",
    .text = "Adds faces to the person NAME, to the people whose folders of pictures are in\n"
            "DIR, or to the people that a column of a feature set's index.tsv names. People\n"
            "who are not in the gallery yet are created. New faces are fused with those\n"
            "that a person has; adding them in two steps gives the same as in one. A face\n"
            "that a person has already is skipped, so a command may be repeated. The\n"
            "pictures of a person are added completely or not at all, and so is a feature\n"
            "set.\n"
            "\n"
            "In a picture with several faces the largest near the middle is used; a picture\n"
            "of 112x112 is used as a crop. A picture that cannot be read, or shows no face,\n"
            "is named and skipped (exit status 3).\n"
            "\n"
            "Afterwards the tool warns of people who look like somebody else in the\n"
            "gallery, of pictures that do not look like the others of their person (cosine\n"
            "below 0.15), and of poor pictures: a face of less than 24 pixels, or a feature\n"
            "three standard deviations shorter than those of the gallery, if it has 30\n"
            "pictures or more.",
    .example =
        "  caface gallery add people.gallery Ann ann1.jpg ann2.jpg --model backbone.onnx \\\n"
        "      --model fusion.safetensors --detector yunet.onnx\n"
        "  caface gallery add people.gallery --folders crops/ --model backbone.onnx\n"
        "  caface gallery add people.gallery --input features --model fusion.safetensors\n"
        "  caface gallery add people.gallery Ann --input ann --model fusion.safetensors",
    .options = options,
    .options_size = sizeof(cli_gallery_add_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = SIZE_MAX,
    .run = run,
};
