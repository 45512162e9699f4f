/* What an older set is worth to the inputs at hand: which of its rows stand for
 * which photograph and video. */
#ifndef CAFI_FACES_FOUND_ROWS_H
#define CAFI_FACES_FOUND_ROWS_H

#include "faces/sources.h"
#include "files/feature_set.h"
#include "files/value.h"

/* A walk through an older set, from its first row to its last, input by input. */
typedef struct cafi_found_rows {
    const cafi_feature_set *set;        /* NULL: there is none; nothing is ever found */
    bool complete;                      /* it was not stopped */
    int source, frame, track, template; /* its columns */
    size_t next;                        /* the row that the next input may begin with */
    cafi_value tracks;                  /* its tracks.json */
    cafi_value *kept; /* [kept_count] of the tracks, as they go into the new file */
    size_t kept_count, kept_room;
} cafi_found_rows;

typedef struct cafi_row_range {
    size_t first, count;
} cafi_row_range;

/* set may be NULL, and outlives the walk. EMODEL: it lacks a column. EIO, EFORMAT:
 * its tracks.json is damaged. */
caface_status cafi_found_rows_begin(cafi_found_rows *out, const cafi_feature_set *set,
                                    bool complete, caface_error *err);
/* The rows of each photograph of an input, rows [count of photos]. */
void cafi_found_rows_photos(cafi_found_rows *walk, const cafi_sources *photos,
                            cafi_row_range *rows);
/* The rows of a video that was read to its end, and the last track number in
 * them; its tracks are kept. No rows: it has to be read (again). ENOMEM. */
caface_status cafi_found_rows_video(cafi_found_rows *walk, const char *path, cafi_row_range *rows,
                                    int64_t *last_track, caface_error *err);
/* EMODEL: rows are left that are of no input. */
caface_status cafi_found_rows_end(const cafi_found_rows *walk, caface_error *err);
void cafi_found_rows_clear(cafi_found_rows *walk);

#endif
