/* The report of `caface compare`: one HTML page with everything inside it. No
 * network, no other file; light and dark as the reader's screen is. */
#ifndef CAFI_PLOT_REPORT_H
#define CAFI_PLOT_REPORT_H

#include "base/mem.h"

/* Writes the page around data, a JSON object:
 *   version, probe (texts), frames, thresholds [numbers], far, weighed (bool), methods [texts],
 *   gallery [{name, images, thumb}],
 *   tracks [{id, faces, best, points [{frame, seconds, share, thumb}],
 *            sim [gallery][points], fused [gallery][methods]}]
 * thumb: a JPEG in base64, or absent. share: times an even share. best: the
 * point whose picture stands for the track. The file appears whole or not at
 * all. EIO, ENOMEM. */
caface_status cafi_report_save(const char *path, const char *data, size_t size, caface_error *err);

/* Appends bytes in base64. */
void cafi_base64(cafi_buf *out, const void *bytes, size_t size);

/* Inside plot/: the lines of the page, ending with NULL. */
extern const char *const cafi_report_head[];
extern const char *const cafi_report_tail[];

#endif
