/* Scalars in TensorBoard's event files: TFRecords of Event messages. */
#ifndef CAFI_FILES_EVENT_LOG_H
#define CAFI_FILES_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cafi_event_log cafi_event_log;

/* Begins FOLDER/events.out.tfevents.SECONDS.caface.PROCESS, which nobody else writes.
 * What other files of the folder hold from `step` on is void: a run that is resumed there
 * says it anew. EIO, ENOMEM. */
caface_status cafi_event_log_open(cafi_event_log **out, const char *folder, uint64_t step,
                                  caface_error *err);
/* One number of a curve, with the time of day; it is in the file when this returns. EIO. */
caface_status cafi_event_log_scalar(cafi_event_log *log, uint64_t step, const char *tag,
                                    double value, caface_error *err);
void cafi_event_log_close(cafi_event_log *log);

/* CRC-32C (Castagnoli) of n bytes, as TFRecords mask it. */
uint32_t cafi_event_crc(const void *bytes, size_t n);

#endif
