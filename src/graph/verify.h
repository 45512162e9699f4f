/* A program against the plain definition, step by step, on this machine: every
 * step runs on what the steps before it made of random input, and samples of
 * its output are computed again from the bytes it read (graph/expect.h). A step that threads share
 * must give the same bits whichever of its parts is first. Finds what neither a version number nor
 * the name of a processor tells: a library or an instruction set that computes wrong numbers. */
#ifndef CAFI_GRAPH_VERIFY_H
#define CAFI_GRAPH_VERIFY_H

#include "graph/program.h"

/* Samples of a step's output that a plan checks of itself. */
#define CAFI_VERIFY_SAMPLES 128

typedef struct cafi_verdict {
    size_t step; /* of a wrong number; SIZE_MAX: there is none */
    double got, want;
    bool padding; /* the number is right, but not zero where the layout asks for zeros */
    bool order;   /* the parts of the step give other bits in another order, or its output lies
                   * over its input: threads that work on it would give now this, now that */
} cafi_verdict;

/* Runs the program once, in the calling thread, in buffers of its own, and sets
 * every step's error; a step in parts runs twice, with its parts in both orders. Stops at the
 * first wrong number. The caller has called
 * cafi_dnn_enter. */
caface_status cafi_verify(const cafi_program *program, const cafi_ir *ir, size_t samples,
                          cafi_verdict *verdict, caface_error *err);

/* The same, and where a step of oneDNN's is wrong another of its
 * implementations takes its place, until all is right. EUNSUPPORTED: a step is
 * wrong and there is nothing else to compute it with. */
caface_status cafi_verify_mend(cafi_program *program, const cafi_ir *ir, cafi_dnn *dnn,
                               size_t samples, caface_error *err);

#endif
