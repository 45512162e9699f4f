/* Lists of pictures with the landmarks of a face in each, as the IJB folders of
 * InsightFace have them (*_name_5pts_score.txt). */
#ifndef CAFI_FACES_LANDMARK_LIST_H
#define CAFI_FACES_LANDMARK_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "faces/box.h"

typedef struct cafi_listed_face {
    size_t name; /* in names */
    int64_t template_id, media;
    double score; /* NaN where the list has none */
    cafi_point landmark[CAFI_LANDMARKS];
} cafi_listed_face;

typedef struct cafi_landmark_list {
    char *names; /* NUL-terminated, one after the other */
    cafi_listed_face *faces;
    size_t count;
} cafi_landmark_list;

/* Reads lines `name x1 y1 ... x5 y5 [score]` and, line by line with them, the
 * lines `name template media ...` of the template list (eval/template_list.h).
 * Blanks, CRLF, empty lines as there. EIO; EFORMAT names file and line: another
 * number of fields, a coordinate that is no finite number, a template or media
 * that is no whole number; names that differ (both files and lines); another
 * number of faces (both); no faces. */
caface_status cafi_landmark_list_read(cafi_landmark_list *out, const char *path,
                                      const char *templates, caface_error *err);
void cafi_landmark_list_free(cafi_landmark_list *list);

static inline const char *cafi_landmark_name(const cafi_landmark_list *list, size_t index)
{
    return list->names + list->faces[index].name;
}

#endif
