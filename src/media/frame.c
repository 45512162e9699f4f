#include "media/frame.h"

#include <stdlib.h>

#include "base/mem.h"

caface_status cafi_frame_reserve(cafi_frame *frame, size_t width, size_t height, caface_error *err)
{
    size_t bytes = 0;

    if (!cafi_mul_size(width, 3, &bytes) || !cafi_mul_size(bytes, height, &bytes))
        return cafi_fail_memory(err, ~0ULL);
    if (bytes > frame->capacity) {
        /* The scaler's vector code may write a little past the last row. */
        uint8_t *rgb = NULL;
        caface_status st = CAFACE_OK;

        if (bytes > SIZE_MAX - 64)
            return cafi_fail_memory(err, bytes);
        if ((st = cafi_alloc_bytes(&rgb, bytes + 64, err)))
            return st;
        free(frame->rgb);
        frame->rgb = rgb;
        frame->capacity = bytes;
    }
    frame->width = width;
    frame->height = height;
    return CAFACE_OK;
}

void cafi_frame_free(cafi_frame *frame)
{
    free(frame->rgb);
    *frame = (cafi_frame){0};
}

cafi_view cafi_frame_view(const cafi_frame *frame)
{
    return (cafi_view){frame->rgb, frame->width, frame->height};
}
