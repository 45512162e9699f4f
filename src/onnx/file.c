#include "onnx/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/mapped.h"
#include "files/stranger.h"

#define MAX_FILE CAFI_GIB(8)

/* One piece of memory, or one file that is mapped, until all is closed. */
struct cafi_onnx_block {
    cafi_onnx_block *next;
    void *bytes;
    cafi_mapped map; /* a file, with its identity */
    dev_t device;
    ino_t inode;
};

static caface_status keep(cafi_onnx_block **list, cafi_onnx_block block, caface_error *err)
{
    cafi_onnx_block *kept = NULL;
    caface_status st = CAFI_NEW(&kept, 1, err);

    if (st)
        return st;
    *kept = block;
    kept->next = *list;
    *list = kept;
    return CAFACE_OK;
}

static size_t most_made(const cafi_onnx_file *file)
{
    return file->read < (SIZE_MAX - CAFI_ONNX_MAX_MADE) / 4 ? CAFI_ONNX_MAX_MADE + 4 * file->read
                                                            : SIZE_MAX;
}

caface_status cafi_onnx_charge(cafi_onnx_file *file, size_t count, size_t size, caface_error *err)
{
    size_t bytes = 0;

    if (!cafi_mul_size(count, size, &bytes) || bytes > most_made(file) - file->made)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "a file of %zu bytes that asks for more than %zu bytes of memory",
                         file->read, most_made(file));
    file->made += bytes;
    return CAFACE_OK;
}

caface_status cafi_onnx_alloc(cafi_onnx_file *file, void **out, size_t count, size_t size,
                              caface_error *err)
{
    caface_status st = cafi_onnx_charge(file, count, size, err);

    *out = NULL;
    if (st)
        return st;
    st = cafi_alloc(out, count, size, err);
    if (!st && (st = keep(&file->blocks, (cafi_onnx_block){.bytes = *out}, err))) {
        free(*out);
        *out = NULL;
    }
    return st;
}

void cafi_onnx_forget(cafi_onnx_file *file, size_t made, const cafi_onnx_block *blocks)
{
    while (file->blocks != blocks) {
        cafi_onnx_block *b = file->blocks;

        file->blocks = b->next;
        free(b->bytes);
        free(b);
    }
    file->made = made;
}

caface_status cafi_onnx_map(cafi_onnx_file *file, const char *path, const unsigned char **bytes,
                            size_t *size, caface_error *err)
{
    cafi_mapped map;
    struct stat info;
    caface_status st = cafi_mapped_open(&map, path, err);

    *bytes = NULL;
    *size = 0;
    if (st)
        return cafi_prefix(err, st, path);
    if (map.size > MAX_FILE)
        st = cafi_fail(err, CAFACE_ELIMIT, "%s: %zu bytes, the limit is %zu", path, map.size,
                       MAX_FILE);
    else if (fstat(map.fd, &info))
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
    for (const cafi_onnx_block *b = st ? NULL : file->maps; b; b = b->next)
        if (b->device == info.st_dev && b->inode == info.st_ino && b->map.size == map.size)
            *bytes = b->map.data; /* thousands of tensors may lie in one file */
    if (!st && !*bytes &&
        !(st = keep(&file->maps,
                    (cafi_onnx_block){.map = map, .device = info.st_dev, .inode = info.st_ino},
                    err))) {
        *bytes = map.data;
        *size = map.size;
        file->read += map.size;
        return CAFACE_OK;
    }
    *size = map.size;
    cafi_mapped_close(&map);
    return st;
}

void cafi_onnx_close(cafi_onnx_file *file)
{
    if (!file)
        return;
    for (cafi_onnx_block *b = file->blocks, *next; b; b = next) {
        next = b->next;
        free(b->bytes);
        free(b);
    }
    for (cafi_onnx_block *b = file->maps, *next; b; b = next) {
        next = b->next;
        cafi_mapped_close(&b->map);
        free(b);
    }
    free(file->path);
    free(file);
}

caface_status cafi_onnx_read_name(cafi_onnx_file *file, const cafi_pb_field *field,
                                  const char *what, const char **out, caface_error *err)
{
    size_t size = field->bytes.at ? (size_t)(field->bytes.end - field->bytes.at) : 0;
    void *p = NULL;
    char *text = NULL;
    caface_status st = cafi_pb_expect(field, CAFI_PB_BYTES, what, err);

    if (st || (st = cafi_onnx_alloc(file, &p, size + 1, 1, err)))
        return st;
    text = p;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = field->bytes.at[i];

        if (c < 0x20 || c == 0x7f)
            return cafi_fail(err, CAFACE_EFORMAT, "%s holds the control character %u", what, c);
        text[i] = (char)c;
    }
    *out = text;
    return CAFACE_OK;
}

/* TensorShapeProto.Dimension: a value, or a name for an open one. */
static caface_status read_dim(cafi_pb message, int64_t *out, caface_error *err)
{
    cafi_pb_field f;
    bool more = true;

    *out = -1;
    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st)
            return st;
        if (more && f.number == 1 && f.wire == CAFI_PB_VARINT)
            *out = f.value > 0 && f.value <= INT32_MAX ? (int64_t)f.value : -1;
    }
    return CAFACE_OK;
}

static caface_status read_shape(cafi_pb message, cafi_onnx_value *value, caface_error *err)
{
    cafi_pb_field f;
    bool more = true;

    value->ndim = 0;
    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st)
            return st;
        if (!more || f.number != 1)
            continue;
        if (value->ndim == CAFI_MAX_DIMS)
            return cafi_fail(err, CAFACE_ELIMIT, "%s has more than %d dimensions", value->name,
                             CAFI_MAX_DIMS);
        if ((st = cafi_pb_expect(&f, CAFI_PB_BYTES, "shape.dim", err)) ||
            (st = read_dim(f.bytes, &value->dim[value->ndim++], err)))
            return st;
    }
    return CAFACE_OK;
}

/* TypeProto: what is no tensor keeps type 0. */
static caface_status read_type(cafi_pb message, cafi_onnx_value *value, int depth,
                               caface_error *err)
{
    cafi_pb_field f;
    bool more = true;

    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st)
            return st;
        if (!more)
            break;
        if (depth == 0 && f.number == 1 && f.wire == CAFI_PB_BYTES)
            st = read_type(f.bytes, value, 1, err);
        else if (depth == 1 && f.number == 1 && f.wire == CAFI_PB_VARINT)
            value->type = f.value < 64 ? (int)f.value : 0;
        else if (depth == 1 && f.number == 2 && f.wire == CAFI_PB_BYTES)
            st = read_shape(f.bytes, value, err);
        if (st)
            return st;
    }
    return CAFACE_OK;
}

static caface_status read_value(cafi_onnx_file *file, const cafi_pb_field *field,
                                cafi_onnx_value *value, caface_error *err)
{
    cafi_pb message = field->bytes;
    cafi_pb_field f;
    bool more = true;
    caface_status st = cafi_pb_expect(field, CAFI_PB_BYTES, "graph.input", err);

    *value = (cafi_onnx_value){.name = "", .ndim = -1};
    if (st)
        return st;
    while (more) {
        if ((st = cafi_pb_next(&message, &f, &more, err)))
            return st;
        if (more && f.number == 1 &&
            (st = cafi_onnx_read_name(file, &f, "value.name", &value->name, err)))
            return st;
        if (more && f.number == 2 && f.wire == CAFI_PB_BYTES &&
            (st = read_type(f.bytes, value, 0, err)))
            return st;
    }
    return CAFACE_OK;
}

caface_status cafi_onnx_count_fields(cafi_pb message, uint32_t number, size_t *count,
                                     caface_error *err)
{
    cafi_pb_field f;
    bool more = true;

    *count = 0;
    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st)
            return st;
        *count += more && f.number == number;
    }
    return CAFACE_OK;
}

static caface_status alloc_graph(cafi_onnx_file *file, cafi_pb message, caface_error *err)
{
    static const uint32_t numbers[4] = {1, 5, 11, 12};
    static const size_t sizes[4] = {sizeof(cafi_onnx_node), sizeof(cafi_tensor *),
                                    sizeof(cafi_onnx_value), sizeof(cafi_onnx_value)};
    size_t counts[4] = {0};
    void *p[4] = {NULL};

    for (int i = 0; i < 4; i++) {
        caface_status st = cafi_onnx_count_fields(message, numbers[i], &counts[i], err);

        if (st)
            return st;
        if (counts[i] > 4 * (size_t)CAFI_ONNX_MAX_NODES ||
            (i == 0 && counts[i] > CAFI_ONNX_MAX_NODES))
            return cafi_fail(err, CAFACE_ELIMIT, "a graph of %zu %s, the limit is %d", counts[i],
                             i == 0 ? "nodes" : "tensors", CAFI_ONNX_MAX_NODES);
        if ((st = cafi_onnx_alloc(file, &p[i], counts[i], sizes[i], err)))
            return st;
    }
    file->nodes = p[0];
    file->initializers = p[1];
    file->inputs = p[2];
    file->outputs = p[3];
    return CAFACE_OK;
}

static caface_status read_graph(cafi_onnx_file *file, cafi_pb message, caface_error *err)
{
    cafi_pb_field f;
    bool more = true;
    caface_status st = alloc_graph(file, message, err);

    while (!st && more) {
        if ((st = cafi_pb_next(&message, &f, &more, err)) || !more)
            break;
        if (f.number == 1)
            st = cafi_onnx_read_node(file, &f, &file->nodes[file->node_count++], err);
        else if (f.number == 5) {
            if (!(st = cafi_pb_expect(&f, CAFI_PB_BYTES, "graph.initializer", err)))
                st = cafi_onnx_read_tensor(file, f.bytes,
                                           &file->initializers[file->initializer_count++], err);
        } else if (f.number == 11)
            st = read_value(file, &f, &file->inputs[file->input_count++], err);
        else if (f.number == 12)
            st = read_value(file, &f, &file->outputs[file->output_count++], err);
        else if (f.number == 15)
            st = cafi_fail(err, CAFACE_EUNSUPPORTED, "sparse initializers are not supported");
    }
    return st;
}

/* OperatorSetIdProto; the domain "" (or "ai.onnx") is the one that counts. */
static caface_status read_opset(cafi_onnx_file *file, cafi_pb message, caface_error *err)
{
    cafi_pb_field f;
    bool more = true;
    const char *domain = "";
    uint64_t version = 0;

    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st)
            return st;
        if (more && f.number == 1 &&
            (st = cafi_onnx_read_name(file, &f, "opset_import.domain", &domain, err)))
            return st;
        if (more && f.number == 2)
            version = f.value;
    }
    if (!*domain || strcmp(domain, "ai.onnx") == 0)
        file->opset = version <= INT32_MAX ? (int64_t)version : INT32_MAX;
    return CAFACE_OK;
}

static caface_status check_opset(const cafi_onnx_file *file, caface_error *err)
{
    if (file->opset == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "no opset is named, so this is no ONNX model");
    if (file->opset < CAFI_ONNX_MIN_OPSET || file->opset > CAFI_ONNX_MAX_OPSET)
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "opset %lld; supported are %d to %d: export the network with opset_version=17",
            (long long)file->opset, CAFI_ONNX_MIN_OPSET, CAFI_ONNX_MAX_OPSET);
    return CAFACE_OK;
}

static caface_status read_graph_and_opset(cafi_onnx_file *file, cafi_pb message, caface_error *err)
{
    cafi_pb graph = {0};
    cafi_pb_field f;
    bool found = false;
    bool more = true;
    caface_status st = CAFACE_OK;

    while (more) {
        if ((st = cafi_pb_next(&message, &f, &more, err)))
            return st;
        if (!more || (f.number != 7 && f.number != 8))
            continue;
        if ((st = cafi_pb_expect(&f, CAFI_PB_BYTES, f.number == 7 ? "graph" : "opset_import", err)))
            return st;
        if (f.number == 8) {
            if ((st = read_opset(file, f.bytes, err)))
                return st;
            continue;
        }
        if (found)
            return cafi_fail(err, CAFACE_EFORMAT, "two graphs in one model");
        found = true;
        graph = f.bytes;
    }
    if (!found)
        return cafi_fail(err, CAFACE_EFORMAT, "no graph, so this is no ONNX model");
    if ((st = check_opset(file, err)))
        return st;
    return read_graph(file, graph, err);
}

static caface_status read_model(cafi_onnx_file *file, const void *bytes, size_t size,
                                caface_error *err)
{
    caface_status st = read_graph_and_opset(file, cafi_pb_begin(bytes, size), err);

    /* what a failed download left is called by its name */
    if (st == CAFACE_EFORMAT)
        (void)cafi_name_stranger(bytes, size, err);
    return st;
}

static caface_status new_file(cafi_onnx_file **out, const char *path, caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_alloc(&p, 1, sizeof(cafi_onnx_file), err);

    *out = p;
    if (!st && (st = cafi_strdup(&(*out)->path, path, err))) {
        free(*out);
        *out = NULL;
    }
    return st;
}

caface_status cafi_onnx_parse(cafi_onnx_file **out, const char *path, const void *bytes,
                              size_t size, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = new_file(&file, path, err);

    *out = NULL;
    if (st)
        return st;
    file->read = size;
    if ((st = read_model(file, bytes, size, err))) {
        cafi_onnx_close(file);
        cafi_prefix(err, st, path);
        return st;
    }
    *out = file;
    return CAFACE_OK;
}

caface_status cafi_onnx_open(cafi_onnx_file **out, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    const unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st = new_file(&file, path, err);

    *out = NULL;
    if (st)
        return st;
    if ((st = cafi_onnx_map(file, path, &bytes, &size, err))) {
        cafi_onnx_close(file);
        return st;
    }
    if ((st = read_model(file, bytes, size, err))) {
        cafi_onnx_close(file);
        cafi_prefix(err, st, path);
        return st;
    }
    *out = file;
    return CAFACE_OK;
}

bool cafi_onnx_is_memory(const void *bytes, size_t size)
{
    cafi_pb at = cafi_pb_begin(bytes, size);
    cafi_pb_field f;
    bool more = true;
    bool is = false;

    while (more && !cafi_pb_next(&at, &f, &more, NULL))
        if (more && f.number == 7 && f.wire == CAFI_PB_BYTES && size > 16)
            is = true;
    return is && !more;
}

bool cafi_onnx_is(const char *path)
{
    cafi_mapped file = {.fd = -1};
    bool is = false;

    if (cafi_mapped_open(&file, path, NULL))
        return false;
    is = cafi_onnx_is_memory(file.data, file.size);
    cafi_mapped_close(&file);
    return is;
}
