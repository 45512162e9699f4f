/* ONNX: a file is refused with a sentence, or becomes a graph that survives
 * being written to a model file and read back. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "models/graph_file.h"
#include "onnx/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    caface_error err = {CAFACE_OK, ""};
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    char one[17];
    char two[17];

    if (cafi_onnx_parse(&file, "/nowhere/m.onnx", data, size, &err)) {
        fuzz_check(strncmp(err.message, "/nowhere/m.onnx: ", 17) == 0, "an error without the path");
        return 0;
    }
    if (cafi_onnx_build_graph(&g, file, 0, 0, &err))
        fuzz_check(strncmp(err.message, "/nowhere/m.onnx: ", 17) == 0, "an error without the path");
    else {
        cafi_network net = {.graph = g.graph, .feature = g.outputs[0]};
        cafi_graph_parts parts;

        fuzz_check(g.output_count > 0, "no outputs");
        fuzz_check(!cafi_graph_file_hash(g.graph, one, &err), "no hash");
        fuzz_check(!cafi_graph_file_hash(g.graph, two, &err) && strcmp(one, two) == 0,
                   "the hash changes");
        if (!cafi_graph_file_save(&parts, &net, &err))
            cafi_graph_parts_clear(&parts);
        cafi_graph_free(g.graph);
    }
    cafi_onnx_close(file);
    return 0;
}
