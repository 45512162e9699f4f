/* Pairs of single pictures: the rows of a feature set that LFW's pairs.txt
 * names. */
#ifndef CAFI_EVAL_IMAGE_PAIRS_H
#define CAFI_EVAL_IMAGE_PAIRS_H

#include <stdbool.h>

#include "files/index.h"

typedef struct cafi_image_pairs {
    size_t count;
    uint32_t *a, *b; /* [count] rows */
    bool *same;      /* [count] */
    /* [count] who is in the pictures, numbered from 0: the NAME of a line, or the
     * label of a row; NULL when neither says it for every picture, or labels
     * contradict a pair */
    uint32_t *subject_a, *subject_b;
    size_t subjects;
} cafi_image_pairs;

/* Reads pairs in the file's order, one a line:
 *   NAME I J        pictures I and J of one person (LFW): NAME_0001 for I = 1
 *   NAME I OTHER J  of two persons
 *   PICTURE OTHER 0|1, or 0|1 PICTURE OTHER; -1 is as good as 0
 *   PICTURE NUMBER  twice, in two lines: one person where the numbers are above
 *                   0 (CALFW, CPLFW)
 * Fields are cut at tabs where a line has any, else at commas, else at blanks;
 * names may hold blanks: of a line that is cut at blanks the rows' names, else suffixes of
 * pictures, say where one ends. A first line of one or two whole numbers (LFW's folds
 * and pairs a fold) or of words alone (names of columns) is passed over. A picture is found by the
 * name of the index's column source: all of it, or its last parts ("Joe_1.jpg", "Joe/Joe_1.jpg"; up
 * to three folders), or those without the suffix. EIO; EFORMAT names file and line: other fields, a
 * picture that is in no row or whose name two rows have. path is the list, set the feature set. */
caface_status cafi_image_pairs_read(cafi_image_pairs *out, const char *path,
                                    const cafi_index *index, const char *set, caface_error *err);
void cafi_image_pairs_free(cafi_image_pairs *pairs);

#endif
