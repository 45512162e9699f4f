/* What a score means: which threshold holds, and which false accept rate a score has. */
#ifndef CAFACE_CLI_GALLERY_MEANING_H
#define CAFACE_CLI_GALLERY_MEANING_H

#include "cli/gallery/probes.h"

/* The false accept rate of the threshold where nobody says another. */
#define CLI_GALLERY_FAR 1e-3

typedef struct cli_meaning {
    char method[CAFACE_METHOD_TEXT];         /* of the probes, as calibrations name it */
    char model[CAFACE_HASH_SIZE];            /* "" without one */
    caface_gallery_calibration *calibration; /* or NULL */
    double threshold;
    double far; /* that the threshold is for; NaN: it is not calibrated */
} cli_meaning;

/* The threshold at far, or else at the next larger rate that its pairs allow, which is *found.
 * False: there is none. */
bool cli_meaning_threshold(const caface_gallery_calibration *calibration, double far,
                           double *threshold, double *found);
/* method and model of the probes alone. */
void cli_meaning_words(cli_meaning *out, const cli_probes *probes);
/* The calibration that suits the probes (kind NULL: any), and the threshold: threshold, where it is
 * not NaN, else that of the calibration at far, or at the next larger rate that its pairs allow
 * (which is warned of), else fallback. EINVAL: a kind or far that is asked for and not there. */
caface_status cli_meaning_find(cli_meaning *out, cli_gallery *g, const cli_probes *probes,
                               const char *kind, double far, double threshold, caface_error *err);
void cli_meaning_clear(cli_meaning *meaning);

/* The share of impostors with this score or a better one: "1.2e-03", "< 4.1e-05" where none of
 * the pairs had, "-" without a calibration. */
const char *cli_meaning_far(const cli_meaning *meaning, double score, char text[32]);
/* The same as members: far (null where none had), far_below. Nothing without a calibration. */
void cli_meaning_json_far(const cli_meaning *meaning, double score, cafi_json *json);
/* A probe of ruined faces: no name is an answer. */
bool cli_meaning_cannot_tell(const cli_meaning *meaning, const cli_probe *probe);
/* A calibration's members: kind, method, model, people, probes, pairs, faces, evidence. */
void cli_meaning_json(const caface_gallery_calibration *calibration, cafi_json *json);

#endif
