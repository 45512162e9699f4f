/* Lists of templates with their subjects: galleries and probes. */
#ifndef CAFI_EVAL_SUBJECT_LIST_H
#define CAFI_EVAL_SUBJECT_LIST_H

#include "eval/template_list.h"
#include "files/names.h"

typedef struct cafi_enrolled {
    uint32_t place;   /* of the template */
    uint32_t subject; /* number in the book */
} cafi_enrolled;

/* Names of subjects, shared by the lists that are compared with each other.
 * Zero-initialise. */
typedef struct cafi_subject_book {
    cafi_names names;
    char **text;
    size_t capacity;
} cafi_subject_book;
void cafi_subject_book_free(cafi_subject_book *book);

typedef struct cafi_subject_list {
    char *path;
    cafi_enrolled *items; /* ascending by place, each template once */
    size_t count;
} cafi_subject_list;

/* Reads lines TEMPLATE_ID,SUBJECT_ID,... (further columns are not looked at),
 * or the same two separated by blanks. A first line whose first field is no
 * number is a header; a header that names TEMPLATE_ID and SUBJECT_ID elsewhere
 * is followed. A template may occur in several lines (the IJB files list every
 * image) with the same subject. Subjects are compared as text. EIO; EFORMAT
 * names file and line: too few fields, no whole number, a template that has no
 * row, one template with two subjects. */
caface_status cafi_subject_list_read(cafi_subject_list *out, const char *path,
                                     const cafi_template_list *templates, cafi_subject_book *book,
                                     caface_error *err);
void cafi_subject_list_free(cafi_subject_list *list);

#endif
