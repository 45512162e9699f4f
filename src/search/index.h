/* An index: rows, their codes, and what the codes leave out.
 *
 * Of row x with code c, and query q whose own code is d:
 *
 *     |q.x - d.c| <= |q| |x - c| + |q - d| |c|
 *
 * where the lengths of x - c and c are known for every row, and those of q and q - d for
 * the query. To |q - d| is added what the sum d.c itself may be rounded by, as a share of
 * |q|. So every score by codes comes with an interval that holds the exact one. */
#ifndef CAFI_SEARCH_INDEX_H
#define CAFI_SEARCH_INDEX_H

#include <pthread.h>

#include "base/threads.h"
#include "caface/search.h"
#include "math/kernels.h"

/* What one search works with. */
typedef struct cafi_search_lane {
    struct cafi_search_lane *next; /* among those that are idle */
    cafi_pool *pool;
} cafi_search_lane;

struct caface_index {
    size_t n, C;
    size_t K; /* numbers of a row's codes: C, padded for int8 */
    caface_index_type rows_type, codes_type;
    const void *rows;                    /* [n][C] */
    const void *codes;                   /* [n][K]; the rows, or memory */
    const float *scale, *length, *error; /* [n] each; length is NaN: never found */
    void *memory;                        /* codes that are the index's own, or NULL */
    float *figures;                      /* [3][n]: scale, length, error */
    size_t invalid, empty;
    size_t threads;
    pthread_mutex_t lock; /* of idle */
    cafi_search_lane *idle;
};

/* Bytes of a number. */
size_t cafi_index_type_size(caface_index_type type);

/* An idle lane or a new one, and back. */
caface_status cafi_take_lane(cafi_search_lane **out, caface_index *index, caface_error *err);
void cafi_give_lane(caface_index *index, cafi_search_lane *lane);

/* Row i as floats: itself, or widened into scratch [C]. */
const float *cafi_index_floats(const caface_index *index, const cafi_kernels *kernels, size_t i,
                               float *scratch);

/* Makes codes and figures of all rows, and counts those that are never found; memory is the
 * index's. ENOMEM. */
caface_status cafi_codes_make(caface_index *index, cafi_pool *pool, caface_error *err);

/* caface_index_search; *rescored, if not NULL, becomes the number of exact scores. */
caface_status cafi_index_search(caface_index *index, const float *queries, size_t Q, size_t k,
                                const caface_search_options *options, int64_t *row, float *score,
                                size_t *found, size_t *rescored, caface_error *err);

#endif
