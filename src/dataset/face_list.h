/* The face crops of a training set: a folder of folders, or a record set. */
#ifndef CAFI_DATASET_FACE_LIST_H
#define CAFI_DATASET_FACE_LIST_H

#include "base/mem.h"
#include "media/image.h"

typedef struct cafi_face_list cafi_face_list;

/* A .rec file, or a folder with train.rec in it, is a record set of pictures; its
 * classes are the folders of its .lst, else its labels. Any other folder is
 * walked; a picture's class is the folder it is in. EIO, EFORMAT: nothing there,
 * a picture without a class. */
caface_status cafi_face_list_open(cafi_face_list **out, const char *path, caface_error *err);
/* Records of a record set that are damaged and were left out; *why, borrowed, is
 * the sentence about the first. */
size_t cafi_face_list_left_out(const cafi_face_list *list, const char **why);
void cafi_face_list_close(cafi_face_list *list);

/* From now on pictures are read with red and blue exchanged: for sets whose writer
 * took one for the other. Whether they are. */
void cafi_face_list_swap_colors(cafi_face_list *list);
bool cafi_face_list_swaps_colors(const cafi_face_list *list);

size_t cafi_face_list_count(const cafi_face_list *list);
/* "CLASS/FILE", which is the same wherever the set lies. Borrowed. */
const char *cafi_face_list_name(const cafi_face_list *list, size_t index);
/* Size and time of change (nanoseconds since 1970) of the file a picture is in, the
 * record set's for a record; zeros where they cannot be had. */
void cafi_face_list_stamp(const cafi_face_list *list, size_t index, int64_t stamp[2]);
/* The class of a picture: a number, and its name. Classes are numbered in the
 * order of their names. */
size_t cafi_face_list_class(const cafi_face_list *list, size_t index);
size_t cafi_face_list_classes(const cafi_face_list *list);
const char *const *cafi_face_list_class_names(const cafi_face_list *list);

/* The bytes of the picture's file, borrowed from buf or the map. Any thread, each
 * with a buf of its own. The sentence names the picture. */
caface_status cafi_face_list_bytes(const cafi_face_list *list, size_t index, cafi_buf *buf,
                                   const void **bytes, size_t *size, caface_error *err);
/* The picture. EINVAL: it is not width x height. */
caface_status cafi_face_list_read(const cafi_face_list *list, size_t index, cafi_buf *buf,
                                  size_t width, size_t height, cafi_image *out, caface_error *err);

#endif
