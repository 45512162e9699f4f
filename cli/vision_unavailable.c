/* What the commands that need pictures are in a build without oneDNN,
 * libjpeg-turbo and libpng: they exist, and say so. */
#include "base/status.h"
#include "cli/eval/images.h"
#include "cli/eval/pictures.h"
#include "cli/missing.h"

static int say_so(void *arg)
{
    (void)arg;
    cli_warn("this build has no part for pictures (oneDNN, libjpeg-turbo and libpng were not "
             "there); meson setup -Dvision=enabled says what is missing");
    return CLI_FAILED;
}

const cli_command cli_check = MISSING("check", "whether this machine computes a network rightly");
const cli_command cli_compare = MISSING("compare", "who in a video is who in a gallery");
const cli_command cli_detect = MISSING("detect", "faces in pictures");
const cli_command cli_bench_encode = MISSING("bench encode", "speed of a backbone");
const cli_command cli_calibrate = MISSING("calibrate", "prepare a backbone for int8");
const cli_command cli_encode = MISSING("encode", "face crops into features and styles");
const cli_command cli_prepare_extract =
    MISSING("prepare extract", "a record set of pictures into folders");
const cli_command cli_prepare_pack =
    MISSING("prepare pack", "folders of pictures into a record set");
const cli_command cli_prepare_features =
    MISSING("prepare features", "face crops into augmented training features");
const cli_command cli_prepare_probes =
    MISSING("prepare probes", "degraded probe sets and clean galleries");
const cli_command cli_prepare_centers =
    MISSING("prepare centers", "class centres from face crops or a feature set");

caface_status eval_encode_bin(eval_bin *out, const cafi_pair_bin *bin, const char *path,
                              const cli_list *models, bool flip, const cli_common *common,
                              caface_error *err)
{
    (void)bin;
    (void)models;
    (void)flip;
    (void)common;
    *out = (eval_bin){0};
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build cannot read pictures; use --features SET", path);
}

int eval_images_usage(const char *command, const eval_images_options *options)
{
    (void)command;
    (void)options;
    return CLI_OK; /* opening says what is missing */
}

caface_status eval_images_open(eval_images **out, const eval_images_options *options,
                               const cli_list *models, const cli_common *common, size_t *backbone,
                               caface_error *err)
{
    (void)models;
    (void)common;
    *out = NULL;
    *backbone = 0;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build cannot read pictures; use --features SET", options->images);
}

void eval_images_free(eval_images *images)
{
    (void)images;
}

/* None of these is called: there is never an eval_images. */
caface_status eval_images_check(const eval_images *images, const caface_model *fusion,
                                caface_error *err)
{
    (void)images;
    (void)fusion;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build has no part for pictures");
}

caface_status eval_images_encode(eval_images *images, const char *landmarks, const char *templates,
                                 cafi_pool *pool, caface_error *err)
{
    (void)images;
    (void)templates;
    (void)pool;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: this build has no part for pictures",
                     landmarks);
}

caface_status eval_listed_scores(float **out, size_t *rows, const char *landmarks,
                                 const char *templates, caface_error *err)
{
    (void)templates;
    *out = NULL;
    *rows = 0;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build has no part for pictures and their lists", landmarks);
}

const char *eval_images_set(const eval_images *images)
{
    (void)images;
    return "";
}

size_t eval_images_failed(const eval_images *images)
{
    (void)images;
    return 0;
}

void eval_images_text(const eval_images *images, cafi_buf *out)
{
    (void)images;
    (void)out;
}

void eval_images_json(const eval_images *images, cafi_json *json)
{
    (void)images;
    (void)json;
}
