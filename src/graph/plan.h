/* A plan: a graph made ready to run, for one batch, precision and number of
 * threads. Passes fold and fuse nodes, weights are reordered once, buffers are
 * shared between values that do not live at the same time. */
#ifndef CAFI_GRAPH_PLAN_H
#define CAFI_GRAPH_PLAN_H

#include "graph/graph.h"
#include "graph/precision.h"
#include "graph/ranges.h"
#include "graph/room.h"

/* Whether a new plan compares itself with the plain definition (graph/verify.h)
 * before it is given out. ONCE: unless this version has found the same steps
 * right before, on this processor, with this oneDNN (graph/verified.h). */
typedef enum cafi_check { CAFI_CHECK_ONCE, CAFI_CHECK_ALWAYS, CAFI_CHECK_NEVER } cafi_check;

typedef struct cafi_plan_options {
    caface_precision precision;
    size_t batch;              /* rows of an open batch; 0 means 1 */
    size_t threads;            /* 0: one for every core; see cafi_plan_run */
    bool low_memory;           /* no Winograd: a quarter of the weights, half the speed */
    bool calibrate;            /* fp32 for cafi_plan_calibrate: keeps what int8 needs apart */
    const cafi_ranges *ranges; /* int8: as cafi_plan_calibrate found them */
    cafi_check check;
    size_t samples; /* of every step's output that a check looks at; 0: 128 */
    bool in_place;  /* inputs and outputs are reached by cafi_plan_input and cafi_plan_output */
    /* With in_place: buffers may lie in it, and so with other plans', and are good until one of
     * those runs. It must outlive the plan. NULL: they are the plan's own. */
    cafi_room *room;
} cafi_plan_options;

/* Bytes of buffers that a row may need: a small file may describe large maps. */
#define CAFI_PLAN_MAX_ROW ((size_t)1 << 31)

typedef struct cafi_plan cafi_plan;

/* The graph, and the tensors its constants borrow, may go once this returns.
 * EUNSUPPORTED: see cafi_precision_check. EINVAL: int8 without ranges. ELIMIT:
 * more than CAFI_PLAN_MAX_ROW, or a batch beyond 4096. */
caface_status cafi_plan_new(cafi_plan **out, const cafi_graph *graph,
                            const cafi_plan_options *options, caface_error *err);
void cafi_plan_free(cafi_plan *plan);

/* inputs: one array a graph input, in the order they were added, row-major.
 * outputs: one array a graph output. Sizes follow from the graph's shapes and
 * the batch. A row's results are the same bits whatever the other rows are, and
 * for any number of threads: a plan for one row is cut into two parts,
 * always, which two threads share if there are two; any other plan runs in the
 * calling thread, and many contexts make many threads busy. One caller at a
 * time. */
caface_status cafi_plan_run(cafi_plan *plan, const float *const *inputs, float *const *outputs,
                            caface_error *err);

/* A plan made with options.in_place runs on its own buffers, nothing is copied: the
 * caller fills all inputs before each run, and outputs are good until the next (of any plan in the
 * same room). Maps
 * of an input may be wanted with their channels last, [batch][height][width][C], or
 * with their rows last, [C][height][width][batch].
 * ENOMEM of cafi_plan_open. One caller at a time. */
typedef enum cafi_input_order {
    CAFI_INPUT_PLAIN,
    CAFI_INPUT_CHANNELS_LAST,
    CAFI_INPUT_ROWS_LAST
} cafi_input_order;
caface_status cafi_plan_open(cafi_plan *plan, caface_error *err);
float *cafi_plan_input(cafi_plan *plan, size_t index, cafi_input_order *order);
const float *cafi_plan_output(cafi_plan *plan, size_t index);
caface_status cafi_plan_run_in_place(cafi_plan *plan, caface_error *err);

/* Buffers of their own to run a plan in; weights are shared. Must be freed
 * before the plan. One thread at a time for one context, many contexts at
 * once. */
typedef struct cafi_plan_context cafi_plan_context;
caface_status cafi_plan_context_new(cafi_plan_context **out, cafi_plan *plan, caface_error *err);
void cafi_plan_context_free(cafi_plan_context *context);
caface_status cafi_plan_context_run(cafi_plan_context *context, const float *const *inputs,
                                    float *const *outputs, caface_error *err);

/* Runs a plan made with options.calibrate and widens ranges by what it sees in
 * the first `rows` rows. */
caface_status cafi_plan_calibrate(cafi_plan *plan, const float *const *inputs, size_t rows,
                                  cafi_ranges *ranges, caface_error *err);

/* One step of the plan, for profiles and tests. */
typedef struct cafi_plan_step {
    const char *name; /* of the node */
    const char *kind; /* "conv", "prelu", ... */
    const char *impl; /* oneDNN's implementation string, "own", or "plain" */
    double flops;     /* of one run */
    double seconds;   /* spent in all runs since profiling was last turned on, while it was on */
    double error;     /* largest of its check, as a share of what is allowed */
    bool mended;      /* oneDNN's first choice was wrong here; impl is another */
} cafi_plan_step;
size_t cafi_plan_step_count(const cafi_plan *plan);
cafi_plan_step cafi_plan_step_at(const cafi_plan *plan, size_t index);
/* While on, one thread at a time may run the plan. */
void cafi_plan_profile(cafi_plan *plan, bool on);
size_t cafi_plan_batch(const cafi_plan *plan);
/* Bytes of weights, and of the buffers of one context. */
void cafi_plan_memory(const cafi_plan *plan, size_t *weights, size_t *buffers);

#endif
