/* caface/eval.h - figures of verification and identification from plain arrays, by the rules of
 * docs/evaluation.md.
 *
 *     caface_verification *v;
 *     caface_verify(&v, score, same, n, NULL, &err);
 *     caface_verification_tar(v, 3, &tar);    // of caface_fars[3]
 *
 * Intervals are 95 % percentile intervals of a bootstrap over people: a resample takes all pairs
 * and probes of a person or none. They need the person of every row and resamples above 0; without
 * these low and high are NaN. */
#ifndef CAFACE_EVAL_H
#define CAFACE_EVAL_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The cosine of two vectors of C numbers, computed in double. The vectors may have any length; 0
 * when one of them is all zeros. Any thread. */
CAFACE_API double caface_cosine(const float *a, const float *b, size_t C);

/* Writes score [n]: the dot product of templates a[i] and b[i], which is their cosine when both
 * have length 1.
 *   templates  f32 [count][C]
 * threads: 0 is one per core; the result does not depend on it. EINVAL: a template number is too
 * large. ENOMEM. */
CAFACE_API caface_status caface_scores(float *score, const float *templates, size_t count, size_t C,
                                       const uint32_t *a, const uint32_t *b, size_t n,
                                       size_t threads, caface_error *err);

/* Filled by caface_eval_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_eval_options {
    size_t size;      /* of this struct, set by init */
    size_t resamples; /* resamples of the bootstrap, up to 100000; 0: no intervals. Default 0 */
    uint64_t seed;    /* seed of the resamples; the same seed gives the same intervals. Default 1 */
    size_t threads;   /* 0: one per core; the result does not depend on it. Default 0 */
    const int64_t *person_a, *person_b; /* [n], for caface_verify with resamples: the person of each
                                           template of a pair. Borrowed for the call */
    caface_progress progress;           /* or NULL. Its count of work done has no known end */
    void *progress_context;
} caface_eval_options;

static inline void caface_eval_options_init(caface_eval_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_eval_options_init_sized(caface_eval_options *options, size_t size);

/* A share from 0 to 1 with its interval; NaN when there is nothing to measure. */
typedef struct caface_figure {
    double value, low, high;
} caface_figure;

/* --- verification: same person or not --------------------------------------------- */

typedef struct caface_verification caface_verification;

/* The false accept rates that are reported: 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1. */
#define CAFACE_FARS 6
CAFACE_API double caface_far(size_t which);

/* Computes TAR at FAR, AUC, EER and the ROC curve from score [n] and same [n] (0: the pair is of
 * different people), as the authors' release and scikit-learn do. Equal scores make one point of
 * the curve. The caller frees *out with caface_verification_free. options NULL: the defaults.
 * EINVAL: there are no pairs of the same person, or none of different people; NaN or Inf (the
 * message names the pair); resamples without person_a and person_b. ECANCELLED. ENOMEM. */
CAFACE_API caface_status caface_verify(caface_verification **out, const float *score,
                                       const unsigned char *same, size_t n,
                                       const caface_eval_options *options, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_verification_free(caface_verification *verification);

/* Later versions add members at the end. */
typedef struct caface_verification_info {
    size_t genuine, impostor; /* pairs */
    double auc;               /* area under the curve */
    double eer;               /* the error rate where FAR = FRR, interpolated between two points */
    size_t points;            /* of the curve */
    double auc_low, auc_high; /* intervals; NaN also for more than 2^22 pairs, for which */
    double eer_low, eer_high; /* they would take too long */
} caface_verification_info;
static inline void caface_verification_get_info(const caface_verification *verification,
                                                caface_verification_info *info);
CAFACE_API void caface_verification_get_info_sized(const caface_verification *verification,
                                                   caface_verification_info *info, size_t size);

/* TAR at one false accept rate. Later versions add members at the end. */
typedef struct caface_tar {
    caface_figure tar;
    double far_wanted;   /* caface_far(which) */
    double far_measured; /* the FAR of the point of the curve that is nearest to it */
    double threshold;    /* this score and higher ones are accepted; infinity: none are */
    int is_supported;    /* 0: based on fewer than ten false accepts, which is too few */
} caface_tar;
/* which: 0 .. CAFACE_FARS - 1; for other numbers tar is all zeros. */
static inline void caface_verification_tar(const caface_verification *verification, size_t which,
                                           caface_tar *tar);
CAFACE_API void caface_verification_tar_sized(const caface_verification *verification, size_t which,
                                              caface_tar *tar, size_t size);

/* The curve: FAR and TAR, each [points], ascending, owned by verification. Points that cannot be
 * told apart on a logarithmic axis are left out; at most some ten thousand remain. */
CAFACE_API const double *caface_verification_curve_far(const caface_verification *verification);
CAFACE_API const double *caface_verification_curve_tar(const caface_verification *verification);

/* --- identification: who of a gallery ----------------------------------------------- */

typedef struct caface_identification caface_identification;

/* The ranks that are reported: 1, 5 and 10. The false positive identification rates: 0.01 and 0.1.
 */
#define CAFACE_RANKS 3
#define CAFACE_FPIRS 2
CAFACE_API size_t caface_rank(size_t which);
CAFACE_API double caface_fpir(size_t which);

/* Compares every probe with every template of the gallery.
 *   gallery  f32 [gallery_count][C], gallery_person [gallery_count]
 *   probes   f32 [probe_count][C], probe_person [probe_count]
 * Templates have length 1, or are zeros when none could be made; a template of zeros is never found
 * and finds nobody. A probe's rank is the rank of the best template of its person; equal scores
 * rank in the order of the gallery. The caller frees *out with caface_identification_free. options
 * NULL: the defaults. EINVAL: null or empty arrays, no probe's person is in the gallery, NaN or
 * Inf. ECANCELLED. ENOMEM. */
CAFACE_API caface_status caface_identify(caface_identification **out, const float *gallery,
                                         const int64_t *gallery_person, size_t gallery_count,
                                         const float *probes, const int64_t *probe_person,
                                         size_t probe_count, size_t C,
                                         const caface_eval_options *options, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_identification_free(caface_identification *identification);

/* Probes with and without their person in the gallery. */
CAFACE_API size_t caface_identification_mated(const caface_identification *identification);
CAFACE_API size_t caface_identification_nonmated(const caface_identification *identification);
/* Share of the mated probes whose rank is at most caface_rank(which). */
CAFACE_API void caface_identification_rank(const caface_identification *identification,
                                           size_t which, caface_figure *out);
/* Ranks, from 1, of the probes whose person is in the gallery, in the order of the probes: [mated],
 * owned by identification. */
CAFACE_API const uint32_t *caface_identification_ranks(const caface_identification *identification);

/* True positive identification rate at caface_fpir(which). Later versions add members at the end.
 */
typedef struct caface_tpir {
    caface_figure tpir;
    double threshold;   /* a probe is identified when the score of its own person is above it */
    int is_supported;   /* 0: based on fewer than ten false positives, which is too few */
    caface_figure open; /* the open-set rate of ISO/IEC 19795, from the probes whose person is not
                           in the gallery */
    double open_threshold;
    int open_is_supported;
} caface_tpir;
static inline void caface_identification_tpir(const caface_identification *identification,
                                              size_t which, caface_tpir *out);
CAFACE_API void caface_identification_tpir_sized(const caface_identification *identification,
                                                 size_t which, caface_tpir *out, size_t size);

static inline void caface_eval_options_init(caface_eval_options *options)
{
    caface_eval_options_init_sized(options, sizeof *options);
}

static inline void caface_verification_get_info(const caface_verification *verification,
                                                caface_verification_info *info)
{
    caface_verification_get_info_sized(verification, info, sizeof *info);
}

static inline void caface_verification_tar(const caface_verification *verification, size_t which,
                                           caface_tar *tar)
{
    caface_verification_tar_sized(verification, which, tar, sizeof *tar);
}

static inline void caface_identification_tpir(const caface_identification *identification,
                                              size_t which, caface_tpir *out)
{
    caface_identification_tpir_sized(identification, which, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
