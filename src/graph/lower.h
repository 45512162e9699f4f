/* Lowering's state, for the files that share it. */
#ifndef CAFI_GRAPH_LOWER_H
#define CAFI_GRAPH_LOWER_H

#include "graph/program.h"

/* One form in which a value exists. */
typedef struct cafi_variant {
    cafi_elem elem;
    cafi_layout layout;
    size_t for_conv; /* S8: the convolution whose scales it has; else 0, never one */
    size_t buffer;
} cafi_variant;

#define CAFI_MAX_VARIANTS 8

typedef struct cafi_value_forms {
    cafi_variant forms[CAFI_MAX_VARIANTS];
    size_t count;
    size_t reader;    /* the last node that reads it; CAFI_NO_NODE: none does */
    size_t remaining; /* readers still to come, the caller of the plan being one */
    bool sloped;      /* the slopes of the pool that reads it have been applied */
} cafi_value_forms;

/* A value as a map: rows x channels x positions. */
typedef struct cafi_extent3 {
    size_t rows, channels, positions;
} cafi_extent3;

typedef struct cafi_lowering {
    cafi_program *program;
    cafi_ir *ir;
    cafi_dnn *dnn;
    const cafi_lower_options *options;
    cafi_value_forms *values; /* by IR node */
    cafi_border **borders;    /* by IR node: of convolutions; owned by their steps */
    cafi_layout layout;       /* of maps between fast steps */
    cafi_elem stream;         /* type of maps between fast steps */
    bool parts;
    bool lines; /* every convolution by graph/lines.h */
    size_t last_weighted;
    float *ones;
    size_t ones_count;
} cafi_lowering;

cafi_extent3 cafi_extent_of(const cafi_lowering *lw, size_t node);
/* Lanes and groups of a value in a layout; values of one position are one
 * group unless the layout is blocked. */
size_t cafi_value_lanes(cafi_extent3 e, cafi_layout layout);
size_t cafi_value_groups(cafi_extent3 e, cafi_layout layout);

/* The value of a node in the wanted form, converted if need be. */
caface_status cafi_want(cafi_lowering *lw, size_t node, cafi_elem elem, cafi_layout layout,
                        size_t for_conv, size_t *buffer, caface_error *err);
/* A new buffer for a node's value, recorded as one of its forms. */
caface_status cafi_produce(cafi_lowering *lw, size_t node, cafi_elem elem, cafi_layout layout,
                           size_t for_conv, size_t *buffer, caface_error *err);
/* The form a value was made in. */
cafi_variant cafi_native(const cafi_lowering *lw, size_t node);
/* Records that a buffer holds the node's value. */
void cafi_keep_form(cafi_lowering *lw, size_t node, const cafi_variant *form);
/* True when this reader of `node` may overwrite its buffer. */
bool cafi_may_overwrite(const cafi_lowering *lw, size_t node, size_t buffer);
/* The scales of what enters a quantised convolution, [channels], to be freed;
 * and their inverses, padded with zeros. */
caface_status cafi_quanta_of(const cafi_lowering *lw, size_t conv, float **quanta,
                             caface_error *err);
caface_status cafi_inverse_quanta(const cafi_lowering *lw, size_t conv, float *padded,
                                  caface_error *err);
/* True when something other than a bf16 or s8 convolution reads the value: then
 * it is kept in f32, so that sums along a network do not lose digits. */
bool cafi_wants_f32(const cafi_lowering *lw, size_t node);
/* Whether most of the work is convolutions that Winograd makes cheaper. */
bool cafi_winograd_pays(const cafi_lowering *lw);
/* Cuts a step by the rows of node's map, where there are parts and channels are last. */
void cafi_share_rows(const cafi_lowering *lw, size_t node, cafi_layout layout, cafi_plan_op *step);
/* What a convolution or matrix computes in, if oneDNN can. */
cafi_elem cafi_elem_of(const cafi_lowering *lw, size_t node);

/* Whether all convolutions of the network are what graph/lines.h is for, and this processor has
 * the code. */
bool cafi_lines_fit(const cafi_lowering *lw);

/* The PReLU that alone reads the value, to be done on the way; CAFI_NO_NODE: none does. */
size_t cafi_prelu_behind(const cafi_lowering *lw, size_t node);

/* One function a kind of node; each adds the steps that make node's value. */
caface_status cafi_lower_conv(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_lines(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_gemm(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_pass(cafi_lowering *lw, size_t node, caface_error *err);
/* A pass in place that only adds a convolution's border. */
caface_status cafi_lower_border(cafi_lowering *lw, size_t conv, caface_error *err);
caface_status cafi_lower_other(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_resize(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_concat(cafi_lowering *lw, size_t node, caface_error *err);
/* TRANSPOSE and SLICE. */
caface_status cafi_lower_move(cafi_lowering *lw, size_t node, caface_error *err);
caface_status cafi_lower_matmul(cafi_lowering *lw, size_t i, caface_error *err);
caface_status cafi_lower_reference(cafi_lowering *lw, size_t node, caface_error *err);

#endif
