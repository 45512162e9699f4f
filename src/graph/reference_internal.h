/* The node types' definitions, by kind of node; arguments as
 * cafi_reference_node. */
#ifndef CAFI_GRAPH_REFERENCE_INTERNAL_H
#define CAFI_GRAPH_REFERENCE_INTERNAL_H

#include "graph/reference.h"

/* Extent i as a size. */
static inline size_t cafi_extent(const cafi_shape *shape, int i)
{
    return (size_t)shape->dim[i];
}

/* Elements of a closed shape from axis on. */
static inline size_t cafi_inner(const cafi_shape *shape, int axis)
{
    size_t count = 1;

    for (int i = axis; i < shape->ndim; i++)
        count *= (size_t)shape->dim[i];
    return count;
}

void cafi_reference_conv(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                         float *out);
void cafi_reference_gemm(const cafi_array *in, size_t input_count, const cafi_shape *os,
                         float *out);
void cafi_reference_matmul(const cafi_array *in, const cafi_shape *os, float *out);
void cafi_reference_pool(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                         float *out);
void cafi_reference_reduce(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out);
void cafi_reference_softmax(const cafi_node *node, const cafi_array *in, float *out);
void cafi_reference_style(const cafi_array *in, float *out);
void cafi_reference_transpose(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                              float *out);
void cafi_reference_concat(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out);
void cafi_reference_slice(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                          float *out);
void cafi_reference_resize(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                           float *out);
void cafi_reference_pad(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                        float *out);

#endif
