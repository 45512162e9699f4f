/* ONNX files as graphs: opset 9 to 23, the operators of docs/onnx.md. */
#ifndef CAFI_ONNX_GRAPH_H
#define CAFI_ONNX_GRAPH_H

#include "graph/graph.h"
#include "onnx/file.h"

#define CAFI_ONNX_MAX_OUTPUTS 64

/* A file's graph, ready to be planned. The constants borrow from `file`, which
 * must stay open as long as the graph is read. */
typedef struct cafi_onnx_graph {
    cafi_graph *graph;
    bool channels_last; /* the file's input is [B][H][W][C]; the graph's never is */
    size_t channels, height, width;
    size_t input;        /* the INPUT node, [B][C][H][W] */
    size_t output_count; /* at most CAFI_ONNX_MAX_OUTPUTS */
    size_t
        outputs[CAFI_ONNX_MAX_OUTPUTS]; /* nodes, in the file's order; not yet marked as outputs */
    const char *names[CAFI_ONNX_MAX_OUTPUTS]; /* of the outputs, borrowed from the file */
} cafi_onnx_graph;

/* Builds the graph for pictures of height x width; 0 takes the file's numbers,
 * or 112 where the file leaves them open. A batch that the file fixes becomes
 * open. EUNSUPPORTED names the operator and its node; EMODEL: shapes that do
 * not fit, a value that no earlier node makes (so a cycle too); EFORMAT. Every
 * sentence starts with the file's path. */
caface_status cafi_onnx_build_graph(cafi_onnx_graph *out, cafi_onnx_file *file, size_t height,
                                    size_t width, caface_error *err);

#endif
