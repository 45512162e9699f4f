/* Pictures, for `caface gallery`: to crops, features and styles. A build without the part for
 * pictures has the same functions; they say so. */
#ifndef CAFACE_CLI_GALLERY_PICTURES_H
#define CAFACE_CLI_GALLERY_PICTURES_H

#include "cli/input.h"
#include "cli/default_models.h"
#include "cli/gallery/gallery.h"

/* What a user said of pictures. */
typedef struct cli_gallery_seeing {
    cli_detection detection;
    cli_input input;
    const char *face;
    bool centre;
} cli_gallery_seeing;

#define CLI_GALLERY_SEEING(type, member)                                                           \
    CLI_DETECTION_OPTIONS(type, member.detection), CLI_INPUT_OPTIONS(type, member.input),          \
        {"face",                                                                                   \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.face),                                                              \
         "WHOSE",                                                                                  \
         "of a picture with several faces: largest (and near the middle, default) or best (by "    \
         "score)",                                                                                 \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "center", 0, CLI_FLAG, offsetof(type, member.centre), NULL,                                \
            "take the middle of pictures without a face", 0, 0                                     \
    }

void cli_gallery_seeing_defaults(cli_gallery_seeing *seeing);
/* For pictures: the default models where none is named, and the default detector where that
 * is not either. found outlives what is opened of them. */
caface_status cli_gallery_seeing_complete(cli_default_models *found, cli_list *models,
                                          cli_gallery_seeing *seeing, bool quiet,
                                          caface_error *err);
/* CLI_OK, or CLI_USAGE with the sentence printed. */
int cli_gallery_seeing_check(const char *command, const cli_gallery_seeing *seeing);

/* Faces that have been seen, in the order of their pictures. Digests are of the crops. */
typedef struct cli_gallery_seen {
    size_t count, room;
    char **names;
    float *feat, *style;    /* [count][C], [count][S][2] */
    float *sides, *scores;  /* [count] */
    float *sharpness;       /* [count] of the crops */
    unsigned char *digests; /* [count][CAFACE_GALLERY_DIGEST] */
    void **crops;           /* [count] PNG, NULL where they were not asked for */
    size_t *crop_sizes;
} cli_gallery_seen;

/* A backbone, and a detector where one was named. */
typedef struct cli_gallery_eyes cli_gallery_eyes;

/* models: the first with a backbone is taken. keep_crops: cli_gallery_seen has them. EMODEL: the
 * backbone is not the gallery's, or does not fit the fusion model. */
caface_status cli_gallery_eyes_open(cli_gallery_eyes **out, const cli_gallery *g,
                                    const cli_list *models, const cli_gallery_seeing *seeing,
                                    size_t threads, bool keep_crops, caface_error *err);
void cli_gallery_eyes_close(cli_gallery_eyes *eyes);
/* For probes that are features: the backbone among the models, else *out is NULL, and that is no
 * error. */
caface_status cli_gallery_eyes_for_features(cli_gallery_eyes **out, const cli_gallery *g,
                                            const cli_list *models, size_t threads,
                                            caface_error *err);

/* The backbone's blur axis (compare/blur.h), f32 [C], and its hash: eyes' own. */
caface_status cli_gallery_eyes_axis(cli_gallery_eyes *eyes, const float **axis,
                                    const char **backbone, caface_error *err);
/* What a similarity needs to reach (cafi_blur_needed) where two are so sharp, and so much of the
 * axis; infinity: nothing would do. */
double cli_gallery_blur_needed(double threshold, double sharpness, double blur,
                               double other_sharpness, double other_blur);
/* The mean sharpness of somebody's kept crops; infinity where none is kept. */
caface_status cli_gallery_eyes_sharpness(cli_gallery_eyes *eyes, caface_gallery *gallery,
                                         const char *name, double *out, caface_error *err);

/* Looks at a picture, whose face comes with the next cli_gallery_eyes_take. A picture's own
 * fault is *skipped, and err has the sentence; ENOMEM and what is no picture's fault is not. */
caface_status cli_gallery_eyes_look(cli_gallery_eyes *eyes, const char *path, bool *skipped,
                                    caface_error *err);
/* The same for a crop that a gallery has kept. digest is the picture's. */
caface_status cli_gallery_eyes_look_again(cli_gallery_eyes *eyes,
                                          const caface_gallery_picture *picture, caface_error *err);
/* The faces since the last cli_gallery_eyes_forget, as caface_gallery_add takes them, and the
 * sharpness of each crop (or NULL: not asked for); eyes' own until the next look. */
caface_status cli_gallery_eyes_take(cli_gallery_eyes *eyes, caface_gallery_faces *out,
                                    const float **sharpness, caface_error *err);
void cli_gallery_eyes_forget(cli_gallery_eyes *eyes);

/* Pictures that were named: folders, lists, single files. label: the folder's name below the one
 * that was given; "" without one. */
typedef bool (*cli_gallery_picture)(void *ctx, const char *path, const char *label,
                                    caface_status *st, caface_error *err);
caface_status cli_gallery_each_picture(const char *const *paths, size_t count,
                                       cli_gallery_picture each, void *ctx, size_t *total,
                                       caface_error *err);

#endif
