/* What a file is (caface/file.h). */
#include "convert/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/sized.h"
#include "files/fusion_names.h"
#include "files/origin.h"
#include "models/dict_find.h"

static const cafi_value nothing = {.kind = CAFI_DICT};

/* A sentence about a part of the file, without the file's path in front. */
static void keep(char out[CAFACE_ERROR_SIZE], const caface_file *f, const char *message)
{
    size_t n = strlen(f->path);
    bool named = strncmp(message, f->path, n) == 0 && strncmp(message + n, ": ", 2) == 0;

    snprintf(out, CAFACE_ERROR_SIZE, "%s", message + (named ? n + 2 : 0));
}

static caface_status list_bundle(caface_file *f, caface_error *err)
{
    cafi_place places[CAFI_MAX_PLACES];
    caface_status st = cafi_bundle_open(&f->bundle, f->path, err);

    if (st)
        return st;
    f->kind = cafi_bundle_kind_name(cafi_bundle_get_kind(f->bundle));
    f->config = cafi_bundle_config(f->bundle);
    if ((st = CAFI_NEW(&f->tensors, cafi_bundle_count(f->bundle), err)))
        return st;
    for (; f->count < cafi_bundle_count(f->bundle); f->count++)
        f->tensors[f->count] = cafi_bundle_at(f->bundle, f->count);
    if (*f->backbone.why && cafi_dict_places(f->tensors, f->count, places))
        keep(f->backbone_error, f, f->backbone.why);
    return CAFACE_OK;
}

/* Constants of an ONNX backbone, as a converted file would hold them. */
static caface_status list_onnx(caface_file *f, caface_error *err)
{
    caface_status st = CAFI_NEW(&f->tensors, f->backbone.count, err);

    f->kind = "onnx";
    f->config = &nothing;
    for (; !st && f->count < f->backbone.count; f->count++)
        f->tensors[f->count] = &f->backbone.tensors[f->count];
    return st;
}

static caface_status list_file(caface_file *f, caface_error *err)
{
    static const cafi_choice as_it_is = {.taps = NULL};
    caface_error why = {CAFACE_OK, ""};
    caface_status st = cafi_backbone_open(&f->backbone, f->path, &as_it_is, &why);

    if (st == CAFACE_ENOMEM)
        return cafi_fail(err, st, "%s", why.message);
    if (st) {
        bool onnx = f->backbone.onnx;

        /* A detector is no backbone; what is wrong with the whole of a file is its reader's
         * to say, below. */
        keep(f->backbone_error, f, why.message);
        cafi_backbone_clear(&f->backbone);
        if ((st = onnx ? cafi_backbone_list(&f->backbone, f->path, err) : CAFACE_OK))
            return st;
    }
    return f->backbone.onnx ? list_onnx(f, err) : list_bundle(f, err);
}

static caface_status list_feature_set(caface_file *f, caface_error *err)
{
    caface_status st = cafi_feature_set_open(&f->set, f->path, err);

    if (st || (st = CAFI_NEW(&f->tensors, 3, err)))
        return st;
    f->kind = "feature-set";
    f->config = f->set->info.kind == CAFI_DICT ? &f->set->info : &nothing;
    f->tensors[f->count++] = f->set->features;
    if (f->set->styles)
        f->tensors[f->count++] = f->set->styles;
    if (f->set->compact_rows)
        f->tensors[f->count++] = f->set->compact_rows;
    return CAFACE_OK;
}

/* Opened by the public call: the sizes of a network are the fusion room's to know. */
static caface_status read_fusion(caface_file *f, caface_error *err)
{
    cafi_origin trained = {0};
    caface_model *model = NULL;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    f->fuses = f->bundle && cafi_fusion_is_in(f->bundle);
    if (!f->fuses)
        return CAFACE_OK;
    if ((st = caface_model_open(&model, f->path, &why)) == CAFACE_ENOMEM)
        return cafi_fail(err, st, "%s", why.message);
    if (st) {
        keep(f->fusion_error, f, why.message);
        return CAFACE_OK;
    }
    caface_model_get_info(model, &f->fusion);
    trained =
        cafi_origin_of(f->path, cafi_value_get(cafi_bundle_config(f->bundle), CAFI_TRAINED_ON));
    f->fusion.backbone = trained.backbone; /* the bundle's, which outlives the model */
    f->fusion.input = trained.input;
    f->fusion.encoding = trained.encoding;
    caface_model_free(model);
    return CAFACE_OK;
}

static void add_up(caface_file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        uint64_t n = cafi_tensor_count(f->tensors[i]);

        f->numbers += n;
        f->bytes += n * cafi_dtype_size(f->tensors[i]->dtype);
    }
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A folder with features.npy in it is a feature set, a whole or a damaged one. */
static caface_status list_folder(caface_file *f, caface_error *err)
{
    cafi_buf path = {0};
    struct stat info;
    bool set = false;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&path, "%s/features.npy", f->path);
    if (path.failed)
        return cafi_fail_memory(err, strlen(f->path));
    set = stat(path.data, &info) == 0;
    cafi_buf_free(&path);
    if (!set)
        return cafi_kind_of_folder(&f->other, f->path, err);
    if ((st = cafi_kind_of_variants(&f->other, f->path, err)) || f->other.name)
        return st;
    return list_feature_set(f, err);
}

static caface_status take_other(caface_file *f, caface_error *err)
{
    if (f->other.sentence.failed || f->other.facts.failed)
        return cafi_fail_memory(err, strlen(f->path));
    f->kind = f->other.name;
    *f->backbone_error = '\0'; /* no model was expected */
    f->config = &f->facts;
    return cafi_json_parse(&f->facts, f->other.facts.data, f->other.facts.size, err);
}

/* A model, or what else it may be: by its first bytes before the readers of models look at it,
 * or by what they do not know. */
static caface_status list(caface_file *f, caface_error *err)
{
    caface_error why = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    if (is_folder(f->path))
        st = list_folder(f, err);
    else if (!(st = cafi_kind_of_head(&f->other, f->path, err)) && !f->other.name &&
             ((st = list_file(f, err)) == CAFACE_EFORMAT || st == CAFACE_EUNSUPPORTED)) {
        caface_status rest = cafi_kind_of_rest(&f->other, f->path, &why);

        if (rest || f->other.name) {
            st = rest;
            if (rest)
                *err = why;
        }
    }
    return !st && f->other.name ? take_other(f, err) : st;
}

static caface_status fill(caface_file *f, caface_error *err)
{
    caface_status st = list(f, err);

    if (st || (st = read_fusion(f, err)))
        return st;
    add_up(f);
    cafi_file_write_text(f);
    cafi_file_write_json(f);
    if (f->text.failed || f->json.failed)
        return cafi_fail(err, CAFACE_ENOMEM, "%s: out of memory", f->path);
    return CAFACE_OK;
}

caface_status caface_file_open(caface_file **out, const char *path, caface_error *err)
{
    caface_file *f = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "file_open: null argument");
    *out = NULL;
    if ((st = CAFI_NEW(&f, 1, err)))
        return st;
    if ((st = cafi_strdup(&f->path, path, err)) || (st = fill(f, err))) {
        caface_file_close(f);
        return st;
    }
    *out = f;
    return CAFACE_OK;
}

void caface_file_close(caface_file *f)
{
    if (!f)
        return;
    free(f->tensors);
    cafi_bundle_close(f->bundle);
    cafi_feature_set_close(f->set);
    cafi_backbone_clear(&f->backbone);
    cafi_kind_clear(&f->other);
    cafi_value_clear(&f->facts);
    cafi_buf_free(&f->text);
    cafi_buf_free(&f->json);
    free(f->path);
    free(f);
}

void caface_file_get_info_sized(const caface_file *f, caface_file_info *info, size_t size)
{
    const cafi_backbone *b = &f->backbone;
    const caface_file_info own = {.kind = f->kind,
                                  .tensors = f->count,
                                  .numbers = f->numbers,
                                  .bytes = f->bytes,
                                  .not_read = f->bundle ? cafi_bundle_passed_count(f->bundle) : 0,
                                  .has_fusion = f->fuses,
                                  .fusion_error = *f->fusion_error ? f->fusion_error : NULL,
                                  .backbone = b->found ? b->family : NULL,
                                  .backbone_hash = b->found ? b->hash : NULL,
                                  .backbone_input = b->found ? b->input : NULL,
                                  .backbone_error = *f->backbone_error ? f->backbone_error : NULL,
                                  .C = b->C,
                                  .S = b->S,
                                  .height = b->height,
                                  .width = b->width};

    cafi_sized_out(info, size, &own, sizeof own);
}

int caface_file_tensor_sized(const caface_file *f, size_t index, caface_tensor_info *info,
                             size_t size)
{
    caface_tensor_info own = {0};
    const cafi_tensor *t = NULL;

    if (index >= f->count)
        return 0;
    t = f->tensors[index];
    own.name = t->name;
    own.type = cafi_dtype_name(t->dtype);
    own.dims = (size_t)t->ndim;
    memcpy(own.shape, t->shape, own.dims * sizeof *own.shape);
    cafi_sized_out(info, size, &own, sizeof own);
    return 1;
}

int caface_file_fusion_sized(const caface_file *f, caface_model_info *info, size_t size)
{
    if (!f->fuses || *f->fusion_error)
        return 0;
    cafi_sized_out(info, size, &f->fusion, sizeof f->fusion);
    return 1;
}

const char *caface_file_text(const caface_file *file)
{
    return file->text.data;
}

const char *caface_file_json(const caface_file *file)
{
    return file->json.data;
}
