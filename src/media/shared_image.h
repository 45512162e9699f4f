/* The inside of a caface_image: a picture that any number of threads look at. */
#ifndef CAFI_MEDIA_SHARED_IMAGE_H
#define CAFI_MEDIA_SHARED_IMAGE_H

#include <pthread.h>

#include "media/image.h"
#include "media/pixels.h"

struct caface_image {
    size_t width, height;
    caface_pixels pixels; /* the caller's; no planes for a decoded picture */
    cafi_image own;       /* decoded or converted: [0x0] until that is needed */
    pthread_mutex_t lock; /* of own, while it is converted */
};

/* The picture as R G B, borrowed from the image or from its caller. ENOMEM. Any
 * thread. */
caface_status cafi_shared_image_view(const caface_image *image, cafi_view *out, caface_error *err);

/* Makes an image of a picture that somebody else owns, in memory that the caller
 * has; cafi_shared_image_clear ends it. */
void cafi_shared_image_set(caface_image *image, const cafi_view *view);
void cafi_shared_image_clear(caface_image *image);

#endif
