/* How good a model is, during training: TAR at one FAR over pairs of templates,
 * the way `caface eval verify` has it. */
#ifndef CAFI_TRAIN_VALIDATE_H
#define CAFI_TRAIN_VALIDATE_H

#include "base/threads.h"
#include "caface/status.h"
#include "files/feature_set.h"

/* What to validate on. Paths are borrowed while the validation is open. */
typedef struct cafi_validation_source {
    const char *set; /* a feature set with raw styles, such as `prepare probes` writes */
    /* lines `name template media [subject]` (IJB's face_tid_mid.txt), or NULL: the
     * columns template and label of the set's index */
    const char *templates;
    /* lines `template template label` (IJB's template_pair_label.txt), or NULL: pairs.txt in
     * the set, or else every two templates, the same person where subjects are equal */
    const char *pairs;
    size_t chunk;           /* of fusion; 0: all at once */
    double far;             /* 1e-6, 1e-5, ..., 1e-1 */
    cafi_origin trained_on; /* what made the features of training: other ones say nothing of it */
} cafi_validation_source;

typedef struct cafi_validation cafi_validation;

/* Rows that are not finite are dropped, and a template that loses all of its own
 * scores 0 with every other. EINVAL: a FAR that is none of the six. EMODEL: no such columns, no raw
 * styles, other widths than C and S, another backbone or input than trained_on, no genuine or no
 * impostor pair. ELIMIT: more than 20,000 templates without a list of pairs. Damaged files name the
 * line. The pool (or NULL) is borrowed.
 */
caface_status cafi_validation_open(cafi_validation **out, const cafi_validation_source *source,
                                   size_t C, size_t S, cafi_pool *pool, caface_error *err);
void cafi_validation_close(cafi_validation *validation);

/* Numbers of templates, genuine and impostor pairs. */
void cafi_validation_size(const cafi_validation *validation, double out[3]);

/* TAR at the FAR of the fusion model in a file. The same bits for any number of
 * threads. */
caface_status cafi_validation_run(cafi_validation *validation, const char *model, double *tar,
                                  caface_error *err);

#endif
