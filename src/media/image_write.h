/* Pictures to PNG and JPEG bytes. */
#ifndef CAFI_MEDIA_IMAGE_WRITE_H
#define CAFI_MEDIA_IMAGE_WRITE_H

#include "base/mem.h"
#include "media/view.h"

/* Appends the picture as a PNG file. ENOMEM; EINVAL: no pixels. Any thread. */
caface_status cafi_png_encode(cafi_buf *out, const cafi_view *picture, caface_error *err);

/* Appends the picture as a baseline JPEG file, quality 1..100. The same bytes
 * for the same pixels. ENOMEM; EINVAL: no pixels, or more than 65500 on a side.
 * Any thread. */
caface_status cafi_jpeg_encode(cafi_buf *out, const cafi_view *picture, int quality,
                               caface_error *err);

#endif
