/* ISO media files (MP4, MOV) as a row of boxes, to say of one that was cut short where and why. */
#ifndef CAFI_MEDIA_ISO_FILE_H
#define CAFI_MEDIA_ISO_FILE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cafi_iso_file {
    bool has_index;      /* a box "moov" that is there */
    bool starts_as_file; /* its first box is "ftyp" */
    uint64_t size, end;  /* of the file; where its last box ends, behind the file where it was cut
                          * (in a box that may hold frames) */
} cafi_iso_file;

/* Walks over the boxes. False: no regular file, or one that begins otherwise. Any thread. Source:
 * ISO/IEC 14496-12, 4.2. */
bool cafi_iso_file_read(cafi_iso_file *out, const char *path);

#endif
