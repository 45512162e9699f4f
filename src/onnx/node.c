#include "onnx/file.h"

#include <string.h>

/* Lists longer than this are no attribute of a supported operator. */
#define MAX_LIST 65536

/* Room for n more numbers of size bytes each. Unpacked lists arrive one number
 * at a time, so the room doubles. */
static caface_status grow_list(cafi_onnx_file *file, cafi_onnx_attr *attr, const void *old,
                               size_t n, size_t size, void **out, caface_error *err)
{
    size_t need = attr->count + n;
    caface_status st = CAFACE_OK;

    if (n > MAX_LIST || need > MAX_LIST)
        return cafi_fail(err, CAFACE_ELIMIT, "attribute %s: more than %d numbers", attr->name,
                         MAX_LIST);
    if (attr->count && !old)
        return cafi_fail(err, CAFACE_EFORMAT, "attribute %s has lists of two types", attr->name);
    if (old && need <= attr->room) {
        union {
            const void *in;
            void *out;
        } same = {.in = old}; /* ours, and not yet shown to anyone */
        *out = same.out;
        return CAFACE_OK;
    }
    attr->room = need < 4 ? 4 : 2 * need;
    st = cafi_onnx_alloc(file, out, attr->room, size, err);
    if (!st && attr->count)
        memcpy(*out, old, attr->count * size);
    return st;
}

static caface_status read_floats(cafi_onnx_file *file, const cafi_pb_field *f, cafi_onnx_attr *attr,
                                 caface_error *err)
{
    cafi_pb at = f->bytes;
    size_t n = 0;
    void *p = NULL;
    float *list = NULL;
    caface_status st = cafi_pb_count(f, CAFI_PB_FIXED32, "attribute.floats", &n, err);

    if (st || (st = grow_list(file, attr, attr->floats, n, sizeof(float), &p, err)))
        return st;
    list = p;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)cafi_pb_number(f, CAFI_PB_FIXED32, &at);

        memcpy(&list[attr->count + i], &bits, sizeof bits);
    }
    attr->floats = list;
    attr->count += n;
    return CAFACE_OK;
}

static caface_status read_ints(cafi_onnx_file *file, const cafi_pb_field *f, cafi_onnx_attr *attr,
                               caface_error *err)
{
    cafi_pb at = f->bytes;
    size_t n = 0;
    void *p = NULL;
    int64_t *list = NULL;
    caface_status st = cafi_pb_count(f, CAFI_PB_VARINT, "attribute.ints", &n, err);

    if (st || (st = grow_list(file, attr, attr->ints, n, sizeof(int64_t), &p, err)))
        return st;
    list = p;
    for (size_t i = 0; i < n; i++)
        list[attr->count + i] = (int64_t)cafi_pb_number(f, CAFI_PB_VARINT, &at);
    attr->ints = list;
    attr->count += n;
    return CAFACE_OK;
}

static caface_status read_attr_field(cafi_onnx_file *file, const cafi_pb_field *f,
                                     cafi_onnx_attr *attr, caface_error *err)
{
    uint32_t bits = (uint32_t)f->value;
    cafi_tensor *tensor = NULL;
    caface_status st = CAFACE_OK;

    switch (f->number) {
    case 1:
        return cafi_onnx_read_name(file, f, "attribute.name", &attr->name, err);
    case 2:
        memcpy(&attr->f, &bits, sizeof bits);
        attr->kind = CAFI_ATTR_FLOAT;
        return cafi_pb_expect(f, CAFI_PB_FIXED32, "attribute.f", err);
    case 3:
        attr->i = (int64_t)f->value;
        attr->kind = CAFI_ATTR_INT;
        return cafi_pb_expect(f, CAFI_PB_VARINT, "attribute.i", err);
    case 4:
        attr->kind = CAFI_ATTR_STRING;
        return cafi_onnx_read_name(file, f, "attribute.s", &attr->s, err);
    case 5:
        attr->kind = CAFI_ATTR_TENSOR;
        if ((st = cafi_pb_expect(f, CAFI_PB_BYTES, "attribute.t", err)) ||
            (st = cafi_onnx_read_tensor(file, f->bytes, &tensor, err)))
            return st;
        attr->tensor = tensor;
        return CAFACE_OK;
    case 6:
        attr->kind = CAFI_ATTR_GRAPH;
        return CAFACE_OK;
    case 7:
        attr->kind = CAFI_ATTR_FLOATS;
        return read_floats(file, f, attr, err);
    case 8:
        attr->kind = CAFI_ATTR_INTS;
        return read_ints(file, f, attr, err);
    case 9:
    case 10:
    case 11:
        attr->kind = CAFI_ATTR_OTHER;
        return CAFACE_OK;
    default:
        return CAFACE_OK; /* the doc string, the type, fields of later versions */
    }
}

/* An attribute whose value is its type's default may hold no value field at
 * all (proto3 writers leave zeros out), so the type field (20) decides then. */
static void settle_kind(cafi_onnx_attr *attr, uint64_t type)
{
    static const cafi_onnx_attr_kind kinds[] = {
        [1] = CAFI_ATTR_FLOAT,  [2] = CAFI_ATTR_INT,  [3] = CAFI_ATTR_STRING,
        [6] = CAFI_ATTR_FLOATS, [7] = CAFI_ATTR_INTS,
    };

    if (attr->kind == 0 && type < sizeof kinds / sizeof kinds[0])
        attr->kind = kinds[type];
    if (attr->kind == 0)
        attr->kind = CAFI_ATTR_OTHER;
    if (attr->kind == CAFI_ATTR_STRING && !attr->s)
        attr->s = "";
}

static caface_status read_attr(cafi_onnx_file *file, cafi_pb message, cafi_onnx_attr *attr,
                               caface_error *err)
{
    cafi_pb_field f;
    uint64_t type = 0;
    bool more = true;

    attr->name = "";
    while (more) {
        caface_status st = cafi_pb_next(&message, &f, &more, err);

        if (st || (more && (st = read_attr_field(file, &f, attr, err))))
            return st;
        if (more && f.number == 20)
            type = f.value;
    }
    settle_kind(attr, type);
    return CAFACE_OK;
}

/* Room for a node's lists, by what its message holds. */
static caface_status alloc_node(cafi_onnx_file *file, cafi_pb message, cafi_onnx_node *node,
                                caface_error *err)
{
    size_t counts[3] = {0};
    static const uint32_t numbers[3] = {1, 2, 5};
    void *p[3] = {NULL};
    static const size_t sizes[3] = {sizeof(char *), sizeof(char *), sizeof(cafi_onnx_attr)};

    for (int i = 0; i < 3; i++) {
        caface_status st = cafi_onnx_count_fields(message, numbers[i], &counts[i], err);

        if (st || (st = cafi_onnx_alloc(file, &p[i], counts[i], sizes[i], err)))
            return st;
    }
    node->inputs = p[0];
    node->outputs = p[1];
    node->attrs = p[2];
    return CAFACE_OK;
}

static caface_status read_node_field(cafi_onnx_file *file, const cafi_pb_field *f,
                                     cafi_onnx_node *node, caface_error *err)
{
    caface_status st = CAFACE_OK;

    switch (f->number) {
    case 1:
        return cafi_onnx_read_name(file, f, "node.input", &node->inputs[node->input_count++], err);
    case 2:
        return cafi_onnx_read_name(file, f, "node.output", &node->outputs[node->output_count++],
                                   err);
    case 3:
        return cafi_onnx_read_name(file, f, "node.name", &node->name, err);
    case 4:
        return cafi_onnx_read_name(file, f, "node.op_type", &node->op, err);
    case 5:
        if ((st = cafi_pb_expect(f, CAFI_PB_BYTES, "node.attribute", err)))
            return st;
        return read_attr(file, f->bytes, &node->attrs[node->attr_count++], err);
    case 7:
        return cafi_onnx_read_name(file, f, "node.domain", &node->domain, err);
    default:
        return CAFACE_OK;
    }
}

caface_status cafi_onnx_read_node(cafi_onnx_file *file, const cafi_pb_field *field,
                                  cafi_onnx_node *node, caface_error *err)
{
    cafi_pb message = field->bytes;
    cafi_pb_field f;
    bool more = true;
    caface_status st = cafi_pb_expect(field, CAFI_PB_BYTES, "graph.node", err);

    *node = (cafi_onnx_node){.name = "", .op = "", .domain = ""};
    if (st || (st = alloc_node(file, message, node, err)))
        return st;
    while (more)
        if ((st = cafi_pb_next(&message, &f, &more, err)) ||
            (more && (st = read_node_field(file, &f, node, err))))
            return st;
    if (!*node->name && node->output_count)
        node->name = node->outputs[0];
    if (strcmp(node->domain, "ai.onnx") == 0)
        node->domain = "";
    return CAFACE_OK;
}

const cafi_onnx_attr *cafi_onnx_find(const cafi_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

/* The attribute when it is there and of this kind. */
static caface_status find_kind(const cafi_onnx_node *node, const char *name,
                               cafi_onnx_attr_kind kind, const cafi_onnx_attr **out,
                               caface_error *err)
{
    *out = cafi_onnx_find(node, name);
    if (*out && (*out)->kind != kind)
        return cafi_fail(err, CAFACE_EFORMAT, "%s node %s: attribute %s is of type %d, not %d",
                         node->op, node->name, name, (int)(*out)->kind, (int)kind);
    return CAFACE_OK;
}

caface_status cafi_onnx_int(const cafi_onnx_node *node, const char *name, int64_t missing,
                            int64_t *out, caface_error *err)
{
    const cafi_onnx_attr *attr = NULL;
    caface_status st = find_kind(node, name, CAFI_ATTR_INT, &attr, err);

    *out = attr && !st ? attr->i : missing;
    return st;
}

caface_status cafi_onnx_float(const cafi_onnx_node *node, const char *name, float missing,
                              float *out, caface_error *err)
{
    const cafi_onnx_attr *attr = NULL;
    caface_status st = find_kind(node, name, CAFI_ATTR_FLOAT, &attr, err);

    *out = attr && !st ? attr->f : missing;
    return st;
}

caface_status cafi_onnx_text(const cafi_onnx_node *node, const char *name, const char *missing,
                             const char **out, caface_error *err)
{
    const cafi_onnx_attr *attr = NULL;
    caface_status st = find_kind(node, name, CAFI_ATTR_STRING, &attr, err);

    *out = attr && !st ? attr->s : missing;
    return st;
}

caface_status cafi_onnx_ints(const cafi_onnx_node *node, const char *name, const int64_t **out,
                             size_t *count, caface_error *err)
{
    const cafi_onnx_attr *attr = NULL;
    caface_status st = find_kind(node, name, CAFI_ATTR_INTS, &attr, err);

    *out = attr && !st ? attr->ints : NULL;
    *count = attr && !st ? attr->count : 0;
    return st;
}
