/* Inside models/: an ONNX graph on its way to a cafi_graph.
 *
 * The batch. ONNX files number the batch like any other axis, fix it (often to
 * 1) or leave it open; ours is open and stands first. So every value that comes
 * from the input remembers its place: where the file's shape has the batch.
 *   axis >= 0    that axis of the file's shape holds outer x batch x inner
 *                elements, in this order. Mostly it is the batch alone (1 and
 *                1), but attention folds its heads, and windows their number,
 *                into it: [batch * heads, tokens, width]
 *   axis == -1   nowhere: the file fixes the batch to 1 and has folded it away
 *                (SCRFD's outputs are [12800,1])
 * and the graph's shape is [B] followed by the file's axes, of which that one
 * has outer x inner elements, and is left out where that is 1. The rows of the
 * graph have the order that the file's elements of one picture have, so a
 * Reshape of the file is one of the graph.
 *   With a batch of 1 any axis of one element may pass for it, and any place
 * for another (cafi_onnx_hide); so such files may do with the batch what they
 * like, transpose it, fold it, index it. Larger ones are followed by counting
 * elements.
 *   While shapes are computed, an open batch has the extent CAFI_ONNX_OPEN, a
 * prime that no other extent is a multiple of by accident. Exporters that leave
 * the batch of the input open often write the one they were traced with into a
 * Reshape all the same; where that comes to light, the file is read once more
 * with that batch, else with a batch of 1. */
#ifndef CAFI_ONNX_BUILD_H
#define CAFI_ONNX_BUILD_H

#include "graph/graph.h"
#include "onnx/file.h"
#include "onnx/fold.h"

#define CAFI_ONNX_OPEN 1000003
#define CAFI_ONNX_OPEN_SMALL 1009 /* where constants of that many rows are too large */
#define CAFI_ONNX_MAX_TRACED 4096

typedef enum cafi_slot_kind { CAFI_SLOT_NONE, CAFI_SLOT_CONSTANT, CAFI_SLOT_DATA } cafi_slot_kind;

typedef struct cafi_place {
    int axis;
    int64_t outer, inner;
} cafi_place;

#define CAFI_FIRST ((cafi_place){0, 1, 1})
#define CAFI_NOWHERE ((cafi_place){-1, 1, 1})

/* A value of the file, as far as it is known. */
typedef struct cafi_slot {
    const char *name;
    cafi_slot_kind kind;
    const cafi_tensor *constant;
    size_t node; /* CAFI_SLOT_DATA */
    cafi_place place;
} cafi_slot;

typedef struct cafi_onnx_build {
    cafi_onnx_file *file;
    cafi_graph *graph;
    int64_t batch;  /* the file's, or that of an open one */
    int64_t open;   /* CAFI_ONNX_OPEN or _SMALL while the batch is open, else 0 */
    int64_t taken;  /* what an open batch is read as */
    bool stays;     /* it stays open then */
    int64_t traced; /* the batch that a Reshape of an open file seems to hold; 0: none does */
    size_t picture; /* the graph's input */
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
extern const cafi_onnx_entry cafi_onnx_products[];
extern const cafi_onnx_entry cafi_onnx_activations[];
extern const cafi_onnx_entry cafi_onnx_selections[];
extern const cafi_onnx_entry cafi_onnx_einsums[];

/* cafi_fail with "OP node NAME: " in front. */
caface_status cafi_onnx_fail(const cafi_onnx_node *n, caface_error *err, caface_status status,
                             const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Input i, or NULL: left out. The driver has checked that it exists. */
cafi_slot *cafi_onnx_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i);
/* Sets output i. EFORMAT: a value made twice. An output the file does not name
 * is dropped. */
caface_status cafi_onnx_set_data(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i, size_t node,
                                 cafi_place place, caface_error *err);
caface_status cafi_onnx_set_constant(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                     const cafi_tensor *t, caface_error *err);

/* The shape as the file sees it. */
cafi_shape cafi_onnx_shape(const cafi_onnx_build *b, const cafi_slot *s);
/* Axis a of the file's shape, in the graph's. */
int cafi_onnx_axis(const cafi_slot *s, int a);
/* *out in 0..rank-1; EMODEL names the node. */
caface_status cafi_onnx_check_axis(const cafi_onnx_node *n, int64_t axis, int rank, int *out,
                                   caface_error *err);
/* The axes as a set of bits below rank. EMODEL: out of range, or twice. */
caface_status cafi_onnx_axis_mask(const cafi_onnx_node *n, const int64_t *axes, size_t count,
                                  int rank, unsigned *mask, caface_error *err);
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
/* A number as a node of the graph, and *y = x (op) value. */
caface_status cafi_onnx_scalar(cafi_onnx_build *b, float value, size_t *out, caface_error *err);
caface_status cafi_onnx_with_scalar(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op,
                                    size_t x, float value, size_t *y, caface_error *err);
/* A value, of either kind, as output i. */
caface_status cafi_onnx_set_slot(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                 const cafi_slot *s, caface_error *err);

/* Notes the batch that the file was traced with, if its batch is open: `elements` hold
 * `parts` a picture. */
void cafi_onnx_note_traced(cafi_onnx_build *b, int64_t elements, int64_t parts);

/* ---- places (place.c) -------------------------------------------------- */

/* Elements of the file's axis that hold the batch, over the batch. */
int64_t cafi_onnx_parts(cafi_place place);
/* A RESHAPE to [B] and the extents of file_shape, the batch being at `place`. */
caface_status cafi_onnx_to_shape(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x,
                                 const cafi_shape *file_shape, cafi_place place, size_t *out,
                                 caface_error *err);
/* These change a copy of a slot, data or constant, and add nodes as needed.
 *
 * reshape: the elements in another file shape. EUNSUPPORTED: pictures of the batch mix.
 * transpose: perm as ONNX has it.
 * hide: the batch, of 1, is an axis of one element like any other.
 * keep_out: the batch is in none of the axes of the mask; EUNSUPPORTED: it is, and is not 1.
 * widen: leading axes of one element, up to `rank`.
 * need_rank: data of this rank, the batch alone in the first axis; EUNSUPPORTED.
 * meet: two data values, of one rank, hold the batch at the same place, in front of the last
 * `kept` axes. EUNSUPPORTED: they do not, and it is not 1. */
caface_status cafi_onnx_reshape(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                const cafi_shape *file_shape, caface_error *err);
caface_status cafi_onnx_transpose(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                  const int *perm, caface_error *err);
caface_status cafi_onnx_hide(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                             caface_error *err);
caface_status cafi_onnx_keep_out(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                 unsigned mask, caface_error *err);
caface_status cafi_onnx_widen(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s, int rank,
                              caface_error *err);
caface_status cafi_onnx_need_rank(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                  int rank, caface_error *err);
caface_status cafi_onnx_meet(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                             cafi_slot *t, int kept, caface_error *err);
/* A constant beside data of this file rank and place, in a shape that the graph's
 * broadcast lines up. EUNSUPPORTED: it differs along the batch. */
caface_status cafi_onnx_beside(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_tensor *t,
                               int rank, cafi_place place, size_t *out, caface_error *err);
/* Nodes of both operands of an element-wise operator, lined up, and the place of the result. */
caface_status cafi_onnx_align(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                              const cafi_slot *y, size_t *nodes, cafi_place *place,
                              caface_error *err);
/* The matrix product of two values, at least one of them data (products.c). */
caface_status cafi_onnx_multiply(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 const cafi_slot *y, cafi_slot *out, caface_error *err);

#endif
