/* What every node type means, in plain C. Slow and simple: the definition that
 * tests compare fast paths with, and the path of node types that are too rare
 * to deserve a fast one. */
#ifndef CAFI_GRAPH_REFERENCE_H
#define CAFI_GRAPH_REFERENCE_H

#include "graph/graph.h"

/* A row-major array with its shape; no open batch. */
typedef struct cafi_array {
    cafi_shape shape;
    const float *data;
} cafi_array;

/* out = what node makes of its inputs; out_shape is node's shape with the batch
 * filled in. Not for INPUT and CONSTANT. No overlap. Sums are taken in double.
 * Any thread. */
void cafi_reference_node(const cafi_node *node, const cafi_array *inputs,
                         const cafi_shape *out_shape, float *out);

/* Runs the graph for batch rows and fills one array a graph output. inputs: one
 * array a graph input. Keeps every node's values until the end. */
caface_status cafi_reference_run(const cafi_graph *graph, size_t batch, const float *const *inputs,
                                 float *const *outputs, caface_error *err);

/* Where output o of one axis (0: rows, 1: columns) of a RESIZE comes from:
 * (1 - part) of position low and part of position high. */
typedef struct cafi_resize_place {
    size_t low, high;
    double part;
} cafi_resize_place;
cafi_resize_place cafi_resize_place_of(const cafi_node *node, int axis, size_t o, size_t from,
                                       size_t to);

/* shape with an open batch filled in. */
cafi_shape cafi_shape_close(const cafi_shape *shape, size_t batch);

#endif
