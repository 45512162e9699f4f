/* Inside models/: the members of a node that a converted file holds. */
#ifndef CAFI_MODELS_GRAPH_MEMBERS_H
#define CAFI_MODELS_GRAPH_MEMBERS_H

#include "models/graph_file.h"

typedef enum cafi_member_kind {
    CAFI_MEMBER_I64,
    CAFI_MEMBER_INT,
    CAFI_MEMBER_UNSIGNED,
    CAFI_MEMBER_BOOL,
    CAFI_MEMBER_FLOAT
} cafi_member_kind;

typedef struct cafi_member {
    const char *name;
    cafi_member_kind kind;
    size_t offset;
    size_t count; /* 1: a number, else a list of as many */
} cafi_member;

extern const cafi_member cafi_members[];
extern const size_t cafi_member_count;

/* Element i of a member, as a double, which holds every value they have. */
double cafi_member_get(const cafi_node *node, const cafi_member *m, size_t i);
/* The caller has checked that v fits the kind. */
void cafi_member_set(cafi_node *node, const cafi_member *m, size_t i, double v);
/* Does a node of this op store its shape? */
bool cafi_member_shape(cafi_op op);

#endif
