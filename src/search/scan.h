/* All rows of an index against some queries, by codes. */
#ifndef CAFI_SEARCH_SCAN_H
#define CAFI_SEARCH_SCAN_H

#include <stdbool.h>

#include "search/best.h"

/* Queries of one scan at most: each reads all codes. */
#define CAFI_SCAN_QUERIES 256

/* Queries in the form in which codes meet them, and their share of the error:
 *   |q.x - score| <= row_error * whole + row_length * part */
typedef struct cafi_queries {
    const float *x; /* [Q][C], borrowed */
    size_t Q;
    bool is_packed;              /* in panels; else as they are */
    float *scale, *whole, *part; /* [Q] */
    bool *is_nothing;            /* [Q]: zeros, which find nobody */
    float *floats;               /* panels */
    cafi_packed packed;
    int8_t *codes; /* [Q][K] */
    int8_t *panels;
    int32_t *bias, *panel_bias; /* [Q], [Q padded] */
    cafi_packed_codes packed_codes;
} cafi_queries;

/* ENOMEM. Queries are finite and not too long. Freed in every case. */
caface_status cafi_queries_make(cafi_queries *queries, const caface_index *index, const float *x,
                                size_t Q, caface_error *err);
void cafi_queries_free(cafi_queries *queries);

/* What one worker has found, and its scratch. */
typedef struct cafi_scan_worker {
    cafi_best *best;        /* [Q] */
    cafi_candidate *memory; /* of all of them */
    float *limit;           /* [Q] */
    float *scores;          /* of a block of rows */
    float *floats;          /* a block of rows, widened */
    uint32_t *places;
    cafi_scorer scorer;
} cafi_scan_worker;

typedef struct cafi_scan {
    const caface_index *index;
    const cafi_kernels *kernels;
    const cafi_queries *queries;
    size_t k, room;
    size_t task; /* rows of a task */
    cafi_scan_worker *workers;
    size_t worker_count;
} cafi_scan;

/* Room for every worker. ENOMEM. Freed in every case. */
caface_status cafi_scan_new(cafi_scan *scan, const caface_index *index, const cafi_queries *queries,
                            size_t k, float threshold, size_t workers, caface_error *err);
void cafi_scan_free(cafi_scan *scan);

/* Every row meets every query. pool has as many workers as the scan. */
caface_status cafi_scan_run(cafi_scan *scan, cafi_pool *pool, caface_error *err);

#endif
