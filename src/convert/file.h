/* A file, looked into: what is behind caface/file.h. */
#ifndef CAFI_CONVERT_FILE_H
#define CAFI_CONVERT_FILE_H

#include "caface/file.h"
#include "convert/backbone.h"
#include "convert/kinds.h"
#include "files/bundle.h"
#include "files/feature_set.h"

struct caface_file {
    char *path;
    const char *kind; /* static */
    const cafi_tensor **tensors;
    size_t count;
    const cafi_value *config;
    cafi_bundle *bundle; /* what all this is borrowed from: one of them */
    cafi_feature_set *set;
    cafi_backbone backbone;                 /* of a bundle or an ONNX file, where there is one */
    char backbone_error[CAFACE_ERROR_SIZE]; /* or "" */
    bool fuses;                             /* a fusion network is in it: */
    caface_model_info fusion;
    char fusion_error[CAFACE_ERROR_SIZE]; /* or "" */
    cafi_kind other;                      /* of a file that is no model: what it is */
    cafi_value facts;                     /* of the same; config is this then */
    uint64_t numbers, bytes;
    cafi_buf text, json;
};

/* The two forms of a file that is open; file->text and file->json, as caface_file_text and
 * caface_file_json give them. failed of the buffers tells that there was no memory. */
void cafi_file_write_text(caface_file *file);
void cafi_file_write_json(caface_file *file);

#endif
