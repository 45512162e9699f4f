/* Safetensors, written. (Reading goes through files/bundle.h.) */
#ifndef CAFI_FILES_SAFETENSORS_H
#define CAFI_FILES_SAFETENSORS_H

#include "files/tensor.h"
#include "files/value.h"

/* Writes count tensors (any stride; written row-major, bit for bit) and the
 * metadata, a dict: strings as they are, every other value as its JSON text.
 * The data begins at a multiple of 64 bytes and every tensor in it at a
 * multiple of its element's size. The file appears whole or not at all. EINVAL:
 * two tensors of the same name. Floats keep every bit, NaN payloads included. */
caface_status cafi_safetensors_save(const char *path, const cafi_tensor *const *tensors,
                                    size_t count, const cafi_value *metadata, caface_error *err);
/* The same; progress, which may be NULL, is told the bytes of tensors that are written. ECANCELLED:
 * path is as it was. */
caface_status cafi_safetensors_save_watched(const char *path, const cafi_tensor *const *tensors,
                                            size_t count, const cafi_value *metadata,
                                            caface_progress progress, void *context,
                                            caface_error *err);

#endif
