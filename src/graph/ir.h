/* The graph between importer and machine: every node type that a pass folds or
 * fuses in a form that can carry what was folded into it. Passes change it in
 * place; weights stay in the graph until they are packed. */
#ifndef CAFI_GRAPH_IR_H
#define CAFI_GRAPH_IR_H

#include "graph/graph.h"
#include "graph/precision.h"

/* What happens to x at the end of a pass over a map. */
typedef enum cafi_act {
    CAFI_ACT_NONE,
    CAFI_ACT_PRELU, /* slope [C] */
    CAFI_ACT_CLIP,  /* lo, hi */
    CAFI_ACT_OTHER  /* node.op with its alpha and beta */
} cafi_act;

/* A node of the IR. op is CAFI_OP_IDENTITY for an element-wise pass:
 * y = act(scale[c] x + shift[c]); CONV and GEMM compute
 * y = clip(scale_out[o] (W (scale_in x + shift_in))[o] + shift_out[o] + sum),
 * where padding is zero after scale_in and shift_in. Arrays are owned; NULL
 * means 1 for a scale and 0 for a shift. */
typedef struct cafi_ir_node {
    cafi_op op;
    cafi_node node;                 /* attributes and output shape; name borrowed from the graph */
    size_t inputs[CAFI_MAX_INPUTS]; /* IR nodes; a convolution with sum has it as the second */
    size_t input_count;
    size_t weight; /* graph node, CONV and GEMM */
    double *scale_in, *shift_in;
    double *scale_out, *shift_out;
    double *scale, *shift;
    float *slope; /* of a maximum over windows, too: what PReLU does to its input */
    cafi_act act;
    float lo, hi;
    bool sum;
    bool border;      /* shift_in meets padding: borders need another bias */
    size_t border_of; /* a pass that adds the border bias of that convolution */
    size_t constant;  /* graph node, CONSTANT */
    bool dead, output;
    bool quantised; /* int8: its input becomes s8 */
    size_t uses;
} cafi_ir_node;

typedef struct cafi_ir {
    const cafi_graph *graph;
    cafi_ir_node *nodes;
    size_t count;
    size_t *outputs; /* IR nodes in the graph outputs' order */
    size_t output_count;
    size_t *order; /* execution order, live nodes only */
    size_t order_count;
} cafi_ir;

/* Builds the IR of a graph and runs the passes. quantise keeps what int8 needs
 * apart (a BatchNorm before a quantised convolution stays a pass). The graph
 * must outlive ir. The caller calls cafi_ir_free, after an error too. */
caface_status cafi_ir_build(cafi_ir *ir, const cafi_graph *graph, bool quantise, caface_error *err);
void cafi_ir_free(cafi_ir *ir);

/* Channels (second extent) of a node's output, or of a convolution's weight. */
size_t cafi_ir_channels(const cafi_ir_node *node);

/* Passes, in the order they run; each leaves uses correct. */
caface_status cafi_pass_fold(cafi_ir *ir, bool quantise, caface_error *err);
caface_status cafi_pass_fuse(cafi_ir *ir, caface_error *err);
void cafi_ir_count_uses(cafi_ir *ir);
/* Every reader of `from` reads `to`. */
void cafi_ir_redirect(cafi_ir *ir, size_t from, size_t to);

#endif
