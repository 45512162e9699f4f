/* A network as importers hand it over: a graph, and what is needed to feed it
 * and to read it. */
#ifndef CAFI_MODELS_NETWORK_H
#define CAFI_MODELS_NETWORK_H

#include "files/bundle.h"
#include "graph/graph.h"

#define CAFI_MAX_TAPS 8
/* What follows a node's name where its style is by place and not by channel. */
#define CAFI_SPATIAL ":spatial"
/* Bytes of a tap's name. */
#define CAFI_TAP_NAME 256

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
    bool spatial[CAFI_MAX_TAPS]; /* of every place over the channels, not of every channel */
    size_t tap_count;            /* 0: no default known, styles are empty */
    cafi_input_convention input;
    char input_from[128]; /* where the convention is from, in words */
    char hash[17];        /* of the tensors, hexadecimal: a feature set's "backbone" */
    cafi_bundle *bundle;  /* owned, or NULL: what the graph's constants borrow */
    void *source;         /* owned, or NULL: the same for other readers */
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

/* Takes taps by node name in place of the family's; NODE:spatial is the style by
 * place of a map. EINVAL: no such node, not a map nor tokens, more than CAFI_MAX_TAPS. */
caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err);
/* The same by the release's style indices, "3,5": 1, 3, 5, 7 are the channels of
 * stages 1 to 4, and 2, 4, 6, 8 their places. In whatever order they are named, channels
 * come first and stages ascend, as the release has them. EINVAL: not such a list,
 * one twice, a stage that the network has not. */
caface_status cafi_network_set_styles(cafi_network *network, const char *indices,
                                      caface_error *err);
/* Where stage 1 to 4 ends: the last residual sum at a half, a quarter, an eighth and a
 * sixteenth of the picture. CAFI_NO_NODE: there is none. */
size_t cafi_network_stage_end(const cafi_network *network, size_t stage);

/* Numbers of the style of a tap, S: channels of a map [B][C][H][W] or of tokens [B][N][C], or
 * the places of a map; 0: the node has no style. */
size_t cafi_network_tap_size(const cafi_network *network, size_t tap);
/* Its name as cafi_network_set_taps takes it, cut off at CAFI_TAP_NAME. Returns out. */
const char *cafi_network_tap_name(const cafi_network *network, size_t tap, char out[CAFI_TAP_NAME]);
/* Adds the nodes that compute the style [B][S][2] of a tap: mean and unbiased
 * deviation of a channel over the plane or the tokens, or of a place over the channels. */
caface_status cafi_network_add_style(cafi_network *network, size_t tap, size_t *out,
                                     caface_error *err);

/* A sum of two values that both depend on the picture, over a plane: where a
 * block ends, and a candidate for --tap. */
bool cafi_network_is_residual(const cafi_graph *graph, size_t node);

#endif
