/* What is behind caface/train.h: the options of a run of either fusion, checked and made into the
 * configuration of its trainer. */
#ifndef CAFI_TRAIN_TRAINING_H
#define CAFI_TRAIN_TRAINING_H

#include "caface/train.h"
#include "train/restore_trainer.h"
#include "train/trainer.h"

/* As caface_train_check, for options of this library's size. */
caface_status cafi_training_check(const caface_train_options *o, caface_error *err);
/* Of options that were checked; dims and limit_batches, which the data decide, are left. The
 * milestones are borrowed. */
void cafi_training_configure(const caface_train_options *o, cafi_train_config *out);
void cafi_training_configure_restore(const caface_train_options *o, cafi_restore_config *out);

#endif
