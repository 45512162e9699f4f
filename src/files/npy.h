/* NumPy .npy files, written. (Reading goes through files/bundle.h: the tensor
 * of an .npy is named after the file, less ".npy"; the ones of an .npz after
 * their entries.) */
#ifndef CAFI_FILES_NPY_H
#define CAFI_FILES_NPY_H

#include <stdbool.h>

#include "files/output.h"
#include "files/tensor.h"

/* Writes one contiguous array as version 1.0, little-endian, C order. bf16 has
 * no NumPy type: EINVAL. */
caface_status cafi_npy_save(const char *path, cafi_dtype dtype, int ndim, const size_t *shape,
                            const void *data, caface_error *err);

/* Rows appended one chunk at a time; the row count in the header is set at
 * commit. row_shape are the extents after the first. */
typedef struct cafi_npy_writer cafi_npy_writer;
caface_status cafi_npy_begin(cafi_npy_writer **out, const char *path, cafi_dtype dtype,
                             int row_ndim, const size_t *row_shape, caface_error *err);
caface_status cafi_npy_append(cafi_npy_writer *writer, const void *rows, size_t count,
                              caface_error *err);
caface_status cafi_npy_flush(cafi_npy_writer *writer, caface_error *err); /* as cafi_output_flush */
caface_status cafi_npy_commit(cafi_npy_writer *writer, caface_error *err); /* frees in every case */
void cafi_npy_abort(cafi_npy_writer *writer);

/* Of a file that was being written by cafi_npy_begin when its program was killed:
 * the rows that are whole (false: no such file), and the file made an array of its
 * first rows, durably. */
bool cafi_npy_left_rows(const char *path, size_t *rows);
bool cafi_npy_left_finish(const char *path, size_t rows);

/* One array of an .npz. */
typedef struct cafi_npz_item {
    const char *name; /* without ".npy" */
    cafi_dtype dtype;
    int ndim;
    size_t shape[CAFI_MAX_DIMS];
    const void *data; /* contiguous */
} cafi_npz_item;
/* Stored (not deflated) entries, zip64 where needed. */
caface_status cafi_npz_save(const char *path, const cafi_npz_item *items, size_t count,
                            caface_error *err);

#endif
