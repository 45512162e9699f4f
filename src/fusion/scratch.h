/* Working memory of one thread, allocated once and grown when a chunk is larger
 * than any before. */
#ifndef CAFI_FUSION_SCRATCH_H
#define CAFI_FUSION_SCRATCH_H

#include "fusion/model.h"
#include "fusion/restore.h"

/* Rows that pass through the layers of a block together: their hidden layer
 * stays in the second-level cache. */
#define CAFI_STRIP 96

/* Faces of a chunk at most: attention inside a chunk is quadratic in time. */
#define CAFI_MAX_CHUNK 65536

typedef struct cafi_scratch {
    float *memory;     /* all of the below */
    size_t rows;       /* faces there is room for */
    size_t strip;      /* rows of norm and hidden: CAFI_STRIP, fewer for small chunks */
    float *x;          /* [rows + M][D], the residual stream */
    float *qkv;        /* [rows + M][3D] */
    float *mixed;      /* [rows + M][D], attention's output; later LN(x) */
    float *norm;       /* [strip][D] */
    float *stats;      /* [strip][2], of LN */
    float *hidden;     /* [strip][max(hidden, S)] */
    float *attention;  /* cafi_attention_scratch */
    float *compact;    /* [rows][compact] */
    float *assign;     /* [rows][M] */
    float *norms;      /* [rows], |f| */
    double *weights;   /* [rows][M] */
    float *a, *b;      /* [M][2D], of the aggregation network */
    float *wide;       /* [M][wide] */
    float *confidence; /* [M][K] */
    /* Restore: of these only compact and assign, [rows][members], and */
    cafi_restore_scratch *restore; /* [members] */
    size_t members;
} cafi_scratch;

/* Makes room for rows faces (at most CAFI_MAX_CHUNK). Zero-initialise first. On
 * failure the scratch is as it was. ELIMIT, ENOMEM. */
caface_status cafi_scratch_reserve(cafi_scratch *scratch, const caface_model *model, size_t rows,
                                   caface_error *err);
void cafi_scratch_free(cafi_scratch *scratch);

/* Scratches of ended sets, for the next: a set of a few faces needs its memory for some 50 us, and
 * as long again takes the system to bring and to clear it. Any thread. */
typedef struct cafi_idle cafi_idle;

/* ENOMEM. */
caface_status cafi_idle_new(cafi_idle **out, caface_error *err);
void cafi_idle_free(cafi_idle *idle);

/* Instead of cafi_scratch_free: a scratch of at most CAFI_STRIP rows is kept for the next
 * cafi_scratch_reserve of an empty one for the model, unless there are enough of them. */
void cafi_scratch_leave(cafi_scratch *scratch, const caface_model *model);

#endif
