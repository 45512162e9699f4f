/* What the readers of single formats share: a bundle under construction.
 * Only files/ includes this, and its tests. */
#ifndef CAFI_FILES_BUNDLE_BUILD_H
#define CAFI_FILES_BUNDLE_BUILD_H

#include "files/bundle.h"
#include "files/mapped.h"
#include "files/names.h"

/* Limits, explained in docs/files.md. */
#define CAFI_MAX_TENSORS ((size_t)1 << 17)
#define CAFI_MAX_NAME ((size_t)4096)
#define CAFI_MAX_NAME_BYTES ((size_t)64 << 20) /* of all tensors together */

/* Bytes of the file whose checksum the file states, and that opening the
 * bundle does not read. */
typedef struct cafi_checked_range {
    size_t tensor; /* the first tensor read from there, for messages */
    const unsigned char *data;
    size_t size;
    uint32_t crc;
} cafi_checked_range;

struct cafi_bundle {
    cafi_bundle_kind kind;
    char *path;
    const char *part; /* of cafi_bundle_open_part; else NULL */
    cafi_mapped file;
    cafi_tensor *tensors;
    size_t count, capacity;
    cafi_names names; /* of the tensors */
    cafi_value config;
    void **owned; /* memory that tensors point into beside the file */
    size_t owned_count, owned_capacity;
    size_t owned_bytes, name_bytes;
    cafi_checked_range *ranges;
    size_t range_count, range_capacity;
    cafi_passed *passed;
    size_t passed_count, passed_capacity;
    cafi_bundle **shards; /* the files of an index, owned */
    size_t shard_count;
};

/* Adds a tensor under a copy of name. `inside` is the memory view->data must
 * stay in. EFORMAT: a name twice, an empty one, one that is not UTF-8 or holds
 * NUL; an extent or stride that reaches outside. ELIMIT: more than
 * CAFI_MAX_TENSORS, longer than CAFI_MAX_NAME, more than CAFI_MAX_NAME_BYTES. */
caface_status cafi_bundle_add(cafi_bundle *bundle, const char *name, size_t name_size,
                              const cafi_tensor *view, const unsigned char *inside,
                              size_t inside_size, caface_error *err);

/* Gives the bundle memory from malloc to free in the end. On failure block is
 * freed. ELIMIT: all blocks together are more than cafi_inflated_limit allows. */
caface_status cafi_bundle_own(cafi_bundle *bundle, void *block, size_t size, caface_error *err);

/* Remembers a part that is not read, with the sentence in why. Beyond
 * CAFI_MAX_TENSORS of them nothing is remembered. */
caface_status cafi_bundle_pass(cafi_bundle *bundle, const char *name, size_t name_size,
                               const caface_error *why, caface_error *err);

/* Remembers that size bytes at data ought to have this CRC-32. */
caface_status cafi_bundle_expect_crc(cafi_bundle *bundle, const unsigned char *data, size_t size,
                                     uint32_t crc, caface_error *err);

/* Fills the strides of a row-major (or column-major) array. */
void cafi_tensor_pack(cafi_tensor *t, bool column_major);
/* Bytes of a shape without gaps; false when they do not fit in a size_t. Every
 * partial product fits too, zeros apart. */
bool cafi_tensor_bytes(const cafi_tensor *t, size_t *out);

#endif
