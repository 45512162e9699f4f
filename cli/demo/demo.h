/* The sample, loaded, and every method tried on it. */
#ifndef CAFACE_CLI_DEMO_H
#define CAFACE_CLI_DEMO_H

#include "caface/eval.h"
#include "caface/features.h"
#include "cli/similarity.h"

/* A feature set of the sample: rows by template, templates by person. */
typedef struct demo_set {
    char path[4096];
    caface_features *faces;
    caface_features_info info;
    caface_groups *groups;
    size_t templates;
    int64_t *person; /* [templates] */
} demo_set;

typedef struct demo_sample {
    cli_fusions fusions;
    char caface_path[4096], restore_path[4096];
    demo_set gallery, probes, many; /* the folders gallery, probes, long */
    size_t C;
    float *enrolled, *fused; /* [gallery.templates][C] and [probes.templates][C] */
    /* every probe with every gallery template, [pairs] */
    size_t pairs, genuine;
    unsigned char *same;
    int64_t *probe_person, *gallery_person;
    float *score;
    size_t threads;
} demo_sample;

/* False accept rates of the table: 1e-1, 1e-2, 1e-3. */
#define DEMO_FARS 3
extern const double demo_fars[DEMO_FARS];

/* How one method did. */
typedef struct demo_result {
    double seconds_per_set; /* on one thread */
    double rank1;
    double tar[DEMO_FARS];             /* where the threshold lets floor(FAR * impostors) in */
    caface_verification *verification; /* the curve; the caller's to free */
    double low, high;                  /* 95 % interval of TAR at FAR 1e-3 */
} demo_result;

/* Opens model.safetensors, restore.safetensors if there is one, gallery, probes and long in folder.
 * threads: 0 is one per core. Freed by demo_sample_free in every case. */
caface_status demo_sample_open(demo_sample *s, const char *folder, size_t threads,
                               caface_error *err);
void demo_sample_free(demo_sample *s);

/* Fuses every probe and compares it with every gallery template, which is the
 * mean of that person's rows whatever the method. */
caface_status demo_try(demo_sample *s, const cli_way *way, demo_result *out, caface_error *err);

#endif
