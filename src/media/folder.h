/* A folder of pictures as a row of frames. */
#ifndef CAFI_MEDIA_FOLDER_H
#define CAFI_MEDIA_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Paths of the pictures in a folder (names as cafi_image_is_picture knows them,
 * none that begins with a dot), in the order of their names; digits in a row
 * count as one number, so that 2.png comes before 10.png. */
typedef struct cafi_folder {
    char **paths;
    size_t count, room;
} cafi_folder;

/* EIO: can't be read. EFORMAT: no picture in it. ELIMIT: more than
 * CAFI_FOLDER_MAX of them. The sentence starts with path. Cleared by
 * cafi_folder_clear in every case. */
#define CAFI_FOLDER_MAX ((size_t)10000000)
caface_status cafi_folder_open(cafi_folder *out, const char *path, caface_error *err);
void cafi_folder_clear(cafi_folder *folder);

/* Below, equal to or above 0 as a comes before, with or after b. */
int cafi_folder_order(const char *a, const char *b);

#endif
