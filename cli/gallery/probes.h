/* Probes of `caface gallery search` and `calibrate`: sets of faces, each fused into a template. */
#ifndef CAFACE_CLI_GALLERY_PROBES_H
#define CAFACE_CLI_GALLERY_PROBES_H

#include "cli/gallery/gallery.h"

/* One probe. */
typedef struct cli_probe {
    char *name;
    char *label; /* whose it is, where the set says; else NULL */
    size_t faces;
    double evidence; /* NaN: the method has none */
    /* Means over its faces, as the template weighs them (compare/blur.h): */
    double sharpness; /* of the crops; infinity: not known */
    double blur;      /* cosine with the backbone's blur axis; NaN: not known */
} cli_probe;

typedef struct cli_probes {
    caface_set_options way; /* how they are fused: method, norm_power and chunk */
    const caface_model *model;
    size_t count, room, C;
    cli_probe *items;
    float *templates; /* f32 [count][C] */
    size_t template_room;
    const float *axis;    /* f32 [C], the blur axis; NULL: blur is not measured. Borrowed, */
    const char *backbone; /* as is the hash of the backbone whose axis it is */
} cli_probes;

/* How probes are fused: method, else that of the only fusion model, else the gallery's.
 * EINVAL: no such method, or its model is not there. EMODEL: another model than the gallery's
 * for the same method. */
caface_status cli_probes_begin(cli_probes *out, const cli_gallery *g, const char *method,
                               caface_error *err);
/* The sets of a feature set: by the column template, else its label, else all in one; single:
 * all in one. Sharpness is what its column says. EMODEL: of another backbone or width than the
 * gallery's, or another backbone than the axis'. */
caface_status cli_probes_add_set(cli_probes *probes, const cli_gallery *g, const char *path,
                                 bool single, caface_error *err);
/* Faces that were just seen, as one probe; sharpness: f32 [faces->n] of their crops. */
caface_status cli_probes_add_faces(cli_probes *probes, const caface_gallery_faces *faces,
                                   const float *sharpness, const char *name, caface_error *err);
void cli_probes_clear(cli_probes *probes);

#endif
