/* Which rows a training sample is made of.
 *
 * A sample belongs to an image and is made of rows of its class: groups of T, two or
 * one. As many images are drawn as it has rows, R: the sample's own and R - 1 of its
 * class with replacement.
 * For each group n of these, 1 to max(T/4, 3) - 1, are drawn with replacement; T
 * is cut at n - 1 distinct points of 1..T-2; and every row of a piece is a random
 * variant of that piece's image.
 *
 * All choices are drawn by counter from seed, epoch and place, so that neither
 * threads nor a stop and a resume change them. */
#ifndef CAFI_DATASET_SAMPLER_H
#define CAFI_DATASET_SAMPLER_H

#include "base/threads.h"
#include "dataset/store.h"

typedef struct cafi_sampler cafi_sampler;

/* The store and pool (or NULL) are borrowed. EINVAL: T below 3 or above 256. */
caface_status cafi_sampler_new(cafi_sampler **out, const cafi_store *store, size_t T, size_t groups,
                               uint64_t seed, cafi_pool *pool, caface_error *err);
void cafi_sampler_free(cafi_sampler *sampler);

/* Shuffles the images anew for an epoch. */
void cafi_sampler_epoch(cafi_sampler *sampler, uint64_t epoch);
/* The class of the sample at a place of the epoch's order. */
size_t cafi_sampler_class(const cafi_sampler *sampler, size_t place);
/* Image and variant of each of the R rows of a sample. rows [R][2]. */
void cafi_sampler_rows(const cafi_sampler *sampler, size_t place, size_t (*rows)[2]);
/* Samples [first, first + n) of the epoch: features [n][R][C], styles
 * [n][R][S][2]. EFORMAT: a damaged record. */
caface_status cafi_sampler_fill(cafi_sampler *sampler, size_t first, size_t n, float *features,
                                float *styles, caface_error *err);

/* Targets of the samples [first, first + n): the class's centre without the pictures that are
 * among a sample's rows, at length 1, or where none is left, centres' [classes][C]. sums as
 * cafi_class_sums has them. targets [n][C]. EFORMAT: a row that is not finite. */
caface_status cafi_sampler_rest(cafi_sampler *sampler, size_t first, size_t n, const double *sums,
                                const float *centres, float *targets, caface_error *err);

#endif
