/* Aligned crops on disk: the way from a folder of photographs to a set of crops that
 * `encode` and `prepare` take.
 *
 *   FOLDER/LABEL/STEM-1.png   112x112, a photograph's first face; -2 the second, and so on.
 *                             LABEL is the photograph's folder; without one, FOLDER/STEM-1.png
 *   FOLDER/STEM-2/000123.png  a video's second track in the frame of that number; its label
 *                             is STEM-2
 *   FOLDER/index.tsv          a row a crop, in the order of the photographs and then of the
 *                             videos' faces: crop, source, label, face, score, x1 y1 x2 y2 (the
 *                             box), then 5 landmarks x y, the columns of faces/quality.h (length
 *                             is empty), and modified, the file's time (UTC); of a video face is
 *                             empty, and track, frame and seconds follow */
#ifndef CAFI_FACES_CROP_FOLDER_H
#define CAFI_FACES_CROP_FOLDER_H

#include "faces/quality.h"
#include "faces/sources.h"
#include "media/view.h"

typedef struct cafi_crop_folder cafi_crop_folder;

/* The folder is made if it is not there; sources and videos are borrowed. EINVAL: two inputs
 * whose crops would have one name or one label, a label that leads out of the folder, or a folder
 * that holds something already, which would be taken for one of its crops.
 * EIO, ENOMEM. */
caface_status cafi_crop_folder_open(cafi_crop_folder **out, const char *folder,
                                    const cafi_sources *sources, const char *const *videos,
                                    size_t video_count, caface_error *err);
/* Writes the crops of a photograph's faces, quality [faces->count]. Any thread, each photograph
 * once. */
caface_status cafi_crop_folder_add(cafi_crop_folder *crops, size_t index, const cafi_view *picture,
                                   const cafi_faces *faces, const cafi_quality *quality,
                                   caface_error *err);

/* Of which track a video's crop is, and when it was seen. */
typedef struct cafi_crop_moment {
    int64_t track;
    size_t frame;
    double seconds;
} cafi_crop_moment;
/* Writes the crop u8 [112][112][3] of a face of a video. One thread at a time. */
caface_status cafi_crop_folder_put(cafi_crop_folder *crops, const char *video,
                                   const cafi_crop_moment *moment, const uint8_t *crop,
                                   const cafi_face *face, const cafi_quality *quality,
                                   caface_error *err);
/* The folder of a track, "STEM-2"; its label. Cut off at size. Returns out. */
const char *cafi_crop_folder_track(const char *video, int64_t track, char *out, size_t size);

/* Writes index.tsv. */
caface_status cafi_crop_folder_commit(cafi_crop_folder *crops, caface_error *err);
void cafi_crop_folder_close(cafi_crop_folder *crops);

#endif
