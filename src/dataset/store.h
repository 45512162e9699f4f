/* A store of augmented training features: images, each with the same number of
 * variants, each a feature and a style, and the class an image belongs to.
 *
 * Opened from a folder that holds either
 *   features.npy [images][variants][C], styles.npy [images][variants][S][2] and
 *   index.tsv with the columns source and label, as `prepare features` writes; a
 *   feature set ([faces][C], one variant each) will do; beside them, where they were kept,
 *   clean.npy [images][C] and clean_styles.npy [images][S][2], of the pictures as they are; or
 *   train.rec, train.idx, train.lst: MXNet records of variants x (C + 2S) numbers
 *   in fp16 or fp32. Their shape is told by set.json, or else by their size, for
 *   the authors' sets: 16 x 1280, 4 x 1280, 5 x 2432, 6 x 2432, 6 x 2336,
 *   16 x 2336.
 *
 * Everything is mapped; a store larger than memory opens at once. */
#ifndef CAFI_DATASET_STORE_H
#define CAFI_DATASET_STORE_H

#include "base/mem.h"
#include "files/feature_set.h"

typedef struct cafi_store cafi_store;

typedef struct cafi_store_info {
    size_t images, variants, classes;
    size_t C, S;
    bool clean; /* it has features of the pictures as they are */
} cafi_store_info;

/* styles: which stages of a record set's styles to take, such as "3,5": of
 * 2432-wide rows 1, 3, 5 and 7 (64, 128, 256, 512 channels), of 1280-wide ones 3
 * and 5, of 2336-wide ones 3 and 4 (128 channels, and 784 places). NULL: 3,5, or
 * 3,4 of 2336-wide rows. EINVAL: stages that the set does not have, or any for
 * an .npy store. Other errors name the file: EIO; EFORMAT: shapes that do not
 * fit together, no column label, a record of another size than the first or
 * without a finite label. */
caface_status cafi_store_open(cafi_store **out, const char *path, const char *styles,
                              caface_error *err);
void cafi_store_close(cafi_store *store);
cafi_store_info cafi_store_get_info(const cafi_store *store);

/* The class of an image, and a class's name: its folder, or, where the set does
 * not name folders, its number. Classes are numbered in the order of their
 * names. Borrowed. */
size_t cafi_store_class(const cafi_store *store, size_t image);
const char *cafi_store_class_name(const cafi_store *store, size_t class_index);
/* Images of a class, ascending; *count of them, at least 1. Borrowed. */
const size_t *cafi_store_class_images(const cafi_store *store, size_t class_index, size_t *count);

/* One variant's feature [C] and style [S][2]. EFORMAT: the record is damaged, or
 * a number is not finite; images and variants are counted from 0.
 * Any thread, each with a buf of its own, reused from call to call. */
caface_status cafi_store_row(const cafi_store *store, size_t image, size_t variant, cafi_buf *buf,
                             float *feature, float *style, caface_error *err);

/* The feature [C] and style [S][2] of the picture as it is, of a store that has them.
 * EFORMAT: a number is not finite. Any thread. */
caface_status cafi_store_clean(const cafi_store *store, size_t image, float *feature, float *style,
                               caface_error *err);
/* What made its features, as its set.json says. Borrowed. */
cafi_origin cafi_store_origin(const cafi_store *store);
/* The folder. Borrowed. */
const char *cafi_store_path(const cafi_store *store);

#endif
