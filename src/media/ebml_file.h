/* Matroska and WebM files as a row of elements, to say of one that was cut short where and why. */
#ifndef CAFI_MEDIA_EBML_FILE_H
#define CAFI_MEDIA_EBML_FILE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cafi_ebml_file {
    uint64_t size, end; /* of the file; where its last element ends, behind the file where it was
                         * cut */
    bool between;       /* it was cut between two elements of a segment whose size is known */
} cafi_ebml_file;

/* Walks over the elements of a segment, and those in clusters without a size, as streams are
 * written. A cut in an element without frames (an index, tags) is none: end is size then. False: no
 * regular file, one that begins otherwise, or one that cannot be followed to its end. Any thread.
 * Source: RFC 8794, 4 to 6; RFC 9559, 5. */
bool cafi_ebml_file_read(cafi_ebml_file *out, const char *path);

#endif
