#include "cli/compare/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/compare/thresholds.h"
#include "cli/feature_set.h"
#include "cli/gallery/meaning.h"
#include "faces/align.h"
#include "faces/quality.h"
#include "media/image.h"
#include "media/image_write.h"

struct cli_people {
    cli_gallery file;
    caface_gallery_calibration *calibrations[CAFI_COMPARE_MAX_METHODS];
};

/* --- does it fit? -------------------------------------------------------------------- */

static caface_status check_fusion(const caface_gallery_info *info, const cli_fusions *fusions,
                                  caface_error *err)
{
    const caface_model *model = cli_fusion_for(fusions, info->method);
    caface_model_info own;

    if (!model)
        return CAFACE_OK;
    caface_model_get_info(model, &own);
    return strcmp(own.hash, info->model) == 0
               ? CAFACE_OK
               : cafi_fail(err, CAFACE_EMODEL, "the gallery's fusion model is %s, this is %s",
                           info->model, own.hash);
}

static caface_status check(const caface_gallery_info *info, const caface_encoder *encoder,
                           const cli_fusions *fusions, caface_error *err)
{
    caface_encoder_info e;
    caface_status st = CAFACE_OK;

    caface_encoder_get_info(encoder, &e);
    if (!info->people)
        return cafi_fail(err, CAFACE_EINVAL, "nobody is in it");
    if (info->C != e.C)
        return cafi_fail(err, CAFACE_EMODEL,
                         "the backbone gives %zu numbers, the gallery's templates have %zu", e.C,
                         info->C);
    if (*info->backbone && strcmp(info->backbone, e.hash) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "the gallery's backbone is %s, this is %s",
                         info->backbone, e.hash);
    if (*info->input && strcmp(info->input, e.input) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "the gallery's input is %s, this backbone's %s",
                         info->input, e.input);
    if ((st = cli_check_encoding("the probe", e.encoding, "the gallery", info->encoding,
                                 *info->model != '\0', err)))
        return st;
    if (info->people > CLI_COMPARE_MOST_PEOPLE)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%zu people, at most %d are compared side by side; `caface gallery "
                         "search` takes any number",
                         info->people, CLI_COMPARE_MOST_PEOPLE);
    return check_fusion(info, fusions, err);
}

/* --- what a score means ---------------------------------------------------------------- */

static caface_status find_calibrations(cli_people *p, const cafi_comparison *c,
                                       const cli_fusions *fusions, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t m = 0; !st && m < c->method_count; m++) {
        const caface_model *model = cli_fusion_for(fusions, c->methods[m].method);
        caface_model_info info = {0};
        char text[CAFACE_METHOD_TEXT];

        if (model)
            caface_model_get_info(model, &info);
        (void)caface_set_options_text(&c->methods[m], text, sizeof text);
        st = caface_gallery_calibration_find(&p->calibrations[m], p->file.gallery, NULL, text,
                                             info.hash, (double)NAN, err);
    }
    return st;
}

static double far_of(void *ctx, size_t method, double score, double *below)
{
    const caface_gallery_calibration *c = ((const cli_people *)ctx)->calibrations[method];
    caface_gallery_calibration_info info;

    if (!c)
        return (double)NAN;
    caface_gallery_calibration_get_info(c, &info);
    *below = 1.0 / (double)info.pairs;
    return caface_gallery_calibration_far(c, score);
}

caface_status cli_people_open(cli_people **out, cafi_comparison *c, const char *path,
                              const caface_encoder *encoder, const cli_fusions *fusions,
                              caface_error *err)
{
    cli_people *p = NULL;
    caface_status st = CAFI_NEW(out, 1, err);

    if (st)
        return st;
    p = *out;
    if ((st = cli_gallery_open(&p->file, path, NULL, false, err)))
        return st;
    if ((st = check(&p->file.info, encoder, fusions, err)))
        return cafi_prefix(err, st, p->file.shown);
    if ((st = find_calibrations(p, c, fusions, err)))
        return st;
    c->far_of = far_of;
    c->far_ctx = p;
    return CAFACE_OK;
}

void cli_people_free(cli_people *p)
{
    for (size_t m = 0; p && m < CAFI_COMPARE_MAX_METHODS; m++)
        caface_gallery_calibration_free(p->calibrations[m]);
    if (p)
        cli_gallery_close(&p->file);
    free(p);
}

/* The threshold of a calibrated method and its rate. */
static caface_status take_threshold(const cli_people *p, cafi_comparison *c, size_t m,
                                    bool is_asked, double *rate, caface_error *err)
{
    const char *name = c->names[m];
    double threshold = 0.0;

    if (!cli_meaning_threshold(p->calibrations[m], c->far, &threshold, rate))
        *rate = (double)NAN;
    else
        c->thresholds[m] = threshold;
    if (fabs(*rate / c->far - 1.0) < 1e-6)
        return CAFACE_OK;
    if (is_asked)
        return cafi_fail(err, CAFACE_EINVAL,
                         "too few pairs were calibrated with for a false accept rate of %g by %s",
                         c->far, name);
    if (isnan(*rate))
        cli_warn("%s: too few pairs were calibrated with: the threshold is that of docs/faces.md",
                 name);
    else
        cli_warn("%s: too few pairs were calibrated with for a false accept rate of %g: the "
                 "threshold is at %g",
                 name, c->far, *rate);
    return CAFACE_OK;
}

caface_status cli_people_thresholds(const cli_people *p, cafi_comparison *c, bool is_asked,
                                    caface_error *err)
{
    double wanted = c->far, common = 0.0;
    bool is_elsewhere = false;
    caface_status st = CAFACE_OK;

    for (size_t m = 0; is_asked && m < c->method_count; m++)
        if (!p->calibrations[m])
            return cafi_fail(err, CAFACE_EINVAL,
                             "--far %g: the gallery is not calibrated for %s: `caface gallery "
                             "calibrate`",
                             wanted, c->names[m]);
    c->far = CLI_DEFAULT_FAR;
    if ((st = cli_thresholds_default(c, err)))
        return st;
    c->far = wanted;
    for (size_t m = 0; m < c->method_count; m++) {
        double rate = CLI_DEFAULT_FAR;

        if (p->calibrations[m] && (st = take_threshold(p, c, m, is_asked, &rate, err)))
            return st;
        if (!p->calibrations[m])
            cli_warn("%s: the gallery is not calibrated for it: the threshold is that of "
                     "docs/faces.md",
                     c->names[m]);
        is_elsewhere = is_elsewhere || !p->calibrations[m] || isnan(rate);
        rate = isnan(rate) ? CLI_DEFAULT_FAR : rate;
        common = m == 0 || fabs(rate - common) < 1e-12 ? rate : 0.0;
    }
    c->far = common;
    c->measured_elsewhere = is_elsewhere;
    return CAFACE_OK;
}

/* --- the people ------------------------------------------------------------------------ */

typedef struct adding {
    cafi_gallery *to;
    size_t C, first; /* of the identities, the first of the gallery's people */
    caface_status st;
    caface_error *err;
    cafi_image image;
} adding;

static int add_person(void *ctx, const caface_gallery_person *person)
{
    adding *a = ctx;
    cafi_identity *to = NULL;

    a->st = cafi_gallery_add(a->to, person->name, person->tmpl, a->C, &to, a->err);
    return !a->st;
}

/* What a kept crop says of a picture; the first is the one that reports show. */
static caface_status look_at_crop(adding *a, cafi_identity *to,
                                  const caface_gallery_picture *picture, cafi_quality *quality)
{
    cafi_quality of_crop = {0};
    cafi_view view;
    caface_status st = cafi_image_decode(&a->image, picture->crop, picture->crop_size, a->err);

    if (st)
        return cafi_prefix(a->err, st, picture->name);
    view = cafi_image_view(&a->image);
    if (view.width == CAFI_CROP_SIDE && view.height == CAFI_CROP_SIDE) {
        cafi_quality_of_crop(&of_crop, view.rgb);
        quality->sharpness = of_crop.sharpness;
    }
    return to->picture.size ? CAFACE_OK
                            : cafi_jpeg_encode(&to->picture, &view, CAFI_CROP_QUALITY, a->err);
}

static caface_status list_picture(adding *a, cafi_identity *to,
                                  const caface_gallery_picture *picture)
{
    cafi_quality quality = {.yaw = NAN,
                            .pitch = NAN,
                            .roll = NAN,
                            .size = (float)picture->side,
                            .sharpness = NAN,
                            .length = (float)picture->length,
                            .network = NAN};
    caface_status st = CAFI_GROW(&to->pictures, &to->room, to->images + 1, a->err);

    if (st || (st = cafi_strdup(&to->pictures[to->images].path, picture->name ? picture->name : "",
                                a->err)))
        return st;
    if (picture->crop)
        st = look_at_crop(a, to, picture, &quality);
    to->pictures[to->images++].quality = quality;
    return st;
}

/* Pictures come person by person. */
static int add_picture(void *ctx, const caface_gallery_picture *picture)
{
    adding *a = ctx;

    for (size_t i = a->first; !a->st && i < a->to->count; i++)
        if (strcmp(a->to->items[i].name, picture->person) == 0) {
            a->st = list_picture(a, &a->to->items[i], picture);
            break;
        }
    return !a->st;
}

/* The mean of the crops' sharpness; of who has none nothing is said. */
static void set_sharpness(cafi_identity *who)
{
    double sum = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < who->images; i++)
        if (!isnan(who->pictures[i].quality.sharpness)) {
            sum += (double)who->pictures[i].quality.sharpness;
            n++;
        }
    if (n)
        who->blur.sharpness = sum / (double)n;
}

caface_status cli_people_add(cli_people *p, cafi_gallery *gallery, caface_error *err)
{
    adding a = {.to = gallery, .C = p->file.info.C, .first = gallery->count, .err = err};
    caface_status st = caface_gallery_people(p->file.gallery, add_person, &a, err);

    st = st ? st : a.st;
    if (!st) {
        st = caface_gallery_pictures(p->file.gallery, NULL, 1, add_picture, &a, err);
        st = st ? st : a.st;
    }
    for (size_t i = a.first; i < gallery->count; i++)
        set_sharpness(&gallery->items[i]);
    cafi_image_clear(&a.image);
    return st ? cafi_prefix(err, st, p->file.shown) : CAFACE_OK;
}
