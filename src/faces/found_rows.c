#include "faces/found_rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "files/json.h"
#include "files/mapped.h"

/* tracks.json of the set; a set of photographs has none. */
static caface_status read_tracks(cafi_found_rows *w, caface_error *err)
{
    cafi_buf path = {0};
    cafi_mapped file = {.fd = -1};
    struct stat info;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&path, "%s/tracks.json", w->set->path);
    if (path.failed)
        return cafi_fail_memory(err, path.size);
    if (stat(path.data, &info) == 0) {
        st = cafi_mapped_open(&file, path.data, err);
        if (!st)
            st = cafi_json_parse(&w->tracks, (const char *)file.data, file.size, err);
        if (st)
            cafi_prefix(err, st, path.data);
        cafi_mapped_close(&file);
    }
    cafi_buf_free(&path);
    return st;
}

caface_status cafi_found_rows_begin(cafi_found_rows *out, const cafi_feature_set *set,
                                    bool complete, caface_error *err)
{
    *out = (cafi_found_rows){.set = set, .complete = complete};
    if (!set)
        return CAFACE_OK;
    out->source = set->index ? cafi_index_column(set->index, "source") : -1;
    out->frame = set->index ? cafi_index_column(set->index, "frame") : -1;
    out->track = set->index ? cafi_index_column(set->index, "track") : -1;
    out->template = set->index ? cafi_index_column(set->index, "template") : -1;
    if (out->source < 0 || out->frame < 0 || out->track < 0 || out->template <0)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: its rows have no source, frame, track or template", set->path);
    return read_tracks(out, err);
}

static const char *text(const cafi_found_rows *w, int column, size_t row)
{
    return cafi_index_text(w->set->index, (size_t)column, row);
}

static int64_t number(const cafi_found_rows *w, int column, size_t row)
{
    const char *t = text(w, column, row);
    int64_t value = -1;

    return cafi_parse_int64(t, strlen(t), &value) ? value : -1;
}

static bool is_of(const cafi_found_rows *w, size_t row, const char *path)
{
    return w->set && row < w->set->N && strcmp(text(w, w->source, row), path) == 0;
}

/* How often photograph i stands there in one template, one behind the other. */
static size_t times_given(const cafi_sources *photos, size_t i)
{
    cafi_source s = cafi_sources_at(photos, i);
    size_t n = 1;

    for (; i + n < cafi_sources_count(photos); n++) {
        cafi_source t = cafi_sources_at(photos, i + n);

        if (strcmp(t.path, s.path) != 0 || t.template_id != s.template_id)
            break;
    }
    return n;
}

void cafi_found_rows_photos(cafi_found_rows *w, const cafi_sources *photos, cafi_row_range *rows)
{
    size_t n = cafi_sources_count(photos);

    for (size_t i = 0, same = 1; i < n; i += same) {
        const char *path = cafi_sources_at(photos, i).path;
        size_t first = w->next;
        size_t count = 0;

        same = times_given(photos, i);
        while (is_of(w, w->next, path) &&
               strcmp(text(w, w->template, w->next), text(w, w->template, first)) == 0)
            w->next++;
        count = w->next - first;
        /* a killed run may not have come to all of its faces */
        if (count % same || (count && !w->complete && w->next == w->set->N))
            count = 0;
        for (size_t k = 0; k < same; k++)
            rows[i + k] = (cafi_row_range){first + k * (count / same), count / same};
    }
}

static caface_status keep_tracks(cafi_found_rows *w, const char *path, caface_error *err)
{
    const cafi_value *list = cafi_value_get(&w->tracks, "tracks");
    size_t count = list && list->kind == CAFI_LIST ? list->u.list.count : 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        const char *source = cafi_value_text(&list->u.list.items[i], "source");

        if (!source || strcmp(source, path) != 0)
            continue;
        st = CAFI_GROW(&w->kept, &w->kept_room, w->kept_count + 1, err);
        if (!st)
            w->kept[w->kept_count++] = list->u.list.items[i];
    }
    return st;
}

caface_status cafi_found_rows_video(cafi_found_rows *w, const char *path, cafi_row_range *rows,
                                    int64_t *last_track, caface_error *err)
{
    int64_t frame = -1, last = *last_track;

    *rows = (cafi_row_range){w->next, 0};
    /* Frames never fall within a video: where they do, the same video was given twice. */
    while (is_of(w, w->next, path) && number(w, w->frame, w->next) >= frame) {
        int64_t track = number(w, w->track, w->next);

        frame = number(w, w->frame, w->next);
        last = track > last ? track : last;
        rows->count++;
        w->next++;
    }
    if (!rows->count)
        return CAFACE_OK;
    /* It was being read when the work was stopped; or the run was killed, which leaves no tracks.
     */
    if ((!w->complete && w->next == w->set->N) || w->tracks.kind == CAFI_NULL) {
        rows->count = 0;
        return CAFACE_OK;
    }
    *last_track = last;
    return keep_tracks(w, path, err);
}

caface_status cafi_found_rows_end(const cafi_found_rows *w, caface_error *err)
{
    if (!w->set || w->next == w->set->N)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL,
                     "%s: row %zu is of %s, which is not among the inputs now, or in another place",
                     w->set->path, w->next, text(w, w->source, w->next));
}

void cafi_found_rows_clear(cafi_found_rows *w)
{
    free(w->kept); /* the values belong to tracks */
    cafi_value_clear(&w->tracks);
    *w = (cafi_found_rows){0};
}
