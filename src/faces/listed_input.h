/* Listed pictures with landmarks, as pictures to encode: each is aligned, and is
 * a row of the set whatever becomes of it. Landmarks are fitted in the crop, as
 * the release's evaluation does (faces/align.h). */
#ifndef CAFI_FACES_LISTED_INPUT_H
#define CAFI_FACES_LISTED_INPUT_H

#include "base/mem.h"
#include "base/threads.h"
#include "faces/encode.h"
#include "faces/landmark_list.h"

/* 128 bits of SHA-256, as text. */
typedef char cafi_short_digest[33];

/* What is known of a picture's file. */
typedef struct cafi_listed_file {
    int64_t size, changed;    /* bytes; nanoseconds since 1970 */
    cafi_short_digest digest; /* of its bytes; "" for one that failed */
} cafi_listed_file;

typedef struct cafi_listed_input {
    const cafi_landmark_list *list;
    const char *folder;
    cafi_listed_file *files; /* [list->count], owned */
    cafi_pool *pool;
    cafi_buf path; /* the two of the row at hand */
    char text[6][40];
} cafi_listed_input;

/* The pictures FOLDER/NAME of the list. Columns: source (the name as listed),
 * template, media, score, landmarks (a digest of them), and size, changed and
 * digest of the file.
 *
 * A row of an old set stands for a picture as long as name, template, media and
 * landmarks are the same and the file is: by size and time of change, or, where
 * the time differs (the folder was copied), by digest. A row that failed stands
 * as long as the picture can still not be used.
 *
 * listed, list, folder and pool are borrowed and outlive the input.
 * EUNSUPPORTED: the encoder takes no 112x112 crops. ENOMEM. */
caface_status cafi_listed_input_new(cafi_encode_input *out, cafi_listed_input *listed,
                                    const cafi_landmark_list *list, const char *folder,
                                    const cafi_encoder *encoder, cafi_pool *pool,
                                    caface_error *err);
void cafi_listed_input_free(cafi_listed_input *listed);

#endif
