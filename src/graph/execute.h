/* Running a program's steps in memory of one's own. */
#ifndef CAFI_GRAPH_EXECUTE_H
#define CAFI_GRAPH_EXECUTE_H

#include "graph/program.h"
#include "graph/room.h"

typedef struct cafi_execution cafi_execution;

/* The program must outlive it, and so must the room, where its buffers lie if there is one, they
 * fit, and no step needs them zeroed. */
caface_status cafi_execution_new(cafi_execution **out, const cafi_program *program, cafi_room *room,
                                 caface_error *err);
void cafi_execution_free(cafi_execution *execution);
/* Where a buffer is. */
void *cafi_execution_buffer(cafi_execution *execution, size_t buffer);
/* Runs part `part` of a step; false when oneDNN fails. Parts of one step may
 * run at the same time. */
bool cafi_execute_part(cafi_execution *execution, size_t step, size_t part);

#endif
