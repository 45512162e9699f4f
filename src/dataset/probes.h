/* The degraded-probe protocol: from any labelled folder of clean face crops, a
 * feature set with which fusion can be judged.
 *
 * Of every identity with enough pictures, some clean ones become a gallery
 * template, and others, degraded, become probe templates of many frames each:
 * no picture is in both. Galleries are compared with probes. */
#ifndef CAFI_DATASET_PROBES_H
#define CAFI_DATASET_PROBES_H

#include "base/threads.h"
#include "dataset/degrade.h"
#include "dataset/face_list.h"
#include "models/encoder.h"

typedef struct cafi_probe_options {
    const char *output; /* folder of the set */
    size_t gallery;     /* clean pictures of a gallery template */
    size_t sets;        /* probe templates of an identity */
    size_t frames;      /* rows of a probe template */
    uint64_t seed;
    const cafi_degradation *kinds; /* frame f of a set has kind f % kind_count; none: camera */
    size_t kind_count;
    const char *precision, *command; /* for set.json */
    cafi_pool *pool;
    bool (*progress)(void *ctx, size_t done, size_t total); /* false stops: ECANCELLED */
    void *ctx;
} cafi_probe_options;

typedef struct cafi_probe_result {
    size_t identities, skipped; /* with fewer than gallery + 1 pictures */
    size_t templates, rows, pairs;
} cafi_probe_result;

/* Makes the set: features, styles, index.tsv (source template media label kind severity), and
 * beside them pairs.txt, gallery.csv and probe.csv for `caface eval`. Which
 * pictures are taken, and what becomes of each, depends on the seed and on names
 * alone. EFORMAT: fewer than two identities; a picture that can't be used
 * (named). The folder appears whole or not at all. */
caface_status cafi_probes_build(cafi_probe_result *out, const cafi_face_list *faces,
                                cafi_encoder *encoder, const cafi_probe_options *options,
                                caface_error *err);

#endif
