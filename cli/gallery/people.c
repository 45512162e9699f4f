/* caface gallery list, show, remove, rename, merge. */
#include <math.h>

#include "base/text.h"
#include "cli/gallery/gallery.h"

typedef struct people_options {
    cli_common common;
    cli_list models;
} people_options;

static const cli_option no_options[] = {{0}};
static const cli_option model_options[] = {
    CLI_GALLERY_MODEL(people_options, models,
                      "the fusion model of the gallery, if its method needs one"),
    {0},
};

/* Prints, to text or as JSON. */
typedef struct listing {
    cafi_json *json; /* or NULL */
    size_t count;
} listing;

/* ---- list ---------------------------------------------------------------------------- */

static void json_person(cafi_json *json, const caface_gallery_person *p)
{
    char when[32];

    cafi_json_string(json, "name", p->name);
    cafi_json_int(json, "id", p->id);
    cafi_json_int(json, "faces", (int64_t)p->faces);
    cafi_json_real(json, "evidence", p->evidence);
    cli_gallery_time(p->created, when);
    cafi_json_string(json, "created", when);
    cli_gallery_time(p->changed, when);
    cafi_json_string(json, "changed", when);
}

static int list_person(void *ctx, const caface_gallery_person *p)
{
    listing *l = ctx;
    char when[32];

    l->count++;
    if (l->json) {
        cafi_json_begin_object(l->json, NULL);
        json_person(l->json, p);
        cafi_json_end_object(l->json);
        return 1;
    }
    cli_gallery_time(p->changed, when);
    cli_say(stdout, "%7zu  %s  %s\n", p->faces, when, p->name);
    return 1;
}

static caface_status list(const char *path, cafi_json *json, caface_error *err)
{
    cli_gallery g;
    listing l = {.json = json};
    caface_status st = cli_gallery_open(&g, path, NULL, false, err);

    if (!st && json) {
        cafi_json_begin_object(json, NULL);
        cli_gallery_json_identity(json, &g.info);
        cafi_json_begin_array(json, "people");
    } else if (!st) {
        cli_say(stdout, "%7s  %-19s  %s\n", "faces", "changed (UTC)", "name");
    }
    if (!st)
        st = caface_gallery_people(g.gallery, list_person, &l, err);
    if (json) {
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    } else if (!st) {
        cli_say(stdout, "%zu %s\n", l.count, cafi_people(l.count));
    }
    cli_gallery_close(&g);
    return st;
}

static int run_list(void *arg)
{
    const people_options *o = arg;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err = {CAFACE_OK, ""};

    if (list(o->common.args.items[0], o->common.json ? &json : NULL, &err)) {
        cafi_buf_free(&text);
        return cli_fail(&err);
    }
    return o->common.json ? cli_print(&text) : CLI_OK;
}

const cli_command cli_gallery_list = {
    .name = "gallery list",
    .summary = "who is in a gallery",
    .synopsis = "DB",
    .text = "Lists everybody by name, with the number of faces and the time of the last change.",
    .example = "  caface gallery list people.gallery",
    .options = no_options,
    .options_size = sizeof(people_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS | CLI_NO_QUIET,
    .run = run_list,
};

/* ---- show ------------------------------------------------------------------------------ */

static void say_number(const char *format, double value)
{
    if (isnan(value))
        cli_say(stdout, " %9s", "-");
    else
        cli_say(stdout, format, value);
}

static int show_picture(void *ctx, const caface_gallery_picture *p)
{
    const listing *l = ctx;
    char when[32];

    cli_gallery_time(p->added, when);
    if (!l->json) {
        say_number(" %9.3f", p->length);
        say_number(" %9.3f", p->likeness);
        say_number(" %9.0f", p->side);
        say_number(" %9.3f", p->score);
        cli_say(stdout, "  %s  %s\n", when, p->name);
        return 1;
    }
    cafi_json_begin_object(l->json, NULL);
    cafi_json_string(l->json, "name", p->name);
    cafi_json_real(l->json, "length", p->length);
    cafi_json_real(l->json, "likeness", p->likeness);
    cafi_json_real(l->json, "side", p->side);
    cafi_json_real(l->json, "score", p->score);
    cafi_json_string(l->json, "added", when);
    cafi_json_end_object(l->json);
    return 1;
}

static int show_person(void *ctx, const caface_gallery_person *p)
{
    const listing *l = ctx;
    char created[32], changed[32];

    if (l->json) {
        json_person(l->json, p);
        return 1;
    }
    cli_gallery_time(p->created, created);
    cli_gallery_time(p->changed, changed);
    cli_say(stdout, "%s: %zu face%s, created %s, changed %s (UTC)", p->name, p->faces,
            cafi_plural(p->faces), created, changed);
    if (!isnan(p->evidence))
        cli_say(stdout, ", evidence %.3f", p->evidence);
    cli_say(stdout, "\n\n %9s %9s %9s %9s  %-19s  %s\n", "length", "likeness", "side", "score",
            "added (UTC)", "picture");
    return 1;
}

static void show_info(const char *path, const caface_gallery_info *i, cafi_json *json)
{
    char way[CAFACE_METHOD_TEXT];

    if (json) {
        cafi_json_int(json, "people", (int64_t)i->people);
        cafi_json_int(json, "faces", (int64_t)i->faces);
        cafi_json_int(json, "pictures", (int64_t)i->pictures);
        cafi_json_int(json, "crops", (int64_t)i->crops);
        cli_gallery_json_identity(json, i);
        return;
    }
    cli_gallery_way(i, way);
    cli_say(stdout, "%s: %zu %s, %zu face%s, %zu picture%s, %zu crop%s\n", path, i->people,
            cafi_people(i->people), i->faces, cafi_plural(i->faces), i->pictures,
            cafi_plural(i->pictures), i->crops, cafi_plural(i->crops));
    cli_say(
        stdout,
        "  method    %s, C = %zu\n  model     %s\n  backbone  %s\n  input     %s\n  encoding  %s\n",
        way, i->C, *i->model ? i->model : "none", *i->backbone ? i->backbone : "not told",
        *i->input ? i->input : "not told", *i->encoding ? i->encoding : "not told");
}

static caface_status show(const cli_list *args, cafi_json *json, caface_error *err)
{
    cli_gallery g;
    listing l = {.json = json};
    caface_status st = cli_gallery_open(&g, args->items[0], NULL, false, err);

    if (json)
        cafi_json_begin_object(json, NULL);
    if (!st && args->count == 1)
        show_info(g.shown, &g.info, json);
    if (!st && args->count > 1) {
        st = caface_gallery_find(g.gallery, args->items[1], show_person, &l, err);
        if (json)
            cafi_json_begin_array(json, "pictures");
        st = st ? st : caface_gallery_pictures(g.gallery, args->items[1], 0, show_picture, &l, err);
        if (json)
            cafi_json_end_array(json);
    }
    if (json)
        cafi_json_end_object(json);
    cli_gallery_close(&g);
    return st;
}

static int run_show(void *arg)
{
    const people_options *o = arg;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err = {CAFACE_OK, ""};

    if (show(&o->common.args, o->common.json ? &json : NULL, &err)) {
        cafi_buf_free(&text);
        return cli_fail(&err);
    }
    return o->common.json ? cli_print(&text) : CLI_OK;
}

const cli_command cli_gallery_show = {
    .name = "gallery show",
    .summary = "what is in a gallery, or of one person in it",
    .synopsis = "DB [NAME]",
    .text = "Without NAME: what the gallery is for and how much is in it. With NAME: the\n"
            "person's pictures with their quality figures. length: of the feature, the longer\n"
            "the clearer the picture; likeness: cosine to the person's other faces when it was\n"
            "added; side: of the face in its picture, in pixels; score: the detector's.",
    .example = "  caface gallery show people.gallery\n"
               "  caface gallery show people.gallery Ann",
    .options = no_options,
    .options_size = sizeof(people_options),
    .min_args = 1,
    .max_args = 2,
    .lacks = CLI_NO_THREADS | CLI_NO_QUIET,
    .run = run_show,
};

/* ---- remove, rename, merge ----------------------------------------------------------------- */

/* What a change says when it is done. */
static int done(const cli_common *common, const char *verb, const char *name, const char *other)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (common->json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, verb, name);
        if (other)
            cafi_json_string(&json, "into", other);
        cafi_json_end_object(&json);
        return cli_print(&text);
    }
    if (!common->quiet)
        cli_say(stdout, "%s %s%s%s\n", verb, name, other ? " into " : "", other ? other : "");
    return CLI_OK;
}

static int run_remove(void *arg)
{
    const people_options *o = arg;
    const cli_list *args = &o->common.args;
    cli_gallery g;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = cli_gallery_open(&g, args->items[0], NULL, true, &err);

    st = st ? st : caface_gallery_begin(g.gallery, &err);
    for (size_t i = 1; !st && i < args->count; i++)
        st = caface_gallery_remove(g.gallery, args->items[i], &err);
    st = st ? st : caface_gallery_commit(g.gallery, &err);
    cli_gallery_close(&g);
    if (st)
        return cli_fail(&err);
    if (o->common.json) {
        cafi_buf text = {0};
        cafi_json json = {.out = &text};

        cafi_json_begin_object(&json, NULL);
        cafi_json_begin_array(&json, "removed");
        for (size_t i = 1; i < args->count; i++)
            cafi_json_string(&json, NULL, args->items[i]);
        cafi_json_end_array(&json);
        cafi_json_end_object(&json);
        return cli_print(&text);
    }
    for (size_t i = 1; i < args->count; i++)
        (void)done(&o->common, "removed", args->items[i], NULL);
    return CLI_OK;
}

const cli_command cli_gallery_remove = {
    .name = "gallery remove",
    .summary = "people out of a gallery",
    .synopsis = "DB NAME...",
    .text = "Removes people with their pictures, all of them or, when one is not there, none.",
    .example = "  caface gallery remove people.gallery Ann",
    .options = no_options,
    .options_size = sizeof(people_options),
    .min_args = 2,
    .max_args = SIZE_MAX,
    .lacks = CLI_NO_THREADS,
    .run = run_remove,
};

static int run_rename(void *arg)
{
    const people_options *o = arg;
    const char **args = o->common.args.items;
    cli_gallery g;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = cli_gallery_open(&g, args[0], NULL, true, &err);

    st = st ? st : caface_gallery_rename(g.gallery, args[1], args[2], &err);
    cli_gallery_close(&g);
    return st ? cli_fail(&err) : done(&o->common, "renamed", args[1], args[2]);
}

const cli_command cli_gallery_rename = {
    .name = "gallery rename",
    .summary = "another name for a person",
    .synopsis = "DB NAME NEW-NAME",
    .text = "Gives a person another name, which nobody may have: two people become one by merge.",
    .example = "  caface gallery rename people.gallery Ann 'Ann Smith'",
    .options = no_options,
    .options_size = sizeof(people_options),
    .min_args = 3,
    .max_args = 3,
    .lacks = CLI_NO_THREADS,
    .run = run_rename,
};

static int run_merge(void *arg)
{
    const people_options *o = arg;
    const char **args = o->common.args.items;
    cli_gallery g;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = cli_gallery_open(&g, args[0], &o->models, true, &err);

    st = st ? st : caface_gallery_merge(g.gallery, args[1], args[2], &err);
    cli_gallery_close(&g);
    return st ? cli_fail(&err) : done(&o->common, "merged", args[2], args[1]);
}

const cli_command cli_gallery_merge = {
    .name = "gallery merge",
    .summary = "two people of a gallery are one",
    .synopsis = "DB INTO FROM [--model F]",
    .text = "The faces and pictures of FROM join those of INTO, and FROM is gone. What their\n"
            "faces have been fused to is merged: nothing is computed again.",
    .example = "  caface gallery merge people.gallery Ann Anne --model fusion.safetensors",
    .options = model_options,
    .options_size = sizeof(people_options),
    .min_args = 3,
    .max_args = 3,
    .lacks = CLI_NO_THREADS,
    .run = run_merge,
};
