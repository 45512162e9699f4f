/* A bundle: any file that holds named tensors and configuration, opened.
 *
 * torch checkpoints (zip and legacy), Lightning checkpoints, safetensors, .npz,
 * .npy, and .npy with a pickled dict of arrays all become the same thing; ONNX
 * joins them in models/. The file is mapped, and only what is read is touched:
 * opening a 260 MB checkpoint for fusion touches the fusion's tensors alone. */
#ifndef CAFI_FILES_BUNDLE_H
#define CAFI_FILES_BUNDLE_H

#include "files/tensor.h"
#include "files/value.h"

typedef enum cafi_bundle_kind {
    CAFI_BUNDLE_TORCH,       /* a state dict, zip or legacy */
    CAFI_BUNDLE_LIGHTNING,   /* state_dict and hyper_parameters inside */
    CAFI_BUNDLE_TORCHSCRIPT, /* a compiled module: its weights are read, its code is not */
    CAFI_BUNDLE_SAFETENSORS,
    CAFI_BUNDLE_NPY,
    CAFI_BUNDLE_NPZ,
    CAFI_BUNDLE_PICKLE /* a pickled dict of NumPy's arrays, without torch around it */
} cafi_bundle_kind;

/* The `kind` of `caface info`: "torch", "lightning", "safetensors", ... */
const char *cafi_bundle_kind_name(cafi_bundle_kind kind);

typedef struct cafi_bundle cafi_bundle;

/* Opens a file; the kind is recognised from its bytes, not its name. For a
 * torch or Lightning checkpoint the tensors are those of the state dict, named
 * by their keys; without a state dict, every tensor of the object, named by
 * its path ("a.0.weight"); a whole module is read as its state dict would be.
 * A safetensors index ("*.index.json") opens the files that it names, in its
 * own folder. What is of no use to the library is passed over (below) and
 * refuses nothing, unless nothing else is in the file. EIO: cannot be opened or mapped. EFORMAT:
 * damaged or of no known kind. ELIMIT: beyond a limit of docs/files.md. EUNSUPPORTED: valid, but of
 * a kind or type that is not read. Every error sentence starts with path. Tensors of the file are
 * safe to read from any thread until cafi_bundle_close. A file that another process truncates while
 * it is mapped is outside what can be guarded against. */
caface_status cafi_bundle_open(cafi_bundle **out, const char *path, caface_error *err);
/* The tensors of one member of a torch or Lightning checkpoint in place of its
 * state dict, by their paths in it ("0.state.7.exp_avg" of "optimizer_states").
 * The configuration is a dict of that one member, as far as it is no tensors.
 * EFORMAT: no checkpoint, or no such member. Other errors as above. */
caface_status cafi_bundle_open_part(cafi_bundle **out, const char *path, const char *part,
                                    caface_error *err);
/* The same from bytes that the caller keeps alive; name is the file's. */
caface_status cafi_bundle_open_memory(cafi_bundle **out, const void *bytes, size_t size,
                                      const char *name, caface_error *err);
void cafi_bundle_close(cafi_bundle *bundle);

/* Compares tensors' bytes with the checksums their file has for them (stored
 * entries of a zip), which opening does not: it would read the whole file.
 * EFORMAT names the first tensor that differs. */
caface_status cafi_bundle_verify(const cafi_bundle *bundle, caface_error *err);
/* The same; progress, which may be NULL, is asked now and then, and told 0. ECANCELLED. */
caface_status cafi_bundle_verify_watched(const cafi_bundle *bundle, caface_progress progress,
                                         void *context, caface_error *err);

cafi_bundle_kind cafi_bundle_get_kind(const cafi_bundle *bundle);
const char *cafi_bundle_path(const cafi_bundle *bundle);
size_t cafi_bundle_count(const cafi_bundle *bundle);
/* In the file's order. NULL when out of range. Borrowed from the bundle. */
const cafi_tensor *cafi_bundle_at(const cafi_bundle *bundle, size_t index);
/* NULL when there is none. */
const cafi_tensor *cafi_bundle_find(const cafi_bundle *bundle, const char *name);
/* A part of the file that is not read: its name, and why in words. */
typedef struct cafi_passed {
    char *name, *why;
} cafi_passed;

/* The parts that were passed over when the file was opened: tensors of a type
 * that this library has not, members that are no arrays. Nothing is wrong with
 * them, and the rest of the file is there. NULL when index is out of range. */
const cafi_passed *cafi_bundle_passed_at(const cafi_bundle *bundle, size_t index);
size_t cafi_bundle_passed_count(const cafi_bundle *bundle);
/* For the sentence of somebody who misses something in the bundle: adds "; 3
 * parts of the file are not read: NAME (why), ..." to err where there are any.
 * Returns status. */
caface_status cafi_bundle_blame(const cafi_bundle *bundle, caface_status status, caface_error *err);
/* Configuration as a dict, possibly empty: hyper_parameters of a Lightning
 * checkpoint; of a safetensors file the members of __metadata__, where a value
 * that is itself a JSON object or array is parsed. */
const cafi_value *cafi_bundle_config(const cafi_bundle *bundle);

/* Tells that n bytes of tensor data will not be needed soon: their pages no
 * longer count as this process's memory. They may still be read. bundle may be
 * NULL; data that is not in the file's mapping is left alone. Any thread. */
void cafi_bundle_forget(const cafi_bundle *bundle, const void *data, size_t n);

#endif
