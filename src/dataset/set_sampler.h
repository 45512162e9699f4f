/* Sets of faces to train a restoring fusion on, from a store with clean features.
 *
 * A step has sets of one size, 2, 3, 4, 6, 8, 12, 16, 24 or 32, `rows` faces in all or
 * a few less. A set is a person's: 1 to 4 of the pictures, and each face a random
 * variant of one of them; 5 % of the faces, and in 15 % of the sets 90 %, are the
 * picture as it is. With intruders, in 12 % of the sets of 4 and more 1 to a third of
 * the faces are another's: in 80 % one person's, of 1 to 3 pictures, else anyone's; in
 * 30 % of those sets in the variants with the longest feature, else in 15 % as they
 * are. Their places are random.
 *
 * All is drawn by counter from seed, step and set, so that neither threads nor a stop
 * and a resume change it. */
#ifndef CAFI_DATASET_SET_SAMPLER_H
#define CAFI_DATASET_SET_SAMPLER_H

#include "base/threads.h"
#include "dataset/store.h"

typedef struct cafi_set_sampler cafi_set_sampler;

/* What is measured once over the store. Everything is the sampler's. */
typedef struct cafi_set_facts {
    const float *style_mean, *style_scale; /* [2S] of all variants, or of a part if they are many */
    float norm_mean, norm_scale;           /* of the log of the features' lengths */
    const float *centres;                  /* [classes][C] mean of unit clean features, unit */
} cafi_set_facts;

/* The store and pool (or NULL) are borrowed. EMODEL: a store without clean features.
 * EINVAL: less than two classes, rows below 32. EFORMAT: a row that is not finite; a
 * class without a centre. */
caface_status cafi_set_sampler_new(cafi_set_sampler **out, const cafi_store *store, size_t rows,
                                   bool intruders, uint64_t seed, cafi_pool *pool,
                                   caface_error *err);
void cafi_set_sampler_free(cafi_set_sampler *sampler);
cafi_set_facts cafi_set_sampler_facts(const cafi_set_sampler *sampler);

/* The largest set. */
#define CAFI_SET_MOST 32

/* One face of a set. */
typedef struct cafi_set_face {
    size_t image, variant; /* variant == the store's number of them: as it is */
    bool other;            /* another person's */
} cafi_set_face;

/* The size of a step's sets, their number, and, drawn with them, the chunk that
 * exchange is trained with: 0 (half of the steps), 8 or 4. */
void cafi_set_sampler_plan(const cafi_set_sampler *sampler, uint64_t step, size_t *sets,
                           size_t *size, size_t *chunk);
/* Faces [size] of a set; returns the person's class. */
size_t cafi_set_sampler_faces(const cafi_set_sampler *sampler, uint64_t step, size_t set,
                              size_t size, cafi_set_face *faces);

/* Where a step's sets [first, first + n) go; arrays hold n sets of size rows. */
typedef struct cafi_set_batch {
    float *features, *styles; /* [n][size][C], [n][size][S][2] */
    float *shown;             /* [n][size][C] the clean feature of each picture, unit */
    unsigned char *other;     /* [n][size] */
    float *targets;           /* [n][C] the class's centre without the set's pictures, where
                               * others are left, unit */
    size_t *own;              /* [n] class */
} cafi_set_batch;

/* EFORMAT: a row that is not finite. */
caface_status cafi_set_sampler_fill(cafi_set_sampler *sampler, uint64_t step, size_t first,
                                    size_t n, const cafi_set_batch *batch, caface_error *err);

#endif
