/* Pictures and videos in words. */
#include <stdio.h>
#include <stdlib.h>

#include "convert/kinds.h"
#include "media/image.h"
#include "media/iso_file.h"
#include "media/stream.h"

caface_status cafi_kind_of_picture(cafi_kind *out, const char *path, const void *bytes, size_t size,
                                   caface_error *err)
{
    const char *kind = cafi_image_kind(bytes, size);
    cafi_image image = {0};
    cafi_json json = {.out = &out->facts};
    caface_status st = CAFACE_OK;

    if (!kind)
        return CAFACE_OK;
    out->name = "picture";
    if ((st = cafi_image_read(&image, path, err)))
        return st;
    cafi_buf_printf(&out->sentence, "a picture, %s, %zux%zu pixels", kind, image.width,
                    image.height);
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "format", kind);
    cafi_json_int(&json, "width", (int64_t)image.width);
    cafi_json_int(&json, "height", (int64_t)image.height);
    cafi_json_end_object(&json);
    cafi_image_clear(&image);
    return CAFACE_OK;
}

/* FFmpeg takes many things for a video; one has a picture of some size. */
caface_status cafi_kind_of_video(cafi_kind *out, const char *path, caface_error *err)
{
    cafi_stream *stream = NULL;
    cafi_stream_info info;
    cafi_json json = {.out = &out->facts};
    caface_error why = {CAFACE_OK, ""};
    cafi_iso_file boxes;
    caface_status st = cafi_stream_open(&stream, path, 1, (cafi_wish){0}, &why);

    if (st == CAFACE_ENOMEM || st == CAFACE_ELIMIT ||
        (st && cafi_iso_file_read(&boxes, path) && boxes.starts_as_file))
        return cafi_fail(err, st, "%s", why.message); /* what but a video should it be? */
    if (st)
        return CAFACE_OK;
    info = cafi_stream_get_info(stream);
    cafi_stream_close(stream);
    if (!info.width || !info.height)
        return CAFACE_OK;
    out->name = "video";
    cafi_buf_printf(&out->sentence, "a video, %s, %zux%zu pixels", info.codec, info.width,
                    info.height);
    if (info.duration > 0)
        cafi_buf_printf(&out->sentence, ", %.2f s", info.duration);
    if (info.rate > 0)
        cafi_buf_printf(&out->sentence, ", %.4g frames a second", info.rate);
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "codec", info.codec);
    cafi_json_int(&json, "width", (int64_t)info.width);
    cafi_json_int(&json, "height", (int64_t)info.height);
    cafi_json_real(&json, "seconds", info.duration);
    cafi_json_real(&json, "rate", info.rate);
    cafi_json_int(&json, "rotation", info.rotation);
    cafi_json_real(&json, "first", info.first);
    cafi_json_end_object(&json);
    return CAFACE_OK;
}

bool cafi_kind_is_picture_name(const char *name)
{
    return cafi_image_is_name(name);
}
