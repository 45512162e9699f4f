/* Backbones from state dicts: named tensors in, a network out. */
#ifndef CAFI_MODELS_STATE_DICT_H
#define CAFI_MODELS_STATE_DICT_H

#include "models/network.h"

/* Recognises the family from the tensors' names and shapes, whatever stands in
 * front of the names (models/dict_find.h), and builds its graph: ir_18, ir_34,
 * ir_50, ir_101, ir_152 and their SE forms, the same with face.evoLVe's older
 * blocks (evolve_ir_50 ...), iresnet18 ... iresnet200, mobilefacenet. Tensors
 * beside the network (`aggregator.`, `head.`, `ema_decay`) are passed over. The
 * tensors are borrowed until a plan has been made. The hash is that of the names
 * without what stands in front.
 * EMODEL: no such family; or a tensor is missing, left over among the network's
 * own, or of the wrong shape, named with both shapes; or two networks whose
 * weights differ, both named. */
caface_status cafi_state_dict_network(cafi_network *out, const cafi_tensor *const *tensors,
                                      size_t count, caface_error *err);

/* The same with a choice: key is the beginning of the names of the network that
 * is meant ("ema"), or NULL. EMODEL too: nothing under that name. */
caface_status cafi_state_dict_network_at(cafi_network *out, const cafi_tensor *const *tensors,
                                         size_t count, const char *key, caface_error *err);

/* For the families' files: a state dict being read. */
typedef struct cafi_dict_entry {
    const char *name; /* without the prefix */
    const cafi_tensor *tensor;
    bool used;
} cafi_dict_entry;

typedef struct cafi_dict {
    cafi_dict_entry *entries; /* sorted by name */
    size_t count;
    const char *prefix_text; /* what stands in front of the names: its first `prefix` bytes */
    int prefix;
    const char *family;
    cafi_graph *graph;
} cafi_dict;

/* True when there is a tensor of that name. */
bool cafi_dict_has(const cafi_dict *dict, const char *name);
/* The tensor of a formatted name, marked as used. EMODEL: missing. */
caface_status cafi_dict_take(cafi_dict *dict, const cafi_tensor **out, caface_error *err,
                             const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Layers whose parameters are called NAME.weight and so on. Shapes are checked. */
typedef struct cafi_layer {
    const char *name;
    size_t x; /* node */
    size_t out_channels;
    int64_t kernel, stride, pad, groups;
} cafi_layer;
caface_status cafi_dict_conv(cafi_dict *dict, const cafi_layer *layer, size_t *out,
                             caface_error *err);
caface_status cafi_dict_batchnorm(cafi_dict *dict, const char *name, size_t x, bool affine,
                                  size_t *out, caface_error *err);
caface_status cafi_dict_prelu(cafi_dict *dict, const char *name, size_t x, size_t *out,
                              caface_error *err);
/* The width comes from the tensor. */
caface_status cafi_dict_linear(cafi_dict *dict, const char *name, size_t x, size_t *out,
                               caface_error *err);
/* The INPUT node [B][3][112][112]. */
caface_status cafi_dict_input(cafi_dict *dict, size_t *out, caface_error *err);

/* One family each: true when the names look like it. build fills everything of
 * the network but graph and hash. */
bool cafi_is_ir(const cafi_dict *dict);
bool cafi_is_iresnet(const cafi_dict *dict);
bool cafi_is_mobilefacenet(const cafi_dict *dict);
caface_status cafi_build_ir(cafi_dict *dict, cafi_network *out, caface_error *err);
caface_status cafi_build_iresnet(cafi_dict *dict, cafi_network *out, caface_error *err);
caface_status cafi_build_mobilefacenet(cafi_dict *dict, cafi_network *out, caface_error *err);

#endif
