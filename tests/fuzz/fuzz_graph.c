/* Graphs that convert wrote: the JSON of a safetensors file and its constants. */
#include <string.h>

#include "fuzz.h"
#include "models/graph_file.h"
#include "models/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_bundle *bundle = NULL;
    cafi_network network = {0};
    caface_error err = {CAFACE_OK, ""};
    char hash[17];

    if (cafi_bundle_open_memory(&bundle, data, size, "graph", &err))
        return 0;
    if (!cafi_graph_file_is(bundle)) {
        cafi_bundle_close(bundle);
        return 0;
    }
    if (cafi_graph_file_load(&network, bundle, &err)) {
        fuzz_check(err.message[0] != '\0', "an error without a sentence");
        cafi_bundle_close(bundle);
        return 0;
    }
    fuzz_check(!cafi_graph_file_hash(network.graph, hash, &err) && strlen(hash) == 16, "no hash");
    cafi_network_clear(&network);
    return 0;
}
