/* A network as a graph of nodes with shapes.
 *
 * Importers (models/) build one, node by node, with the calls below; shapes are
 * inferred and checked as nodes are added. A plan (graph/plan.h) turns it into
 * something that runs, graph/reference.h into something to compare with.
 *
 * Values are float tensors, four-dimensional ones in N,C,H,W order. Where the
 * first extent is CAFI_BATCH the number of rows is left open until a plan is
 * made; such an extent occurs in first place only, and no node may mix rows
 * then (reduce, slice, transpose or fold the first axis). A graph whose input
 * has a plain number there has no such limit. */
#ifndef CAFI_GRAPH_GRAPH_H
#define CAFI_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "files/tensor.h"

#define CAFI_BATCH (-1)
#define CAFI_NO_NODE SIZE_MAX
#define CAFI_MAX_INPUTS 32

typedef struct cafi_shape {
    int ndim;
    int64_t dim[CAFI_MAX_DIMS];
} cafi_shape;

typedef enum cafi_op {
    CAFI_OP_INPUT,
    CAFI_OP_CONSTANT,
    CAFI_OP_CONV,   /* x [B][C][H][W], weight [O][C/groups][kh][kw], bias [O] or none */
    CAFI_OP_GEMM,   /* x [B][...], weight [O][product of ...], bias [O] or none */
    CAFI_OP_MATMUL, /* a [...][I][K], b [...][K][J], leading extents broadcast */
    CAFI_OP_AFFINE, /* x [B][C]..., scale [C], shift [C]: BatchNorm in use */
    CAFI_OP_PRELU,  /* x [B][C]..., slope [C] or [1] */
    CAFI_OP_LEAKY,  /* slope alpha below 0 */
    CAFI_OP_CLIP,   /* to [alpha, beta]; ReLU is [0, INFINITY] */
    CAFI_OP_SIGMOID,
    CAFI_OP_HARD_SIGMOID, /* clip(alpha x + beta, 0, 1) */
    CAFI_OP_HARD_SWISH,   /* x clip(x/6 + 1/2, 0, 1) */
    CAFI_OP_TANH,
    CAFI_OP_SQRT,
    CAFI_OP_EXP,
    CAFI_OP_POW, /* |x|^alpha with x's sign kept out: pow(x, alpha) */
    CAFI_OP_ADD, /* two inputs, broadcast as NumPy does */
    CAFI_OP_SUB,
    CAFI_OP_MUL,
    CAFI_OP_DIV,
    CAFI_OP_SOFTMAX, /* over axis */
    CAFI_OP_MAXPOOL,
    CAFI_OP_AVGPOOL,
    CAFI_OP_REDUCE_MEAN, /* over the axes of the mask */
    CAFI_OP_REDUCE_SUM,
    CAFI_OP_REDUCE_MAX,
    CAFI_OP_REDUCE_L2,
    CAFI_OP_RESHAPE, /* also flatten, squeeze, unsqueeze */
    CAFI_OP_TRANSPOSE,
    CAFI_OP_CONCAT,
    CAFI_OP_SLICE,
    CAFI_OP_RESIZE,
    CAFI_OP_PAD,
    CAFI_OP_IDENTITY, /* also dropout in use */
    CAFI_OP_STYLE,    /* x [B][C][H][W] -> [B][C][2]: mean, unbiased std */
    CAFI_OP_ERF,      /* the error function */
    CAFI_OP_LOG,      /* the natural logarithm */
    CAFI_OP_MAX,      /* of two inputs, broadcast as NumPy does */
    CAFI_OP_MIN,
    CAFI_OP_COUNT
} cafi_op;

typedef enum cafi_resize_mode { CAFI_RESIZE_NEAREST, CAFI_RESIZE_LINEAR } cafi_resize_mode;
/* Where output position o takes its value from, as ONNX names it; `scale` is
 * output over input. */
typedef enum cafi_resize_from {
    CAFI_HALF_PIXEL,         /* (o + 1/2) / scale - 1/2 */
    CAFI_ASYMMETRIC,         /* o / scale */
    CAFI_ALIGN_CORNERS,      /* o (in - 1) / (out - 1) */
    CAFI_PYTORCH_HALF_PIXEL, /* as half pixel, 0 when out is 1 */
} cafi_resize_from;
typedef enum cafi_resize_round {
    CAFI_ROUND_PREFER_FLOOR,
    CAFI_ROUND_PREFER_CEIL,
    CAFI_ROUND_FLOOR,
    CAFI_ROUND_CEIL
} cafi_resize_round;
typedef enum cafi_pad_mode { CAFI_PAD_CONSTANT, CAFI_PAD_REFLECT, CAFI_PAD_EDGE } cafi_pad_mode;

/* Convolution and pooling windows. */
typedef struct cafi_window {
    int64_t kernel[2]; /* ignored by convolutions, whose weight has it */
    int64_t stride[2];
    int64_t pad[4];      /* top, left, bottom, right */
    int64_t dilation[2]; /* 1 when not dilated; a 0 is taken as 1 */
    int64_t groups;      /* convolutions; a 0 is taken as 1 */
    bool ceil_mode;      /* pooling: the last window may stick out */
    bool count_pad;      /* average pooling: padding counts as zeros */
} cafi_window;

/* What a node is; only the members its op names are read. */
typedef struct cafi_node {
    cafi_op op;
    const char *name; /* copied; need not be unique; NULL gives "op_N" */
    size_t inputs[CAFI_MAX_INPUTS];
    size_t input_count;
    cafi_window window;
    float alpha, beta;
    int axis;         /* SOFTMAX, CONCAT; counted from the end when negative */
    unsigned axes;    /* REDUCE: bit i for axis i */
    bool keep_dims;   /* REDUCE */
    cafi_shape shape; /* INPUT, RESHAPE (one extent may be -2: what remains); after adding: the
                         node's own output shape, whatever its op */
    int perm[CAFI_MAX_DIMS];      /* TRANSPOSE */
    int64_t start[CAFI_MAX_DIMS]; /* SLICE, a step of 0 is taken as 1; PAD: before */
    int64_t
        extent[CAFI_MAX_DIMS]; /* SLICE: elements taken, -1 all; RESIZE: output H, W in [0], [1] */
    int64_t step[CAFI_MAX_DIMS]; /* SLICE, may be negative; PAD: after */
    cafi_resize_mode resize_mode;
    cafi_resize_from resize_from;
    cafi_resize_round resize_round;
    float resize_scale[2];  /* RESIZE: H, W scale when the file states it, else 0 */
    cafi_pad_mode pad_mode; /* PAD; alpha is the constant */
} cafi_node;

#define CAFI_REST (-2)

typedef struct cafi_graph cafi_graph;

/* An empty graph, the caller's. */
caface_status cafi_graph_new(cafi_graph **out, caface_error *err);
void cafi_graph_free(cafi_graph *graph);

/* Adds a node after its inputs, infers its shape, and gives its number. EMODEL
 * names the node and the two shapes that do not fit; EUNSUPPORTED: a node that
 * would mix rows of an open batch. */
caface_status cafi_graph_add(cafi_graph *graph, const cafi_node *node, size_t *out,
                             caface_error *err);

/* A constant that stays where it is: the tensor (any stride and float or
 * integer type) is read when a plan is made or the reference runs, and must live until then.
 * Large weights are never copied. */
caface_status cafi_graph_constant(cafi_graph *graph, const cafi_tensor *tensor, size_t *out,
                                  caface_error *err);
/* Called after a borrowed constant was read, with its data, when the graph is
 * being planned; the importer may let the pages go. Threads as the plan's. */
void cafi_graph_on_read(cafi_graph *graph, void (*hook)(void *ctx, const void *data, size_t size),
                        void *ctx);
/* A constant whose values are copied, row-major. */
caface_status cafi_graph_constant_f32(cafi_graph *graph, const char *name, const cafi_shape *shape,
                                      const float *values, size_t *out, caface_error *err);

/* The same node types in fewer words, each adding one node (BatchNorm: its
 * scale and shift too). An argument `bias` may be CAFI_NO_NODE. */
caface_status cafi_graph_conv(cafi_graph *graph, const char *name, size_t x, size_t weight,
                              size_t bias, const cafi_window *window, size_t *out,
                              caface_error *err);
caface_status cafi_graph_gemm(cafi_graph *graph, const char *name, size_t x, size_t weight,
                              size_t bias, size_t *out, caface_error *err);
/* gamma and beta may be NULL (1 and 0); all [C]. scale = gamma / sqrt(var + eps)
 * and shift = beta - mean scale are computed in double. */
caface_status cafi_graph_batchnorm(cafi_graph *graph, const char *name, size_t x,
                                   const cafi_tensor *gamma, const cafi_tensor *beta,
                                   const cafi_tensor *mean, const cafi_tensor *var, double eps,
                                   size_t *out, caface_error *err);
caface_status cafi_graph_unary(cafi_graph *graph, const char *name, cafi_op op, size_t x,
                               float alpha, float beta, size_t *out, caface_error *err);
caface_status cafi_graph_binary(cafi_graph *graph, const char *name, cafi_op op, size_t a, size_t b,
                                size_t *out, caface_error *err);

/* Marks a node as an output; the order of these calls is the outputs' order. */
caface_status cafi_graph_output(cafi_graph *graph, size_t node, caface_error *err);

size_t cafi_graph_count(const cafi_graph *graph);
/* Borrowed; shape is the output shape. The pointer is good until the next
 * node is added. NULL when out of range. */
const cafi_node *cafi_graph_node(const cafi_graph *graph, size_t node);
/* The first node of that name, or CAFI_NO_NODE. */
size_t cafi_graph_find(const cafi_graph *graph, const char *name);
/* Gives a node another name; NULL: that of a node without one. ENOMEM leaves the old one. */
caface_status cafi_graph_rename(cafi_graph *graph, size_t node, const char *name,
                                caface_error *err);
size_t cafi_graph_output_count(const cafi_graph *graph);
size_t cafi_graph_output_at(const cafi_graph *graph, size_t index);
/* A constant with the rows (first extent) of several, one behind the other: weights of
 * convolutions that see the same map become those of one. EMODEL: other extents differ. ENOMEM. */
caface_status cafi_graph_join(cafi_graph *graph, const size_t *constants, size_t count, size_t *out,
                              caface_error *err);

/* All of a constant, row-major, converted to float; the caller frees. EINVAL:
 * the node is not a constant. */
caface_status cafi_graph_read(const cafi_graph *graph, size_t node, float **out, caface_error *err);

const char *cafi_op_name(cafi_op op);
/* Elements of a shape with CAFI_BATCH taken as batch. False on overflow. */
bool cafi_shape_count(const cafi_shape *shape, size_t batch, size_t *out);
/* Writes "[B,64,112,112]" and returns text. */
char *cafi_shape_write(char *text, size_t size, const cafi_shape *shape);

#endif
