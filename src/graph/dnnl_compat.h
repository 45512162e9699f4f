/* The few calls of oneDNN that differ between 2.6 and 3.x, under one name each.
 * Nothing else knows the version. */
#ifndef CAFI_GRAPH_DNNL_COMPAT_H
#define CAFI_GRAPH_DNNL_COMPAT_H

#include <dnnl.h>
#include <stdbool.h>

#include "graph/kernels.h"

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t cafi_md; /* a handle */
typedef const_dnnl_memory_desc_t cafi_md_view;
#define CAFI_DNN_ARG_SCALES DNNL_ARG_ATTR_SCALES
#else
typedef dnnl_memory_desc_t *cafi_md; /* a copy of ours */
typedef const dnnl_memory_desc_t *cafi_md_view;
#define CAFI_DNN_ARG_SCALES DNNL_ARG_ATTR_OUTPUT_SCALES
#endif

/* A description in a named layout; *out is NULL when it is refused, or memory is. */
dnnl_status_t cafi_md_new(cafi_md *out, int ndim, const dnnl_dim_t *dims, dnnl_data_type_t type,
                          dnnl_format_tag_t tag);
void cafi_md_free(cafi_md md);
size_t cafi_md_size(cafi_md_view md);

/* Whether these are the weights of a Winograd 4x3, and how they lie: fills all
 * of out but its pointers. 3.x has neither that algorithm nor descriptions one
 * can look into. */
bool cafi_md_winograd(cafi_md_view md, cafi_winograd_args *out);

/* What a convolution or inner product is made of; window members are for
 * convolutions. bias may be NULL. */
typedef struct cafi_dnn_shape {
    bool convolution, winograd;
    cafi_md_view src, weights, bias, dst;
    dnnl_dim_t strides[2], dilates[2], before[2], after[2]; /* dilates: 0 when not dilated */
} cafi_dnn_shape;

/* What is done with the result. scales: per output channel, times the integer
 * sum (int8), NULL otherwise; in 2.6 the bias is added before them, in 3.x
 * after: cafi_dnn_bias_is_scaled says which. */
typedef struct cafi_dnn_finish {
    bool sum, clip;
    float lo, hi;
    const float *scales;
    dnnl_dim_t channels;
} cafi_dnn_finish;
bool cafi_dnn_bias_is_scaled(void);
/* True when scales are an argument at run time (3.x) and not part of the
 * primitive. */
bool cafi_dnn_scales_are_arguments(void);

/* Both give what oneDNN returned. Scratch memory is the caller's. skip: so many of
 * oneDNN's implementations are passed over; an error when there are no more. */
dnnl_status_t cafi_dnn_describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                const cafi_dnn_shape *shape, const cafi_dnn_finish *finish,
                                size_t skip);
dnnl_status_t cafi_dnn_describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                        cafi_md_view from, cafi_md_view to);

#endif
