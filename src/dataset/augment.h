/* Variants of a face crop, as training sees them.
 *
 * Variant 0 is "strong": a geometric change, then a photometric one, then a blur.
 * Every other variant is the strong one with one more change of a random kind.
 * Each is then mirrored at random.
 *   geometric    one of: black outside a box of 0.2 to 1 of the area, ratio 3/4 to
 *                4/3; zoom by 0.5 to 1.5 and a shift of whole pixels up to 20 % of the sides;
 *                rotation by up to 25 degrees
 *   photometric  brightness, contrast, saturation by 0.5 to 1.5, in random order
 *   blur         one of: box of 1 to 9; gaussian, sigma 0 to 4; motion over 5 to 19
 *                pixels, upright within 45 degrees (dataset/blur_kernel.h); reduction to
 *                0.2 to 1 of the sides, rounded down, and back, each with a random
 *                interpolation
 *
 * All is drawn from the seed, the picture's key and the variant's number. */
#ifndef CAFI_DATASET_AUGMENT_H
#define CAFI_DATASET_AUGMENT_H

#include "dataset/picture.h"

/* Scratch of one thread. */
typedef struct cafi_augment cafi_augment;

/* Pictures up to 4096 on a side. EINVAL, ENOMEM. */
caface_status cafi_augment_new(cafi_augment **out, size_t width, size_t height, caface_error *err);
void cafi_augment_free(cafi_augment *augment);

/* Writes variants first..first+count-1 of a crop, one behind the other.
 *   crop  u8 [height][width][3]   out  u8 [count][height][width][3] */
caface_status cafi_augment_run(cafi_augment *augment, uint8_t *out, const uint8_t *crop,
                               size_t first, size_t count, uint64_t seed, uint64_t key,
                               caface_error *err);

/* The key of a picture: FNV-1a of its name, so that a picture's variants do not
 * depend on what else is in the set. */
uint64_t cafi_augment_key(const char *name);

#endif
