#include "faces/encode_found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "faces/annotate.h"
#include "faces/encoded_set.h"
#include "faces/found_rows.h"
#include "faces/sources.h"
#include "faces/track_log.h"
#include "files/output.h"
#include "media/image.h"

/* The columns of every set; then those of the quality, the network's only with a
 * network, and CENTRE only with --center. */
enum { SOURCE, FRAME, TRACK, TEMPLATE, LABEL, SCORE, COLUMNS };
enum { MOST_COLUMNS = COLUMNS + CAFI_QUALITY_COLUMNS + 1 };

/* The photographs of one input. */
typedef struct photo_input {
    cafi_sources *sources;
    cafi_row_range *old; /* [count] rows of the older set */
    size_t count;
    size_t next;      /* to be read */
    size_t *of_frame; /* [count] source of each frame that was read */
    size_t frames;    /* read */
    size_t copied;    /* whose old rows are in the set again, as far as they have any */
    int64_t base;     /* the last template before them */
} photo_input;

typedef struct job {
    cafi_encode_result *result;
    const cafi_found_options *o;
    size_t C, S;
    cafi_encoded_set *set;
    cafi_found_rows old;
    cafi_buf detection;
    cafi_track_log *log;
    cafi_annotator *annotator; /* or NULL */
    cafi_mark *marks;
    size_t mark_room;
    cafi_track_options track;
    int64_t last_template;
    bool any_video;
    size_t done;         /* frames and photographs */
    size_t dropped;      /* frames of the videos before */
    photo_input *photos; /* of the input under way; NULL for a video */
    const char *path;    /* of the video */
} job;

/* ---- readers: run in the pipeline's thread ---------------------------------- */

/* The next photograph without rows that can be read; those that cannot become
 * failures. */
static caface_status read_photo(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    job *j = source;
    photo_input *p = j->photos;
    caface_status st = CAFACE_OK;

    for (*got = false; !*got && !st && p->next < p->count; p->next++) {
        const char *path = cafi_sources_at(p->sources, p->next).path;
        cafi_image image = {0};
        caface_error why = {CAFACE_OK, ""};

        if (p->old[p->next].count)
            continue;
        if (cafi_sources_read(p->sources, p->next, &image, &why)) {
            if (why.status == CAFACE_ENOMEM) {
                *err = why;
                return why.status;
            }
            st = cafi_encode_result_failed(j->result, path, why.message, err);
            continue;
        }
        free(frame->rgb);
        *frame = (cafi_frame){.rgb = image.rgb,
                              .width = image.width,
                              .height = image.height,
                              .capacity = image.width * image.height * 3,
                              .index = p->frames};
        p->of_frame[p->frames++] = p->next;
        *got = true;
    }
    return st;
}

static caface_status read_video(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

/* ---- rows ---------------------------------------------------------------------- */

/* The template of a photograph's faces. */
static int64_t photo_template(job *j, size_t photo)
{
    int64_t t = j->photos->base + cafi_sources_at(j->photos->sources, photo).template_id + 1;

    j->last_template = t > j->last_template ? t : j->last_template;
    return t;
}

/* The rows that photographs before `until` have already. */
static caface_status copy_photos(job *j, size_t until, caface_error *err)
{
    photo_input *p = j->photos;
    caface_status st = CAFACE_OK;

    for (; !st && p->copied < until; p->copied++) {
        const cafi_row_range *r = &p->old[p->copied];

        if (!r->count)
            continue;
        (void)photo_template(j, p->copied);
        st = cafi_encoded_set_copy(j->set, r->first, r->count, err);
        j->result->resumed += r->count;
        j->result->images++;
    }
    return st;
}

static caface_status append_row(job *j, const cafi_frame *frame, const cafi_sighting *s,
                                caface_error *err)
{
    char numbers[COLUMNS][32], quality[CAFI_QUALITY_COLUMNS][CAFI_QUALITY_TEXT];
    const char *fields[MOST_COLUMNS] = {NULL};
    size_t known = CAFI_QUALITY_COLUMNS - !j->o->quality;
    int64_t template = s->track;

    if (j->photos) {
        size_t photo = j->photos->of_frame[frame->index];
        cafi_source source = cafi_sources_at(j->photos->sources, photo);

        fields[SOURCE] = source.path;
        fields[LABEL] = source.label;
        template = photo_template(j, photo);
    } else {
        fields[SOURCE] = j->path;
        snprintf(numbers[FRAME], sizeof numbers[0], "%zu", frame->index);
        snprintf(numbers[TRACK], sizeof numbers[0], "%lld", (long long)s->track);
        fields[FRAME] = numbers[FRAME];
        fields[TRACK] = numbers[TRACK];
    }
    snprintf(numbers[TEMPLATE], sizeof numbers[0], "%lld", (long long)template);
    fields[TEMPLATE] = numbers[TEMPLATE];
    cafi_format(numbers[SCORE], sizeof numbers[0], "%.6f", (double)s->face.score);
    fields[SCORE] = numbers[SCORE];
    cafi_quality_fields(&s->quality, quality);
    for (size_t i = 0; i < known; i++)
        fields[COLUMNS + i] = quality[i];
    fields[COLUMNS + known] = s->centre ? "1" : "0"; /* beyond the columns without --center */
    return cafi_encoded_set_add(j->set, s->feature, s->style, fields, err);
}

/* The frame with its faces drawn in: what each weighs among those so far. */
static caface_status annotate(job *j, cafi_frame *frame, const cafi_sighting *faces, size_t count,
                              caface_error *err)
{
    caface_status st = CAFI_GROW(&j->marks, &j->mark_room, count, err);

    for (size_t i = 0; !st && i < count; i++) {
        j->marks[i] = (cafi_mark){.face = &faces[i].face, .track = faces[i].track, .share = -1.0};
        if (faces[i].track && faces[i].passes)
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

    if (j->photos)
        st = copy_photos(j, j->photos->of_frame[frame->index], err);
    if (j->photos && done->count > 1)
        j->result->crowded++;
    for (size_t i = 0; !st && i < done->count; i++) {
        if ((!j->photos && faces[i].track == 0) || !faces[i].passes)
            continue; /* too faint to belong to anybody, or not good enough */
        st = append_row(j, frame, &faces[i], err);
        if (!st && !j->photos)
            st = cafi_track_log_add(j->log, j->path, frame, &faces[i], err);
    }
    if (!st && j->annotator)
        st = annotate(j, frame, faces, done->count, err);
    if (!st && !j->photos)
        st = cafi_track_log_step(j->log, j->track.gap, err);
    j->done++;
    j->result->dropped = j->dropped + done->dropped;
    if (!st && j->o->progress && !j->o->progress(j->o->ctx, j->done, 0))
        st = CAFACE_ECANCELLED;
    return st;
}

/* ---- inputs -------------------------------------------------------------------- */

static caface_status run_pipeline(job *j, cafi_pipeline_options *o, caface_error *err)
{
    cafi_pipeline_result result;
    caface_status st;

    o->detector = j->o->detector;
    o->encoder = j->o->encoder;
    o->quality = j->o->quality;
    o->gate = j->o->gate;
    o->threads = j->o->threads;
    o->first_track = j->last_template;
    o->stop = j->o->video.stop;
    st = cafi_pipeline_run(&result, o, take_frame, j, err);
    j->result->images += result.frames;
    j->result->refused += result.refused;
    j->dropped += result.dropped;
    j->result->dropped = j->dropped;
    j->result->stopped = j->result->stopped || result.stopped || cafi_wished(j->o->video.stop);
    if (o->track)
        j->last_template += result.tracks;
    return st;
}

static bool all_have_rows(const photo_input *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (!p->old[i].count)
            return false;
    return true;
}

static caface_status open_photos(job *j, photo_input *p, const char *path, caface_error *err)
{
    const cafi_passed_kind *passed = NULL;
    size_t passed_count = 0;
    caface_status st = cafi_sources_new(&p->sources, err);

    if (st || (st = cafi_sources_add(p->sources, path, err)))
        return st;
    if (j->o->allow_damaged)
        cafi_sources_allow_damaged(p->sources);
    passed_count = cafi_sources_passed(p->sources, &passed);
    cafi_passed_add(j->result->passed, &j->result->passed_count, passed, passed_count);
    p->count = cafi_sources_count(p->sources);
    p->base = j->last_template;
    if ((st = CAFI_NEW(&p->of_frame, p->count, err)) || (st = CAFI_NEW(&p->old, p->count, err)))
        return st;
    cafi_found_rows_photos(&j->old, p->sources, p->old);
    return CAFACE_OK;
}

static caface_status take_photos(job *j, const char *path, caface_error *err)
{
    cafi_pipeline_options o = {
        .reader = read_photo, .source = j, .centre = j->o->centre, .face = j->o->face};
    size_t failed = j->result->failure_count;
    photo_input p = {0};
    caface_status st = open_photos(j, &p, path, err);

    j->photos = &p;
    if (!st && !j->result->stopped && !all_have_rows(&p))
        st = run_pipeline(j, &o, err);
    if (!st)
        st = copy_photos(j, p.count, err); /* stopping loses no row of the old set */
    j->result->images += j->result->failure_count - failed;
    j->photos = NULL;
    cafi_sources_free(p.sources);
    free(p.of_frame);
    free(p.old);
    return st;
}

static caface_status tell_broken(job *j, const char *path, cafi_stream_counts c, caface_error *err)
{
    char text[256];

    if (cafi_counts_complete(&c))
        return CAFACE_OK;
    return cafi_encode_result_failed(j->result, path, cafi_counts_text(&c, text, sizeof text), err);
}

static caface_status follow_video(job *j, const char *path, caface_error *err)
{
    cafi_video *video = NULL;
    cafi_pipeline_options o = {.reader = read_video,
                               .track = &j->track,
                               .keep_pixels = j->o->draw != NULL,
                               .live = j->o->video.live};
    caface_status st = cafi_video_open(&video, path, &j->o->video, err);

    if (!st && j->o->draw)
        st = cafi_annotator_open(&j->annotator, j->o->draw,
                                 cafi_video_info(video).rate / (double)j->o->video.every,
                                 j->o->threads, j->o->letters, err);
    if (st) {
        cafi_video_close(video);
        return st;
    }
    o.source = video;
    j->path = path;
    st = run_pipeline(j, &o, err);
    if (!st)
        st = cafi_track_log_finish(j->log, err);
    if (!st)
        st = tell_broken(j, path, cafi_video_counts(video), err);
    j->result->reopened += cafi_video_counts(video).reopened;
    cafi_video_close(video);
    return st;
}

static caface_status take_video(job *j, const char *path, caface_error *err)
{
    cafi_row_range rows = {0, 0};
    caface_status st = cafi_found_rows_video(&j->old, path, &rows, &j->last_template, err);

    j->any_video = true;
    if (st || rows.count) {
        j->result->resumed += rows.count;
        return st ? st : cafi_encoded_set_copy(j->set, rows.first, rows.count, err);
    }
    return j->result->stopped ? CAFACE_OK : follow_video(j, path, err);
}

static caface_status take_inputs(job *j, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < j->o->input_count; i++) {
        const char *path = j->o->inputs[i];

        if (j->result->stopped && !j->old.set)
            break;
        st = cafi_sources_is_pictures(path) ? take_photos(j, path, err) : take_video(j, path, err);
    }
    return st ? st : cafi_found_rows_end(&j->old, err);
}

/* ---- the set -------------------------------------------------------------------- */

/* How faces are found, as far as it bears on the rows and the tracks. */
static void describe(job *j)
{
    static const char *const faces[] = {[CAFI_FACE_ALL] = "",
                                        [CAFI_FACE_LARGEST] = ", the largest face",
                                        [CAFI_FACE_BEST] = ", the best face"};
    const cafi_video_options *v = &j->o->video;
    caface_model_info model = {0};

    if (j->o->fusion)
        caface_model_get_info(j->o->fusion, &model);
    cafi_detector_describe(j->o->detector, &j->detection);
    cafi_buf_printf(&j->detection, ", every %zu start %.9g duration %.9g%s%s, weights %s", v->every,
                    v->start, v->duration, j->o->centre ? ", centre" : "", faces[j->o->face],
                    j->o->fusion ? model.hash : "none");
    if (j->o->gate.min_quality != 0.0)
        cafi_buf_printf(&j->detection, ", least quality %.9g", j->o->gate.min_quality);
    if (j->o->gate.max_yaw != 0.0)
        cafi_buf_printf(&j->detection, ", yaw up to %.9g", j->o->gate.max_yaw);
    if (j->o->quality)
        cafi_buf_printf(&j->detection, ", quality network %s", cafi_encoder_hash(j->o->quality));
    if (v->live)
        cafi_buf_text(&j->detection, ", live");
    if (v->chroma != CAFI_CHROMA_FULL)
        cafi_buf_printf(&j->detection, ", chroma %s", cafi_chroma_name(v->chroma));
}

static caface_status begin(job *j, const cafi_encoded_options *set, caface_error *err)
{
    caface_model_info info;
    caface_status st = CAFACE_OK;

    j->C = cafi_encoder_feature_size(j->o->encoder);
    j->S = cafi_encoder_style_size(j->o->encoder);
    cafi_track_defaults(&j->track);
    if (j->o->fusion) {
        caface_model_get_info(j->o->fusion, &info);
        if ((st = cafi_encoder_fits(j->o->encoder, &info, err)))
            return st;
    }
    (void)((st = cafi_track_log_new(&j->log, j->o->fusion, j->C, err)) ||
           (st = cafi_encoded_set_open(&j->set, j->o->encoder, set, err)) ||
           (st = cafi_found_rows_begin(&j->old, cafi_encoded_set_old(j->set),
                                       cafi_encoded_set_old_is_complete(j->set), err)));
    return st;
}

static caface_status save_tracks(job *j, caface_error *err)
{
    cafi_buf text = {0}, name = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    cafi_track_log_write(j->log, &json, j->track.confirm, j->old.kept, j->old.kept_count);
    cafi_buf_printf(&name, "%s/tracks.json", cafi_encoded_set_folder(j->set));
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

static caface_status commit(job *j, caface_error *err)
{
    caface_status st = CAFACE_OK;

    j->result->faces = cafi_encoded_set_rows(j->set);
    if (j->result->faces == 0 && j->result->refused)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "none of the %zu faces in %zu pictures and frames passes --min-quality "
                         "and --max-yaw",
                         j->result->refused, j->result->images);
    if (j->result->faces == 0 && j->result->stopped)
        return cafi_fail(err, CAFACE_ECANCELLED, "stopped before a face was found");
    if (j->result->faces == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "no face is found in %zu picture%s or frame%s",
                         j->result->images, cafi_plural(j->result->images),
                         cafi_plural(j->result->images));
    if ((st = save_drawn(j, err)) || (j->any_video && (st = save_tracks(j, err))))
        return st;
    return cafi_encoded_set_commit(j->set, j->result->stopped, err);
}

static void tear_down(job *j)
{
    cafi_annotator_abort(j->annotator);
    cafi_found_rows_clear(&j->old);
    cafi_encoded_set_free(j->set);
    cafi_track_log_free(j->log);
    cafi_buf_free(&j->detection);
    free(j->marks);
}

caface_status cafi_encode_found(cafi_encode_result *result, const cafi_found_options *options,
                                caface_error *err)
{
    static const char *const names[COLUMNS] = {"source",   "frame", "track",
                                               "template", "label", "score"};
    const char *columns[MOST_COLUMNS];
    size_t known = COLUMNS + CAFI_QUALITY_COLUMNS - !options->quality;
    cafi_encoded_options set = {.output = options->output,
                                .resume = options->resume,
                                .model = options->compact ? options->fusion : NULL,
                                .command = options->command,
                                .columns = columns,
                                .column_count = known + options->centre};
    job j = {.result = result, .o = options};
    caface_status st = CAFACE_OK;

    *result = (cafi_encode_result){0};
    for (size_t i = 0; i < known; i++)
        columns[i] = i < COLUMNS ? names[i] : cafi_quality_columns[i - COLUMNS];
    columns[known] = "centre";
    if (options->draw && options->resume)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: a drawn video starts anew, a set cannot be resumed with it",
                         options->draw);
    if (options->draw &&
        (options->input_count != 1 || cafi_sources_is_pictures(options->inputs[0])))
        return cafi_fail(err, CAFACE_EINVAL, "%s: drawing takes exactly one video, not %zu %s",
                         options->draw, options->input_count,
                         options->input_count == 1 ? "input of pictures" : "inputs");
    describe(&j);
    set.detection = j.detection.data;
    st = j.detection.failed ? cafi_fail_memory(err, j.detection.size) : begin(&j, &set, err);
    (void)(st || (st = cafi_encoded_set_begin(j.set, err)) || (st = take_inputs(&j, err)) ||
           (st = commit(&j, err)));
    tear_down(&j);
    return st;
}
