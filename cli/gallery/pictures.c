#include "cli/gallery/pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "caface/file.h"
#include "cli/passed.h"
#include "cli/encoder.h"
#include "cli/feature_set.h"
#include "compare/blur.h"
#include "faces/portrait.h"
#include "faces/sources.h"
#include "media/image_write.h"

/* Crops that wait for the backbone, which works on several at once. */
enum { WAITING = 64 };

struct cli_gallery_eyes {
    caface_encoder *encoder;
    caface_encoder_info info;
    caface_detector *detector;
    cafi_portraits portraits;
    bool keep_crops;
    float mean[3], scale[3];
    float *axis;    /* of blur; NULL until it is asked for */
    uint8_t *crops; /* [WAITING][CAFI_CROP_BYTES] */
    size_t waiting;
    cli_gallery_seen seen;
};

void cli_gallery_seeing_defaults(cli_gallery_seeing *seeing)
{
    cli_detection_defaults(&seeing->detection);
    seeing->face = "largest";
}

caface_status cli_gallery_seeing_complete(cli_default_models *found, cli_list *models,
                                          cli_gallery_seeing *seeing, bool quiet, caface_error *err)
{
    return cli_default_models_take(found, models, true, models->count ? NULL : &seeing->detection,
                                   quiet, err);
}

int cli_gallery_seeing_check(const char *command, const cli_gallery_seeing *seeing)
{
    cafi_face_rule rule;
    int status = cli_detection_check(command, &seeing->detection);

    if (!cafi_face_rule_parse(seeing->face, &rule) || rule == CAFI_FACE_ALL)
        return cli_usage(command, "--face %s: largest or best", seeing->face);
    if (!seeing->detection.detector && (cli_detection_given(&seeing->detection) || seeing->centre))
        return cli_usage(command, "how faces are found needs --detector");
    return status ? status : cli_input_check(command, &seeing->input);
}

/* ---- opening -------------------------------------------------------------------------- */

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cli_warn("%s", sentence);
}

static caface_status check_backbone(const cli_gallery_eyes *e, const cli_gallery *g,
                                    caface_error *err)
{
    const caface_model *model = cli_fusion_for(&g->fusions, g->info.method);

    if (e->info.height != CAFI_CROP_SIDE || e->info.width != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the backbone takes %zux%zu, faces are aligned to %dx%d", e->info.width,
                         e->info.height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    if (g->info.C && g->info.C != e->info.C)
        return cafi_fail(err, CAFACE_EMODEL,
                         "the backbone gives %zu numbers, the gallery's features have %zu",
                         e->info.C, g->info.C);
    if (*g->info.backbone && strcmp(g->info.backbone, e->info.hash) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "the gallery's backbone is %s, this is %s",
                         g->info.backbone, e->info.hash);
    if (*g->info.input && strcmp(g->info.input, e->info.input) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "the gallery's input is %s, this backbone's %s",
                         g->info.input, e->info.input);
    return model ? caface_encoder_check_model(e->encoder, model, err) : CAFACE_OK;
}

/* features: it is for probes that are features, and no face is encoded. */
static caface_status open_eyes(cli_gallery_eyes **out, const cli_gallery *g, const cli_list *models,
                               const cli_gallery_seeing *seeing, size_t threads, bool keep_crops,
                               bool features, caface_error *err)
{
    cli_gallery_eyes *e = NULL;
    caface_encoder_options options;
    size_t which = 0;
    caface_status st = CAFI_NEW(&e, 1, err);

    if (st)
        return st;
    *out = e;
    e->keep_crops = keep_crops;
    caface_encoder_options_init(&options);
    options.threads = threads;
    cli_encoder_input(&seeing->input, e->mean, e->scale, &options);
    if (!models->count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "pictures need a backbone (--model); " CLI_MODELS_HINT);
    if ((st = cli_encoder_open(&e->encoder, &which, models, &options, err)))
        return st;
    caface_encoder_get_info(e->encoder, &e->info);
    if ((st = check_backbone(e, g, err)) ||
        (!features && (st = cli_check_encoding("these pictures", e->info.encoding, "the gallery",
                                               g->info.encoding, *g->info.model != '\0', err))) ||
        (st = cafi_alloc(&e->crops, WAITING, CAFI_CROP_BYTES, err)))
        return st;
    if (seeing->detection.detector)
        st = cli_detection_open(&e->detector, &seeing->detection, threads, err);
    e->portraits =
        (cafi_portraits){.detector = e->detector, .centre = seeing->centre, .notice = say};
    (void)cafi_face_rule_parse(seeing->face, &e->portraits.face); /* checked before */
    return st;
}

caface_status cli_gallery_eyes_open(cli_gallery_eyes **out, const cli_gallery *g,
                                    const cli_list *models, const cli_gallery_seeing *seeing,
                                    size_t threads, bool keep_crops, caface_error *err)
{
    return open_eyes(out, g, models, seeing, threads, keep_crops, false, err);
}

static void forget(cli_gallery_seen *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->names[i]);
        free(s->crops[i]);
    }
    s->count = 0;
}

void cli_gallery_eyes_close(cli_gallery_eyes *e)
{
    if (!e)
        return;
    forget(&e->seen);
    free((void *)e->seen.names);
    free(e->seen.feat);
    free(e->seen.style);
    free(e->seen.sides);
    free(e->seen.scores);
    free(e->seen.sharpness);
    free(e->axis);
    free(e->seen.digests);
    free((void *)e->seen.crops);
    free(e->seen.crop_sizes);
    free(e->crops);
    cafi_portraits_clear(&e->portraits);
    caface_detector_free(e->detector);
    caface_encoder_free(e->encoder);
    free(e);
}

/* ---- looking ----------------------------------------------------------------------------- */

static caface_status make_room(cli_gallery_eyes *e, caface_error *err)
{
    cli_gallery_seen *s = &e->seen;
    size_t room = s->room < WAITING ? WAITING : 2 * s->room;
    size_t C = e->info.C, S = e->info.S;
    caface_status st = CAFACE_OK;

    if (s->count < s->room)
        return CAFACE_OK;
    (void)((st = CAFI_RESIZE(&s->names, room, err)) ||
           (st = CAFI_RESIZE(&s->feat, room * C, err)) ||
           (st = CAFI_RESIZE(&s->style, room * S * 2, err)) ||
           (st = CAFI_RESIZE(&s->sides, room, err)) || (st = CAFI_RESIZE(&s->scores, room, err)) ||
           (st = CAFI_RESIZE(&s->sharpness, room, err)) ||
           (st = CAFI_RESIZE(&s->digests, room * CAFACE_GALLERY_DIGEST, err)) ||
           (st = CAFI_RESIZE(&s->crops, room, err)) ||
           (st = CAFI_RESIZE(&s->crop_sizes, room, err)));
    s->room = st ? s->room : room;
    return st;
}

/* The crops that wait, through the backbone. */
static caface_status encode(cli_gallery_eyes *e, caface_error *err)
{
    size_t first = e->seen.count - e->waiting;
    caface_status st = CAFACE_OK;

    if (e->waiting)
        st = caface_encoder_run(e->encoder, e->crops, e->waiting, e->seen.feat + first * e->info.C,
                                e->info.S ? e->seen.style + first * e->info.S * 2 : NULL, err);
    e->waiting = 0;
    return st;
}

/* The place of the next crop. */
static caface_status next_crop(cli_gallery_eyes *e, uint8_t **crop, caface_error *err)
{
    caface_status st = e->waiting == WAITING ? encode(e, err) : CAFACE_OK;

    *crop = e->crops + e->waiting * CAFI_CROP_BYTES;
    return st ? st : make_room(e, err);
}

static caface_status keep(cli_gallery_eyes *e, const char *name, const uint8_t *crop,
                          cafi_portrait about, caface_error *err)
{
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cli_gallery_seen *s = &e->seen;
    unsigned char digest[CAFI_SHA256_SIZE];
    cafi_buf png = {0};
    caface_status st = CAFACE_OK;

    if (e->keep_crops && (st = cafi_png_encode(&png, &view, err)))
        return st;
    if ((st = cafi_strdup(&s->names[s->count], name, err))) {
        cafi_buf_free(&png);
        return st;
    }
    cafi_sha256_of(crop, CAFI_CROP_BYTES, digest);
    memcpy(s->digests + s->count * CAFACE_GALLERY_DIGEST, digest, CAFACE_GALLERY_DIGEST);
    s->sides[s->count] = about.quality.size;
    s->scores[s->count] = about.score;
    s->sharpness[s->count] = cafi_quality_sharpness(crop);
    s->crops[s->count] = png.data;
    s->crop_sizes[s->count] = png.size;
    s->count++;
    e->waiting++;
    return CAFACE_OK;
}

/* A picture's own fault, which the others do not suffer for. */
static bool is_own_fault(caface_status st)
{
    return st != CAFACE_OK && st != CAFACE_ENOMEM && st != CAFACE_ECANCELLED && st != CAFACE_EMODEL;
}

caface_status cli_gallery_eyes_look(cli_gallery_eyes *e, const char *path, bool *skipped,
                                    caface_error *err)
{
    cafi_portrait about;
    uint8_t *crop = NULL;
    caface_status st = next_crop(e, &crop, err);

    *skipped = false;
    if (st)
        return st;
    if ((st = cafi_portrait_read(&e->portraits, path, crop, &about, err))) {
        *skipped = is_own_fault(st);
        return *skipped ? CAFACE_OK : st;
    }
    return keep(e, path, crop, about, err);
}

caface_status cli_gallery_eyes_look_again(cli_gallery_eyes *e,
                                          const caface_gallery_picture *picture, caface_error *err)
{
    cafi_portrait about = {.quality.size = (float)picture->side, .score = (float)picture->score};
    uint8_t *crop = NULL;
    cafi_view view;
    caface_status st = next_crop(e, &crop, err);

    if (st)
        return st;
    if ((st = cafi_image_decode(&e->portraits.image, picture->crop, picture->crop_size, err)))
        return cafi_prefix(err, st, picture->name);
    view = cafi_image_view(&e->portraits.image);
    if (view.width != CAFI_CROP_SIDE || view.height != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: the crop has %zux%zu pixels, not %dx%d",
                         picture->name, view.width, view.height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    memcpy(crop, view.rgb, CAFI_CROP_BYTES);
    return keep(e, picture->name, crop, about, err);
}

caface_status cli_gallery_eyes_take(cli_gallery_eyes *e, caface_gallery_faces *out,
                                    const float **sharpness, caface_error *err)
{
    cli_gallery_seen *s = &e->seen;
    caface_status st = encode(e, err);

    if (st)
        return st;
    caface_gallery_faces_init(out);
    out->n = s->count;
    out->C = e->info.C;
    out->S = e->info.S;
    out->feat = s->feat;
    out->style = e->info.S ? s->style : NULL;
    out->backbone = e->info.hash;
    out->input = e->info.input;
    out->encoding = e->info.encoding;
    out->names = (const char *const *)s->names;
    out->digests = s->digests;
    out->crops = (const void *const *)s->crops;
    out->crop_sizes = s->crop_sizes;
    out->sides = s->sides;
    out->scores = s->scores;
    if (sharpness)
        *sharpness = s->sharpness;
    return CAFACE_OK;
}

void cli_gallery_eyes_forget(cli_gallery_eyes *e)
{
    forget(&e->seen);
}

/* ---- blur ----------------------------------------------------------------------------------- */

static caface_status has_backbone(const char *path, bool *out, caface_error *err)
{
    caface_file *file = NULL;
    caface_file_info info;
    caface_status st = caface_file_open(&file, path, err);

    if (st)
        return st;
    caface_file_get_info(file, &info);
    *out = info.backbone != NULL;
    caface_file_close(file);
    return CAFACE_OK;
}

caface_status cli_gallery_eyes_for_features(cli_gallery_eyes **out, const cli_gallery *g,
                                            const cli_list *models, size_t threads,
                                            caface_error *err)
{
    cli_gallery_seeing seeing = {0};
    bool found = false;
    caface_status st = CAFACE_OK;

    *out = NULL;
    for (size_t i = 0; !st && !found && i < models->count; i++)
        st = has_backbone(models->items[i], &found, err);
    if (st || !found)
        return st;
    cli_gallery_seeing_defaults(&seeing);
    return open_eyes(out, g, models, &seeing, threads, false, true, err);
}

caface_status cli_gallery_eyes_axis(cli_gallery_eyes *e, const float **axis, const char **backbone,
                                    caface_error *err)
{
    caface_status st = e->axis ? CAFACE_OK : cafi_blur_axis(&e->axis, e->encoder, err);

    *axis = e->axis;
    *backbone = e->info.hash;
    return st;
}

double cli_gallery_blur_needed(double threshold, double sharpness, double blur,
                               double other_sharpness, double other_blur)
{
    const cafi_blur a = {sharpness, blur}, b = {other_sharpness, other_blur};

    return cafi_blur_needed(threshold, &a, &b);
}

typedef struct sharpening {
    cli_gallery_eyes *eyes;
    double sum;
    size_t n;
    caface_status st;
    caface_error *err;
} sharpening;

static int add_sharpness(void *ctx, const caface_gallery_picture *picture)
{
    sharpening *s = ctx;
    cafi_image *image = &s->eyes->portraits.image;
    cafi_view view;

    if (!picture->crop)
        return 1;
    if ((s->st = cafi_image_decode(image, picture->crop, picture->crop_size, s->err))) {
        s->st = cafi_prefix(s->err, s->st, picture->name ? picture->name : picture->person);
        return 0;
    }
    view = cafi_image_view(image);
    if (view.width == CAFI_CROP_SIDE && view.height == CAFI_CROP_SIDE) {
        s->sum += (double)cafi_quality_sharpness(view.rgb);
        s->n++;
    }
    return 1;
}

caface_status cli_gallery_eyes_sharpness(cli_gallery_eyes *e, caface_gallery *gallery,
                                         const char *name, double *out, caface_error *err)
{
    sharpening s = {.eyes = e, .err = err};
    caface_status st = caface_gallery_pictures(gallery, name, 1, add_sharpness, &s, err);

    *out = s.n ? s.sum / (double)s.n : INFINITY;
    return st ? st : s.st;
}

/* ---- which pictures ------------------------------------------------------------------------ */

caface_status cli_gallery_each_picture(const char *const *paths, size_t count,
                                       cli_gallery_picture each, void *ctx, size_t *total,
                                       caface_error *err)
{
    cafi_sources *sources = NULL;
    cli_passed passed = {.count = 0};
    caface_status st = cafi_sources_new(&sources, err);

    st = st ? st : cafi_sources_add_all(sources, paths, count, err);
    *total = st ? 0 : cafi_sources_count(sources);
    if (!st)
        cli_passed_take(&passed, sources);
    cli_passed_print(stderr, passed.kinds, passed.count);
    for (size_t i = 0; !st && i < *total; i++) {
        cafi_source source = cafi_sources_at(sources, i);

        if (!each(ctx, source.path, source.label, &st, err))
            break;
    }
    cafi_sources_free(sources);
    return st;
}
