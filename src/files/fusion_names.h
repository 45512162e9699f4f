/* By which names a fusion network is found among the tensors of a file. What it is made of
 * is the fusion room's to read (fusion/model.h). */
#ifndef CAFI_FILES_FUSION_NAMES_H
#define CAFI_FILES_FUSION_NAMES_H

#include "files/bundle.h"

/* In front of the names of Cluster and Aggregate, as the authors' checkpoints have them. */
#define CAFI_CLUSTER_PREFIX "aggregator."
/* In front of those of a restoring fusion; a file of nothing else may do without. */
#define CAFI_RESTORE_PREFIX "restore."

/* Does the file hold a fusion network, of either kind? */
bool cafi_fusion_is_in(const cafi_bundle *bundle);
bool cafi_fusion_clusters(const cafi_bundle *bundle);
/* A restoring one, or an ensemble of them ("restore.0.", "restore.1.", ...). */
bool cafi_fusion_restores(const cafi_bundle *bundle);
/* A single restoring network under this prefix ("restore.", "restore.0." or "")? */
bool cafi_restore_is_under(const cafi_bundle *bundle, const char *prefix);

#endif
