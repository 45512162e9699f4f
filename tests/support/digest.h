/* A tensor as a line of text, to compare with what torch and numpy read. */
#ifndef CAFACE_TESTS_DIGEST_H
#define CAFACE_TESTS_DIGEST_H

#include "base/mem.h"
#include "files/tensor.h"

/* Appends "name TAB type TAB shape TAB CRC-32", of the row-major bytes. */
void test_digest(cafi_buf *out, const cafi_tensor *t);

#endif
