/* Which programs a check has found right on this machine: one line a program in
 * a file of the user's cache, $XDG_CACHE_HOME/caface/verified or
 * ~/.cache/caface/verified. A line is a hash of the program's steps (not of its
 * weights), of the versions of caface and oneDNN, the processor and the
 * instruction sets in use; so a change of any of them is a first time.
 *
 * CAFACE_SELF_CHECK in the environment: "once" (the default), "always", which
 * neither reads nor writes the file, or "never". A file that cannot be read or
 * written changes nothing but the time. */
#ifndef CAFI_GRAPH_VERIFIED_H
#define CAFI_GRAPH_VERIFIED_H

#include "graph/plan.h"
#include "graph/program.h"

typedef struct cafi_verified {
    bool keep;
    char line[18]; /* 16 digits, newline, NUL */
} cafi_verified;

/* True when the program is to be checked. Any thread. */
bool cafi_verified_wanted(cafi_verified *out, const cafi_program *program, cafi_check check);
/* Remembers that it was right, unless a step had to be mended: then every plan
 * looks again. */
void cafi_verified_keep(const cafi_verified *verified, const cafi_program *program);

#endif
