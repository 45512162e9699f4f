#include "files/feature_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/json.h"
#include "files/mapped.h"

static char *join(const char *folder, const char *name)
{
    cafi_buf buf = {0};

    cafi_buf_printf(&buf, "%s/%s", folder, name);
    if (buf.failed) {
        cafi_buf_free(&buf);
        return NULL;
    }
    return buf.data;
}

static bool is_real(const cafi_tensor *t)
{
    return t->dtype == CAFI_F64 || t->dtype == CAFI_F32 || t->dtype == CAFI_F16 ||
           t->dtype == CAFI_BF16;
}

static caface_status bad_shape(const char *file, const cafi_tensor *t, const char *want,
                               caface_error *err)
{
    char shape[128];

    return cafi_fail(err, CAFACE_EFORMAT, "%s: %s %s, a feature set needs floats %s", file,
                     cafi_dtype_name(t->dtype),
                     cafi_shape_text(shape, sizeof shape, t->ndim, t->shape), want);
}

/* Takes the features; they decide N and C. */
static caface_status take_features(cafi_feature_set *set, const cafi_tensor *t, const char *file,
                                   caface_error *err)
{
    if (t->ndim != 2 || t->shape[1] == 0 || !is_real(t))
        return bad_shape(file, t, "[N][C]", err);
    set->features = t;
    set->N = t->shape[0];
    set->C = t->shape[1];
    return CAFACE_OK;
}

/* Takes styles, raw (3-d) or compact (2-d). */
static caface_status take_styles(cafi_feature_set *set, const cafi_tensor *t, const char *file,
                                 caface_error *err)
{
    bool raw = t->ndim == 3;

    if (!is_real(t) || (t->ndim != 2 && !raw) || t->shape[1] == 0 || (raw && t->shape[2] != 2))
        return bad_shape(file, t, "[N][S][2], or compact [N][64]", err);
    if (t->shape[0] != set->N)
        return cafi_fail(err, CAFACE_EFORMAT, "%s has %zu rows, the features of %s have %zu", file,
                         t->shape[0], set->path, set->N);
    if (raw) {
        set->styles = t;
        set->S = t->shape[1];
    } else {
        set->compact_rows = t;
        set->compact = t->shape[1];
    }
    return CAFACE_OK;
}

/* Opens one array into a free slot of set->bundles. */
static caface_status open_array(cafi_feature_set *set, const char *file, const cafi_tensor **out,
                                caface_error *err)
{
    size_t slot = 0;
    caface_status st = CAFACE_OK;

    while (set->bundles[slot])
        slot++;
    st = cafi_bundle_open(&set->bundles[slot], file, err);
    if (st)
        return st;
    if (cafi_bundle_get_kind(set->bundles[slot]) != CAFI_BUNDLE_NPY ||
        cafi_bundle_count(set->bundles[slot]) != 1)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no single array in .npy format", file);
    *out = cafi_bundle_at(set->bundles[slot], 0);
    return CAFACE_OK;
}

typedef caface_status (*take_fn)(cafi_feature_set *set, const cafi_tensor *t, const char *file,
                                 caface_error *err);

/* Does a file of the folder exist? A file that can't be looked at counts as
 * there, so that opening it reports why. */
static bool is_there(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static caface_status open_member(cafi_feature_set *set, const char *name, int ndim, take_fn take,
                                 bool needed, caface_error *err)
{
    const cafi_tensor *t = NULL;
    char *file = join(set->path, name);
    caface_status st = CAFACE_OK;

    if (!file)
        return cafi_fail_memory(err, strlen(set->path));
    if (needed || is_there(file)) {
        st = open_array(set, file, &t, err);
        if (!st && t->ndim != ndim)
            st = bad_shape(file, t, needed ? "[N][C]" : ndim == 3 ? "[N][S][2]" : "[N][64]", err);
        if (!st)
            st = take(set, t, file, err);
    }
    free(file);
    return st;
}

static caface_status open_index(cafi_feature_set *set, caface_error *err)
{
    char *file = join(set->path, "index.tsv");
    caface_status st = CAFACE_OK;

    if (!file)
        return cafi_fail_memory(err, strlen(set->path));
    if (is_there(file))
        st = cafi_index_open(&set->index, file, err);
    if (!st && set->index && cafi_index_rows(set->index) != set->N)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s has %zu rows, the features of %s have %zu", file,
                       cafi_index_rows(set->index), set->path, set->N);
    free(file);
    return st;
}

static caface_status open_info(cafi_feature_set *set, caface_error *err)
{
    char *file = join(set->path, "set.json");
    cafi_mapped map;
    caface_status st = CAFACE_OK;

    if (!file)
        return cafi_fail_memory(err, strlen(set->path));
    if (is_there(file)) {
        st = cafi_mapped_open(&map, file, err);
        if (!st) {
            st = cafi_json_parse(&set->info, (const char *)map.data, map.size, err);
            if (!st && set->info.kind != CAFI_DICT)
                st = cafi_fail(err, CAFACE_EFORMAT, "no JSON object");
            if (!st)
                st = cafi_set_info_encoding(&set->encoding, &set->info, err);
            cafi_mapped_close(&map);
        }
        if (st)
            cafi_prefix(err, st, file);
    }
    free(file);
    return st;
}

static caface_status open_folder(cafi_feature_set *set, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = open_member(set, "features.npy", 2, take_features, true, err)) ||
        (st = open_member(set, "styles.npy", 3, take_styles, false, err)) ||
        (st = open_member(set, "compact.npy", 2, take_styles, false, err)) ||
        (st = open_index(set, err)))
        return st;
    return open_info(set, err);
}

static caface_status open_npz(cafi_feature_set *set, caface_error *err)
{
    const cafi_tensor *features = NULL;
    const cafi_tensor *styles = NULL;
    const cafi_tensor *compact = NULL;
    caface_status st = cafi_bundle_open(&set->bundles[0], set->path, err);

    if (st)
        return st;
    if (cafi_bundle_get_kind(set->bundles[0]) == CAFI_BUNDLE_NPZ)
        features = cafi_bundle_find(set->bundles[0], "features");
    if (!features)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: no feature set: neither a folder with features.npy nor an .npz with "
                         "an array features",
                         set->path);
    styles = cafi_bundle_find(set->bundles[0], "styles");
    compact = cafi_bundle_find(set->bundles[0], "compact");
    if (styles && styles->ndim != 3)
        return bad_shape(set->path, styles, "[N][S][2] as styles", err);
    if (compact && compact->ndim != 2)
        return bad_shape(set->path, compact, "[N][64] as compact", err);
    st = take_features(set, features, set->path, err);
    if (!st && styles)
        st = take_styles(set, styles, set->path, err);
    if (!st && compact)
        st = take_styles(set, compact, set->path, err);
    return st;
}

static caface_status new_set(cafi_feature_set **out, const char *path, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    return st ? st : cafi_strdup(&(*out)->path, path, err);
}

caface_status cafi_feature_set_open(cafi_feature_set **out, const char *path, caface_error *err)
{
    cafi_feature_set *set = NULL;
    struct stat info;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (stat(path, &info))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
    st = new_set(&set, path, err);
    if (!st)
        st = S_ISDIR(info.st_mode) ? open_folder(set, err) : open_npz(set, err);
    if (st)
        cafi_feature_set_close(set);
    else
        *out = set;
    return st;
}

caface_status cafi_feature_set_from_files(cafi_feature_set **out, const char *features,
                                          const char *styles, caface_error *err)
{
    cafi_feature_set *set = NULL;
    const cafi_tensor *t = NULL;
    caface_status st = new_set(&set, features, err);

    *out = NULL;
    if (!st && !(st = open_array(set, features, &t, err)))
        st = take_features(set, t, features, err);
    if (!st && styles && !(st = open_array(set, styles, &t, err)))
        st = take_styles(set, t, styles, err);
    if (st)
        cafi_feature_set_close(set);
    else
        *out = set;
    return st;
}

/* A row-major array of floats in memory. */
static cafi_tensor memory_tensor(const char *name, const float *data, int ndim, const size_t *shape)
{
    cafi_tensor t = {
        .name = name, .data = (const unsigned char *)data, .dtype = CAFI_F32, .ndim = ndim};
    ptrdiff_t stride = 1;

    for (int d = ndim; d-- > 0; stride *= (ptrdiff_t)shape[d]) {
        t.shape[d] = shape[d];
        t.stride[d] = stride;
    }
    return t;
}

caface_status cafi_feature_set_wrap(cafi_feature_set **out, size_t n, const float *feat, size_t C,
                                    const float *style, size_t S, const float *compact, size_t E,
                                    caface_error *err)
{
    static const char name[] = "(memory)";
    cafi_feature_set *set = NULL;
    caface_status st = new_set(&set, name, err);

    *out = NULL;
    if (!st) {
        set->own[0] = memory_tensor("features", feat, 2, (const size_t[]){n, C});
        set->own[1] = memory_tensor("styles", style, 3, (const size_t[]){n, S, 2});
        set->own[2] = memory_tensor("compact", compact, 2, (const size_t[]){n, E});
        st = take_features(set, &set->own[0], name, err);
    }
    if (!st && style)
        st = take_styles(set, &set->own[1], name, err);
    if (!st && compact)
        st = take_styles(set, &set->own[2], name, err);
    if (st)
        cafi_feature_set_close(set);
    else
        *out = set;
    return st;
}

void cafi_feature_set_close(cafi_feature_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < sizeof set->bundles / sizeof set->bundles[0]; i++)
        if (set->bundles[i])
            cafi_bundle_close(set->bundles[i]);
    cafi_index_free(set->index);
    cafi_value_clear(&set->info);
    free(set->encoding);
    free(set->path);
    free(set);
}

void cafi_feature_set_rows(const cafi_feature_set *set, size_t first, size_t count, float *features,
                           float *styles)
{
    cafi_tensor_read_f32(set->features, first * set->C, count * set->C, features);
    if (styles)
        cafi_feature_set_styles(set, first, count, styles);
}

void cafi_feature_set_styles(const cafi_feature_set *set, size_t first, size_t count, float *out)
{
    cafi_tensor_read_f32(set->styles, first * set->S * 2, count * set->S * 2, out);
}

void cafi_feature_set_compact(const cafi_feature_set *set, size_t first, size_t count, float *out)
{
    cafi_tensor_read_f32(set->compact_rows, first * set->compact, count * set->compact, out);
}

const char *cafi_feature_set_backbone(const cafi_feature_set *set)
{
    return cafi_value_text(&set->info, "backbone");
}

const char *cafi_feature_set_fusion(const cafi_feature_set *set)
{
    return cafi_value_text(&set->info, "fusion");
}

const char *cafi_feature_set_input(const cafi_feature_set *set)
{
    return cafi_value_text(&set->info, "input");
}

const char *cafi_feature_set_encoding(const cafi_feature_set *set)
{
    return set->encoding;
}

caface_status cafi_set_info_encoding(char **out, const cafi_value *info, caface_error *err)
{
    const char *said = cafi_value_text(info, "encoding");
    const cafi_value *flip = cafi_value_get(info, "flip");
    const cafi_value *list = cafi_value_get(info, "taps");
    const char **taps = NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (said)
        return *said ? cafi_strdup(out, said, err) : CAFACE_OK;
    if (list && list->kind == CAFI_LIST) {
        if ((st = CAFI_NEW(&taps, list->u.list.count, err)))
            return st;
        for (size_t i = 0; i < list->u.list.count; i++)
            if (list->u.list.items[i].kind == CAFI_STRING)
                taps[count++] = list->u.list.items[i].u.text.data;
    }
    st = cafi_encoding_make(out, cafi_value_text(info, "precision"),
                            flip && flip->kind == CAFI_BOOL && flip->u.boolean, taps, count, err);
    free((void *)taps);
    return st;
}

caface_status cafi_feature_set_scores(const cafi_feature_set *set, float **out, caface_error *err)
{
    int column = set->index ? cafi_index_column(set->index, "score") : -1;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (column < 0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: its index.tsv has no column score, which the weights need",
                         set->path);
    if ((st = CAFI_NEW(out, set->N, err)))
        return st;
    if ((st = cafi_index_reals(set->index, (size_t)column, *out, err))) {
        free(*out);
        *out = NULL;
    }
    return st;
}

static caface_status check_hash(const char *what, const char *a, const char *hash_a, const char *b,
                                const char *hash_b, bool *unknown, caface_error *err)
{
    if (!hash_a || !hash_b) {
        *unknown = true;
        return CAFACE_OK;
    }
    if (strcmp(hash_a, hash_b) == 0)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "%s: made with the %s %.100s, %s with %.100s", a, what,
                     hash_a, b, hash_b);
}

cafi_origin cafi_feature_set_origin(const cafi_feature_set *set)
{
    cafi_origin origin = cafi_origin_of(set->path, &set->info);

    origin.encoding = set->encoding;
    return origin;
}

caface_status cafi_feature_set_check_match(const cafi_feature_set *a, const cafi_feature_set *b,
                                           bool *unknown, caface_error *err)
{
    caface_status st = cafi_origin_check(cafi_feature_set_origin(a), cafi_feature_set_origin(b),
                                         a->S && b->S, unknown, err);

    if (!st && a->compact && b->compact)
        st = check_hash("fusion model", a->path, cafi_feature_set_fusion(a), b->path,
                        cafi_feature_set_fusion(b), unknown, err);
    return st;
}

caface_status cafi_feature_set_check_model(const cafi_feature_set *set, const char *model,
                                           const char *backbone, const char *fusion, bool *unknown,
                                           caface_error *err)
{
    caface_status st = CAFACE_OK;

    *unknown = false;
    if (backbone)
        st = check_hash("backbone", set->path, cafi_feature_set_backbone(set), model, backbone,
                        unknown, err);
    if (!st && fusion && set->compact && !set->S)
        st = check_hash("fusion model", set->path, cafi_feature_set_fusion(set), model, fusion,
                        unknown, err);
    return st;
}
