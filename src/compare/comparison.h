/* A probe's tracks against a gallery, and what `caface compare` says of them as
 * JSON. */
#ifndef CAFI_COMPARE_COMPARISON_H
#define CAFI_COMPARE_COMPARISON_H

#include "compare/probe.h"
#include "files/json.h"

/* Everything is borrowed. */
typedef struct cafi_comparison {
    const char *probe_path;
    const cafi_probe *probe;
    const cafi_gallery *gallery;
    caface_set_options methods[CAFI_COMPARE_MAX_METHODS];    /* method, norm_power and chunk */
    char names[CAFI_COMPARE_MAX_METHODS][CAFI_COMPARE_NAME]; /* of the methods: "norm:7" */
    size_t method_count;
    double thresholds[CAFI_COMPARE_MAX_METHODS]; /* of each method */
    bool measured_elsewhere;                     /* with another backbone, maybe */
    double
        far; /* the false accept rate that they mean; 0: somebody's own numbers, or several rates */
    /* The share of different people whose similarity by methods[method] reaches score; 0: none of
     * those who were compared did, and it is below *below; NaN: nobody knows. Or NULL. */
    double (*far_of)(void *ctx, size_t method, double score, double *below);
    void *far_ctx;
} cafi_comparison;

/* What is said of a track and an identity by a method. */
cafi_verdict cafi_comparison_verdict(const cafi_comparison *c, size_t track, size_t identity,
                                     size_t method);
/* The similarity that they need; INFINITY: nothing can be said. */
double cafi_comparison_needed(const cafi_comparison *c, size_t track, size_t identity,
                              size_t method);
/* Who the track is by the first method: SAME, and *identity is the most alike of
 * those; else CANNOT_TELL where that is said of anybody; else OTHER, unknown. */
cafi_verdict cafi_comparison_name(const cafi_comparison *c, size_t track, size_t *identity);
/* The identities of a track by the first method's similarity, the most alike first,
 * order [gallery]. */
void cafi_comparison_order(const cafi_comparison *c, size_t track, size_t *order);

/* The object of `compare --json`; faces: every face's similarity and weight
 * too, as compare.json has them. */
void cafi_comparison_json(const cafi_comparison *c, cafi_json *json, bool faces);

#endif
