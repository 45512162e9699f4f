/* The sample, loaded, and every method tried on it. */
#ifndef CAFACE_CLI_DEMO_H
#define CAFACE_CLI_DEMO_H

#include "base/threads.h"
#include "caface/set.h"
#include "eval/bootstrap.h"
#include "eval/identify.h"
#include "eval/roc.h"
#include "files/feature_set.h"
#include "files/names.h"
#include "fusion/groups.h"
#include "cli/similarity.h"

/* Templates are numbered: first the gallery's, then the probes'. */
typedef struct demo_sample {
    cli_fusions fusions;
    char caface_path[4096], restore_path[4096];
    cafi_feature_set *gallery, *probes, *many; /* the folders gallery, probes, long */
    cafi_groups gallery_rows, probe_rows;
    size_t templates; /* gallery_rows.T + probe_rows.T */
    cafi_names names;
    uint32_t *subject; /* [templates] */
    size_t subjects;
    float *features;  /* [templates][C]: the gallery's, then room for the probes' */
    cafi_pair *pairs; /* every probe with every gallery template */
    size_t pair_count;
    cafi_subject_list gallery_list, probe_list;
    cafi_bootstrap bootstrap;
    cafi_pool *pool; /* borrowed */
} demo_sample;

/* False accept rates of the table: 1e-1, 1e-2, 1e-3. */
#define DEMO_FARS 3
extern const double demo_fars[DEMO_FARS];

/* How one method did. */
typedef struct demo_result {
    double seconds_per_set; /* on one thread */
    double rank1;
    double tar[DEMO_FARS]; /* where the threshold lets floor(FAR * impostors) in */
    cafi_roc roc;          /* for the curve */
    double low, high;      /* 95 % interval of TAR at FAR 1e-3 */
} demo_result;

/* Opens model.safetensors, restore.safetensors if there is one, gallery, probes and long in folder.
 * Freed by demo_sample_free in every case. */
caface_status demo_sample_open(demo_sample *s, const char *folder, cafi_pool *pool,
                               caface_error *err);
void demo_sample_free(demo_sample *s);

/* Fuses every probe and compares it with every gallery template, which is the
 * mean of that person's rows whatever the method. */
caface_status demo_try(demo_sample *s, const cli_way *way, demo_result *out, caface_error *err);

#endif
