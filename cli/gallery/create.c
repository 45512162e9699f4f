/* caface gallery create. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/gallery/gallery.h"

typedef struct create_options {
    cli_common common;
    cli_list models;
    const char *method;
    bool crops;
} create_options;

static const cli_option options[] = {
    CLI_GALLERY_MODEL(create_options, models, "the fusion model that makes templates of faces"),
    {"method", 0, CLI_STRING, offsetof(create_options, method), "M",
     "restore, caface, average, unit or norm; also norm:7, caface@64 (default: the model's own, "
     "else average)",
     0, 0},
    {"crops", 0, CLI_FLAG, offsetof(create_options, crops), NULL,
     "keep the crop of every picture (about 25 KB each), so that `gallery rebuild` can encode them "
     "again",
     0, 0},
    {0},
};

static caface_status choose(const create_options *o, const cli_fusions *fusions,
                            caface_set_options *set, const caface_model **model, caface_error *err)
{
    const caface_model *only = cli_fusion_only(fusions);
    caface_model_info about;
    caface_status st = CAFACE_OK;

    set->method = CAFACE_METHOD_AVERAGE;
    if (only) {
        caface_model_get_info(only, &about);
        set->method = about.method;
    }
    if (!o->method && fusions->caface && fusions->restore)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s and %s are two fusion models: --method caface or restore says which",
                         fusions->caface_path, fusions->restore_path);
    if (o->method && (st = caface_set_options_parse(set, o->method, err)))
        return st;
    *model = cli_fusion_for(fusions, set->method);
    if (!*model && caface_method_is_network(set->method))
        return cafi_fail(err, CAFACE_EINVAL, "method %s: a fusion model is needed (--model)",
                         o->method);
    return CAFACE_OK;
}

static caface_status create(const create_options *o, caface_gallery_info *info, caface_error *err)
{
    cli_fusions fusions = {0};
    const caface_model *model = NULL;
    caface_set_options set;
    caface_gallery_options how;
    caface_gallery *gallery = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&set);
    caface_gallery_options_init(&how);
    how.set = &set;
    how.keep_crops = o->crops;
    (void)((st = cli_fusions_open(&fusions, &o->models, CLI_NO_BACKBONE, err)) ||
           (st = choose(o, &fusions, &set, &model, err)) ||
           (st = caface_gallery_create(&gallery, o->common.args.items[0], model, &how, err)));
    if (!st && (st = caface_gallery_get_info(gallery, info, err)) &&
        !caface_gallery_is_address(o->common.args.items[0]))
        unlink(o->common.args.items[0]); /* nothing is in it */
    cli_fusions_close(&fusions);
    caface_gallery_close(gallery);
    return st;
}

static int run(void *arg)
{
    const create_options *o = arg;
    caface_gallery_info info = {0};
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err = {CAFACE_OK, ""};
    char way[CAFACE_METHOD_TEXT], *shown = NULL;
    int status = CLI_OK;

    if ((status = cli_gallery_method_check("gallery create", o->method, &o->models)))
        return status;
    if (create(o, &info, &err))
        return cli_fail(&err);
    cli_gallery_way(&info, way);
    shown = cli_gallery_shown(o->common.args.items[0]);
    if (o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "gallery", shown ? shown : "");
        cli_gallery_json_identity(&json, &info);
        cafi_json_end_object(&json);
        status = cli_print(&text);
    } else if (!o->common.quiet) {
        cli_say(stdout, "%s: an empty gallery, templates by %s%s\n", shown ? shown : "", way,
                info.keep_crops ? ", crops are kept" : "");
    }
    free(shown);
    return status;
}

const cli_command cli_gallery_create = {
    .name = "gallery create",
    .summary = "an empty gallery of people, in one file",
    .synopsis = "DB [--model F] [--method M] [--crops]",
    .text = "Makes an empty gallery: an SQLite file that holds people, what their faces have\n"
            "been fused to, and what made it. In place of a file every command of a gallery\n"
            "takes the address of a PostgreSQL database, postgresql://[USER@]HOST/DATABASE; a\n"
            "password is best left to ~/.pgpass. The width of features, the backbone and how\n"
            "pictures become its input are those of the first faces; faces of others are\n"
            "refused from then on, and so is another fusion model.",
    .example =
        "  caface gallery create people.gallery --model fusion.safetensors --crops\n"
        "  caface gallery create plain.gallery --method average\n"
        "  caface gallery --db postgresql://db.example/people create --model fusion.safetensors",
    .options = options,
    .options_size = sizeof(create_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS,
    .run = run,
};
