/* The inside of a face set, for the files that make one. */
#ifndef CAFI_FUSION_SET_H
#define CAFI_FUSION_SET_H

#include "base/threads.h"
#include "caface/set.h"
#include "fusion/baseline.h"
#include "fusion/chunks.h"
#include "fusion/network.h"
#include "fusion/source.h"

/* Rows that grow. */
typedef struct cafi_rows {
    float *data; /* [capacity][width] */
    size_t width;
    size_t count;
    size_t capacity;
} cafi_rows;

void cafi_rows_free(cafi_rows *rows);
/* Room for `more` rows beyond count. ENOMEM: as before. */
caface_status cafi_rows_reserve(cafi_rows *rows, size_t more, caface_error *err);

/* Numbers of a feature at most: a saved set without a face has nothing else to bound it. */
#define CAFI_MAX_WIDTH ((size_t)1 << 20)

struct caface_set {
    const caface_model *model; /* NULL for the simple methods */
    caface_set_options options;
    cafi_source source; /* what the texts of options point at */
    size_t C;
    size_t count; /* faces so far */

    /* with a model: finished chunks in state, the others in features and compact; of a
     * sum all in state */
    cafi_state state;
    cafi_state partial; /* of the chunk at hand; of a sum, once it was needed */
    size_t chunk_index; /* chunks finished since the cutting began */
    bool is_planned;    /* expected_n still says how to cut */
    cafi_rows features; /* of the unfinished chunk, [C] */
    cafi_rows compact;  /* the same faces, [E] */
    cafi_rows log;      /* of finished chunks only */
    bool log_dropped;
    cafi_scratch scratch;

    cafi_baseline baseline;

    cafi_pool *pool;              /* NULL until there are two chunks for two threads */
    cafi_scratch *worker_scratch; /* of every worker of the pool */
    cafi_state *worker_partial;   /* of every chunk in flight, CAFI_IN_FLIGHT a worker */
};

/* The rows of one push. With a model exactly one of style and compact is not NULL. */
typedef struct cafi_set_rows {
    const float *feat;    /* [n][C] */
    const float *style;   /* [n][S][2] */
    const float *compact; /* [n][info.compact] */
    size_t n;
} cafi_set_rows;

/* "features or styles are beyond what the network can hold". */
caface_status cafi_set_beyond(caface_error *err);

/* Are rows first .. first + n finite? EINVAL names the first that is not. */
caface_status cafi_set_check_finite(const caface_set *set, const cafi_set_rows *r, size_t first,
                                    size_t n, caface_error *err);

/* A push to a set whose model is a sum; there is room for the rows in the log. On failure
 * the set is as it was. */
caface_status cafi_set_push_sum(caface_set *set, const cafi_set_rows *rows, caface_error *err);

/* Chunks of one push that are in flight at a time, for each worker. */
#define CAFI_IN_FLIGHT 16

/* Faces in the chunk that is being filled. */
size_t cafi_set_chunk_length(const caface_set *set);

/* Starts the threads that the options ask for, if they are not there yet. A set
 * that never has two whole chunks in one push never needs them. ENOMEM. */
caface_status cafi_set_start_workers(caface_set *set, caface_error *err);

/* The state of set with its unfinished chunk fused into it, in *out until set
 * or hands change: set's own when it has no unfinished chunk, that of hands when
 * it has nothing else, otherwise room, which begins as zeros and is the caller's
 * to cafi_state_free in any case. Its scratch memory is that of hands, a set of the
 * same model (set itself, as a rule): the assignments of the unfinished faces
 * are in hands->scratch.assign afterwards. ENOMEM, EINVAL (numbers beyond what
 * floats hold). */
caface_status cafi_set_finished_state(const caface_set *set, caface_set *hands,
                                      const cafi_state **out, cafi_state *room, caface_error *err);

#endif
