/* Pictures, for `caface gallery`, in a build without the part for them. */
#include <math.h>

#include "cli/gallery/add.h"

static caface_status missing(caface_error *err)
{
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build cannot read pictures; use --input SET");
}

void cli_gallery_seeing_defaults(cli_gallery_seeing *seeing)
{
    seeing->face = "largest";
}

int cli_gallery_seeing_check(const char *command, const cli_gallery_seeing *seeing)
{
    (void)command;
    (void)seeing;
    return CLI_OK;
}

caface_status cli_gallery_seeing_complete(cli_default_models *found, cli_list *models,
                                          cli_gallery_seeing *seeing, bool quiet, caface_error *err)
{
    (void)found;
    (void)models;
    (void)seeing;
    (void)quiet;
    (void)err;
    return CAFACE_OK;
}

caface_status cli_gallery_eyes_open(cli_gallery_eyes **out, const cli_gallery *g,
                                    const cli_list *models, const cli_gallery_seeing *seeing,
                                    size_t threads, bool keep_crops, caface_error *err)
{
    (void)g;
    (void)models;
    (void)seeing;
    (void)threads;
    (void)keep_crops;
    *out = NULL;
    return missing(err);
}

void cli_gallery_eyes_close(cli_gallery_eyes *eyes)
{
    (void)eyes;
}

/* None of the rest is called: there are never eyes. */
caface_status cli_gallery_eyes_look(cli_gallery_eyes *eyes, const char *path, bool *skipped,
                                    caface_error *err)
{
    (void)eyes;
    (void)path;
    *skipped = false;
    return missing(err);
}

caface_status cli_gallery_eyes_look_again(cli_gallery_eyes *eyes,
                                          const caface_gallery_picture *picture, caface_error *err)
{
    (void)eyes;
    (void)picture;
    return missing(err);
}

caface_status cli_gallery_eyes_take(cli_gallery_eyes *eyes, caface_gallery_faces *out,
                                    const float **sharpness, caface_error *err)
{
    (void)eyes;
    (void)out;
    (void)sharpness;
    return missing(err);
}

/* A backbone that is named says nothing here. */
caface_status cli_gallery_eyes_for_features(cli_gallery_eyes **out, const cli_gallery *g,
                                            const cli_list *models, size_t threads,
                                            caface_error *err)
{
    (void)g;
    (void)models;
    (void)threads;
    (void)err;
    *out = NULL;
    return CAFACE_OK;
}

caface_status cli_gallery_eyes_axis(cli_gallery_eyes *eyes, const float **axis,
                                    const char **backbone, caface_error *err)
{
    (void)eyes;
    *axis = NULL;
    *backbone = NULL;
    return missing(err);
}

double cli_gallery_blur_needed(double threshold, double sharpness, double blur,
                               double other_sharpness, double other_blur)
{
    (void)sharpness;
    (void)blur;
    (void)other_sharpness;
    (void)other_blur;
    return threshold;
}

caface_status cli_gallery_eyes_sharpness(cli_gallery_eyes *eyes, caface_gallery *gallery,
                                         const char *name, double *out, caface_error *err)
{
    (void)eyes;
    (void)gallery;
    (void)name;
    *out = INFINITY;
    return missing(err);
}

void cli_gallery_eyes_forget(cli_gallery_eyes *eyes)
{
    (void)eyes;
}

caface_status cli_gallery_each_picture(const char *const *paths, size_t count,
                                       cli_gallery_picture each, void *ctx, size_t *total,
                                       caface_error *err)
{
    (void)paths;
    (void)count;
    (void)each;
    (void)ctx;
    *total = 0;
    return missing(err);
}
