/* One line of a list of pairs of pictures, understood (eval/image_pairs.h has the forms). */
#ifndef CAFI_EVAL_PAIR_LINE_H
#define CAFI_EVAL_PAIR_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "files/lines.h"

typedef struct cafi_pair_line {
    enum { CAFI_PAIR_NUMBERED, CAFI_PAIR_NAMED, CAFI_PAIR_HALF } kind;
    cafi_field name[2];
    int64_t number[2]; /* CAFI_PAIR_NUMBERED: the pictures'; CAFI_PAIR_HALF: [0] */
    bool same;
} cafi_pair_line;

/* Which names are some picture's: where blanks stand in them, this tells where one ends. */
typedef struct cafi_known_names {
    bool (*has)(const void *names, cafi_field name);
    const void *names;
} cafi_known_names;

/* Cuts the line at tabs where there are any, else at commas, else at blanks; a cut that gives no
 * pair is tried at blanks too. False: the line is of no known form. */
bool cafi_pair_line_read(cafi_lines *line, const cafi_known_names *known, cafi_pair_line *out);

/* A first line of one or two whole numbers (LFW's folds and pairs a fold), or of words alone (the
 * columns' names). */
bool cafi_pair_line_is_heading(cafi_lines *line);

#endif
