/* Galleries of people (docs/gallery.md) among what `caface compare --gallery` is given. */
#ifndef CAFACE_CLI_COMPARE_PEOPLE_H
#define CAFACE_CLI_COMPARE_PEOPLE_H

#include "cli/fusion_model.h"
#include "compare/comparison.h"

/* A gallery that is open to be compared with. */
typedef struct cli_people cli_people;

/* People at most: each costs 4 bytes a face of the probe, and a line a track. `gallery search` is
 * for more. */
#define CLI_COMPARE_MOST_PEOPLE 1000

/* Opens the gallery at path, whose templates the encoder's must fit, and finds its calibrations for
 * the methods of c, which then tells the rate of each score by them. *out is the caller's, to
 * cli_people_free in every case. EMODEL: of another backbone, input, width or fusion
 * model. EINVAL: too many people, nobody. EUNSUPPORTED: a build without galleries. */
caface_status cli_people_open(cli_people **out, cafi_comparison *c, const char *path,
                              const caface_encoder *encoder, const cli_fusions *fusions,
                              caface_error *err);
void cli_people_free(cli_people *people);

/* c->thresholds at c->far, or at the next larger rate that the gallery's pairs allow, which is
 * warned of; where a method is not calibrated that of docs/faces.md, warned of too. EINVAL: the
 * same where the rate was asked for by name (is_asked). c->far becomes the rate of all of them, or
 * 0. */
caface_status cli_people_thresholds(const cli_people *people, cafi_comparison *c, bool is_asked,
                                    caface_error *err);

/* Adds everybody to the identities, with the template as it is kept and, where crops are, the first
 * picture and the sharpness of all. EINVAL: a name that an identity has already. */
caface_status cli_people_add(cli_people *people, cafi_gallery *gallery, caface_error *err);

#endif
