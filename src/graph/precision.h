/* The numbers that a plan computes with (caface_precision). */
#ifndef CAFI_GRAPH_PRECISION_H
#define CAFI_GRAPH_PRECISION_H

#include <stdbool.h>

#include "base/status.h"
#include "caface/encoder.h"

/* "fp32", "bf16", "int8". */
const char *cafi_precision_name(caface_precision precision);
/* False when text is none of the three. */
bool cafi_precision_parse(const char *text, caface_precision *out);
/* EUNSUPPORTED, naming what is missing, when this processor has no fast way of
 * computing in that precision. */
caface_status cafi_precision_check(caface_precision precision, caface_error *err);

#endif
