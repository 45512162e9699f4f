#include "cli/encode/faces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "faces/annotate.h"
#include "faces/sources.h"
#include "faces/track_log.h"
#include "files/feature_set_write.h"
#include "files/output.h"
#include "cli/interrupt.h"
#include "media/image.h"

enum { SOURCE, FRAME, TRACK, TEMPLATE, LABEL, SCORE, CENTRE, COLUMNS };

typedef struct job {
    cafi_encode_result *result;
    const cli_faces_params *p;
    size_t C, S, E;
    float *compact;
    cafi_set_writer *writer;
    cafi_track_log *log;
    cafi_annotator *annotator; /* or NULL */
    cafi_mark *marks;
    size_t mark_room;
    cafi_track_options track;
    int64_t last_template;
    bool any_video;
    cli_progress progress;
    size_t frames;
    /* the input under way */
    cafi_sources *photos; /* NULL for a video */
    size_t next_photo;
    size_t *photo_of; /* [photos] source of each frame that was read */
    size_t read_photos;
    const char *path; /* of the video */
    int64_t photo_base;
} job;

/* ---- readers: run in the pipeline's thread ---------------------------------- */

/* The next photograph that can be read; the others become failures. */
static caface_status read_photo(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    job *j = source;
    caface_status st = CAFACE_OK;

    for (*got = false; !*got && !st && j->next_photo < cafi_sources_count(j->photos);
         j->next_photo++) {
        const char *path = cafi_sources_at(j->photos, j->next_photo).path;
        cafi_image image = {0};
        caface_error why = {CAFACE_OK, ""};

        if (cafi_image_read(&image, path, &why)) {
            st = cafi_encode_result_failed(j->result, path, why.message, err);
            continue;
        }
        free(frame->rgb);
        *frame = (cafi_frame){.rgb = image.rgb,
                              .width = image.width,
                              .height = image.height,
                              .capacity = image.width * image.height * 3,
                              .index = j->read_photos};
        j->photo_of[j->read_photos++] = j->next_photo;
        *got = true;
    }
    return st;
}

static caface_status read_video(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

/* ---- rows ---------------------------------------------------------------------- */

static caface_status append_row(job *j, const cafi_frame *frame, const cafi_sighting *s,
                                caface_error *err)
{
    char numbers[COLUMNS][32];
    const char *fields[COLUMNS] = {NULL};
    caface_status st = CAFACE_OK;

    if (j->photos) {
        cafi_source source = cafi_sources_at(j->photos, j->photo_of[frame->index]);

        fields[SOURCE] = source.path;
        fields[LABEL] = source.label;
        snprintf(numbers[TEMPLATE], sizeof numbers[0], "%lld",
                 (long long)(j->photo_base + source.template_id + 1));
        if (j->photo_base + source.template_id + 1 > j->last_template)
            j->last_template = j->photo_base + source.template_id + 1;
    } else {
        fields[SOURCE] = j->path;
        snprintf(numbers[FRAME], sizeof numbers[0], "%zu", frame->index);
        snprintf(numbers[TRACK], sizeof numbers[0], "%lld", (long long)s->track);
        snprintf(numbers[TEMPLATE], sizeof numbers[0], "%lld", (long long)s->track);
        fields[FRAME] = numbers[FRAME];
        fields[TRACK] = numbers[TRACK];
    }
    fields[TEMPLATE] = numbers[TEMPLATE];
    snprintf(numbers[SCORE], sizeof numbers[0], "%.6f", (double)s->face.score);
    fields[SCORE] = numbers[SCORE];
    fields[CENTRE] = s->centre ? "1" : "0";
    if (j->E)
        st = caface_model_compact(j->p->fusion, s->style, 1, j->compact, err);
    return st ? st
              : cafi_set_append(j->writer, 1, s->feature, j->E || !j->S ? NULL : s->style,
                                j->E ? j->compact : NULL, fields, err);
}

/* The frame with its faces drawn in: what each weighs among those so far. */
static caface_status annotate(job *j, cafi_frame *frame, const cafi_sighting *faces, size_t count,
                              caface_error *err)
{
    void *marks = NULL;
    caface_status st = CAFACE_OK;

    if (count > j->mark_room) {
        st = cafi_alloc(&marks, count + 16, sizeof *j->marks, err);
        if (st)
            return st;
        free(j->marks);
        j->marks = marks;
        j->mark_room = count + 16;
    }
    for (size_t i = 0; !st && i < count; i++) {
        j->marks[i] = (cafi_mark){.face = &faces[i].face, .track = faces[i].track, .share = -1.0};
        if (faces[i].track)
            st = cafi_track_log_share(j->log, faces[i].track, &j->marks[i].share, err);
    }
    return st ? st : cafi_annotator_add(j->annotator, frame, j->marks, count, err);
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    job *j = ctx;
    cafi_frame *frame = done->frame;
    const cafi_sighting *faces = done->faces;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < done->count; i++) {
        if (!j->photos && faces[i].track == 0)
            continue; /* too faint to belong to anybody */
        st = append_row(j, frame, &faces[i], err);
        if (!st && !j->photos)
            st = cafi_track_log_add(j->log, j->path, frame, &faces[i], err);
    }
    if (!st && j->annotator)
        st = annotate(j, frame, faces, done->count, err);
    if (!st && !j->photos)
        st = cafi_track_log_step(j->log, j->track.gap, err);
    cli_progress_update(&j->progress, ++j->frames);
    return st ? st : cli_interrupted() ? CAFACE_ECANCELLED : CAFACE_OK;
}

/* ---- inputs -------------------------------------------------------------------- */

static caface_status run_pipeline(job *j, cafi_pipeline_options *o, caface_error *err)
{
    cafi_pipeline_result result;
    caface_status st;

    o->detector = j->p->detector;
    o->encoder = j->p->encoder;
    o->threads = j->p->threads;
    o->first_track = j->last_template;
    st = cafi_pipeline_run(&result, o, take_frame, j, err);
    j->result->images += result.frames;
    j->result->stopped = j->result->stopped || result.stopped || cli_interrupted();
    if (o->track)
        j->last_template += result.tracks;
    return st;
}

static caface_status take_photos(job *j, const char *path, caface_error *err)
{
    cafi_pipeline_options o = {.reader = read_photo, .source = j, .centre = j->p->centre};
    size_t failed = j->result->failure_count;
    void *photo_of = NULL;
    caface_status st = cafi_sources_new(&j->photos, err);

    (void)(st || (st = cafi_sources_add(j->photos, path, err)) ||
           (st = cafi_alloc(&photo_of, cafi_sources_count(j->photos), sizeof *j->photo_of, err)));
    j->photo_of = photo_of;
    j->next_photo = j->read_photos = 0;
    j->photo_base = j->last_template;
    if (!st)
        st = run_pipeline(j, &o, err);
    j->result->images += j->result->failure_count - failed;
    cafi_sources_free(j->photos);
    free(j->photo_of);
    j->photos = NULL;
    j->photo_of = NULL;
    return st;
}

static caface_status take_video(job *j, const char *path, caface_error *err)
{
    cafi_video *video = NULL;
    cafi_pipeline_options o = {
        .reader = read_video, .track = &j->track, .keep_pixels = j->p->draw != NULL};
    caface_status st = cafi_video_open(&video, path, &j->p->video, err);

    if (!st && j->p->draw)
        st = cafi_annotator_open(&j->annotator, j->p->draw,
                                 cafi_video_info(video).rate / (double)j->p->video.every,
                                 j->p->threads, err);
    if (st) {
        cafi_video_close(video);
        return st;
    }
    o.source = video;
    j->path = path;
    j->any_video = true;
    st = run_pipeline(j, &o, err);
    if (!st)
        st = cafi_track_log_finish(j->log, err);
    if (!st) {
        cafi_stream_counts c = cafi_video_counts(video);
        char text[128];

        snprintf(text, sizeof text, "%zu frames could not be decoded, %zu could",
                 c.broken + c.missing, c.decoded);
        if (c.broken + c.missing)
            st = cafi_encode_result_failed(j->result, path, text, err);
    }
    cafi_video_close(video);
    return st;
}

/* Pictures, folders and lists of them; everything else is for FFmpeg. */
static bool is_photos(const char *path)
{
    unsigned char head[8] = {0};
    const char *dot = strrchr(path, '.');
    struct stat info;
    FILE *file = NULL;
    size_t n = 0;

    if (stat(path, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return false;
    if (S_ISDIR(info.st_mode) || cafi_image_is_name(path) || (dot && strcmp(dot, ".txt") == 0))
        return true;
    file = fopen(path, "rb");
    n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    return n == sizeof head && (memcmp(head, "\xff\xd8\xff", 3) == 0 ||
                                memcmp(head, "\x89PNG\r\n\x1a\n", sizeof head) == 0);
}

/* ---- the set -------------------------------------------------------------------- */

static caface_status begin(job *j, caface_error *err)
{
    static const char *const columns[COLUMNS] = {"source", "frame", "track", "template",
                                                 "label",  "score", "centre"};
    cafi_set_layout layout = {.dtype = CAFI_F32,
                              .columns = columns,
                              .column_count = j->p->centre ? COLUMNS : COLUMNS - 1};
    caface_model_info info = {0};
    caface_status st = CAFACE_OK;

    j->C = cafi_encoder_feature_size(j->p->encoder);
    j->S = cafi_encoder_style_size(j->p->encoder);
    cafi_track_defaults(&j->track);
    if (j->p->fusion) {
        caface_model_get_info(j->p->fusion, &info);
        if ((st = cafi_encoder_fits(j->p->encoder, &info, err)))
            return st;
    }
    j->E = j->p->compact ? info.compact : 0;
    layout.C = j->C;
    layout.S = j->E ? 0 : j->S;
    layout.compact = j->E;
    (void)((st = cafi_alloc_f32(&j->compact, 1, j->E, err)) ||
           (st = cafi_track_log_new(&j->log, j->p->fusion, j->C, err)) ||
           (st = cafi_set_begin(&j->writer, j->p->output, &layout, err)));
    return st;
}

static caface_status commit(job *j, caface_error *err)
{
    const char *taps[CAFI_MAX_TAPS];
    caface_model_info model;
    cafi_set_info info = {.backbone = cafi_encoder_hash(j->p->encoder),
                          .taps = taps,
                          .input = cafi_encoder_input(j->p->encoder),
                          .precision = j->p->precision,
                          .command = j->p->command,
                          .partial = j->result->stopped};
    cafi_set_writer *writer = j->writer;

    while (info.tap_count < CAFI_MAX_TAPS && cafi_encoder_tap(j->p->encoder, info.tap_count)) {
        taps[info.tap_count] = cafi_encoder_tap(j->p->encoder, info.tap_count);
        info.tap_count++;
    }
    if (j->E) {
        caface_model_get_info(j->p->fusion, &model);
        info.fusion = model.hash;
    }
    j->result->faces = cafi_set_rows(writer);
    if (j->result->faces == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "no face is found in %zu pictures and frames",
                         j->result->images);
    j->writer = NULL;
    return cafi_set_commit(writer, &info, err);
}

static caface_status save_tracks(job *j, caface_error *err)
{
    cafi_buf text = {0}, name = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    cafi_track_log_write(j->log, &json, j->track.confirm);
    cafi_buf_printf(&name, "%s/tracks.json", j->p->output);
    st = text.failed || name.failed ? cafi_fail_memory(err, text.size)
                                    : cafi_output_save(name.data, text.data, text.size, err);
    cafi_buf_free(&text);
    cafi_buf_free(&name);
    return st;
}

static caface_status save_drawn(job *j, caface_error *err)
{
    cafi_annotator *a = j->annotator;

    j->annotator = NULL; /* commit frees it in every case */
    return a ? cafi_annotator_commit(a, err) : CAFACE_OK;
}

caface_status cli_encode_faces(cafi_encode_result *result, const cli_faces_params *params,
                               caface_error *err)
{
    job j = {.result = result, .p = params};
    caface_status st = CAFACE_OK;

    if (params->draw && (params->inputs->count != 1 || is_photos(params->inputs->items[0])))
        return cafi_fail(err, CAFACE_EINVAL, "%s: one video is drawn, and nothing else encoded",
                         params->draw);
    st = begin(&j, err);
    cli_progress_begin(&j.progress, "frames", 0, params->quiet);
    for (size_t i = 0; !st && !result->stopped && i < params->inputs->count; i++) {
        const char *path = params->inputs->items[i];

        st = is_photos(path) ? take_photos(&j, path, err) : take_video(&j, path, err);
    }
    cli_progress_end(&j.progress);
    if (!st)
        st = save_drawn(&j, err);
    if (!st)
        st = commit(&j, err);
    if (!st && j.any_video)
        st = save_tracks(&j, err);
    cafi_annotator_abort(j.annotator);
    free(j.marks);
    cafi_set_abort(j.writer);
    cafi_track_log_free(j.log);
    free(j.compact);
    return st;
}
