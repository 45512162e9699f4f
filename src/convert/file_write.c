/* A file in words and as JSON. */
#include <stdio.h>

#include "caface/set.h"
#include "convert/describe.h"
#include "convert/file.h"
#include "files/json.h"

/* Tensors' names are shown in a column of at most this width; parts that are not read, at most
 * this many. */
enum { MOST_WIDTH = 80, MOST_PASSED = 20 };

/* ---- in words ---------------------------------------------------------- */

static void write_bytes(cafi_buf *out, uint64_t bytes)
{
    if (bytes < 10240)
        cafi_buf_printf(out, "%llu bytes", (unsigned long long)bytes);
    else if (bytes < (uint64_t)10 << 20)
        cafi_buf_printf(out, "%.1f KiB", (double)bytes / 1024.0);
    else
        cafi_buf_printf(out, "%.1f MiB", (double)bytes / 1048576.0);
}

static void write_tensors(cafi_buf *out, const caface_file *f)
{
    int widest = 6;
    char shape[128];

    for (size_t i = 0; i < f->count; i++) {
        int width = cafi_describe_width(f->tensors[i]->name);

        widest = width > widest && width <= MOST_WIDTH ? width : widest;
    }
    cafi_buf_printf(out, "\n  %-*s  %-4s  shape\n", widest, "tensor", "type");
    for (size_t i = 0; i < f->count; i++) {
        const cafi_tensor *t = f->tensors[i];

        cafi_buf_text(out, "  ");
        cafi_describe_column(out, t->name, widest);
        cafi_buf_printf(out, "  %-4s  %s\n", cafi_dtype_name(t->dtype),
                        cafi_shape_text(shape, sizeof shape, t->ndim, t->shape));
    }
}

/* What the file holds beside, and why it is left alone. */
static void write_passed(cafi_buf *out, const caface_file *f)
{
    size_t count = f->bundle ? cafi_bundle_passed_count(f->bundle) : 0;

    if (count)
        cafi_buf_text(out, "\nnot read\n");
    for (size_t i = 0; i < count && i < MOST_PASSED; i++) {
        const cafi_passed *p = cafi_bundle_passed_at(f->bundle, i);

        cafi_buf_text(out, "  ");
        cafi_describe_line(out, p->name);
        cafi_buf_text(out, ": ");
        cafi_describe_line(out, p->why);
        cafi_buf_text(out, "\n");
    }
    if (count > MOST_PASSED)
        cafi_buf_printf(out, "  ... and %zu more\n", count - MOST_PASSED);
}

/* A line of its own: what is wrong. */
static void write_error(cafi_buf *out, const char *what, const char *error)
{
    cafi_buf_printf(out, "\n%s: ", what);
    cafi_describe_line(out, error);
    cafi_buf_text(out, "\n");
}

static void write_fusion(cafi_buf *out, const caface_file *f)
{
    const caface_model_info *i = &f->fusion;

    if (*f->fusion_error) {
        write_error(out, "fusion", f->fusion_error);
        return;
    }
    cafi_buf_printf(out, "\nfusion\n  method  %s\n", caface_method_name(i->method));
    if (i->method == CAFACE_METHOD_RESTORE) {
        cafi_buf_printf(out, "  form    %s%s\n", i->form,
                        i->is_sum ? ": a sum over faces, chunks have no part in it" : "");
        cafi_buf_printf(out, "  sizes   C %zu, S %zu, hidden %zu, rank %zu, heads %zu", i->C, i->S,
                        i->hidden, i->rank, i->K);
        if (i->members > 1)
            cafi_buf_printf(out, ", %zu networks", i->members);
        cafi_buf_text(out, "\n");
    } else
        cafi_buf_printf(out, "  sizes   C %zu, S %zu, D %zu, M %zu, K %zu, L %zu, A %zu, H %zu\n",
                        i->C, i->S, i->D, i->M, i->K, i->L, i->A, i->H);
    cafi_buf_printf(out, "  hash    %s\n", i->hash);
    if (i->backbone) {
        cafi_buf_text(out, "  trained on features of the backbone ");
        cafi_describe_line(out, i->backbone);
        cafi_buf_text(out, "\n");
    }
}

void cafi_file_write_text(caface_file *f)
{
    cafi_buf *out = &f->text;

    cafi_describe_line(out, f->path);
    if (f->other.name) {
        cafi_buf_text(out, ": ");
        cafi_describe_line(out, f->other.sentence.data);
        cafi_buf_text(out, "\n");
        return;
    }
    cafi_buf_printf(out, ": %s, %zu tensor%s, %llu numbers, ", f->kind, f->count,
                    f->count == 1 ? "" : "s", (unsigned long long)f->numbers);
    write_bytes(out, f->bytes);
    cafi_buf_text(out, "\n");
    if (f->count)
        write_tensors(out, f);
    write_passed(out, f);
    if (f->fuses)
        write_fusion(out, f);
    cafi_describe(out, "configuration", f->config);
    if (f->backbone.found)
        cafi_describe(out, "backbone", &f->backbone.about);
    else if (*f->backbone_error)
        write_error(out, "no backbone", f->backbone_error);
}

/* ---- as JSON ----------------------------------------------------------- */

static void json_tensors(cafi_json *json, const caface_file *f)
{
    cafi_json_begin_array(json, "tensors");
    for (size_t i = 0; i < f->count; i++) {
        const cafi_tensor *t = f->tensors[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", t->name);
        cafi_json_string(json, "dtype", cafi_dtype_name(t->dtype));
        cafi_json_begin_array(json, "shape");
        for (int d = 0; d < t->ndim; d++)
            cafi_json_int(json, NULL, (int64_t)t->shape[d]);
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void json_passed(cafi_json *json, const caface_file *f)
{
    size_t count = f->bundle ? cafi_bundle_passed_count(f->bundle) : 0;

    if (!count)
        return;
    cafi_json_begin_array(json, "not_read");
    for (size_t i = 0; i < count; i++) {
        const cafi_passed *p = cafi_bundle_passed_at(f->bundle, i);

        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", p->name);
        cafi_json_string(json, "why", p->why);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

/* What the file says of that; nothing where it says nothing. */
static void json_trained_on(cafi_json *json, const caface_model_info *i)
{
    const char *const names[3] = {"backbone", "input", "encoding"};
    const char *const texts[3] = {i->backbone, i->input, i->encoding};

    if (!i->backbone && !i->input && !i->encoding)
        return;
    cafi_json_begin_object(json, "trained_on");
    for (size_t k = 0; k < 3; k++)
        if (texts[k])
            cafi_json_string(json, names[k], texts[k]);
    cafi_json_end_object(json);
}

/* The sizes of the fusion network, or what is wrong with it. */
static void json_fusion(cafi_json *json, const caface_file *f)
{
    const caface_model_info *i = &f->fusion;
    const struct {
        const char *name;
        size_t value;
    } sizes[] = {{"C", i->C},       {"S", i->S},           {"compact", i->compact},
                 {"D", i->D},       {"M", i->M},           {"K", i->K},
                 {"L", i->L},       {"A", i->A},           {"H", i->H},
                 {"rank", i->rank}, {"hidden", i->hidden}, {"members", i->members}};

    cafi_json_begin_object(json, "fusion");
    if (*f->fusion_error)
        cafi_json_string(json, "error", f->fusion_error);
    else {
        cafi_json_string(json, "method", caface_method_name(i->method));
        if (i->form[0])
            cafi_json_string(json, "form", i->form);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            if (sizes[k].value)
                cafi_json_int(json, sizes[k].name, (int64_t)sizes[k].value);
        if (i->method == CAFACE_METHOD_RESTORE)
            cafi_json_bool(json, "is_sum", i->is_sum != 0);
        cafi_json_string(json, "hash", i->hash);
        json_trained_on(json, i);
    }
    cafi_json_end_object(json);
}

void cafi_file_write_json(caface_file *f)
{
    cafi_json json = {.out = &f->json};

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "file", f->path);
    cafi_json_string(&json, "kind", f->kind);
    if (f->other.name)
        cafi_json_string(&json, "about", f->other.sentence.data);
    json_tensors(&json, f);
    json_passed(&json, f);
    cafi_json_value(&json, "config", f->config);
    if (f->fuses)
        json_fusion(&json, f);
    if (f->backbone.found)
        cafi_json_value(&json, "backbone", &f->backbone.about);
    else if (*f->backbone_error)
        cafi_json_string(&json, "backbone_error", f->backbone_error);
    cafi_json_int(&json, "numbers", (int64_t)f->numbers);
    cafi_json_int(&json, "bytes", (int64_t)f->bytes);
    cafi_json_end_object(&json);
}
