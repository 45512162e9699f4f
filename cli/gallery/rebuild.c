/* caface gallery rebuild: every kept crop through another backbone and another fusion model. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/gallery/pictures.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

typedef struct rebuild_options {
    cli_common common;
    cli_list models;
    const char *method;
    cli_gallery_seeing seeing;
} rebuild_options;

static void defaults(void *options)
{
    rebuild_options *o = options;

    cli_gallery_seeing_defaults(&o->seeing);
}

#define MEMBER(m) offsetof(rebuild_options, m)

static const cli_option options[] = {
    CLI_GALLERY_MODEL(rebuild_options, models, "the backbone, and the fusion model"),
    {"method", 0, CLI_STRING, MEMBER(method), "M",
     "restore, caface, average, unit or norm; also norm:7, caface@64 (default: the model's own, "
     "else the gallery's)",
     0, 0},
    CLI_INPUT_OPTIONS(rebuild_options, seeing.input),
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* Crops are read by one handle, which sees the gallery as it was, while the other writes. */
typedef struct rebuilding {
    const rebuild_options *o;
    cli_gallery g, old;
    cli_gallery_eyes *eyes;
    cli_progress progress;
    char *person; /* whose crops are at hand */
    size_t done;
    caface_status st;
    caface_error *err;
} rebuilding;

static caface_status finish_person(rebuilding *r)
{
    caface_gallery_faces faces;
    caface_status st = cli_gallery_eyes_take(r->eyes, &faces, NULL, r->err);

    if (!st && faces.n)
        st = caface_gallery_add(r->g.gallery, r->person, &faces, NULL, r->err);
    cli_gallery_eyes_forget(r->eyes);
    return st;
}

static int look(void *ctx, const caface_gallery_picture *picture)
{
    rebuilding *r = ctx;

    if (cli_interrupted()) {
        r->st = cafi_fail(r->err, CAFACE_ECANCELLED, "interrupted; the gallery is as it was");
        return 0;
    }
    if (r->person && strcmp(r->person, picture->person) != 0) {
        r->st = finish_person(r);
        free(r->person);
        r->person = NULL;
    }
    if (!r->st && !r->person)
        r->st = cafi_strdup(&r->person, picture->person, r->err);
    if (!r->st)
        r->st = cli_gallery_eyes_look_again(r->eyes, picture, r->err);
    cli_progress_update(&r->progress, ++r->done);
    return !r->st;
}

/* Whatever is not there as a crop would be lost. */
static caface_status check_crops(const rebuilding *r, caface_error *err)
{
    const caface_gallery_info *i = &r->g.info;
    caface_status st = CAFACE_OK;

    if (i->crops < i->pictures)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "%zu of its %zu pictures have no crop: they were added without pictures, or "
                       "to a gallery that keeps none (create --crops)",
                       i->pictures - i->crops, i->pictures);
    else if (i->faces > i->pictures)
        st = cafi_fail(err, CAFACE_EINVAL, "has %zu faces, and pictures of only %zu", i->faces,
                       i->pictures);
    return st ? cafi_prefix(err, st, r->g.shown) : CAFACE_OK;
}

static caface_status choose_set(rebuilding *r, caface_set_options *set, const caface_model **model,
                                caface_error *err)
{
    const cli_fusions *f = &r->g.fusions;
    const caface_model *only = cli_fusion_only(f);
    caface_model_info about;
    caface_status st = CAFACE_OK;

    set->method = r->g.info.method;
    set->norm_power = r->g.info.norm_power;
    set->chunk = r->g.info.chunk;
    if (only) {
        caface_model_get_info(only, &about);
        set->method = about.method;
    }
    if (r->o->method && (st = caface_set_options_parse(set, r->o->method, err)))
        return st;
    *model = cli_fusion_for(f, set->method);
    if (!*model && caface_method_is_network(set->method))
        return cafi_fail(err, CAFACE_EINVAL, "method %s: a fusion model is needed (--model)",
                         caface_method_name(set->method));
    return CAFACE_OK;
}

/* All of it is one transaction: readers see the old gallery until it is done. */
static caface_status rebuild_all(rebuilding *r, caface_error *err)
{
    const rebuild_options *o = r->o;
    cli_gallery blank = {0}; /* no identity that the backbone would have to have */
    caface_set_options set;
    caface_gallery_options how;
    const caface_model *model = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&set);
    caface_gallery_options_init(&how);
    how.set = &set;
    how.keep_crops = 1;
    r->err = err;
    (void)((st = check_crops(r, err)) || (st = choose_set(r, &set, &model, err)));
    if (st)
        return st;
    blank.fusions = r->g.fusions;
    blank.info.method = set.method;
    blank.info.model = blank.info.backbone = blank.info.input = blank.info.encoding = "";
    (void)((st = cli_gallery_eyes_open(&r->eyes, &blank, &o->models, &o->seeing, o->common.threads,
                                       true, err)) ||
           (st = caface_gallery_begin(r->g.gallery, err)) ||
           (st = caface_gallery_reset(r->g.gallery, model, &how, err)));
    if (st)
        return st;
    cli_progress_begin(&r->progress, "crops", r->old.info.crops, o->common.quiet || o->common.json);
    st = caface_gallery_pictures(r->old.gallery, NULL, 1, look, r, err);
    st = st ? st : r->st;
    if (!st && r->person)
        st = finish_person(r);
    cli_progress_end(&r->progress);
    return st ? st : caface_gallery_commit(r->g.gallery, err);
}

/* A gallery by a model that is not given any more can be rebuilt all the same. */
static caface_status open_both(rebuilding *r, caface_error *err)
{
    const char *path = r->o->common.args.items[0];
    caface_status st = CAFACE_OK;

    (void)((st = cli_gallery_open(&r->g, path, NULL, true, err)) ||
           (st = cli_gallery_open(&r->old, path, NULL, false, err)) ||
           (st = cli_fusions_open(&r->g.fusions, &r->o->models, CLI_ANY_BACKBONE, err)));
    return st;
}

static int tell(rebuilding *r)
{
    caface_gallery_info info;
    caface_error err = {CAFACE_OK, ""};
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    char way[CAFACE_METHOD_TEXT];

    if (caface_gallery_get_info(r->g.gallery, &info, &err))
        return cli_fail(&err);
    cli_gallery_way(&info, way);
    if (r->o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "people", (int64_t)info.people);
        cafi_json_int(&json, "faces", (int64_t)info.faces);
        cli_gallery_json_identity(&json, &info);
        cafi_json_end_object(&json);
        return cli_print(&text);
    }
    if (!r->o->common.quiet)
        cli_say(stdout, "%zu face%s of %zu %s encoded again, templates by %s\n", info.faces,
                cafi_plural(info.faces), info.people, cafi_people(info.people), way);
    return CLI_OK;
}

static int run(void *arg)
{
    rebuilding r = {.o = arg};
    caface_error err = {CAFACE_OK, ""};
    int status = cli_gallery_seeing_check("gallery rebuild", &r.o->seeing);
    caface_status st = CAFACE_OK;

    if (!status)
        status = cli_gallery_method_check("gallery rebuild", r.o->method, &r.o->models);
    if (status)
        return status;
    cli_interrupt_begin();
    (void)((st = open_both(&r, &err)) || (st = rebuild_all(&r, &err)));
    status = st ? cli_fail(&err) : tell(&r);
    free(r.person);
    cli_gallery_eyes_close(r.eyes);
    cli_gallery_close(&r.old);
    cli_gallery_close(&r.g);
    cli_interrupt_end();
    return status;
}

const cli_command cli_gallery_rebuild = {
    .name = "gallery rebuild",
    .summary = "a gallery's kept crops through another backbone or fusion model",
    .synopsis = "DB --model BACKBONE [--model F] [--method M]",
    .text = "Encodes every crop of the gallery (create --crops) again and fuses them anew, in\n"
            "one transaction: until it is done everybody sees the old gallery. Names, pictures\n"
            "and crops stay; calibrations go, for their thresholds mean nothing any more. A\n"
            "gallery that has faces without crops is refused.",
    .example =
        "  caface gallery rebuild people.gallery --model new.onnx --model new-fusion.safetensors",
    .options = options,
    .options_size = sizeof(rebuild_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
