/* The crops of a probe's faces, JPEG files one behind the other in a file without a name,
 * so that they cost no memory and are gone when the program ends. */
#ifndef CAFI_COMPARE_CROP_FILE_H
#define CAFI_COMPARE_CROP_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/mem.h"

/* JPEG quality of the crops that reports show. */
#define CAFI_CROP_QUALITY 88

/* Where a crop is. */
typedef struct cafi_crop_place {
    off_t first;
    size_t size; /* bytes */
} cafi_crop_place;

typedef struct cafi_crop_file {
    const char *folder; /* borrowed */
    FILE *file;         /* NULL: no crops are kept */
    off_t size;
    cafi_buf jpeg; /* of the last crop */
} cafi_crop_file;

/* A file in a folder; NULL: crops are not kept. EIO, ENOMEM. */
caface_status cafi_crop_file_open(cafi_crop_file *file, const char *folder, caface_error *err);
/* Writes a crop, u8 [112][112][3], behind the others. EIO, ENOMEM. */
caface_status cafi_crop_file_add(cafi_crop_file *file, const uint8_t *rgb, cafi_crop_place *place,
                                 caface_error *err);
/* What was written is on its way to the disk. EIO. */
caface_status cafi_crop_file_flush(cafi_crop_file *file, caface_error *err);
/* Appends a crop, a JPEG file. EIO, ENOMEM. */
caface_status cafi_crop_file_read(const cafi_crop_file *file, const cafi_crop_place *place,
                                  cafi_buf *out, caface_error *err);
void cafi_crop_file_close(cafi_crop_file *file);

#endif
