/* A random model of the restoring fusion and faces for it, for tests of its sets. */
#ifndef CAFACE_TESTS_RESTORE_WORLD_H
#define CAFACE_TESTS_RESTORE_WORLD_H

#include "restore_model.h"

#include "caface/set.h"

typedef struct world {
    test_rng rng;
    uint64_t seed;
    restore_sizes sizes;
    restore_model weights;
    caface_model *model;
    size_t N;
    float *feat, *style; /* [N][C], [N][2 S] */
} world;

/* A model of these sizes, and N faces that agree in part, as those of a person do. */
void world_new(world *w, test_rng rng, restore_sizes sizes, size_t N);
void world_free(world *w);
/* An empty set of the model that logs weights; expected is 0 for a stream. */
caface_set *world_set(const world *w, size_t chunk, size_t expected, size_t threads);
/* Faces first .. first + n. */
void world_push(const world *w, caface_set *set, size_t first, size_t n);
void world_template(caface_set *set, float *out);

#endif
