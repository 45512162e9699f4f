/* The readers of single formats. Each fills a bundle's tensors and
 * configuration from bytes that are mapped already. Only files/ includes
 * this. Errors do not name the file; cafi_bundle_open does. */
#ifndef CAFI_FILES_READERS_H
#define CAFI_FILES_READERS_H

#include "files/bundle_build.h"
#include "files/zip.h"

/* One .npy that lies in bytes; its tensor is called name. An .npy with a
 * pickled dict of arrays adds a tensor for each, called by its path in the dict
 * (after "name." when prefixed). */
caface_status cafi_read_npy(cafi_bundle *bundle, const unsigned char *bytes, size_t size,
                            const char *name, size_t name_size, bool prefixed, caface_error *err);
caface_status cafi_read_npz(cafi_bundle *bundle, cafi_zip *zip, caface_error *err);

caface_status cafi_read_torch_zip(cafi_bundle *bundle, cafi_zip *zip, size_t pickle_entry,
                                  caface_error *err);
caface_status cafi_read_torch_legacy(cafi_bundle *bundle, caface_error *err);
/* Is this the beginning of a checkpoint from before torch 1.6? */
bool cafi_is_torch_legacy(const unsigned char *bytes, size_t size);

caface_status cafi_read_safetensors(cafi_bundle *bundle, caface_error *err);
/* Could this be one? The header must fit in the file and be an object. */
bool cafi_is_safetensors(const unsigned char *bytes, size_t size);

/* An index and the files it names, safetensors or torch's, which must lie beside it. */
bool cafi_is_shard_index(const unsigned char *bytes, size_t size);
caface_status cafi_read_shard_index(cafi_bundle *bundle, caface_error *err);

#endif
