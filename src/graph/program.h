/* What a plan runs: steps over buffers. */
#ifndef CAFI_GRAPH_PROGRAM_H
#define CAFI_GRAPH_PROGRAM_H

#include "graph/lines.h"
#include "graph/matmul.h"
#include "graph/onednn.h"
#include "graph/pointwise.h"
#include "graph/ranges.h"

/* The steps of a program for one row are cut into this many parts, along rows or output
 * channels (graph/parts.h); the number must not depend on the threads there are. */
#define CAFI_PARTS 2

typedef enum cafi_cut { CAFI_CUT_NONE, CAFI_CUT_CHANNELS, CAFI_CUT_ROWS } cafi_cut;

typedef enum cafi_step_kind {
    CAFI_STEP_DNN,
    CAFI_STEP_LINES,     /* graph/lines.h */
    CAFI_STEP_POINTWISE, /* graph/pointwise.h */
    CAFI_STEP_PASS,
    CAFI_STEP_BINARY,
    CAFI_STEP_STYLE,
    CAFI_STEP_MEAN,
    CAFI_STEP_POOL,
    CAFI_STEP_REORDER,
    CAFI_STEP_RESIZE,
    CAFI_STEP_MOVE,
    CAFI_STEP_CONCAT,
    CAFI_STEP_MATMUL,   /* graph/matmul.h */
    CAFI_STEP_COPY,     /* bytes */
    CAFI_STEP_REFERENCE /* graph/reference.h, on plain f32 */
} cafi_step_kind;

/* A piece of memory that several values may take turns in. */
typedef struct cafi_buffer {
    size_t size;
    size_t first, last; /* steps; last is SIZE_MAX for what is read after the run */
    size_t offset;      /* in the arena */
    float *constant;    /* owned: not in the arena */
} cafi_buffer;

typedef struct cafi_plan_op {
    cafi_step_kind kind;
    char *name; /* owned */
    const char *label;
    size_t in[CAFI_MAX_INPUTS];
    size_t in_count;
    size_t out;         /* may be one of in: in place, or a sum */
    size_t ir;          /* DNN, LINES and POINTWISE: the node whose weights are packed */
    size_t prelu;       /* LINES and POINTWISE: the node that has the slopes, or CAFI_NO_NODE */
    size_t parts;       /* 1, or CAFI_PARTS */
    cafi_cut cut;       /* along what, with parts */
    size_t units;       /* that many of it */
    size_t unit_width;  /* ROWS: positions of a row */
    bool measured;      /* calibration looks at its input */
    float *quanta;      /* int8: of its input, by channel; owned */
    float *weight_top;  /* measured: largest weight of each input channel; owned */
    cafi_dnn_spec spec; /* of all parts together */
    cafi_dnn_op *op[CAFI_PARTS];
    cafi_border *border;           /* DNN: to be filled by packing; owned */
    cafi_lines_args lines;         /* with spec, which says the same of the convolution alone */
    cafi_pointwise_args pointwise; /* the same */
    cafi_pass_args pass;
    float *parameters; /* owned: scale, shift and slope of a pass or a pool; all of lines and
                          pointwise */
    cafi_binary_args binary;
    cafi_reorder_args reorder;
    cafi_pool_args pool;
    cafi_resize_args resize;
    uint32_t *places; /* owned: what resize's axes borrow, with parameters */
    cafi_move_args move;
    cafi_matmul_args matmul;
    size_t
        chunks[CAFI_MAX_INPUTS]; /* CONCAT: bytes of each input, `rows` times one after the other */
    cafi_window window;
    cafi_elem elem;
    size_t rows, channels, groups, positions, lanes;
    cafi_node node; /* REFERENCE; its name is not used */
    cafi_shape shapes[CAFI_MAX_INPUTS + 1];
    double flops, seconds;
    double error; /* the largest a check has seen, as a share of what is allowed */
    bool mended;  /* a check found oneDNN's first choice wrong, and took another */
} cafi_plan_op;

typedef struct cafi_program {
    cafi_plan_op *steps;
    size_t step_count, step_capacity;
    cafi_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    size_t *inputs, *outputs;           /* buffers */
    size_t *input_sizes, *output_sizes; /* bytes */
    size_t input_count, output_count;
    size_t arena, scratch; /* bytes; scratch for every part */
    bool has_parts;
    bool channels_last; /* of inputs that are maps */
    bool rows_last;     /* the same: CAFI_LAYOUT_ROWS */
} cafi_program;

typedef struct cafi_lower_options {
    caface_precision precision;
    size_t batch;
    bool low_memory, calibrate;
    bool any_order; /* inputs may be wanted with their channels last */
    const cafi_ranges *ranges;
} cafi_lower_options;

/* Steps and buffers from an IR; weights are not packed yet. */
caface_status cafi_lower(cafi_program *program, cafi_ir *ir, cafi_dnn *dnn,
                         const cafi_lower_options *options, caface_error *err);
void cafi_program_free(cafi_program *program);

/* Packs the weights of one step (which may be of any kind), in place of what was
 * packed before. Any thread that has
 * called cafi_dnn_enter; different steps at once. */
caface_status cafi_pack_step(cafi_program *program, size_t step, const cafi_ir *ir, cafi_dnn *dnn,
                             caface_error *err);

/* What a DNN step multiplies by, as it is given to oneDNN: f32, or s8 with scales
 * (small). NULL: there is none. */
typedef struct cafi_step_weights {
    float *weights; /* [O][I][taps] */
    float *bias;    /* [O] */
    int8_t *small;  /* as weights */
    float *scales;  /* [O], with small */
    size_t row;     /* weights of one output channel */
} cafi_step_weights;
caface_status cafi_step_weights_new(cafi_step_weights *out, const cafi_plan_op *step,
                                    const cafi_ir *ir, caface_error *err);
void cafi_step_weights_clear(cafi_step_weights *weights);

/* Sets program->scratch by what its packed steps need. */
void cafi_program_measure(cafi_program *program);

/* The folded weights of a convolution or matrix: f32, and bias [O], both to be
 * freed. border (or NULL) is filled. */
caface_status cafi_fold_weights(const cafi_ir *ir, const cafi_ir_node *node, float **weights,
                                float **bias, cafi_border *border, caface_error *err);
/* The classes of a padded convolution's border. padded: channels in whole
 * groups. */
caface_status cafi_border_new(cafi_border **out, const cafi_ir *ir, const cafi_ir_node *node,
                              size_t padded, caface_error *err);
void cafi_border_free(cafi_border *border);

/* Gives every buffer its place, so that two that live at the same time do not
 * overlap. */
caface_status cafi_place_buffers(cafi_program *program, caface_error *err);

/* Appends; the step's fields are taken as they are. */
caface_status cafi_program_buffer(cafi_program *program, size_t size, size_t *out,
                                  caface_error *err);
caface_status cafi_program_step(cafi_program *program, const cafi_plan_op *step, const char *name,
                                caface_error *err);

#endif
