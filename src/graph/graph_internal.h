/* A graph's inside, for the files of this room. */
#ifndef CAFI_GRAPH_GRAPH_INTERNAL_H
#define CAFI_GRAPH_GRAPH_INTERNAL_H

#include "base/mem.h"
#include "graph/graph.h"

typedef struct cafi_entry {
    cafi_node node;
    char *name;
    float *values;      /* CONSTANT: owned values, or NULL: */
    cafi_tensor tensor; /* borrowed ones */
} cafi_entry;

struct cafi_graph {
    cafi_entry **entries;
    size_t count, capacity;
    size_t *outputs;
    size_t output_count, output_capacity;
    void (*read_hook)(void *ctx, const void *data, size_t size);
    void *read_ctx;
};

/* Sets node->shape from its inputs' shapes. Errors as cafi_graph_add. */
caface_status cafi_infer_shape(const cafi_graph *graph, cafi_node *node, caface_error *err);

/* Axis counted from the end when negative; -1 when out of range. */
int cafi_axis_from_start(int axis, int ndim);

#endif
