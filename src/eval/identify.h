/* 1:N identification: every probe against a gallery. */
#ifndef CAFI_EVAL_IDENTIFY_H
#define CAFI_EVAL_IDENTIFY_H

#include "base/threads.h"
#include "eval/best.h"
#include "eval/resampling.h"
#include "eval/subject_list.h"

/* False positive identification rates that are reported: 0.01 and 0.1. */
#define CAFI_FPIRS 2
extern const double cafi_fpirs[CAFI_FPIRS];
extern const char *const cafi_fpir_names[CAFI_FPIRS];

/* Ranks that are reported: 1, 5, 10. */
#define CAFI_RANKS 3
extern const size_t cafi_ranks[CAFI_RANKS];

/* The figures of a gallery in one order, so that an average over galleries and
 * an interval over resamples treat all alike: ranks, then TPIR as the release
 * defines it, then open-set TPIR. NaN where there is nothing to measure. */
enum { CAFI_ID_RANK = 0, CAFI_ID_TPIR = CAFI_RANKS, CAFI_ID_OPEN = CAFI_ID_TPIR + CAFI_FPIRS };
#define CAFI_ID_FIGURES (CAFI_ID_OPEN + CAFI_FPIRS)

typedef struct cafi_identified {
    size_t gallery;  /* templates */
    size_t mated;    /* probes with a mate in the gallery */
    size_t nonmated; /* probes without */
    double figure[CAFI_ID_FIGURES];
    double threshold[CAFI_FPIRS];      /* of the release's TPIR */
    double open_threshold[CAFI_FPIRS]; /* of the open-set one */
    /* open-set FPIR below 10 / nonmated is not supported by the sample; the
     * release's below 10 / mated */
    bool supported[CAFI_FPIRS], open_supported[CAFI_FPIRS];
    uint32_t *rank;    /* [mated], from 1, in the order of the probe list */
    float *mate;       /* [mated] the score of the best mate */
    float *top;        /* [nonmated] the best score */
    double *resampled; /* [resamples][CAFI_ID_FIGURES], NULL without bootstrap */
} cafi_identified;

/* Compares every probe with every gallery entry.
 *   templates f32 [.][C], of length 1, or zeros for one that could not be made:
 *             it is never found, and as a probe finds nobody (the last rank, a
 *             mate score of -INFINITY); the lists hold their numbers
 * A probe's mates are the gallery entries of its subject; its rank is the place
 * of its best mate among all entries by falling score, equal scores in the
 * order of the gallery (ascending template id), other mates not counted. A
 * template is never compared with itself, so the two lists may overlap.
 *
 * TPIR, the release's: over probes with a mate; the threshold is the k-th
 * largest non-mate score, k = ceil(FPIR * mated); a hit is a mate score above
 * it. TPIR, open set (ISO/IEC 19795): the threshold is the lowest score that at
 * most FPIR * nonmated of the probes without a mate exceed with their best
 * score; a hit is a mate score above it.
 *
 * resample: multiplicities of subjects, or NULL. The gallery stays as it is,
 * probes come and go with their subject, and thresholds are found anew.
 * EINVAL: no probe has a mate (names gallery and probe file). ENOMEM. */
caface_status cafi_identify(cafi_identified *out, const float *templates, size_t C,
                            const cafi_subject_list *gallery, const cafi_subject_list *probes,
                            const cafi_resampling *resample, cafi_pool *pool, caface_error *err);
/* The same by the best picture: the score of an entry is the largest over its pictures, and
 * its template in templates is not looked at. */
caface_status cafi_identify_best(cafi_identified *out, const float *templates, size_t C,
                                 const cafi_subject_list *gallery, const cafi_pictures *pictures,
                                 const cafi_subject_list *probes, const cafi_resampling *resample,
                                 cafi_pool *pool, caface_error *err);
void cafi_identified_free(cafi_identified *identified);

#endif
