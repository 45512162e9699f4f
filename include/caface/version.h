/* caface/version.h - the version of the headers and of the library, and what is
 * promised between versions.
 *
 * Within 0.x, and as long as the soname stays libcaface.so.0:
 *  - A program that was built against an earlier version runs with a later one. No
 *    function is removed or changes its meaning, no enumerator changes its number, and
 *    caface_error stays as it is.
 *  - A struct of options or information later versions add members at the end only. Its size is
 * passed by the caller: the inline functions of these headers pass the size that the program was
 * compiled with, nothing is written beyond it, and options that the program does not know have
 * their defaults.
 *  - A program that was built against a later version runs with an earlier one as long as it calls
 * no function that is missing there. An option that the earlier library does not know must be left
 * at its default, 0; any other value is refused with CAFACE_EUNSUPPORTED. Information that the
 * library does not have yet reads as 0.
 *  - Files that a version wrote (saved sets, feature sets) are read by every later one.
 * Only names that begin with caface_ are exported. */
#ifndef CAFACE_VERSION_H
#define CAFACE_VERSION_H

#include "caface/status.h"

#define CAFACE_VERSION_MAJOR 0
#define CAFACE_VERSION_MINOR 2
#define CAFACE_VERSION_PATCH 0
#define CAFACE_VERSION "0.2.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, such as "0.2.0": compare it with
 * CAFACE_VERSION to see whether header and library agree. Static. Any thread. */
CAFACE_API const char *caface_version(void);

/* What the library runs on, for a program's own --version or a report of a fault: lines of a name
 * and a value, such as "kernels     avx512". In libcaface: the processor, its cores, the kernels
 * that were chosen for it, and zlib. In libcaface-vision: oneDNN, the precisions that this
 * processor can compute in, libjpeg, libpng and FFmpeg. In libcaface-gallery: SQLite and, where
 * it was built with it, libpq. In libcaface-train: the BLAS.
 * text [size] is written, cut where it does not fit, with a NUL at its end; it may be NULL when
 * size is 0. Returns the length of the whole text without its NUL, as snprintf does. Any thread. */
CAFACE_API size_t caface_about(char *text, size_t size);
CAFACE_API size_t caface_vision_about(char *text, size_t size);
CAFACE_API size_t caface_gallery_about(char *text, size_t size);
CAFACE_API size_t caface_train_about(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
