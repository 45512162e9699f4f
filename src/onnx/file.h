/* An ONNX file as its bytes say it: nodes, attributes, initializers, inputs and
 * outputs, with nothing interpreted yet.
 *
 * Source: the field numbers of onnx.proto (ONNX IR specification). Limits: a
 * file of at most 8 GB, CAFI_ONNX_MAX_NODES nodes, memory as cafi_onnx_alloc says, names without
 * control characters, tensors of at most CAFI_MAX_DIMS dimensions. */
#ifndef CAFI_ONNX_FILE_H
#define CAFI_ONNX_FILE_H

#include "files/protobuf.h"
#include "files/tensor.h"

#define CAFI_ONNX_MAX_NODES 16384
#define CAFI_ONNX_MIN_OPSET 9
#define CAFI_ONNX_MAX_OPSET 23

typedef enum cafi_onnx_attr_kind {
    CAFI_ATTR_FLOAT = 1,
    CAFI_ATTR_INT = 2,
    CAFI_ATTR_STRING = 3,
    CAFI_ATTR_TENSOR = 4,
    CAFI_ATTR_GRAPH = 5,
    CAFI_ATTR_FLOATS = 6,
    CAFI_ATTR_INTS = 7,
    CAFI_ATTR_OTHER = 8 /* of a kind no supported operator has */
} cafi_onnx_attr_kind;

typedef struct cafi_onnx_attr {
    const char *name;
    cafi_onnx_attr_kind kind;
    float f;
    int64_t i;
    const char *s;
    const cafi_tensor *tensor;
    const float *floats;
    const int64_t *ints;
    size_t count; /* of floats or ints */
    size_t room;  /* the reader's own */
} cafi_onnx_attr;

typedef struct cafi_onnx_node {
    const char *name; /* the file's, or the first output's where the file has none */
    const char *op;
    const char *domain;   /* "" is ONNX's own */
    const char **inputs;  /* "" is an input left out */
    const char **outputs; /* "" is an output not wanted */
    size_t input_count, output_count;
    cafi_onnx_attr *attrs;
    size_t attr_count;
} cafi_onnx_node;

/* A graph input or output. */
typedef struct cafi_onnx_value {
    const char *name;
    int type; /* ONNX's number of the element type: 1 float, 10 half; 0 not said */
    int ndim; /* -1: not said */
    int64_t dim[CAFI_MAX_DIMS]; /* -1: open */
} cafi_onnx_value;

typedef struct cafi_onnx_block cafi_onnx_block;

/* Everything is owned by the file; tensors are views of its mapped bytes or of
 * memory it owns. */
typedef struct cafi_onnx_file {
    char *path;
    int64_t opset;
    cafi_onnx_node *nodes;
    size_t node_count;
    cafi_tensor **initializers;
    size_t initializer_count;
    cafi_onnx_value *inputs;
    size_t input_count;
    cafi_onnx_value *outputs;
    size_t output_count;
    size_t read, made;       /* bytes that are mapped; bytes of memory that it made us take */
    cafi_onnx_block *blocks; /* what cafi_onnx_alloc gave */
    cafi_onnx_block *maps;   /* files that are mapped */
} cafi_onnx_file;

/* Opens and reads a file. EIO; EFORMAT: damaged; EUNSUPPORTED: an opset outside
 * 9..20, sparse or string tensors, a subgraph; ELIMIT. Every sentence starts
 * with path. */
caface_status cafi_onnx_open(cafi_onnx_file **out, const char *path, caface_error *err);
/* The same from bytes, which are borrowed until cafi_onnx_close. External data
 * is looked for in the folder of path. */
caface_status cafi_onnx_parse(cafi_onnx_file **out, const char *path, const void *bytes,
                              size_t size, caface_error *err);
void cafi_onnx_close(cafi_onnx_file *file);

/* True when the file begins as a ModelProto with a graph does. Cheap; a file
 * that passes may still be refused. */
bool cafi_onnx_is(const char *path);
bool cafi_onnx_is_memory(const void *bytes, size_t size);

/* Zeroed memory that lives as long as the file: all that reading and computing
 * its constants takes. ELIMIT: more than CAFI_ONNX_MAX_MADE and four times the
 * file, so that little cannot become much. charge counts without taking: for views
 * that repeat their elements. */
#define CAFI_ONNX_MAX_MADE ((size_t)64 << 20)
caface_status cafi_onnx_charge(cafi_onnx_file *file, size_t count, size_t size, caface_error *err);
caface_status cafi_onnx_alloc(cafi_onnx_file *file, void **out, size_t count, size_t size,
                              caface_error *err);

/* Gives back all that was taken since `made` and `blocks` were those of the file. */
void cafi_onnx_forget(cafi_onnx_file *file, size_t made, const cafi_onnx_block *blocks);

/* The attribute, or NULL. */
const cafi_onnx_attr *cafi_onnx_find(const cafi_onnx_node *node, const char *name);
/* The attribute's value, or the default when the node has none. EFORMAT names
 * the node and the attribute: it is of another kind. */
caface_status cafi_onnx_int(const cafi_onnx_node *node, const char *name, int64_t missing,
                            int64_t *out, caface_error *err);
caface_status cafi_onnx_float(const cafi_onnx_node *node, const char *name, float missing,
                              float *out, caface_error *err);
caface_status cafi_onnx_text(const cafi_onnx_node *node, const char *name, const char *missing,
                             const char **out, caface_error *err);
/* *out is NULL and *count 0 when the node has none. */
caface_status cafi_onnx_ints(const cafi_onnx_node *node, const char *name, const int64_t **out,
                             size_t *count, caface_error *err);

/* Inside models/: reads one TensorProto (onnx_tensor.c). */
caface_status cafi_onnx_read_tensor(cafi_onnx_file *file, cafi_pb message, cafi_tensor **out,
                                    caface_error *err);
/* Inside models/: a copy of a bytes field as a name. EFORMAT: a NUL or another
 * control character in it. */
caface_status cafi_onnx_read_name(cafi_onnx_file *file, const cafi_pb_field *field,
                                  const char *what, const char **out, caface_error *err);
/* Inside models/: reads one NodeProto into zeroed *node (onnx_node.c). */
caface_status cafi_onnx_read_node(cafi_onnx_file *file, const cafi_pb_field *field,
                                  cafi_onnx_node *node, caface_error *err);
/* Inside models/: occurrences of a field in a message, so that its array is
 * allocated once. */
caface_status cafi_onnx_count_fields(cafi_pb message, uint32_t number, size_t *count,
                                     caface_error *err);
/* Inside models/: maps a whole file until the file is closed. EIO, ELIMIT. */
caface_status cafi_onnx_map(cafi_onnx_file *file, const char *path, const unsigned char **bytes,
                            size_t *size, caface_error *err);

#endif
