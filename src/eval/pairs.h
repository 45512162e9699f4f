/* Pairs of templates to be compared, and the file that lists them. */
#ifndef CAFI_EVAL_PAIRS_H
#define CAFI_EVAL_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "eval/template_list.h"

/* Eight bytes, since there are 15 million of them in IJB-C. */
typedef struct cafi_pair {
    uint32_t a; /* the top bit is the label: set for the same person */
    uint32_t b;
} cafi_pair;

#define CAFI_PAIR_GENUINE 0x80000000u
/* Templates have numbers below this. */
#define CAFI_MAX_TEMPLATES 0x7fffffffu

static inline uint32_t cafi_pair_a(cafi_pair pair)
{
    return pair.a & ~CAFI_PAIR_GENUINE;
}

static inline bool cafi_pair_is_genuine(cafi_pair pair)
{
    return (pair.a & CAFI_PAIR_GENUINE) != 0;
}

typedef struct cafi_pair_list {
    cafi_pair *pairs; /* in the file's order */
    size_t count;
    size_t genuine, impostor;
    size_t duplicates; /* pairs listed before, in either order */
} cafi_pair_list;

/* Reads lines `template template label` (1 same, 0 not), separated by blanks or
 * tabs; CRLF, empty lines and a missing last newline are accepted. Ids become
 * numbers of templates. A pair that occurs twice counts twice, as in the
 * release, and is counted in duplicates. EIO; EFORMAT names file and line: not
 * three fields, no whole number, a label other than 0 and 1, a template that
 * the list does not have. */
caface_status cafi_pairs_read(cafi_pair_list *out, const char *path,
                              const cafi_template_list *templates, cafi_pool *pool,
                              caface_error *err);
void cafi_pairs_free(cafi_pair_list *list);

/* Subjects of templates where no file names them: the connected components of
 * the genuine pairs. out [templates], numbered from 0 in order of the first
 * template; *count is how many. */
caface_status cafi_pairs_subjects(const cafi_pair_list *list, size_t templates, uint32_t *out,
                                  size_t *count, caface_error *err);

#endif
