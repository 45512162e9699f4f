/* Convolutions and matrix products by oneDNN, weights packed. The only file of
 * the project beside dnnl_compat that calls it.
 *
 * Every primitive is made for one thread and runs on the thread that calls it:
 * oneDNN's results depend on its number of threads (it cuts sums and even picks
 * algorithms by it), ours must not. Parallelism is above, over batches and over
 * output channels. */
#ifndef CAFI_GRAPH_ONEDNN_H
#define CAFI_GRAPH_ONEDNN_H

#include "graph/kernels.h"

typedef struct cafi_dnn cafi_dnn;       /* an engine */
typedef struct cafi_dnn_op cafi_dnn_op; /* a primitive with its weights */
typedef struct cafi_dnn_run cafi_dnn_run;

typedef enum cafi_layout {
    CAFI_LAYOUT_PLAIN, /* N,C,H,W */
    CAFI_LAYOUT_C8,
    CAFI_LAYOUT_C16,
    CAFI_LAYOUT_LAST, /* N,H,W,C */
    CAFI_LAYOUT_ROWS  /* C,H,W,N: graph/lines.h; never oneDNN's */
} cafi_layout;
/* Lanes of a map of that many channels (graph/kernels.h). */
size_t cafi_layout_lanes(cafi_layout layout, size_t channels);

typedef struct cafi_dnn_spec {
    const char *name;
    bool convolution; /* else: each row times a matrix */
    bool winograd;
    bool blocked; /* it works on maps blocked by 16; the step's own, in src_layout and dst_layout,
                   * are brought over in every run (graph/execute.c) */
    size_t batch;
    size_t in_channels, in_height, in_width; /* rows of a matrix product may be maps too */
    size_t out_channels, out_height, out_width;
    cafi_window window;
    cafi_elem src, dst;
    cafi_layout src_layout, dst_layout; /* of maps of one position: no matter */
    bool sum, clip;                     /* y += result, then clip */
    float lo, hi;
    const float *scales; /* [out_channels], int8: result = integer sum times scales + bias */
    const float *bias;   /* [out_channels] */
    size_t skip;         /* so many of oneDNN's implementations are passed over; then its
                            reference code will do, too */
} cafi_dnn_spec;

caface_status cafi_dnn_new(cafi_dnn **out, caface_error *err);
void cafi_dnn_free(cafi_dnn *dnn);

/* OK when oneDNN has a fast implementation for this spec; scales and bias are
 * not looked at, beyond their being there. EUNSUPPORTED: it has none. ENOMEM. */
caface_status cafi_dnn_probe(cafi_dnn *dnn, const cafi_dnn_spec *spec, caface_error *err);

/* weights: f32 [O][I/groups][kh][kw], or s8 of the same shape for an S8 source;
 * copied into oneDNN's order. EUNSUPPORTED: oneDNN has no fast implementation
 * for this spec. Any thread that has called cafi_dnn_enter. */
caface_status cafi_dnn_op_new(cafi_dnn_op **out, cafi_dnn *dnn, const cafi_dnn_spec *spec,
                              const void *weights, caface_error *err);
void cafi_dnn_op_free(cafi_dnn_op *op);
size_t cafi_dnn_op_scratch(const cafi_dnn_op *op);
size_t cafi_dnn_op_weights(const cafi_dnn_op *op); /* bytes */
const char *cafi_dnn_op_impl(const cafi_dnn_op *op);

/* An op tied to its memory. src, dst and scratch must stay where they are. */
caface_status cafi_dnn_run_new(cafi_dnn_run **out, const cafi_dnn_op *op, void *src, void *dst,
                               void *scratch, caface_error *err);
void cafi_dnn_run_free(cafi_dnn_run *run);
/* One thread at a time for one run; many runs of one op at once. False when
 * oneDNN reports a failure. */
bool cafi_dnn_run_execute(cafi_dnn_run *run);

/* "3.7.2", and the instruction set it has chosen: "avx512_core_bf16". */
const char *cafi_dnn_version(void);
const char *cafi_dnn_isa(void);

/* Whether it may use AVX-512 BF16 or VNNI; the environment can keep it from that. */
bool cafi_dnn_has_bf16(void);
bool cafi_dnn_has_int8(void);

/* For tests: from now on the second half of what implementations write whose
 * name has this in it is lost. NULL: none. */
void cafi_dnn_spoil(const char *impl);

/* Limits oneDNN to one thread in the calling thread; gives what
 * cafi_dnn_leave takes back. */
int cafi_dnn_enter(void);
void cafi_dnn_leave(int before);

#endif
