/* Safetensors, written. (Reading goes through files/bundle.h.) */
#ifndef CAFI_FILES_SAFETENSORS_H
#define CAFI_FILES_SAFETENSORS_H

#include "files/tensor.h"
#include "files/value.h"

/* Writes count tensors (any stride; written row-major, bit for bit) and the
 * metadata, a dict: strings as they are, every other value as its JSON text.
 * Data is aligned to 64 bytes. The file appears whole or not at all. EINVAL:
 * two tensors of the same name. Floats keep every bit, NaN payloads included. */
caface_status cafi_safetensors_save(const char *path, const cafi_tensor *const *tensors,
                                    size_t count, const cafi_value *metadata, caface_error *err);

#endif
