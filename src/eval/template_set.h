/* Templates of an evaluation: which rows of a feature set make each, without
 * the rows that hold NaN or Inf, and their fusion by any method. */
#ifndef CAFI_EVAL_TEMPLATE_SET_H
#define CAFI_EVAL_TEMPLATE_SET_H

#include "eval/template_list.h"
#include "fusion/batch.h"

typedef struct cafi_template_set {
    const cafi_template_list *list; /* borrowed */
    cafi_groups groups;             /* templates that have a row left */
    uint32_t *place;                /* [groups.T] their numbers in list, ascending */
    bool *empty;                    /* [list->count] nothing is left */
    size_t empty_count;
    size_t dropped; /* rows */
} cafi_template_set;

/* Looks at every row. with_styles: rows whose styles are not finite are dropped
 * too, as some method reads them. EFORMAT: list and set differ in rows (both
 * numbers). EINVAL: no row is left. */
caface_status cafi_template_set_new(cafi_template_set *out, const cafi_template_list *list,
                                    const cafi_feature_set *set, bool with_styles, cafi_pool *pool,
                                    caface_error *err);
void cafi_template_set_free(cafi_template_set *templates);

/* Fuses all: out f32 [list->count][set->C], of length 1; zeros for an empty
 * one, as in the authors' release: its score is 0 with every other. options->media is set here;
 * errors are those of cafi_fuse_batch. */
caface_status cafi_template_set_fuse(const cafi_template_set *templates,
                                     const cafi_feature_set *set, const caface_model *model,
                                     cafi_fuse_options options, float *out, caface_error *err);

#endif
