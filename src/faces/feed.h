/* A feed: pictures read by several threads ahead of the one that uses them, in
 * order, and never more than a fixed number ahead.
 *
 * What becomes of a picture is the reader's: here it is taken as a crop; a
 * detector reads several faces out of one picture in the same place. */
#ifndef CAFI_FACES_FEED_H
#define CAFI_FACES_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Crops of one size out of one picture. The memory is used again. */
typedef struct cafi_crops {
    uint8_t *rgb; /* u8 [count][height][width][3] */
    size_t count, room;
} cafi_crops;
/* Room for count crops of `bytes` bytes each. ENOMEM. */
caface_status cafi_crops_reserve(cafi_crops *crops, size_t count, size_t bytes, caface_error *err);
void cafi_crops_free(cafi_crops *crops);

/* Fills crops from one picture. Runs in several threads at once, with different
 * crops; an error concerns this picture alone. */
typedef caface_status (*cafi_crop_reader)(void *ctx, size_t index, cafi_crops *crops,
                                          caface_error *err);

typedef struct cafi_feed cafi_feed;

/* Starts `threads` readers (at least 1) over the given indices, which are
 * borrowed, at most `ahead` pictures ahead. ENOMEM; EIO: no thread. */
caface_status cafi_feed_new(cafi_feed **out, const size_t *indices, size_t count, size_t threads,
                            size_t ahead, cafi_crop_reader reader, void *ctx, caface_error *err);
/* The next picture's crops, borrowed until the next call; or its error, which
 * ends nothing. Call at most count times, in one thread. */
caface_status cafi_feed_next(cafi_feed *feed, const cafi_crops **crops, caface_error *err);
/* Stops and joins the readers, whatever they were doing. */
void cafi_feed_free(cafi_feed *feed);

#endif
