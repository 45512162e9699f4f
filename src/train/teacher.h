/* A fusion model whose templates training is to come near: an ensemble taught into one model
 * (distillation). A set's target becomes unit((1 - w) target + w template). */
#ifndef CAFI_TRAIN_TEACHER_H
#define CAFI_TRAIN_TEACHER_H

#include "base/threads.h"
#include "caface/model.h"
#include "files/origin.h"

typedef struct cafi_teacher cafi_teacher;

/* The model of a file, for features of C numbers and S style channels that were made so; pool is
 * borrowed. EMODEL: made for others. Else as caface_model_open. */
caface_status cafi_teacher_open(cafi_teacher **out, const char *path, size_t C, size_t S,
                                cafi_origin made, double weight, cafi_pool *pool,
                                caface_error *err);
void cafi_teacher_close(cafi_teacher *teacher);
const char *cafi_teacher_hash(const cafi_teacher *teacher);

/* targets [sets][C], of length 1: set i has the rows first[i] .. first[i + 1] - 1 of features and
 * styles, which it fuses as one chunk. EINVAL: NaN or Inf. ELIMIT. ENOMEM. */
caface_status cafi_teacher_guide(cafi_teacher *teacher, const float *features, const float *styles,
                                 const size_t *first, size_t sets, float *targets,
                                 caface_error *err);

#endif
