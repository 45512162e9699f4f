/* How the steps of a program for one row are cut into parts that threads
 * work on; all of a step are done before the next begins. */
#ifndef CAFI_GRAPH_PARTS_H
#define CAFI_GRAPH_PARTS_H

#include "graph/program.h"

/* Units [*first, *last) of a part: channels, or rows of the step's output. */
void cafi_part_range(size_t units, size_t part, size_t parts, size_t *first, size_t *last);

/* One part of a DNN step. */
typedef struct cafi_part {
    cafi_dnn_spec spec;
    size_t channel;               /* its first output channel */
    size_t in_offset, out_offset; /* bytes */
} cafi_part;
cafi_part cafi_part_of(const cafi_plan_op *step, size_t part);
/* Where a blocked step's own maps are in its scratch memory, behind oneDNN's, and where
 * they end, in bytes. */
typedef struct cafi_blocked_maps {
    size_t in, out, end;
} cafi_blocked_maps;
cafi_blocked_maps cafi_blocked_of(const cafi_part *part, size_t scratch);

/* Cuts a step whose output is that map by rows, if it has enough. A DNN step's maps
 * must have their channels last; so must what passes and sums look at. */
void cafi_cut_rows(cafi_plan_op *step, size_t height, size_t width);

#endif
