/* ONNX files written by tests: a protobuf writer as small as it can be. */
#ifndef CAFACE_TESTS_ONNX_WRITER_H
#define CAFACE_TESTS_ONNX_WRITER_H

#include "base/mem.h"

/* Zero-initialise; free with onnx_free. */
typedef struct onnx_writer {
    cafi_buf graph, node;
    cafi_buf file; /* the whole model, after onnx_finish */
} onnx_writer;

/* Fields of any message. */
void pb_varint(cafi_buf *out, uint64_t value);
void pb_int(cafi_buf *out, unsigned field, uint64_t value);
void pb_bytes(cafi_buf *out, unsigned field, const void *bytes, size_t size);
void pb_text(cafi_buf *out, unsigned field, const char *text);

/* A float input or output; an extent of -1 is left open by a name. */
void onnx_input(onnx_writer *w, const char *name, int ndim, const int64_t *dim);
void onnx_output(onnx_writer *w, const char *name);
/* An input of another type, by ONNX's number. */
void onnx_typed_input(onnx_writer *w, const char *name, int data_type, int ndim,
                      const int64_t *dim);
/* An output whose extents the file says. */
void onnx_shaped_output(onnx_writer *w, const char *name, int ndim, const int64_t *dim);
/* Initializers with raw data. data_type is ONNX's number. */
void onnx_tensor(onnx_writer *w, const char *name, int data_type, int ndim, const int64_t *dim,
                 const void *bytes, size_t size);
void onnx_floats(onnx_writer *w, const char *name, int ndim, const int64_t *dim,
                 const float *values);
/* A 1-d int64 initializer. */
void onnx_ints(onnx_writer *w, const char *name, size_t count, const int64_t *values);

/* A node: begin, attributes, end. inputs and outputs are lists with commas
 * between names; an empty name leaves one out. The node is called "n_" and its
 * first output. */
void onnx_begin(onnx_writer *w, const char *op, const char *inputs, const char *outputs);
void onnx_attr_int(onnx_writer *w, const char *name, int64_t value);
void onnx_attr_float(onnx_writer *w, const char *name, float value);
void onnx_attr_text(onnx_writer *w, const char *name, const char *text);
void onnx_attr_ints(onnx_writer *w, const char *name, size_t count, const int64_t *values);
void onnx_end(onnx_writer *w);
/* A node without attributes. */
void onnx_node(onnx_writer *w, const char *op, const char *inputs, const char *outputs);

/* Puts the model together. */
void onnx_finish(onnx_writer *w, int opset);
void onnx_free(onnx_writer *w);

#endif
