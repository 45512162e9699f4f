/* Models of a few operators, run by the plain reference on x = 0, 1, 2, ... */
#ifndef CAFACE_TESTS_ONNX_CASE_H
#define CAFACE_TESTS_ONNX_CASE_H

#include "onnx_writer.h"

/* Numbers of an output, at most. */
enum { MOST = 256 };

/* A model of one float input x, [n,c,h,w], and one output y. */
onnx_writer begin(int64_t n, int64_t c, int64_t h, int64_t w);
/* Both end the model and free it. expect: the n numbers of the first output for `batch` pictures,
 * to 1e-5. refuse: it is, as not supported, with a sentence that holds `why`. */
void expect(onnx_writer *w, int opset, size_t batch, size_t n, const float *want, const char *what);
void refuse(onnx_writer *w, int opset, const char *why);

#endif
