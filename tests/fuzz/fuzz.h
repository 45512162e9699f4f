/* What fuzz targets share. A target defines LLVMFuzzerTestOneInput and aborts
 * when something that must hold does not. */
#ifndef CAFACE_TESTS_FUZZ_H
#define CAFACE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "files/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts unless condition holds; with a line on stderr. */
void fuzz_check(bool condition, const char *what);

/* The bytes as a file, for readers that take a path; always the same one, removed
 * at exit. */
const char *fuzz_file(const void *bytes, size_t size);

/* A second file, for readers that compare two. */
const char *fuzz_second_file(const void *bytes, size_t size);

/* The first zero byte in the data, which parts one file from another; size: there is none. */
size_t fuzz_parting(const uint8_t *data, size_t size);

/* Reads every byte, for the sanitizer to see. */
void fuzz_read(const void *bytes, size_t size);

/* Opens the bytes as a file and, if that succeeds, reads everything in it: the
 * tensors in several ways, the configuration, the checksums. Checks that an
 * error comes with one sentence, that names are found, and that opening twice
 * gives the same. */
void fuzz_bundle(const uint8_t *data, size_t size);

#endif
