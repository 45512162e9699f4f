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
    caface_method methods[CAFI_COMPARE_MAX_METHODS];
    size_t method_count;
    double threshold;
} cafi_comparison;

/* The object of `compare --json`; faces: every face's similarity and weight
 * too, as compare.json has them. */
void cafi_comparison_json(const cafi_comparison *c, cafi_json *json, bool faces);

#endif
