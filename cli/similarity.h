/* What a similarity plot shows, measured: every face of a set and the templates
 * of several methods against one gallery template. */
#ifndef CAFACE_CLI_SIMILARITY_H
#define CAFACE_CLI_SIMILARITY_H

#include "caface/features.h"
#include "caface/set.h"
#include "cli/fusion_model.h"
#include "plot/similarity.h"

/* A way to fuse, as a table or a picture names it. */
typedef struct cli_way {
    char name[64];
    caface_method method;
    double norm_power; /* of CAFACE_METHOD_NORM */
    size_t chunk;      /* of a network; 0: all at once, or a sum, which has no chunks */
} cli_way;

/* Fills way and its name: "average", "norm, p = 7", "CAFace, chunks of 4",
 * "restore". */
void cli_way_set(cli_way *way, caface_method method, double norm_power, size_t chunk);

/* The normalised mean of the rows of the set at path: those with this label, or all when
 * label is NULL. out f32 [C]. EINVAL: no such row, no label column. */
caface_status cli_gallery_template(const caface_features *set, const char *path, const char *label,
                                   float *out, caface_error *err);

typedef struct cli_similarity {
    float *similarity; /* [faces] */
    float *weight;     /* [faces] in the last way that is a network, or NULL */
    cafi_similarity_star stars[CAFI_SIMILARITY_MAX_STARS]; /* one a way, names borrowed */
} cli_similarity;

/* Measures the whole set against gallery, f32 [C] of length 1. fusions
 * has the models that the ways need. threads: 0 is one per core. Freed by cli_similarity_free in
 * every case. */
caface_status cli_similarity_measure(cli_similarity *out, const cli_fusions *fusions,
                                     const caface_features *faces, const float *gallery,
                                     const cli_way *ways, size_t way_count, size_t threads,
                                     caface_error *err);
void cli_similarity_free(cli_similarity *s);

#endif
