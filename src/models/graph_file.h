/* A graph as a converted model file holds it: its constants as tensors, the rest
 * as one JSON text in the metadata, under "caface.graph".
 *
 *   {"version": 1, "nodes": [{"op": "conv", "name": "...", "inputs": [0, 3],
 *    ...}], "feature": 41, "taps": [17, 30], "family": "onnx",
 *    "input": {"size": [112, 112], "order": "rgb", "mean": [...], "scale": [...]}}
 *
 * A node is written with the members that its op reads and that are not 0; a
 * constant with the name of its tensor. docs/onnx.md describes the members. */
#ifndef CAFI_MODELS_GRAPH_FILE_H
#define CAFI_MODELS_GRAPH_FILE_H

#include "files/value.h"
#include "models/network.h"

#define CAFI_GRAPH_KEY "caface.graph"
#define CAFI_GRAPH_VERSION 1

/* What a graph is made of, to be written. */
typedef struct cafi_graph_parts {
    cafi_tensor *tensors; /* names and data are owned */
    size_t count;
    cafi_value json; /* the metadata value, a dict */
} cafi_graph_parts;

/* Takes a network apart. Values are copied as float. */
caface_status cafi_graph_file_save(cafi_graph_parts *out, const cafi_network *network,
                                   caface_error *err);
void cafi_graph_parts_clear(cafi_graph_parts *parts);

/* True when the bundle's metadata has a graph. */
bool cafi_graph_file_is(const cafi_bundle *bundle);
/* Builds the network again; the same hash comes out. The constants borrow from
 * bundle, which the network owns from then on; on an error it stays the
 * caller's. EMODEL, naming the node: a version to come, a tensor that is
 * missing, numbers that make no graph. */
caface_status cafi_graph_file_load(cafi_network *out, cafi_bundle *bundle, caface_error *err);

/* 16 hexadecimal digits of a SHA-256 over the graph: ops, wiring, parameters and
 * the bits of every constant, names left out. */
caface_status cafi_graph_file_hash(const cafi_graph *graph, char hash[17], caface_error *err);

#endif
