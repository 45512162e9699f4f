/* Which row belongs to which template, media and subject. */
#ifndef CAFI_EVAL_TEMPLATE_LIST_H
#define CAFI_EVAL_TEMPLATE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "eval/id_table.h"
#include "files/index.h"

typedef struct cafi_template_list {
    char *path;
    size_t rows;
    size_t count;      /* templates, numbered by ascending id */
    int64_t *id;       /* [count] */
    size_t *first;     /* [count + 1]: template t has order[first[t]] .. */
    uint32_t *order;   /* [rows]: row numbers, in file order within a template */
    int64_t *media;    /* [rows] */
    uint32_t *subject; /* [count], numbered from 0; NULL when the file has none */
    size_t subjects;
    cafi_id_table table; /* id to number */
    size_t *line;        /* [rows]: where a row stands in the file */
} cafi_template_list;

/* Reads lines `name template media [subject]` in the order of the rows,
 * separated by blanks or tabs; CRLF, empty lines and a missing last newline are
 * accepted, and ids may come in any order. EIO; EFORMAT names file and line:
 * fewer than three or more than four fields, a template or media that is no
 * whole number, a subject in some lines only, one template with two subjects. */
caface_status cafi_template_list_read(cafi_template_list *out, const char *path, caface_error *err);
/* The same from index.tsv of a feature set: columns template, media (absent:
 * every row its own), label as subject. path is the set's, for errors. */
caface_status cafi_template_list_from_index(cafi_template_list *out, const cafi_index *index,
                                            const char *path, caface_error *err);
void cafi_template_list_free(cafi_template_list *list);

#endif
