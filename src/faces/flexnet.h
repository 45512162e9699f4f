/* A network for pictures of any size: a plan is made for each size when it is
 * first needed, and kept for the sizes used last. */
#ifndef CAFI_FACES_FLEXNET_H
#define CAFI_FACES_FLEXNET_H

#include <stdint.h>

#include "graph/plan.h"
#include "media/view.h"

#define CAFI_FLEXNET_MAX_OUTPUTS 32

/* Makes the graph for one size, its outputs marked. ctx is the caller's. */
typedef caface_status (*cafi_flexnet_build)(void *ctx, size_t height, size_t width,
                                            cafi_graph **out, caface_error *err);

/* Ready for one size. Everything is owned by the net, and good until the next
 * call of cafi_flexnet_get. */
typedef struct cafi_flexnet_slot {
    size_t height, width;
    cafi_plan *plan;
    float *input;           /* [batch][3][height][width], of the plan, */
    cafi_input_order order; /* or as this says */
    size_t batch;
    size_t output_count;
    const float *output[CAFI_FLEXNET_MAX_OUTPUTS]; /* of the plan */
    cafi_shape shape[CAFI_FLEXNET_MAX_OUTPUTS];    /* with the batch filled in */
    size_t bytes;
    uint64_t used;
} cafi_flexnet_slot;

typedef struct cafi_flexnet cafi_flexnet;

/* batch: rows of a run. Slots beyond `bytes` of memory, or beyond 64, are
 * given up, those used longest ago first. precision, threads and check as for a plan. */
caface_status cafi_flexnet_new(cafi_flexnet **out, cafi_flexnet_build build, void *ctx,
                               size_t batch, caface_precision precision, size_t threads,
                               cafi_check check, size_t bytes, caface_error *err);
void cafi_flexnet_free(cafi_flexnet *net);

/* The slot for a size; makes it when there is none. What the graph's build and
 * cafi_plan_new refuse; EMODEL: more outputs than CAFI_FLEXNET_MAX_OUTPUTS. */
caface_status cafi_flexnet_get(cafi_flexnet *net, size_t height, size_t width,
                               cafi_flexnet_slot **out, caface_error *err);
/* Runs the plan from slot->input to slot->output. */
caface_status cafi_flexnet_run(cafi_flexnet_slot *slot, caface_error *err);

/* How pixels become values: (x - mean) * scale, per channel of the network. */
typedef struct cafi_pixel_map {
    bool bgr;      /* the network's first channel is blue */
    float mean[3]; /* in the network's order */
    float scale;
    float outside; /* the value where there is no picture */
} cafi_pixel_map;

/* Writes the picture, which is no larger, into the upper left corner of one row of
 * the slot's input, unless its order is CAFI_INPUT_ROWS_LAST. */
void cafi_flexnet_fill(cafi_flexnet_slot *slot, size_t row, const cafi_view *picture,
                       const cafi_pixel_map *map);
/* Writes `count` pictures of the slot's size, each height x width x 3 bytes and one after the
 * other, into the first rows of its input. */
void cafi_flexnet_fill_rows(cafi_flexnet_slot *slot, const uint8_t *pictures, size_t count,
                            const cafi_pixel_map *map);

#endif
