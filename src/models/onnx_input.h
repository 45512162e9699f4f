/* What an ONNX file expects of the picture that it is given. */
#ifndef CAFI_MODELS_ONNX_INPUT_H
#define CAFI_MODELS_ONNX_INPUT_H

#include "models/network.h"
#include "onnx/graph.h"

/* Fills network->input, input_from and family. A file says nothing about its
 * input, but many begin by shifting and scaling it themselves: the steps in
 * front of the first layer (additions, subtractions, products, quotients,
 * normalisation layers, in any order) are put together, and of the three
 * customs for pictures (numbers from 0 to 255, from 0 to 1, from -1 to 1) the
 * one is taken after which the first layer sees numbers nearest to -1..1. A
 * file that begins with a layer gets the custom of the field, -1 to 1, or the
 * one of the MobileFaceNet file that is known by the names of its nodes.
 * ENOMEM. */
caface_status cafi_onnx_find_input(cafi_network *network, const cafi_onnx_file *file,
                                   const cafi_onnx_graph *graph, caface_error *err);

#endif
