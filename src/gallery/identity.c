/* What a gallery is for, and opening it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "base/text.h"
#include "gallery/gallery.h"

/* ---- options -------------------------------------------------------------------- */

void caface_gallery_options_init_sized(caface_gallery_options *options, size_t size)
{
    caface_gallery_options own = {.size = size};

    cafi_sized_out(options, size, &own, sizeof own);
}

void caface_gallery_faces_init_sized(caface_gallery_faces *faces, size_t size)
{
    caface_gallery_faces own = {.size = size};

    cafi_sized_out(faces, size, &own, sizeof own);
}

caface_status cafi_gallery_result(const caface_gallery *g, caface_status st, caface_error *err)
{
    return st ? cafi_prefix(err, st, g->path) : CAFACE_OK;
}

static void clear_identity(cafi_gallery_identity *identity)
{
    free(identity->model);
    free(identity->backbone);
    free(identity->input);
    free(identity->encoding);
    *identity = (cafi_gallery_identity){0};
}

/* The set options that templates are made with: as caface_set_new understands what was
 * asked for. A width that nobody knows yet is 0. */
static caface_status choose_set(caface_set_options *out, const caface_model *model,
                                const caface_set_options *asked, caface_error *err)
{
    caface_set_options own;
    caface_set *set = NULL;
    bool unknown = false;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&own);
    if (!asked && model) {
        caface_model_info info;

        caface_model_get_info(model, &info);
        own.method = info.method;
    } else if (!asked) {
        own.method = CAFACE_METHOD_AVERAGE;
    } else {
        own.method = asked->method;
        own.chunk = asked->chunk;
        own.norm_power = asked->norm_power;
        own.width = asked->width;
    }
    if (own.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "a gallery has no templates by media");
    unknown = !model && !own.width;
    if (unknown)
        own.width = 1; /* to have the other options checked */
    if ((st = caface_set_new(&set, model, &own, err)))
        return st;
    caface_set_get_options(set, out);
    out->width = unknown ? 0 : caface_set_width(set);
    out->backbone = out->input = out->encoding =
        NULL; /* the identity's own, which may be told later */
    caface_set_free(set);
    return CAFACE_OK;
}

static bool is_network(caface_method method)
{
    return method == CAFACE_METHOD_CAFACE || method == CAFACE_METHOD_RESTORE;
}

static caface_status choose_identity(cafi_gallery_identity *out, const caface_model *model,
                                     const caface_gallery_options *options, caface_error *err)
{
    caface_gallery_options own = {.size = sizeof own};
    caface_model_info info = {0};
    caface_status st = CAFACE_OK;

    *out = (cafi_gallery_identity){0};
    if (options && (st = cafi_sized_in(&own, sizeof own, options, options->size,
                                       offsetof(caface_gallery_options, backbone), "gallery", err)))
        return st;
    if ((st = choose_set(&out->set, model, own.set, err)))
        return st;
    if (model && is_network(out->set.method))
        caface_model_get_info(model, &info);
    (void)((st = cafi_strdup(&out->model, info.hash, err)) ||
           (st = cafi_strdup(&out->backbone, own.backbone ? own.backbone : "", err)) ||
           (st = cafi_strdup(&out->input, own.input ? own.input : "", err)) ||
           (st = cafi_strdup(&out->encoding, own.encoding ? own.encoding : "", err)));
    out->keep_crops = own.keep_crops != 0;
    if (st)
        clear_identity(out);
    return st;
}

/* ---- kept as text -------------------------------------------------------------------- */

static caface_status set_text(caface_gallery *g, const char *key, const char *text,
                              caface_error *err)
{
    return g->storage->ops->meta_set(g->storage, key, (cafi_span){text, strlen(text)}, err);
}

__attribute__((format(printf, 3, 5))) static caface_status
set_number(caface_gallery *g, const char *key, const char *format, caface_error *err, ...)
{
    char text[64];
    va_list args;

    va_start(args, err);
    cafi_vformat(text, sizeof text, format, args);
    va_end(args);
    return set_text(g, key, text, err);
}

caface_status cafi_gallery_store_identity(caface_gallery *g, caface_error *err)
{
    const cafi_gallery_identity *i = &g->identity;
    caface_status st = CAFACE_OK;

    (void)((st = set_text(g, "method", caface_method_name(i->set.method), err)) ||
           (st = set_number(g, "chunk", "%zu", err, i->set.chunk)) ||
           (st = set_number(g, "norm_power", "%.17g", err, i->set.norm_power)) ||
           (st = set_number(g, "width", "%zu", err, i->set.width)) ||
           (st = set_text(g, "model", i->model, err)) ||
           (st = set_text(g, "backbone", i->backbone, err)) ||
           (st = set_text(g, "input", i->input, err)) ||
           (st = set_text(g, "encoding", i->encoding, err)) ||
           (st = set_number(g, "keep_crops", "%d", err, i->keep_crops)));
    return st;
}

/* A text without NULs, of reasonable length. Where one is not there, that is missing, or missing is
 * NULL and the gallery damaged. */
static caface_status get_text_or(caface_gallery *g, const char *key, const char *missing,
                                 char **out, caface_error *err)
{
    cafi_buf value = {0};
    bool found = false;
    caface_status st = g->storage->ops->meta_get(g->storage, key, &value, &found, err);

    if (!st && !found && missing)
        cafi_buf_text(&value, missing);
    else if (!st &&
             (!found || value.size > 4096 || (value.size && memchr(value.data, 0, value.size))))
        st = cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: its %s is %s", key,
                       found ? "no text" : "missing");
    if (!st)
        st = cafi_strdup(out, value.size ? value.data : "", err);
    cafi_buf_free(&value);
    return st;
}

static caface_status get_text(caface_gallery *g, const char *key, char **out, caface_error *err)
{
    return get_text_or(g, key, NULL, out, err);
}

static caface_status get_size(caface_gallery *g, const char *key, size_t most, size_t *out,
                              caface_error *err)
{
    char *text = NULL, *end = NULL;
    unsigned long long value = 0;
    caface_status st = get_text(g, key, &text, err);

    if (st)
        return st;
    value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > most)
        st = cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: its %s is %s, at most %zu",
                       key, text, most);
    *out = (size_t)value;
    free(text);
    return st;
}

static caface_status get_real(caface_gallery *g, const char *key, double *out, caface_error *err)
{
    char *text = NULL, *end = NULL;
    caface_status st = get_text(g, key, &text, err);

    if (st)
        return st;
    *out = cafi_strtod(text, &end);
    if (!*text || *end || !isfinite(*out))
        st = cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: its %s is no number", key);
    free(text);
    return st;
}

static caface_status read_identity(caface_gallery *g, cafi_gallery_identity *i, caface_error *err)
{
    char *method = NULL;
    size_t keep = 0;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&i->set);
    (void)((st = get_text(g, "method", &method, err)) ||
           (st = get_size(g, "chunk", CAFACE_MAX_CHUNK, &i->set.chunk, err)) ||
           (st = get_real(g, "norm_power", &i->set.norm_power, err)) ||
           (st = get_size(g, "width", 65536, &i->set.width, err)) ||
           (st = get_text(g, "model", &i->model, err)) ||
           (st = get_text(g, "backbone", &i->backbone, err)) ||
           (st = get_text(g, "input", &i->input, err)) ||
           (st = get_text_or(g, "encoding", "", &i->encoding, err)) || /* of an older version */
           (st = get_size(g, "keep_crops", 1, &keep, err)));
    i->keep_crops = keep != 0;
    if (!st &&
        (caface_method_parse(&i->set.method, method, NULL) || i->set.method == CAFACE_METHOD_MEDIA))
        st = cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: its method is %s", method);
    free(method);
    return st;
}

static void keep_text(char **old, char **fresh)
{
    char *other = *fresh;

    if (!*old || strcmp(*old, *fresh) != 0)
        return;
    *fresh = *old;
    *old = other;
}

caface_status cafi_gallery_load_identity(caface_gallery *g, caface_error *err)
{
    cafi_gallery_identity fresh = {0};
    caface_status st = read_identity(g, &fresh, err);

    if (st) {
        clear_identity(&fresh);
        return st;
    }
    /* a text that is as it was stays where it is: caface_gallery_info points at it */
    keep_text(&g->identity.model, &fresh.model);
    keep_text(&g->identity.backbone, &fresh.backbone);
    keep_text(&g->identity.input, &fresh.input);
    keep_text(&g->identity.encoding, &fresh.encoding);
    clear_identity(&g->identity);
    g->identity = fresh;
    return CAFACE_OK;
}

/* ---- opening -------------------------------------------------------------------------- */

static caface_status new_gallery(caface_gallery **out, const char *path, const caface_model *model,
                                 bool writable, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (st)
        return st;
    (*out)->model = model;
    (*out)->writable = writable;
    return cafi_storage_name(&(*out)->path, path, err);
}

void caface_gallery_close(caface_gallery *g)
{
    if (!g)
        return;
    if (g->storage) {
        if (g->begun)
            g->storage->ops->rollback(g->storage);
        g->storage->ops->close(g->storage);
    }
    for (size_t i = 0; i < g->templates.count; i++)
        free(g->templates.names[i]);
    caface_index_free(g->templates.index);
    free(g->templates.vectors);
    free(g->templates.ids);
    free((void *)g->templates.names);
    clear_identity(&g->identity);
    free(g->path);
    free(g);
}

caface_status caface_gallery_create(caface_gallery **out, const char *path,
                                    const caface_model *model,
                                    const caface_gallery_options *options, caface_error *err)
{
    caface_gallery *g = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_create: an argument is null");
    *out = NULL;
    (void)((st = new_gallery(&g, path, model, true, err)) ||
           (st = choose_identity(&g->identity, model, options, err)) ||
           (st = cafi_storage_open(&g->storage, path, true, true, err)));
    if (!st) { /* its creation is a transaction that is still open */
        st = cafi_gallery_store_identity(g, err);
        st = st ? st : g->storage->ops->commit(g->storage, err);
        if (st)
            cafi_storage_undo(&g->storage, path);
    }
    if (st) {
        st = g && g->path ? cafi_prefix(err, st, g->path) : st;
        caface_gallery_close(g);
        return st;
    }
    *out = g;
    return CAFACE_OK;
}

/* The model must be the one of the states; a gallery by a simple method takes any. */
static caface_status check_model(const caface_gallery *g, caface_error *err)
{
    caface_model_info info;

    if (!g->model || !is_network(g->identity.set.method))
        return CAFACE_OK;
    caface_model_get_info(g->model, &info);
    if (strcmp(info.hash, g->identity.model) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "its templates are by the model %s, not by %s",
                         g->identity.model, info.hash);
    if (g->identity.set.width && info.C && info.C != g->identity.set.width)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "the gallery is damaged: its width is %zu, its model's %zu",
                         g->identity.set.width, info.C);
    return CAFACE_OK;
}

caface_status caface_gallery_open(caface_gallery **out, const char *path, const caface_model *model,
                                  int writable, caface_error *err)
{
    caface_gallery *g = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_open: an argument is null");
    *out = NULL;
    (void)((st = new_gallery(&g, path, model, writable != 0, err)) ||
           (st = cafi_storage_open(&g->storage, path, false, writable != 0, err)) ||
           (st = cafi_gallery_load_identity(g, err)) || (st = check_model(g, err)));
    if (st) {
        st = g && g->path ? cafi_prefix(err, st, g->path) : st;
        caface_gallery_close(g);
        return st;
    }
    *out = g;
    return CAFACE_OK;
}

caface_status caface_gallery_get_info_sized(caface_gallery *g, caface_gallery_info *info,
                                            size_t size, caface_error *err)
{
    cafi_storage_counts counts = {0};
    caface_gallery_info own = {0};
    caface_status st = CAFACE_OK;

    if (!g || !info)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_get_info: an argument is null");
    (void)((st = cafi_gallery_load_identity(g, err)) ||
           (st = g->storage->ops->counts(g->storage, &counts, err)));
    if (!st && (counts.people < 0 || counts.faces < 0))
        st = cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: it counts %lld faces",
                       (long long)counts.faces);
    if (st)
        return cafi_gallery_result(g, st, err);
    own = (caface_gallery_info){.people = (size_t)counts.people,
                                .faces = (size_t)counts.faces,
                                .pictures = (size_t)counts.pictures,
                                .crops = (size_t)counts.crops,
                                .C = g->identity.set.width,
                                .method = g->identity.set.method,
                                .chunk = g->identity.set.chunk,
                                .norm_power = g->identity.set.norm_power,
                                .keep_crops = g->identity.keep_crops,
                                .model = g->identity.model,
                                .backbone = g->identity.backbone,
                                .input = g->identity.input,
                                .encoding = g->identity.encoding};
    cafi_sized_out(info, size, &own, sizeof own);
    return CAFACE_OK;
}

caface_status caface_gallery_reset(caface_gallery *g, const caface_model *model,
                                   const caface_gallery_options *options, caface_error *err)
{
    cafi_gallery_identity fresh = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_reset: an argument is null");
    if ((st = choose_identity(&fresh, model, options, err)))
        return cafi_gallery_result(g, st, err);
    if ((st = cafi_gallery_change(g, &own, err))) {
        clear_identity(&fresh);
        return cafi_gallery_result(g, st, err);
    }
    clear_identity(&g->identity);
    g->identity = fresh;
    if (!g->replaced)
        g->before = g->model;
    g->replaced = true;
    g->model = model;
    (void)((st = g->storage->ops->clear(g->storage, err)) ||
           (st = g->storage->ops->meta_remove(g->storage, "calibration/", err)) ||
           (st = cafi_gallery_store_identity(g, err)));
    return cafi_gallery_changed(g, own, st, err);
}

/* ---- transactions ---------------------------------------------------------------------- */

static caface_status begin(caface_gallery *g, caface_error *err)
{
    caface_status st = g->storage->ops->begin(g->storage, g->writable, err);

    if (st)
        return st;
    if ((st = cafi_gallery_load_identity(g, err)) || (st = check_model(g, err)))
        g->storage->ops->rollback(g->storage);
    return st;
}

caface_status cafi_gallery_change(caface_gallery *g, bool *own, caface_error *err)
{
    *own = !g->begun;
    if (!g->writable)
        return cafi_fail(err, CAFACE_EIO, "opened to read");
    return g->begun ? CAFACE_OK : begin(g, err);
}

/* Forgets what is undone. */
static void undo(caface_gallery *g)
{
    g->storage->ops->rollback(g->storage);
    g->begun = false;
    g->templates.valid = false; /* what was undone is not counted as a change */
    if (g->replaced)
        g->model = g->before;
    g->replaced = false;
    (void)cafi_gallery_load_identity(g, NULL);
}

static caface_status commit(caface_gallery *g, caface_error *err)
{
    caface_status st = g->storage->ops->commit(g->storage, err);

    if (st)
        undo(g);
    g->begun = g->replaced = false;
    return st;
}

caface_status cafi_gallery_changed(caface_gallery *g, bool own, caface_status st, caface_error *err)
{
    if (st)
        undo(g);
    else if (own)
        st = commit(g, err);
    return cafi_gallery_result(g, st, err);
}

caface_status caface_gallery_begin(caface_gallery *g, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_begin: an argument is null");
    st =
        g->begun ? cafi_fail(err, CAFACE_EINVAL, "a transaction has begun already") : begin(g, err);
    if (!st)
        g->begun = true;
    return cafi_gallery_result(g, st, err);
}

caface_status caface_gallery_commit(caface_gallery *g, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_commit: an argument is null");
    st = g->begun ? commit(g, err) : cafi_fail(err, CAFACE_EINVAL, "no transaction has begun");
    return cafi_gallery_result(g, st, err);
}

void caface_gallery_rollback(caface_gallery *g)
{
    if (g && g->begun)
        undo(g);
}
