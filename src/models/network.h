/* A network as importers hand it over: a graph, and what is needed to feed it
 * and to read it. */
#ifndef CAFI_MODELS_NETWORK_H
#define CAFI_MODELS_NETWORK_H

#include "files/bundle.h"
#include "graph/graph.h"

#define CAFI_MAX_TAPS 2

/* How a picture becomes the input tensor: value = (x - mean) * scale, per
 * channel in the order the network takes them. */
typedef struct cafi_input_convention {
    size_t height, width;
    bool bgr;      /* the network's first channel is blue */
    float mean[3]; /* in units of x, 0..255 */
    float scale[3];
} cafi_input_convention;

typedef struct cafi_network {
    char family[32];            /* "ir_101", "iresnet50", "mobilefacenet", "onnx" */
    cafi_graph *graph;          /* owned; one INPUT [B][3][H][W], no outputs marked yet */
    size_t feature;             /* the node of the embedding, [B][C] */
    size_t taps[CAFI_MAX_TAPS]; /* nodes [B][C][H][W] or [B][N][C] whose statistics are the style */
    size_t tap_count;           /* 0: no default known, styles are empty */
    cafi_input_convention input;
    char input_from[64]; /* where the convention is from, in words */
    char hash[17];       /* of the tensors, hexadecimal: a feature set's "backbone" */
    cafi_bundle *bundle; /* owned, or NULL: what the graph's constants borrow */
    void *source;        /* owned, or NULL: the same for other readers */
    void (*free_source)(void *source);
} cafi_network;

/* Opens a backbone of any known kind: a state dict (models/state_dict.h) or an
 * ONNX file (models/onnx_network.h). EMODEL: no known family, with the reason. The
 * network is the caller's, to cafi_network_clear. */
caface_status cafi_network_open(cafi_network *out, const char *path, caface_error *err);
/* The same with a choice, where a file holds several (--weights-key): the
 * beginning of the names of the one that is meant. NULL: none is made. EINVAL:
 * a key for an ONNX file or a converted graph, which hold one network. */
caface_status cafi_network_open_at(cafi_network *out, const char *path, const char *key,
                                   caface_error *err);
/* The same from the bytes of such a file, which are borrowed until
 * cafi_network_clear; name is what sentences begin with. No file beside it is
 * looked for. */
caface_status cafi_network_open_memory(cafi_network *out, const void *bytes, size_t size,
                                       const char *name, const char *key, caface_error *err);
void cafi_network_clear(cafi_network *network);

/* Takes taps by node name in place of the family's. EINVAL: no such node, not
 * a map nor tokens, more than CAFI_MAX_TAPS. */
caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err);

/* Channels of the style of a tap: of a map [B][C][H][W] or of tokens [B][N][C];
 * 0: the node has no style. */
size_t cafi_network_tap_channels(const cafi_network *network, size_t tap);
/* Adds the nodes that compute the style [B][C][2] of a tap: mean and unbiased
 * deviation over the plane, or over the tokens. */
caface_status cafi_network_add_style(cafi_network *network, size_t tap, size_t *out,
                                     caface_error *err);

/* A sum of two values that both depend on the picture, over a plane: where a
 * block ends, and a candidate for --tap. */
bool cafi_network_is_residual(const cafi_graph *graph, size_t node);

#endif
