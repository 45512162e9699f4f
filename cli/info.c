#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "caface/set.h"
#include "cli/backbone.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "files/bundle.h"
#include "files/feature_set.h"
#include "files/json.h"
#include "fusion/model.h"

typedef struct info_options {
    cli_common common;
} info_options;

/* A bundle, or a feature set, as what is printed of either. */
typedef struct listing {
    const char *path, *kind;
    const cafi_tensor **tensors;
    size_t count;
    const cafi_value *config;
    cafi_bundle *bundle; /* what all this is borrowed from: one of them */
    cafi_feature_set *set;
    cli_backbone backbone;       /* of a bundle or an ONNX file, where there is one */
    char why[CAFACE_ERROR_SIZE]; /* an ONNX file is no backbone, in words; or "" */
} listing;

static const cli_option options[] = {{0}};

static int text_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* A name on one line, filled up to width. */
static void print_text(const char *text, int width)
{
    cli_say_line(stdout, text);
    for (int n = text_width(text); n < width; n++)
        putchar(' ');
}

static void print_bytes(size_t bytes)
{
    if (bytes < 10240)
        printf("%zu bytes", bytes);
    else if (bytes < (size_t)10 << 20)
        printf("%.1f KiB", (double)bytes / 1024.0);
    else
        printf("%.1f MiB", (double)bytes / 1048576.0);
}

static void print_tensors(const listing *l)
{
    int widest = 6;
    char shape[128];

    for (size_t i = 0; i < l->count; i++) {
        int width = text_width(l->tensors[i]->name);

        widest = width > widest && width <= 80 ? width : widest;
    }
    printf("\n  %-*s  %-4s  shape\n", widest, "tensor", "type");
    for (size_t i = 0; i < l->count; i++) {
        const cafi_tensor *t = l->tensors[i];

        printf("  ");
        print_text(t->name, widest);
        printf("  %-4s  %s\n", cafi_dtype_name(t->dtype),
               cafi_shape_text(shape, sizeof shape, t->ndim, t->shape));
    }
}

/* What the file holds beside, and why it is left alone. */
static void print_passed(const listing *l)
{
    size_t count = l->bundle ? cafi_bundle_passed_count(l->bundle) : 0;

    if (count)
        printf("\nnot read\n");
    for (size_t i = 0; i < count && i < 20; i++) {
        const cafi_passed *p = cafi_bundle_passed_at(l->bundle, i);

        printf("  ");
        print_text(p->name, 0);
        printf(": ");
        print_text(p->why, 0);
        printf("\n");
    }
    if (count > 20)
        printf("  ... and %zu more\n", count - 20);
}

/* The sizes of the fusion network, or what is wrong with it. */
static void write_fusion(const caface_model_info *i, const char *error, cafi_json *json)
{
    cafi_json_begin_object(json, "fusion");
    if (error)
        cafi_json_string(json, "error", error);
    else {
        const struct {
            const char *name;
            size_t value;
        } sizes[] = {{"C", i->C},       {"S", i->S},           {"compact", i->compact},
                     {"D", i->D},       {"M", i->M},           {"K", i->K},
                     {"L", i->L},       {"A", i->A},           {"H", i->H},
                     {"rank", i->rank}, {"hidden", i->hidden}, {"members", i->members}};

        cafi_json_string(json, "method", caface_method_name(i->method));
        if (i->form[0])
            cafi_json_string(json, "form", i->form);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            if (sizes[k].value)
                cafi_json_int(json, sizes[k].name, (int64_t)sizes[k].value);
        if (i->method == CAFACE_METHOD_RESTORE)
            cafi_json_bool(json, "is_sum", i->is_sum != 0);
        cafi_json_string(json, "hash", i->hash);
    }
    cafi_json_end_object(json);
}

static void print_fusion(const caface_model_info *i, const char *error)
{
    if (error) {
        printf("\nfusion: ");
        print_text(error, 0);
        printf("\n");
        return;
    }
    printf("\nfusion\n  method  %s\n", caface_method_name(i->method));
    if (i->method == CAFACE_METHOD_RESTORE) {
        printf("  form    %s%s\n", i->form,
               i->is_sum ? ": a sum over faces, chunks have no part in it" : "");
        printf("  sizes   C %zu, S %zu, hidden %zu, rank %zu, heads %zu", i->C, i->S, i->hidden,
               i->rank, i->K);
        if (i->members > 1)
            printf(", %zu networks", i->members);
        printf("\n");
    } else
        printf("  sizes   C %zu, S %zu, D %zu, M %zu, K %zu, L %zu, A %zu, H %zu\n", i->C, i->S,
               i->D, i->M, i->K, i->L, i->A, i->H);
    printf("  hash    %s\n", i->hash);
}

/* Is there a fusion network? *error is NULL, or what is wrong with it in err. */
static bool read_fusion(const listing *l, caface_model_info *info, caface_error *err,
                        const char **error)
{
    caface_model *model = NULL;

    *error = NULL;
    if (!l->bundle || !cafi_model_is_in(l->bundle))
        return false;
    if (cafi_model_bind(&model, l->bundle, err))
        *error = err->message;
    else
        caface_model_get_info(model, info);
    caface_model_free(model);
    return true;
}

typedef struct totals {
    size_t numbers, bytes;
} totals;

static totals add_up(const listing *l)
{
    totals sum = {0, 0};

    for (size_t i = 0; i < l->count; i++) {
        const cafi_tensor *t = l->tensors[i];
        size_t n = cafi_tensor_count(t);

        sum.numbers += n;
        sum.bytes += n * cafi_dtype_size(t->dtype);
    }
    return sum;
}

static bool print_table(const listing *l)
{
    totals sum = add_up(l);
    caface_model_info fusion;
    caface_error err;
    const char *error = NULL;

    print_text(l->path, 0);
    printf(": %s, %zu tensor%s, %zu numbers, ", l->kind, l->count, l->count == 1 ? "" : "s",
           sum.numbers);
    print_bytes(sum.bytes);
    printf("\n");
    if (l->count)
        print_tensors(l);
    print_passed(l);
    if (read_fusion(l, &fusion, &err, &error))
        print_fusion(&fusion, error);
    cli_describe("configuration", l->config);
    if (l->backbone.found)
        cli_describe("backbone", &l->backbone.about);
    else if (*l->why) {
        printf("\nno backbone: ");
        print_text(l->why, 0);
        printf("\n");
    }
    return true;
}

static bool print_json(const listing *l)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    totals sum = add_up(l);
    caface_model_info fusion;
    caface_error err;
    const char *error = NULL;

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "file", l->path);
    cafi_json_string(&json, "kind", l->kind);
    cafi_json_begin_array(&json, "tensors");
    for (size_t i = 0; i < l->count; i++) {
        const cafi_tensor *t = l->tensors[i];

        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "name", t->name);
        cafi_json_string(&json, "dtype", cafi_dtype_name(t->dtype));
        cafi_json_begin_array(&json, "shape");
        for (int d = 0; d < t->ndim; d++)
            cafi_json_int(&json, NULL, (int64_t)t->shape[d]);
        cafi_json_end_array(&json);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    for (size_t i = 0; l->bundle && i < cafi_bundle_passed_count(l->bundle); i++) {
        const cafi_passed *p = cafi_bundle_passed_at(l->bundle, i);

        if (i == 0)
            cafi_json_begin_array(&json, "not_read");
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "name", p->name);
        cafi_json_string(&json, "why", p->why);
        cafi_json_end_object(&json);
        if (i + 1 == cafi_bundle_passed_count(l->bundle))
            cafi_json_end_array(&json);
    }
    cafi_json_value(&json, "config", l->config);
    if (read_fusion(l, &fusion, &err, &error))
        write_fusion(&fusion, error, &json);
    if (l->backbone.found)
        cafi_json_value(&json, "backbone", &l->backbone.about);
    cafi_json_int(&json, "numbers", (int64_t)sum.numbers);
    cafi_json_int(&json, "bytes", (int64_t)sum.bytes);
    cafi_json_end_object(&json);
    return cli_print(&text) == CLI_OK;
}

static caface_status list_bundle(listing *l, caface_error *err)
{
    caface_status st = cafi_bundle_open(&l->bundle, l->path, err);

    if (st)
        return st;
    l->kind = cafi_bundle_kind_name(cafi_bundle_get_kind(l->bundle));
    l->config = cafi_bundle_config(l->bundle);
    if ((st = CAFI_NEW(&l->tensors, cafi_bundle_count(l->bundle), err)))
        return st;
    for (; l->count < cafi_bundle_count(l->bundle); l->count++)
        l->tensors[l->count] = cafi_bundle_at(l->bundle, l->count);
    return CAFACE_OK;
}

/* Constants of an ONNX backbone, as a converted file would hold them. */
static caface_status list_onnx(listing *l, caface_error *err)
{
    static const cafi_value nothing = {.kind = CAFI_DICT};
    caface_status st = CAFI_NEW(&l->tensors, l->backbone.count, err);

    l->kind = "onnx";
    l->config = &nothing;
    for (; !st && l->count < l->backbone.count; l->count++)
        l->tensors[l->count] = &l->backbone.tensors[l->count];
    return st;
}

static caface_status list_file(listing *l, caface_error *err)
{
    static const cli_input as_it_is = {.order = NULL};
    caface_status st = cli_backbone_open(&l->backbone, l->path, &as_it_is, err);

    if (st == CAFACE_ENOMEM)
        return st;
    if (st) {
        bool onnx = l->backbone.onnx;

        snprintf(l->why, sizeof l->why, "%s", onnx ? err->message : "");

        /* A detector is no backbone; what is wrong with any other file is the
         * bundle's to say. */
        cli_backbone_clear(&l->backbone);
        st = onnx ? cli_backbone_list(&l->backbone, l->path, err) : CAFACE_OK;
    }
    if (st)
        return st;
    return l->backbone.onnx ? list_onnx(l, err) : list_bundle(l, err);
}

static caface_status list_feature_set(listing *l, caface_error *err)
{
    static const cafi_value nothing = {.kind = CAFI_DICT};
    caface_status st = cafi_feature_set_open(&l->set, l->path, err);

    if (st || (st = CAFI_NEW(&l->tensors, 3, err)))
        return st;
    l->kind = "feature-set";
    l->config = l->set->info.kind == CAFI_DICT ? &l->set->info : &nothing;
    l->tensors[l->count++] = l->set->features;
    if (l->set->styles)
        l->tensors[l->count++] = l->set->styles;
    if (l->set->compact_rows)
        l->tensors[l->count++] = l->set->compact_rows;
    return CAFACE_OK;
}

static int run(void *arg)
{
    const info_options *o = arg;
    listing l = {.path = o->common.args.items[0]};
    struct stat info;
    caface_error err;
    caface_status st = stat(l.path, &info) == 0 && S_ISDIR(info.st_mode)
                           ? list_feature_set(&l, &err)
                           : list_file(&l, &err);

    if (!st && !(o->common.json ? print_json(&l) : print_table(&l))) {
        st = CAFACE_ENOMEM;
        snprintf(err.message, sizeof err.message, "%.300s: out of memory", l.path);
    }
    free(l.tensors);
    cafi_bundle_close(l.bundle);
    cafi_feature_set_close(l.set);
    cli_backbone_clear(&l.backbone);
    return st ? cli_fail(&err) : CLI_OK;
}

const cli_command cli_info = {
    .name = "info",
    .summary = "what is in a model, checkpoint or feature set",
    .synopsis = "FILE|FOLDER [--json]",
    .text = "Prints the tensors of a file with their types and shapes, its configuration, and\n"
            "what fusion network or backbone is in it.\n"
            "Reads torch and Lightning checkpoints (.ckpt, .pth, .pt, old and new),\n"
            ".safetensors, .npy, .npz, ONNX and feature sets (folders); the kind of a file is\n"
            "recognised from its bytes, not its name. Nothing in a file is ever executed: of\n"
            "a pickle only tensors, containers, numbers and text are read, and anything else\n"
            "is shown as the name of its class.",
    .example = "  caface info model.ckpt\n"
               "  caface info model.ckpt --json | python3 -m json.tool",
    .options = options,
    .options_size = sizeof(info_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS | CLI_NO_QUIET,
    .run = run,
};
