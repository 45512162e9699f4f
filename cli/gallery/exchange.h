/* What `caface gallery export` writes and `import` reads: a gallery as a folder of plain files.
 *
 *   gallery.json    what the gallery is for, and how many calibrations; written last, so that a
 *                   folder without it is none
 *   people.tsv      name, faces, created, changed, state; a line a person, by name
 *   templates.npy   f32 [people][C], in the order of people.tsv
 *   states/N.state  saved sets, which `caface fuse --merge` takes too
 *   pictures.tsv    person, name, digest, length, likeness, side, score, added, crop
 *   crops/N.png     where they are kept
 *   calibrations/N.json  what scores mean, one for each method and kind of probes */
#ifndef CAFACE_CLI_GALLERY_EXCHANGE_H
#define CAFACE_CLI_GALLERY_EXCHANGE_H

#include "cli/gallery/gallery.h"

/* The options of both. */
typedef struct cli_exchange_options {
    cli_common common;
    cli_list models;
} cli_exchange_options;

#define CLI_EXCHANGE_MODEL                                                                         \
    CLI_GALLERY_MODEL(cli_exchange_options, models,                                                \
                      "the fusion model of the gallery, if its method needs one")

/* ECANCELLED: somebody wants it to stop (cli/interrupt.h). */
caface_status cli_exchange_go_on(caface_error *err);
/* Replaces what is in out by a formatted path. ENOMEM. */
caface_status cli_exchange_path(cafi_buf *out, caface_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
