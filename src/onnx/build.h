/* Inside models/: an ONNX graph on its way to a cafi_graph.
 *
 * The batch. ONNX files number the batch like any other axis, fix it (often to
 * 1) or leave it open; ours is open and stands first. So every value that comes
 * from the input remembers where the file's shape has the batch:
 *   batch >= 0   the axis of the file's shape that is the batch
 *   batch == -1  nowhere: the file fixes the batch to 1 and has folded it away
 *                (SCRFD's outputs are [12800,1])
 * and the graph's shape is [B] followed by the file's other axes. While shapes
 * are computed, an open batch has the extent CAFI_ONNX_OPEN, a prime that no
 * other extent is a multiple of by accident. */
#ifndef CAFI_ONNX_BUILD_H
#define CAFI_ONNX_BUILD_H

#include "graph/graph.h"
#include "onnx/file.h"
#include "onnx/fold.h"

#define CAFI_ONNX_OPEN 1000003

typedef enum cafi_slot_kind { CAFI_SLOT_NONE, CAFI_SLOT_CONSTANT, CAFI_SLOT_DATA } cafi_slot_kind;

/* A value of the file, as far as it is known. */
typedef struct cafi_slot {
    const char *name;
    cafi_slot_kind kind;
    const cafi_tensor *constant;
    size_t node; /* CAFI_SLOT_DATA */
    int batch;   /* see above */
} cafi_slot;

typedef struct cafi_onnx_build {
    cafi_onnx_file *file;
    cafi_graph *graph;
    int64_t batch; /* the file's, or CAFI_ONNX_OPEN */
    bool closed;   /* an open batch is taken as 1 */
    cafi_slot *slots;
    size_t slot_count, slot_room; /* an open hash table by name */
    const bool *needed;           /* per node of the file */
} cafi_onnx_build;

typedef caface_status (*cafi_onnx_op)(cafi_onnx_build *b, const cafi_onnx_node *n,
                                      caface_error *err);

/* One supported operator. `fold` runs when every input is a constant, `data`
 * otherwise; NULL: not supported so. */
typedef struct cafi_onnx_entry {
    const char *op;
    size_t min_inputs, max_inputs;
    cafi_onnx_op data, fold;
} cafi_onnx_entry;

/* The tables, ending with a NULL op, one of each onnx_*.c. */
extern const cafi_onnx_entry cafi_onnx_layers[];
extern const cafi_onnx_entry cafi_onnx_math[];
extern const cafi_onnx_entry cafi_onnx_shapes[];
extern const cafi_onnx_entry cafi_onnx_slices[];
extern const cafi_onnx_entry cafi_onnx_resizes[];
extern const cafi_onnx_entry cafi_onnx_reductions[];
extern const cafi_onnx_entry cafi_onnx_transformers[];

/* cafi_fail with "OP node NAME: " in front. */
caface_status cafi_onnx_fail(const cafi_onnx_node *n, caface_error *err, caface_status status,
                             const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Input i, or NULL: left out. The driver has checked that it exists. */
cafi_slot *cafi_onnx_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i);
/* Sets output i. EFORMAT: a value made twice. An output the file does not name
 * is dropped. */
caface_status cafi_onnx_set_data(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i, size_t node,
                                 int batch, caface_error *err);
caface_status cafi_onnx_set_constant(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                     const cafi_tensor *t, caface_error *err);

/* The shape as the file sees it; an open batch is CAFI_ONNX_OPEN. */
cafi_shape cafi_onnx_shape(const cafi_onnx_build *b, const cafi_slot *s);
/* Axis a of the file's shape, in the graph's. */
int cafi_onnx_axis(const cafi_slot *s, int a);
/* *out in 0..rank-1; EMODEL names the node. */
caface_status cafi_onnx_check_axis(const cafi_onnx_node *n, int64_t axis, int rank, int *out,
                                   caface_error *err);
/* The axes as a set of bits below rank. EMODEL: out of range, or twice. */
caface_status cafi_onnx_axis_mask(const cafi_onnx_node *n, const int64_t *axes, size_t count,
                                  int rank, unsigned *mask, caface_error *err);
/* EUNSUPPORTED unless the batch is the first axis and the rank is this. */
caface_status cafi_onnx_need_rank(const cafi_onnx_build *b, const cafi_onnx_node *n,
                                  const cafi_slot *s, int rank, caface_error *err);

/* The constant of input i, or NULL where it is left out. EUNSUPPORTED: it is
 * computed from the picture. */
caface_status cafi_onnx_const_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                 const cafi_tensor **out, caface_error *err);
/* Input i as integers (at most room of them). *given is false, and *count 0,
 * where it is left out. */
caface_status cafi_onnx_ints_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i, int64_t *out,
                                size_t room, size_t *count, bool *given, caface_error *err);
/* Integers that older opsets give as an attribute and newer ones as input i. */
caface_status cafi_onnx_list(cafi_onnx_build *b, const cafi_onnx_node *n, const char *attr,
                             size_t i, int64_t *out, size_t room, size_t *count, bool *given,
                             caface_error *err);
/* A constant as a node of the graph. */
caface_status cafi_onnx_constant_node(cafi_onnx_build *b, const cafi_tensor *t, size_t *out,
                                      caface_error *err);

/* Adds a node named after n. */
caface_status cafi_onnx_add(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_node *node,
                            size_t *out, caface_error *err);
caface_status cafi_onnx_unary(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op, size_t x,
                              float alpha, float beta, size_t *out, caface_error *err);
caface_status cafi_onnx_binary(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op, size_t x,
                               size_t y, size_t *out, caface_error *err);
/* A RESHAPE to [B] and the extents of file_shape other than axis `batch`. */
caface_status cafi_onnx_to_shape(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x,
                                 const cafi_shape *file_shape, int batch, size_t *out,
                                 caface_error *err);
/* Gives output 0 the input's elements in another file shape, and finds where
 * the batch is in it. EUNSUPPORTED: rows of the batch would mix. */
caface_status cafi_onnx_reshape(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                const cafi_shape *file_shape, caface_error *err);

#endif
