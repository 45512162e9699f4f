#include "cli/fusion_model.h"

#include <stdio.h>

#include "base/text.h"

/* A model into its place. */
static caface_status keep(cli_fusions *out, caface_model *model, const char *path,
                          caface_error *err)
{
    caface_model_info info;
    caface_model **place = NULL;
    const char **name = NULL;

    caface_model_get_info(model, &info);
    place = info.method == CAFACE_METHOD_RESTORE ? &out->restore : &out->caface;
    name = info.method == CAFACE_METHOD_RESTORE ? &out->restore_path : &out->caface_path;
    if (*place) {
        caface_status st = cafi_fail(err, CAFACE_EMODEL, "%s and %s are both models for %s", *name,
                                     path, caface_method_name(info.method));

        caface_model_free(model);
        return st;
    }
    *place = model;
    *name = path;
    return CAFACE_OK;
}

/* An ONNX file, which only a backbone can be: its first field is a small number, the version. */
static bool is_onnx(const char *path)
{
    FILE *f = NULL;
    int first = EOF;

    if (cafi_ends_with(path, ".onnx"))
        return true;
    if ((f = fopen(path, "rb"))) {
        first = fgetc(f);
        fclose(f);
    }
    return first == 0x08;
}

/* May a file that holds no tensors be passed over? One that is opened as the backbone, or will
 * be; what is not there or is damaged is nobody's backbone either. */
static bool is_backbones(const cli_list *models, size_t i, size_t backbone, caface_status st)
{
    return st != CAFACE_ENOMEM &&
           (i == backbone ||
            (backbone == CLI_ANY_BACKBONE && st != CAFACE_EIO && is_onnx(models->items[i])));
}

caface_status cli_fusions_open(cli_fusions *out, const cli_list *models, size_t backbone,
                               caface_error *err)
{
    bool any = false;

    *out = (cli_fusions){0};
    for (size_t i = 0; i < models->count; i++) {
        caface_model *model = NULL;
        int found = 0;
        bool is_free = backbone == CLI_ANY_BACKBONE || i == backbone;
        bool needed = backbone == CLI_NO_BACKBONE ? !any && i + 1 == models->count : !is_free;
        caface_status st = caface_model_is_in(models->items[i], &found, err);

        if (st && is_backbones(models, i, backbone, st))
            continue;
        if (st)
            return st;
        if (!needed && !found)
            continue;
        any = true;
        (void)((st = caface_model_open(&model, models->items[i], err)) ||
               (st = keep(out, model, models->items[i], err)));
        if (st)
            return st;
    }
    return CAFACE_OK;
}

void cli_fusions_close(cli_fusions *fusions)
{
    caface_model_free(fusions->caface);
    caface_model_free(fusions->restore);
    *fusions = (cli_fusions){0};
}

const caface_model *cli_fusion_for(const cli_fusions *fusions, caface_method method)
{
    if (method == CAFACE_METHOD_RESTORE)
        return fusions->restore;
    return caface_method_is_network(method) ? fusions->caface : NULL;
}

const caface_model *cli_fusion_only(const cli_fusions *fusions)
{
    if (fusions->caface && fusions->restore)
        return NULL;
    return fusions->caface ? fusions->caface : fusions->restore;
}

bool cli_fusion_has_chunks(const cli_fusions *fusions, caface_method method)
{
    const caface_model *model = cli_fusion_for(fusions, method);

    caface_model_info info = {0};

    if (model)
        caface_model_get_info(model, &info);
    return caface_method_is_network(method) && !info.is_sum;
}

void cli_warn_of_styles(const char *path, const caface_features *set)
{
    caface_features_info info;

    caface_features_get_info(set, &info);
    if (info.compact && !info.S && !info.fusion)
        cli_warn("%s: does not tell which fusion model made its compact styles", path);
}
