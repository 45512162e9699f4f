/* A detector and its landmark network into one file (faces/detector_files.h). */
#ifndef CAFI_CONVERT_DETECTOR_H
#define CAFI_CONVERT_DETECTOR_H

#include <stdbool.h>

#include "caface/convert.h"

/* *is: the file is a detector that goes with a landmark network. A build without the part for
 * pictures knows none. ENOMEM. */
caface_status cafi_convert_is_detector(bool *is, const char *path, caface_error *err);
/* Writes the two inputs, as they are, into output. EMODEL: another number of inputs, or they
 * are not such networks. */
caface_status cafi_convert_detector(const char *const *inputs, size_t count, const char *output,
                                    caface_convert_info *info, caface_error *err);

#endif
