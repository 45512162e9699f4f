#include "onnx_writer.h"

#include <stdio.h>
#include <string.h>

void pb_varint(cafi_buf *out, uint64_t value)
{
    do {
        unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

        cafi_buf_append(out, &byte, 1);
        value >>= 7;
    } while (value);
}

void pb_int(cafi_buf *out, unsigned field, uint64_t value)
{
    pb_varint(out, (uint64_t)field << 3);
    pb_varint(out, value);
}

void pb_bytes(cafi_buf *out, unsigned field, const void *bytes, size_t size)
{
    pb_varint(out, (uint64_t)field << 3 | 2);
    pb_varint(out, size);
    cafi_buf_append(out, bytes, size);
}

void pb_text(cafi_buf *out, unsigned field, const char *text)
{
    pb_bytes(out, field, text, strlen(text));
}

static void put_message(cafi_buf *out, unsigned field, cafi_buf *message)
{
    pb_bytes(out, field, message->data ? message->data : "", message->size);
    cafi_buf_free(message);
}

/* ValueInfoProto: name, TypeProto.tensor_type{elem_type, shape{dim...}} */
static void put_value(onnx_writer *w, unsigned field, const char *name, int data_type, int ndim,
                      const int64_t *dim)
{
    cafi_buf value = {0};
    cafi_buf type = {0};
    cafi_buf tensor = {0};
    cafi_buf shape = {0};

    for (int i = 0; i < ndim; i++) {
        cafi_buf d = {0};

        if (dim[i] < 0)
            pb_text(&d, 2, "n");
        else
            pb_int(&d, 1, (uint64_t)dim[i]);
        put_message(&shape, 1, &d);
    }
    pb_int(&tensor, 1, (uint64_t)data_type);
    if (ndim >= 0)
        put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    pb_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(&w->graph, field, &value);
}

void onnx_input(onnx_writer *w, const char *name, int ndim, const int64_t *dim)
{
    put_value(w, 11, name, 1, ndim, dim);
}

void onnx_typed_input(onnx_writer *w, const char *name, int data_type, int ndim, const int64_t *dim)
{
    put_value(w, 11, name, data_type, ndim, dim);
}

void onnx_output(onnx_writer *w, const char *name)
{
    put_value(w, 12, name, 1, -1, NULL);
}

void onnx_shaped_output(onnx_writer *w, const char *name, int ndim, const int64_t *dim)
{
    put_value(w, 12, name, 1, ndim, dim);
}

void onnx_tensor(onnx_writer *w, const char *name, int data_type, int ndim, const int64_t *dim,
                 const void *bytes, size_t size)
{
    cafi_buf t = {0};

    for (int i = 0; i < ndim; i++)
        pb_int(&t, 1, (uint64_t)dim[i]);
    pb_int(&t, 2, (uint64_t)data_type);
    pb_text(&t, 8, name);
    pb_bytes(&t, 9, bytes, size);
    put_message(&w->graph, 5, &t);
}

void onnx_floats(onnx_writer *w, const char *name, int ndim, const int64_t *dim,
                 const float *values)
{
    size_t n = 1;

    for (int i = 0; i < ndim; i++)
        n *= (size_t)dim[i];
    onnx_tensor(w, name, 1, ndim, dim, values, n * sizeof(float));
}

void onnx_ints(onnx_writer *w, const char *name, size_t count, const int64_t *values)
{
    int64_t dim = (int64_t)count;

    onnx_tensor(w, name, 7, 1, &dim, values, count * sizeof(int64_t));
}

static void put_names(cafi_buf *out, unsigned field, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");

        pb_bytes(out, field, list, n);
        list += n;
        list += *list == ',';
    }
}

void onnx_begin(onnx_writer *w, const char *op, const char *inputs, const char *outputs)
{
    char name[80];

    put_names(&w->node, 1, inputs);
    put_names(&w->node, 2, outputs);
    snprintf(name, sizeof name, "n_%.*s", (int)strcspn(outputs, ","), outputs);
    pb_text(&w->node, 3, name);
    pb_text(&w->node, 4, op);
}

void onnx_attr_int(onnx_writer *w, const char *name, int64_t value)
{
    cafi_buf a = {0};

    pb_text(&a, 1, name);
    pb_int(&a, 3, (uint64_t)value);
    pb_int(&a, 20, 2);
    put_message(&w->node, 5, &a);
}

void onnx_attr_float(onnx_writer *w, const char *name, float value)
{
    cafi_buf a = {0};

    pb_text(&a, 1, name);
    pb_varint(&a, 2 << 3 | 5);
    cafi_buf_append(&a, &value, sizeof value);
    pb_int(&a, 20, 1);
    put_message(&w->node, 5, &a);
}

void onnx_attr_text(onnx_writer *w, const char *name, const char *text)
{
    cafi_buf a = {0};

    pb_text(&a, 1, name);
    pb_text(&a, 4, text);
    pb_int(&a, 20, 3);
    put_message(&w->node, 5, &a);
}

void onnx_attr_ints(onnx_writer *w, const char *name, size_t count, const int64_t *values)
{
    cafi_buf a = {0};

    pb_text(&a, 1, name);
    for (size_t i = 0; i < count; i++)
        pb_int(&a, 8, (uint64_t)values[i]);
    pb_int(&a, 20, 7);
    put_message(&w->node, 5, &a);
}

void onnx_end(onnx_writer *w)
{
    put_message(&w->graph, 1, &w->node);
}

void onnx_node(onnx_writer *w, const char *op, const char *inputs, const char *outputs)
{
    onnx_begin(w, op, inputs, outputs);
    onnx_end(w);
}

void onnx_finish(onnx_writer *w, int opset)
{
    cafi_buf import = {0};

    pb_int(&w->file, 1, 8);
    pb_bytes(&w->file, 7, w->graph.data ? w->graph.data : "", w->graph.size);
    pb_text(&import, 1, "");
    pb_int(&import, 2, (uint64_t)opset);
    put_message(&w->file, 8, &import);
}

void onnx_free(onnx_writer *w)
{
    cafi_buf_free(&w->graph);
    cafi_buf_free(&w->node);
    cafi_buf_free(&w->file);
}
