/* What a similarity needs to reach where probe and person are made of blur, for `caface gallery
 * search`: the rule of `caface compare` (compare/blur.h). */
#ifndef CAFACE_CLI_GALLERY_NEEDED_H
#define CAFACE_CLI_GALLERY_NEEDED_H

#include "cli/gallery/pictures.h"
#include "cli/gallery/probes.h"

/* needed [probes][k]: threshold, and more where the probe's blur is known and so is needed;
 * infinity: nothing can be said of the two. Looked at are the first of every probe, and who reaches
 * the threshold. person (-1: nobody) and similarity [probes][k] are what was found. EIO, EFORMAT,
 * ENOMEM. */
caface_status cli_gallery_needed(double *needed, cli_gallery *g, cli_gallery_eyes *eyes,
                                 const cli_probes *probes, double threshold, const int64_t *person,
                                 const float *similarity, size_t k, caface_error *err);

#endif
