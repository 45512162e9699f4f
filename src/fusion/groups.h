/* Which rows of a feature set belong to which template. */
#ifndef CAFI_FUSION_GROUPS_H
#define CAFI_FUSION_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "caface/features.h"

typedef struct caface_groups cafi_groups;

struct caface_groups {
    size_t T;      /* templates */
    size_t N;      /* rows of all of them */
    int64_t *ids;  /* [T], ascending */
    size_t *start; /* [T + 1]: template t has rows[start[t]] .. rows[start[t + 1] - 1] */
    size_t *rows;  /* [N], ascending within a template */
};

/* One template, of number 0, of rows 0..N-1; none when N is 0. ENOMEM. */
caface_status cafi_groups_single(cafi_groups *out, size_t N, caface_error *err);
/* A template for every different id of ids [N], whose rows may lie anywhere. */
caface_status cafi_groups_from_ids(cafi_groups *out, const int64_t *ids, size_t N,
                                   caface_error *err);
caface_status cafi_groups_copy(cafi_groups *out, const cafi_groups *from, caface_error *err);
/* Takes out the rows that are not valid ([rows of the feature set]), and
 * templates of which nothing is left. Returns the number of those templates. */
size_t cafi_groups_keep(cafi_groups *groups, const unsigned char *valid);
void cafi_groups_free(cafi_groups *groups);

#endif
