#define _GNU_SOURCE /* mkostemp */
#include "compare/crop_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faces/align.h"
#include "media/image_write.h"

caface_status cafi_crop_file_open(cafi_crop_file *file, const char *folder, caface_error *err)
{
    cafi_buf name = {0};
    int fd = -1;
    caface_status st = CAFACE_OK;

    *file = (cafi_crop_file){.folder = folder};
    if (!folder)
        return CAFACE_OK;
    cafi_buf_printf(&name, "%s/.crops-XXXXXX", folder);
    if (name.failed)
        return cafi_fail_memory(err, name.size);
    fd = mkostemp(name.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(name.data);
    file->file = fd >= 0 ? fdopen(fd, "w+b") : NULL;
    if (!file->file) {
        st = cafi_fail(err, CAFACE_EIO, "%s: cannot be written: %s", folder, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    cafi_buf_free(&name);
    return st;
}

static caface_status unwritten(const cafi_crop_file *file, caface_error *err)
{
    return cafi_fail(err, CAFACE_EIO, "%s: cannot be written: %s", file->folder, strerror(errno));
}

caface_status cafi_crop_file_add(cafi_crop_file *file, const uint8_t *rgb, cafi_crop_place *place,
                                 caface_error *err)
{
    const cafi_view crop = {rgb, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    caface_status st;

    if (!file->file)
        return CAFACE_OK;
    file->jpeg.size = 0;
    st = cafi_jpeg_encode(&file->jpeg, &crop, CAFI_CROP_QUALITY, err);
    if (st)
        return st;
    if (fwrite(file->jpeg.data, 1, file->jpeg.size, file->file) != file->jpeg.size)
        return unwritten(file, err);
    *place = (cafi_crop_place){file->size, file->jpeg.size};
    file->size += (off_t)file->jpeg.size;
    return CAFACE_OK;
}

caface_status cafi_crop_file_flush(cafi_crop_file *file, caface_error *err)
{
    return file->file && fflush(file->file) != 0 ? unwritten(file, err) : CAFACE_OK;
}

caface_status cafi_crop_file_read(const cafi_crop_file *file, const cafi_crop_place *place,
                                  cafi_buf *out, caface_error *err)
{
    void *bytes = NULL;
    caface_status st = cafi_alloc(&bytes, place->size, 1, err);

    if (!st && (fseeko(file->file, place->first, SEEK_SET) != 0 ||
                fread(bytes, 1, place->size, file->file) != place->size))
        st = cafi_fail(err, CAFACE_EIO, "%s: a crop cannot be read back", file->folder);
    if (!st)
        cafi_buf_append(out, bytes, place->size);
    free(bytes);
    return !st && out->failed ? cafi_fail_memory(err, place->size) : st;
}

void cafi_crop_file_close(cafi_crop_file *file)
{
    if (file->file)
        fclose(file->file);
    cafi_buf_free(&file->jpeg);
    *file = (cafi_crop_file){0};
}
