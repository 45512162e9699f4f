/* Aligned crops on disk: the way from a folder of photographs to a set of crops that
 * `encode` and `prepare` take.
 *
 *   FOLDER/LABEL/STEM-1.png   112x112, a photograph's first face; -2 the second, and so on.
 *                             LABEL is the photograph's folder; without one, FOLDER/STEM-1.png
 *   FOLDER/index.tsv          a row a crop, in the order of the photographs: crop, source,
 *                             label, face, score, x1 y1 x2 y2 (the box), then 5 landmarks
 *                             x y, the columns of faces/quality.h (length is empty), and
 *                             modified, the photograph's file time (UTC) */
#ifndef CAFI_FACES_CROP_FOLDER_H
#define CAFI_FACES_CROP_FOLDER_H

#include "faces/quality.h"
#include "faces/sources.h"
#include "media/view.h"

typedef struct cafi_crop_folder cafi_crop_folder;

/* The folder is made if it is not there; sources are borrowed. EINVAL: two photographs
 * whose crops would have one name, or a label that leads out of the folder. EIO, ENOMEM. */
caface_status cafi_crop_folder_open(cafi_crop_folder **out, const char *folder,
                                    const cafi_sources *sources, caface_error *err);
/* Writes the crops of a photograph's faces, quality [faces->count]. Any thread, each photograph
 * once. */
caface_status cafi_crop_folder_add(cafi_crop_folder *crops, size_t index, const cafi_view *picture,
                                   const cafi_faces *faces, const cafi_quality *quality,
                                   caface_error *err);
/* Writes index.tsv. */
caface_status cafi_crop_folder_commit(cafi_crop_folder *crops, caface_error *err);
void cafi_crop_folder_close(cafi_crop_folder *crops);

#endif
