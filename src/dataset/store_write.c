#include "dataset/store_write.h"

#include <stdlib.h>
#include <string.h>

#include "files/index.h"
#include "files/npy.h"
#include "files/output.h"
#include "files/recordio.h"

/* features, styles, and the same of the clean pictures */
enum { ARRAYS = 4 };

struct cafi_store_writer {
    char *folder;
    cafi_store_layout layout;
    cafi_npy_writer *arrays[ARRAYS];
    cafi_record_writer *rec;
    cafi_buf index;
    unsigned char *body; /* of one record */
    size_t pictures;
};

static caface_status begin_array(cafi_store_writer *w, size_t which, caface_error *err)
{
    static const char *const files[ARRAYS] = {"features.npy", "styles.npy", "clean.npy",
                                              "clean_styles.npy"};
    const cafi_store_layout *l = &w->layout;
    const size_t shapes[ARRAYS][3] = {
        {l->variants, l->C}, {l->variants, l->S, 2}, {l->C}, {l->S, 2}};
    static const int dims[ARRAYS] = {2, 3, 1, 2};
    cafi_buf path = {0};
    caface_status st;

    cafi_buf_printf(&path, "%s/%s", w->folder, files[which]);
    st = path.failed ? cafi_fail_memory(err, strlen(w->folder))
                     : cafi_npy_begin(&w->arrays[which], path.data, CAFI_F16, dims[which],
                                      shapes[which], err);
    cafi_buf_free(&path);
    return st;
}

static caface_status begin_records(cafi_store_writer *w, caface_error *err)
{
    cafi_buf path = {0};
    caface_status st;

    if (w->layout.clean)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a record set has no place for clean features",
                         w->folder);
    cafi_buf_printf(&path, "%s/train", w->folder);
    st = path.failed ? cafi_fail_memory(err, strlen(w->folder))
                     : cafi_record_begin(&w->rec, path.data, err);
    if (!st)
        st = cafi_alloc(&w->body, w->layout.variants * (w->layout.C + 2 * w->layout.S), 2, err);
    cafi_buf_free(&path);
    return st;
}

caface_status cafi_store_begin(cafi_store_writer **out, const char *folder,
                               cafi_store_format format, const cafi_store_layout *layout,
                               caface_error *err)
{
    cafi_store_writer *w = NULL;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&w, 1, err)))
        return st;
    w->layout = *layout;
    st = cafi_strdup(&w->folder, folder, err);
    if (!st && format == CAFI_STORE_REC)
        st = begin_records(w, err);
    cafi_buf_text(&w->index, "source\tlabel\n");
    for (size_t i = 0; !st && !w->rec && i < (layout->clean ? ARRAYS : 2); i++)
        st = begin_array(w, i, err);
    if (st)
        cafi_store_abort(w);
    else
        *out = w;
    return st;
}

/* One picture's rows as a record: [feature, style] for each variant. */
static caface_status append_record(cafi_store_writer *w, const char *name, size_t class_number,
                                   const uint16_t *features, const uint16_t *styles,
                                   caface_error *err)
{
    const cafi_store_layout *l = &w->layout;
    size_t width = l->C + 2 * l->S;

    for (size_t v = 0; v < l->variants; v++) {
        memcpy(w->body + 2 * v * width, features + v * l->C, 2 * l->C);
        memcpy(w->body + 2 * (v * width + l->C), styles + v * 2 * l->S, 4 * l->S);
    }
    return cafi_record_append(w->rec, w->pictures, (float)class_number, name, w->body,
                              2 * l->variants * width, err);
}

caface_status cafi_store_append(cafi_store_writer *w, const char *name, size_t class_number,
                                const char *class_name, const uint16_t *features,
                                const uint16_t *styles, caface_error *err)
{
    const cafi_store_layout *l = &w->layout;
    const uint16_t *rows[ARRAYS] = {features, styles, features + l->variants * l->C,
                                    styles + l->variants * l->S * 2};
    caface_status st = CAFACE_OK;

    if (w->rec) {
        st = append_record(w, name, class_number, features, styles, err);
    } else {
        for (size_t i = 0; !st && i < (l->clean ? ARRAYS : 2); i++)
            st = cafi_npy_append(w->arrays[i], rows[i], 1, err);
        cafi_index_escape(&w->index, name);
        cafi_buf_text(&w->index, "\t");
        cafi_index_escape(&w->index, class_name);
        cafi_buf_text(&w->index, "\n");
    }
    w->pictures++;
    return st;
}

caface_status cafi_store_commit(cafi_store_writer *w, caface_error *err)
{
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    if (w->rec) {
        st = cafi_record_commit(w->rec, err);
        w->rec = NULL;
        cafi_store_abort(w);
        return st;
    }
    for (size_t i = 0; !st && i < ARRAYS && w->arrays[i]; i++) {
        st = cafi_npy_commit(w->arrays[i], err);
        w->arrays[i] = NULL;
    }
    cafi_buf_printf(&path, "%s/index.tsv", w->folder);
    if (!st)
        st = path.failed || w->index.failed
                 ? cafi_fail_memory(err, w->index.size)
                 : cafi_output_save(path.data, w->index.data, w->index.size, err);
    cafi_buf_free(&path);
    cafi_store_abort(w);
    return st;
}

void cafi_store_abort(cafi_store_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < ARRAYS; i++)
        cafi_npy_abort(w->arrays[i]);
    cafi_record_abort(w->rec);
    cafi_buf_free(&w->index);
    free(w->body);
    free(w->folder);
    free(w);
}
