/* From a pickle's graph to a bundle: what torch and numpy mean by their calls,
 * and how a checkpoint is laid out. Only files/ includes this. */
#ifndef CAFI_FILES_CHECKPOINT_H
#define CAFI_FILES_CHECKPOINT_H

#include "files/bundle_build.h"
#include "files/pickle.h"

/* The bytes behind a torch storage. */
typedef struct cafi_storage {
    const unsigned char *data;
    size_t size; /* bytes */
    cafi_dtype dtype;
    size_t foreign; /* as in cafi_storage_id */
    bool untyped;   /* the tensor says what type its elements have */
    bool swapped;
} cafi_storage;

/* How a kind of file finds them by the argument of a persistent id. find NULL:
 * it has none. */
typedef struct cafi_storages {
    caface_status (*find)(void *ctx, const cafi_pickle *pickle, cafi_ref id, cafi_storage *out,
                          caface_error *err);
    void *ctx;
} cafi_storages;

/* A storage's persistent id, taken apart. */
typedef struct cafi_storage_id {
    const char *key;
    size_t key_size;
    cafi_dtype dtype;
    bool untyped;
    size_t count;   /* elements; bytes when untyped */
    size_t foreign; /* not 0: of a type that is not read, of that many bytes an element */
    size_t view_offset;
    bool is_view; /* of another storage: legacy files only */
} cafi_storage_id;
/* The other kind of persistent id, of old files: a class with its source text. */
bool cafi_is_module_id(const cafi_pickle *pickle, cafi_ref id);
caface_status cafi_storage_id_read(const cafi_pickle *pickle, cafi_ref id, cafi_storage_id *out,
                                   caface_error *err);

/* Adds the tensors and the configuration of a checkpoint's object: of its
 * state_dict, or else every tensor in it by its path. */
caface_status cafi_checkpoint_read(cafi_bundle *bundle, cafi_pickle *pickle,
                                   const cafi_storages *storages, caface_error *err);

/* Adds every tensor and array below ref, called prefix.path (path alone when
 * prefix is empty, prefix alone for ref itself). */
caface_status cafi_collect(cafi_bundle *bundle, cafi_pickle *pickle, cafi_ref ref,
                           const char *prefix, size_t prefix_size, const cafi_storages *storages,
                           caface_error *err);

/* Is ref a call that gives a torch tensor, or a parameter around one? Then
 * *view is it and `inside` the storage. *found is false, without an error, for
 * anything else. */
caface_status cafi_torch_tensor(const cafi_pickle *pickle, cafi_ref ref,
                                const cafi_storages *storages, cafi_tensor *view,
                                cafi_storage *inside, bool *found, caface_error *err);

/* The same for a numpy array. Arrays that the pickle holds as text are decoded
 * into memory that the bundle owns. An array of objects gives *objects, the
 * LIST of them (the one object of an array without dimensions), and not
 * *found. */
caface_status cafi_numpy_array(cafi_bundle *bundle, const cafi_pickle *pickle, cafi_ref ref,
                               cafi_tensor *view, cafi_storage *inside, bool *found,
                               cafi_ref *objects, caface_error *err);

/* Is ref a string of bytes in any of the ways in which pickles have them: bytes,
 * bytearray, text that stands for bytes (protocols 0 to 2), numpy.bytes_, or an
 * array of one byte a number without gaps? Then out->data and out->size are
 * they; what must be decoded belongs to the bundle. *found is false, without an
 * error, for anything else. */
caface_status cafi_pickle_bytes(cafi_bundle *bundle, const cafi_pickle *pickle, cafi_ref ref,
                                cafi_storage *out, bool *found, caface_error *err);

/* A numpy type such as "<f4". False: not one this library has. */
bool cafi_numpy_dtype(const char *text, size_t size, cafi_dtype *dtype, bool *swapped);

#endif
