/* What int8 needs to know of the numbers that enter convolutions: by the
 * convolution's name, one scale for every input channel. */
#ifndef CAFI_GRAPH_RANGES_H
#define CAFI_GRAPH_RANGES_H

#include <stddef.h>

#include "base/status.h"

typedef struct cafi_ranges cafi_ranges;
caface_status cafi_ranges_new(cafi_ranges **out, caface_error *err);
void cafi_ranges_free(cafi_ranges *ranges);

/* Widens what was seen of a convolution's input: the largest magnitude of every
 * channel, and the largest weight that meets the channel. EINVAL: not finite,
 * another number of channels than before. */
caface_status cafi_ranges_widen(cafi_ranges *ranges, const char *node, const float *range,
                                const float *weight, size_t channels, caface_error *err);
/* Takes scales as cafi_ranges_quanta gave them, from a file. EINVAL: not
 * positive, or given twice. */
caface_status cafi_ranges_set(cafi_ranges *ranges, const char *node, const float *quanta,
                              size_t channels, caface_error *err);
/* The step of every channel in s8: value = quanta[c] times the s8 number.
 * EINVAL: nothing known of node. EMODEL: another number of channels. */
caface_status cafi_ranges_quanta(const cafi_ranges *ranges, const char *node, size_t channels,
                                 float *quanta, caface_error *err);

size_t cafi_ranges_count(const cafi_ranges *ranges);
/* The name, borrowed; NULL when out of range. */
const char *cafi_ranges_at(const cafi_ranges *ranges, size_t index, size_t *channels);

#endif
