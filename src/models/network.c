#include "models/network.h"

#include <string.h>

void cafi_network_clear(cafi_network *network)
{
    cafi_graph_free(network->graph);
    cafi_bundle_close(network->bundle);
    if (network->source && network->free_source)
        network->free_source(network->source);
    *network = (cafi_network){0};
}

caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err)
{
    size_t taps[CAFI_MAX_TAPS] = {0};

    if (count > CAFI_MAX_TAPS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu taps, at most %d", count, CAFI_MAX_TAPS);
    for (size_t i = 0; i < count; i++) {
        taps[i] = cafi_graph_find(network->graph, names[i]);
        if (taps[i] == CAFI_NO_NODE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "tap %s: the network has no such node (caface info lists candidates)",
                             names[i]);
        if (cafi_graph_node(network->graph, taps[i])->shape.ndim != 4)
            return cafi_fail(err, CAFACE_EINVAL, "tap %s: not a map of channels", names[i]);
    }
    memcpy(network->taps, taps, sizeof taps);
    network->tap_count = count;
    return CAFACE_OK;
}
