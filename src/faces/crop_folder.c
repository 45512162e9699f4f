#include "faces/crop_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "faces/align.h"
#include "faces/pose.h"
#include "files/index.h"
#include "files/names.h"
#include "files/output.h"
#include "files/tree.h"
#include "media/image_write.h"

struct cafi_crop_folder {
    char *folder;
    const cafi_sources *sources;
    const char *const *videos;
    size_t video_count;
    cafi_buf *rows;     /* of index.tsv, one buffer a photograph */
    cafi_buf of_videos; /* the rows behind them */
};

/* A file's name without its suffix, within its path. */
static const char *stem_of(const char *path, size_t *size)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');

    *size = dot && dot > file ? (size_t)(dot - file) : strlen(file);
    return file;
}

/* "LABEL/STEM" of a photograph. */
static void put_stem(cafi_buf *to, cafi_source source)
{
    size_t size = 0;
    const char *stem = stem_of(source.path, &size);

    if (*source.label)
        cafi_buf_printf(to, "%s/", source.label);
    cafi_buf_append(to, stem, size);
}

const char *cafi_crop_folder_track(const char *video, int64_t track, char *out, size_t size)
{
    size_t n = 0;
    const char *stem = strcmp(video, "-") == 0 ? "stdin" : stem_of(video, &n);

    snprintf(out, size, "%.*s-%lld", (int)(n ? n : strlen(stem)), stem, (long long)track);
    return out;
}

/* Is a label what a track of that video may be called? */
static bool is_track_of(const char *label, const char *video)
{
    size_t n = 0;
    const char *stem = stem_of(video, &n);

    return strncmp(label, stem, n) == 0 && label[n] == '-' && label[n + 1] &&
           strspn(label + n + 1, "0123456789") == strlen(label + n + 1);
}

/* Every video has folders of its own. */
static caface_status check_videos(const cafi_crop_folder *c, caface_error *err)
{
    for (size_t v = 0; v < c->video_count; v++) {
        char name[256], other[256];

        if (!cafi_tree_is_safe(cafi_crop_folder_track(c->videos[v], 1, name, sizeof name)) ||
            strlen(name) + 1 == sizeof name)
            return cafi_fail(err, CAFACE_EINVAL, "%s: no folder of %s can have its name",
                             c->videos[v], c->folder);
        for (size_t k = 0; k < v; k++)
            if (strcmp(cafi_crop_folder_track(c->videos[k], 1, other, sizeof other), name) == 0)
                return cafi_fail(err, CAFACE_EINVAL, "%s and %s: both would become %s/%s",
                                 c->videos[k], c->videos[v], c->folder, name);
        for (size_t i = 0; i < cafi_sources_count(c->sources); i++)
            if (is_track_of(cafi_sources_at(c->sources, i).label, c->videos[v]))
                return cafi_fail(err, CAFACE_EINVAL,
                                 "%s: its label %s may be that of a track of %s",
                                 cafi_sources_at(c->sources, i).path,
                                 cafi_sources_at(c->sources, i).label, c->videos[v]);
    }
    return CAFACE_OK;
}

/* The stems of all photographs, one behind the other, each with its NUL: a table of names borrows
 * them, so they may not move any more when the first is added. */
static caface_status put_stems(const cafi_crop_folder *c, cafi_buf *stems, size_t *at,
                               caface_error *err)
{
    for (size_t i = 0; i < cafi_sources_count(c->sources); i++) {
        at[i] = stems->size;
        put_stem(stems, cafi_sources_at(c->sources, i));
        cafi_buf_append(stems, "", 1);
    }
    return stems->failed ? cafi_fail_memory(err, stems->size) : CAFACE_OK;
}

/* Every photograph has crops of its own. */
static caface_status check_names(const cafi_crop_folder *c, caface_error *err)
{
    size_t count = cafi_sources_count(c->sources);
    cafi_names names = {0};
    cafi_buf stems = {0};
    size_t *at = NULL;
    caface_status st = CAFI_NEW(&at, count, err);

    if (!st)
        st = put_stems(c, &stems, at, err);
    for (size_t i = 0; !st && i < count; i++) {
        cafi_source source = cafi_sources_at(c->sources, i);
        const char *stem = stems.data + at[i];
        size_t existing = CAFI_NO_NAME;

        if (!cafi_tree_is_safe(stem))
            st = cafi_fail(err, CAFACE_EINVAL, "%s: its label %s leads out of %s", source.path,
                           source.label, c->folder);
        else
            st = cafi_names_add(&names, stem, strlen(stem), i, &existing, err);
        if (!st && existing != CAFI_NO_NAME)
            st =
                cafi_fail(err, CAFACE_EINVAL, "%s and %s: both would become %s/%s-1.png",
                          cafi_sources_at(c->sources, existing).path, source.path, c->folder, stem);
    }
    cafi_names_free(&names);
    cafi_buf_free(&stems);
    free(at);
    return st;
}

/* Nothing may be in the folder but names that begin with a dot. */
static caface_status check_empty(const char *folder, caface_error *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;
    caface_status st = CAFACE_OK;

    while (dir && !st && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            st = cafi_fail(err, CAFACE_EINVAL,
                           "%s: holds %.200s already; it would be taken for crops of these "
                           "pictures: give a new folder, or empty this one",
                           folder, entry->d_name);
    if (dir)
        closedir(dir);
    return st;
}

caface_status cafi_crop_folder_open(cafi_crop_folder **out, const char *folder,
                                    const cafi_sources *sources, const char *const *videos,
                                    size_t video_count, caface_error *err)
{
    cafi_crop_folder *c = NULL;
    bool made = false;
    caface_status st = CAFI_NEW(&c, 1, err);

    *out = NULL;
    if (st)
        return st;
    c->sources = sources;
    c->videos = videos;
    c->video_count = video_count;
    if ((st = cafi_strdup(&c->folder, folder, err)) ||
        (st = CAFI_NEW(&c->rows, cafi_sources_count(sources), err)) || (st = check_names(c, err)) ||
        (st = check_videos(c, err)) || (st = check_empty(folder, err)) ||
        (st = cafi_output_folder(folder, &made, err))) {
        cafi_crop_folder_close(c);
        return st;
    }
    *out = c;
    return CAFACE_OK;
}

void cafi_crop_folder_close(cafi_crop_folder *crops)
{
    if (!crops)
        return;
    for (size_t i = 0; crops->rows && i < cafi_sources_count(crops->sources); i++)
        cafi_buf_free(&crops->rows[i]);
    free(crops->rows);
    cafi_buf_free(&crops->of_videos);
    free(crops->folder);
    free(crops);
}

/* The photograph's file time, "2024-05-06T07:08:09Z"; empty when it has none. */
static void put_time(cafi_buf *to, const char *path)
{
    struct stat info;
    struct tm utc;
    char text[32] = "";

    if (stat(path, &info) == 0 && gmtime_r(&info.st_mtime, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cafi_buf_text(to, text);
}

/* number: of a photograph's face; m: of a video's. */
static void put_row(cafi_buf *to, const char *crop, cafi_source source, size_t number,
                    const cafi_crop_moment *m, const cafi_face *f, const cafi_quality *quality)
{
    char text[CAFI_QUALITY_COLUMNS][CAFI_QUALITY_TEXT];

    cafi_index_escape(to, crop);
    cafi_buf_text(to, "\t");
    cafi_index_escape(to, source.path);
    cafi_buf_text(to, "\t");
    cafi_index_escape(to, source.label);
    cafi_buf_text(to, "\t");
    if (!m)
        cafi_buf_printf(to, "%zu", number);
    cafi_buf_printf(to, "\t%.6g\t%.2f\t%.2f\t%.2f\t%.2f", (double)f->score, (double)f->box.x1,
                    (double)f->box.y1, (double)f->box.x2, (double)f->box.y2);
    for (int k = 0; k < CAFI_LANDMARKS; k++)
        cafi_buf_printf(to, "\t%.2f\t%.2f", (double)f->landmark[k].x, (double)f->landmark[k].y);
    cafi_quality_fields(quality, text);
    for (int k = 0; k < CAFI_QUALITY_COLUMNS; k++)
        cafi_buf_printf(to, "\t%s", text[k]);
    cafi_buf_text(to, "\t");
    put_time(to, source.path);
    if (m)
        cafi_buf_printf(to, "\t%lld\t%zu\t%.6f\n", (long long)m->track, m->frame, m->seconds);
    else
        cafi_buf_text(to, "\t\t\t\n");
}

caface_status cafi_crop_folder_add(cafi_crop_folder *crops, size_t index, const cafi_view *picture,
                                   const cafi_faces *faces, const cafi_quality *quality,
                                   caface_error *err)
{
    cafi_source source = cafi_sources_at(crops->sources, index);
    uint8_t crop[CAFI_CROP_BYTES];
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cafi_buf name = {0};
    cafi_buf png = {0};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < faces->count && !st; i++) {
        if (!cafi_landmarks_are_plausible(faces->items[i].landmark))
            continue;
        name.size = png.size = 0;
        put_stem(&name, source);
        cafi_buf_printf(&name, "-%zu.png", i + 1);
        if (name.failed)
            st = cafi_fail_memory(err, name.size);
        else if (!(st = cafi_align_face(crop, picture, faces->items[i].landmark, err)) &&
                 !(st = cafi_png_encode(&png, &view, err)))
            st = cafi_tree_save(crops->folder, name.data, png.data, png.size, err);
        if (!st)
            put_row(&crops->rows[index], name.data, source, i + 1, NULL, &faces->items[i],
                    &quality[i]);
    }
    cafi_buf_free(&name);
    cafi_buf_free(&png);
    return st ? cafi_prefix(err, st, source.path) : CAFACE_OK;
}

caface_status cafi_crop_folder_put(cafi_crop_folder *crops, const char *video,
                                   const cafi_crop_moment *moment, const uint8_t *crop,
                                   const cafi_face *face, const cafi_quality *quality,
                                   caface_error *err)
{
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    char label[256], name[288];
    cafi_buf png = {0};
    caface_status st = cafi_png_encode(&png, &view, err);

    cafi_crop_folder_track(video, moment->track, label, sizeof label);
    snprintf(name, sizeof name, "%s/%06zu.png", label, moment->frame);
    if (!st)
        st = cafi_tree_save(crops->folder, name, png.data, png.size, err);
    if (!st)
        put_row(&crops->of_videos, name, (cafi_source){video, label, 0}, 0, moment, face, quality);
    cafi_buf_free(&png);
    return st ? cafi_prefix(err, st, video) : CAFACE_OK;
}

caface_status cafi_crop_folder_commit(cafi_crop_folder *crops, caface_error *err)
{
    cafi_buf text = {0};
    caface_status st;

    cafi_buf_text(&text, "crop\tsource\tlabel\tface\tscore\tx1\ty1\tx2\ty2");
    for (int k = 1; k <= CAFI_LANDMARKS; k++)
        cafi_buf_printf(&text, "\tlandmark_x%d\tlandmark_y%d", k, k);
    for (int k = 0; k < CAFI_QUALITY_COLUMNS; k++)
        cafi_buf_printf(&text, "\t%s", cafi_quality_columns[k]);
    cafi_buf_text(&text, "\tmodified\ttrack\tframe\tseconds\n");
    for (size_t i = 0; i < cafi_sources_count(crops->sources); i++) {
        text.failed = text.failed || crops->rows[i].failed;
        cafi_buf_append(&text, crops->rows[i].data, crops->rows[i].size);
    }
    text.failed = text.failed || crops->of_videos.failed;
    cafi_buf_append(&text, crops->of_videos.data, crops->of_videos.size);
    st = text.failed ? cafi_fail_memory(err, text.size)
                     : cafi_tree_save(crops->folder, "index.tsv", text.data, text.size, err);
    if (!st)
        st = cafi_output_sync(crops->folder, err);
    cafi_buf_free(&text);
    return st;
}
