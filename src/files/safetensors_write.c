/* Safetensors, written. */
#include <stdlib.h>
#include <string.h>

#include "files/bundle_build.h"
#include "files/bytes.h"
#include "files/json.h"
#include "files/output.h"
#include "files/safetensors.h"

enum { CHUNK = 1 << 16, PIECE = 1 << 22 };

/* A tensor and where its data goes. The wide types come first, so that every
 * tensor is aligned to its element without the gaps the format forbids. */
typedef struct place {
    const cafi_tensor *tensor;
    size_t index; /* in the caller's order, which the header keeps */
    size_t begin, bytes;
} place;

static int by_width(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;
    size_t wx = cafi_dtype_size(x->tensor->dtype);
    size_t wy = cafi_dtype_size(y->tensor->dtype);

    if (wx != wy)
        return wx > wy ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static caface_status check_names(const place *places, size_t count, caface_error *err)
{
    cafi_names seen = {0};
    size_t existing = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < count && !st; i++) {
        const char *name = places[i].tensor->name;

        st = cafi_names_add(&seen, name, strlen(name), i, &existing, err);
        if (!st && existing != CAFI_NO_NAME)
            st = cafi_fail(err, CAFACE_EINVAL, "tensor %.200s occurs twice", name);
        if (!st && strcmp(name, "__metadata__") == 0)
            st = cafi_fail(err, CAFACE_EINVAL, "a tensor cannot be called __metadata__");
    }
    cafi_names_free(&seen);
    return st;
}

/* Gives every tensor its place, in the order of the data. */
static caface_status lay_out(place *places, size_t count, caface_error *err)
{
    size_t at = 0;

    qsort(places, count, sizeof *places, by_width);
    for (size_t i = 0; i < count; i++) {
        places[i].begin = at;
        if (!cafi_tensor_bytes(places[i].tensor, &places[i].bytes) ||
            !cafi_add_size(at, places[i].bytes, &at))
            return cafi_fail(err, CAFACE_EINVAL, "tensor %.200s does not fit in memory",
                             places[i].tensor->name);
    }
    return CAFACE_OK;
}

static caface_status write_metadata(cafi_json *json, const cafi_value *metadata, caface_error *err)
{
    cafi_json_begin_object(json, "__metadata__");
    for (size_t i = 0; i < metadata->u.list.count; i++) {
        const cafi_value *v = &metadata->u.list.items[i];
        cafi_buf text = {0};
        cafi_json inner = {.out = &text};

        if (v->kind == CAFI_STRING) {
            cafi_json_bytes(json, metadata->u.list.keys[i], v->u.text.data, v->u.text.size);
            continue;
        }
        cafi_json_value(&inner, NULL, v);
        if (text.failed) {
            cafi_buf_free(&text);
            return cafi_fail_memory(err, text.size);
        }
        cafi_json_bytes(json, metadata->u.list.keys[i], text.data, text.size);
        cafi_buf_free(&text);
    }
    cafi_json_end_object(json);
    return CAFACE_OK;
}

static caface_status make_header(cafi_buf *out, const place *places, size_t count,
                                 const cafi_value *metadata, caface_error *err)
{
    cafi_json json = {.out = out};
    unsigned char length[8] = {0};
    caface_status st = CAFACE_OK;

    cafi_buf_append(out, length, sizeof length);
    cafi_json_begin_object(&json, NULL);
    if (metadata && metadata->kind == CAFI_DICT && metadata->u.list.count &&
        (st = write_metadata(&json, metadata, err)))
        return st;
    for (size_t i = 0; i < count; i++) {
        const cafi_tensor *t = places[i].tensor;

        cafi_json_begin_object(&json, t->name);
        cafi_json_string(&json, "dtype", cafi_dtype_name(t->dtype));
        cafi_json_begin_array(&json, "shape");
        for (int d = 0; d < t->ndim; d++)
            cafi_json_int(&json, NULL, (int64_t)t->shape[d]);
        cafi_json_end_array(&json);
        cafi_json_begin_array(&json, "data_offsets");
        cafi_json_int(&json, NULL, (int64_t)places[i].begin);
        cafi_json_int(&json, NULL, (int64_t)(places[i].begin + places[i].bytes));
        cafi_json_end_array(&json);
        cafi_json_end_object(&json);
    }
    cafi_json_end_object(&json);
    while (!out->failed && out->size % 64)
        cafi_buf_append(out, " ", 1);
    if (out->failed)
        return cafi_fail_memory(err, out->size);
    cafi_put_le64(length, out->size - sizeof length);
    memcpy(out->data, length, sizeof length);
    return CAFACE_OK;
}

/* Whoever watches, and what is to be told. */
typedef struct watching {
    caface_progress progress; /* or NULL */
    void *context;
    size_t written;
} watching;

static caface_status write_tensor(cafi_output *o, const cafi_tensor *t, watching *w,
                                  caface_error *err)
{
    size_t count = cafi_tensor_count(t);
    size_t width = cafi_dtype_size(t->dtype);
    bool in_order = cafi_tensor_is_contiguous(t);
    size_t per_piece = (in_order ? PIECE : CHUNK) / width;
    unsigned char chunk[CHUNK];
    caface_status st = CAFACE_OK;

    for (size_t first = 0; first < count && !st; first += per_piece) {
        size_t n = count - first < per_piece ? count - first : per_piece;
        const unsigned char *numbers = chunk;

        if (w->progress && !w->progress(w->context, w->written))
            return cafi_fail(err, CAFACE_ECANCELLED, "stopped: nothing is written");
        if (in_order)
            numbers = (const unsigned char *)t->data + first * width;
        else
            cafi_tensor_read_raw(t, first, n, chunk);
        st = cafi_output_write_numbers(o, numbers, n, width, err);
        w->written += n * width;
    }
    return st;
}

static caface_status write_file(const char *path, place *places, size_t count,
                                const cafi_value *metadata, watching *w, caface_error *err)
{
    cafi_output *o = NULL;
    cafi_buf header = {0};
    caface_status st = CAFACE_OK;

    qsort(places, count, sizeof *places, by_index);
    st = make_header(&header, places, count, metadata, err);
    qsort(places, count, sizeof *places, by_width);
    if (!st)
        st = cafi_output_open(&o, path, err);
    if (!st)
        st = cafi_output_write(o, header.data, header.size, err);
    for (size_t i = 0; i < count && !st; i++)
        st = write_tensor(o, places[i].tensor, w, err);
    cafi_buf_free(&header);
    if (st) {
        cafi_output_abort(o);
        return st;
    }
    return cafi_output_commit(o, err);
}

caface_status cafi_safetensors_save(const char *path, const cafi_tensor *const *tensors,
                                    size_t count, const cafi_value *metadata, caface_error *err)
{
    return cafi_safetensors_save_watched(path, tensors, count, metadata, NULL, NULL, err);
}

caface_status cafi_safetensors_save_watched(const char *path, const cafi_tensor *const *tensors,
                                            size_t count, const cafi_value *metadata,
                                            caface_progress progress, void *context,
                                            caface_error *err)
{
    watching w = {.progress = progress, .context = context};
    place *places = NULL;
    caface_status st = CAFI_NEW(&places, count, err);

    if (st)
        return st;
    for (size_t i = 0; i < count; i++) {
        places[i].tensor = tensors[i];
        places[i].index = i;
    }
    if (!(st = check_names(places, count, err)) && !(st = lay_out(places, count, err)))
        st = write_file(path, places, count, metadata, &w, err);
    free(places);
    return st;
}
