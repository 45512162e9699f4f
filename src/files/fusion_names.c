#include "files/fusion_names.h"

#include <stdio.h>

static bool has(const cafi_bundle *bundle, const char *prefix, const char *name)
{
    char full[128];
    int n = snprintf(full, sizeof full, "%s%s", prefix, name);

    return n > 0 && (size_t)n < sizeof full && cafi_bundle_find(bundle, full) != NULL;
}

bool cafi_restore_is_under(const cafi_bundle *bundle, const char *prefix)
{
    return has(bundle, prefix, "pw") && has(bundle, prefix, "sm") &&
           has(bundle, prefix, "hg.weight");
}

bool cafi_fusion_restores(const cafi_bundle *bundle)
{
    return cafi_restore_is_under(bundle, CAFI_RESTORE_PREFIX) ||
           cafi_restore_is_under(bundle, "") ||
           cafi_restore_is_under(bundle, CAFI_RESTORE_PREFIX "0.");
}

bool cafi_fusion_clusters(const cafi_bundle *bundle)
{
    return has(bundle, CAFI_CLUSTER_PREFIX, "fusion_net.clustering_layer.group_token") ||
           has(bundle, CAFI_CLUSTER_PREFIX, "style_maker.cfc");
}

bool cafi_fusion_is_in(const cafi_bundle *bundle)
{
    return cafi_fusion_clusters(bundle) || cafi_fusion_restores(bundle);
}
