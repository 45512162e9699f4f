#include "media/shared_image.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"

void caface_pixels_init_sized(caface_pixels *pixels, size_t size)
{
    const caface_pixels defaults = {.size = size};

    cafi_sized_out(pixels, size, &defaults, sizeof defaults);
}

static caface_status new_image(caface_image **out, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (!st)
        pthread_mutex_init(&(*out)->lock, NULL);
    return st;
}

/* A decoded picture, taken over, becomes an image. */
static caface_status from_decoded(caface_image **out, cafi_image *decoded, caface_error *err)
{
    caface_status st = new_image(out, err);

    if (st) {
        cafi_image_clear(decoded);
        return st;
    }
    (*out)->own = *decoded;
    (*out)->width = decoded->width;
    (*out)->height = decoded->height;
    return CAFACE_OK;
}

caface_status caface_image_open(caface_image **out, const char *path, caface_error *err)
{
    cafi_image decoded = {0};
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "image_open: null argument");
    *out = NULL;
    st = cafi_image_read(&decoded, path, err);
    return st ? st : from_decoded(out, &decoded, err);
}

caface_status caface_image_decode(caface_image **out, const void *bytes, size_t size,
                                  caface_error *err)
{
    cafi_image decoded = {0};
    caface_status st = CAFACE_OK;

    if (!out || (!bytes && size))
        return cafi_fail(err, CAFACE_EINVAL, "image_decode: null argument");
    *out = NULL;
    if (size > CAFI_IMAGE_MAX_BYTES)
        return cafi_fail(err, CAFACE_ELIMIT, "%zu bytes; the limit for a picture is %zu", size,
                         CAFI_IMAGE_MAX_BYTES);
    st = cafi_image_decode(&decoded, bytes, size, err);
    return st ? st : from_decoded(out, &decoded, err);
}

caface_status caface_image_wrap(caface_image **out, const caface_pixels *pixels, caface_error *err)
{
    caface_pixels own;
    caface_status st = CAFACE_OK;

    if (!out || !pixels)
        return cafi_fail(err, CAFACE_EINVAL, "image_wrap: null argument");
    *out = NULL;
    if ((st = cafi_pixels_check(&own, pixels, "image_wrap", err)) || (st = new_image(out, err)))
        return st;
    (*out)->pixels = own;
    (*out)->width = own.width;
    (*out)->height = own.height;
    return CAFACE_OK;
}

void cafi_shared_image_set(caface_image *image, const cafi_view *view)
{
    *image = (caface_image){.width = view->width, .height = view->height};
    image->pixels = (caface_pixels){.size = sizeof image->pixels,
                                    .width = view->width,
                                    .height = view->height,
                                    .plane = {view->rgb},
                                    .stride = {(ptrdiff_t)(3 * view->width)}};
    pthread_mutex_init(&image->lock, NULL);
}

void cafi_shared_image_clear(caface_image *image)
{
    cafi_image_clear(&image->own);
    pthread_mutex_destroy(&image->lock);
}

void caface_image_free(caface_image *image)
{
    if (!image)
        return;
    cafi_shared_image_clear(image);
    free(image);
}

size_t caface_image_width(const caface_image *image)
{
    return image ? image->width : 0;
}

size_t caface_image_height(const caface_image *image)
{
    return image ? image->height : 0;
}

/* Once an image: the lock is held. */
static caface_status convert(caface_image *image, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (image->own.rgb)
        return CAFACE_OK;
    st = cafi_image_reserve(&image->own, image->width, image->height, 3, err);
    if (!st)
        cafi_pixels_to_rgb(image->own.rgb, &image->pixels);
    return st;
}

caface_status cafi_shared_image_view(const caface_image *image, cafi_view *out, caface_error *err)
{
    /* What is seen from outside does not change: the picture is converted once. */
    caface_image *own = (caface_image *)(uintptr_t)image;
    caface_status st = CAFACE_OK;

    if (image->pixels.plane[0] && cafi_pixels_are_packed(&image->pixels)) {
        *out = (cafi_view){image->pixels.plane[0], image->width, image->height};
        return CAFACE_OK;
    }
    pthread_mutex_lock(&own->lock);
    st = convert(own, err);
    pthread_mutex_unlock(&own->lock);
    *out = cafi_image_view(&own->own);
    return st;
}

caface_status caface_image_rgb(const caface_image *image, const uint8_t **rgb, caface_error *err)
{
    cafi_view view = {0};
    caface_status st = CAFACE_OK;

    if (!image || !rgb)
        return cafi_fail(err, CAFACE_EINVAL, "image_rgb: null argument");
    st = cafi_shared_image_view(image, &view, err);
    *rgb = st ? NULL : view.rgb;
    return st;
}
