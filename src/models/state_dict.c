#include "models/state_dict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/bytes.h"
#include "models/dict_find.h"

static int by_name(const void *a, const void *b)
{
    const cafi_dict_entry *x = a;
    const cafi_dict_entry *y = b;

    return strcmp(x->name, y->name);
}

static cafi_dict_entry *find(const cafi_dict *dict, const char *name)
{
    cafi_dict_entry key = {.name = name};

    return dict->count ? bsearch(&key, dict->entries, dict->count, sizeof key, by_name) : NULL;
}

bool cafi_dict_has(const cafi_dict *dict, const char *name)
{
    return find(dict, name) != NULL;
}

caface_status cafi_dict_take(cafi_dict *dict, const cafi_tensor **out, caface_error *err,
                             const char *fmt, ...)
{
    char name[256];
    cafi_dict_entry *entry = NULL;
    va_list args;

    va_start(args, fmt);
    cafi_vformat(name, sizeof name, fmt, args);
    va_end(args);
    entry = find(dict, name);
    if (!entry)
        return cafi_fail(err, CAFACE_EMODEL, "%s: tensor %.*s%s is missing", dict->family,
                         dict->prefix, dict->prefix_text, name);
    entry->used = true;
    *out = entry->tensor;
    return CAFACE_OK;
}

static caface_status expect_shape(const cafi_dict *dict, const cafi_tensor *t, int ndim,
                                  const size_t *shape, caface_error *err)
{
    char have[128];
    char want[128];

    if (cafi_tensor_has_shape(t, ndim, shape))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "%s: tensor %s: file has %s, model needs %s", dict->family,
                     t->name, cafi_shape_text(have, sizeof have, t->ndim, t->shape),
                     cafi_shape_text(want, sizeof want, ndim, shape));
}

static size_t channels_of(const cafi_dict *dict, size_t node)
{
    return (size_t)cafi_graph_node(dict->graph, node)->shape.dim[1];
}

caface_status cafi_dict_conv(cafi_dict *dict, const cafi_layer *l, size_t *out, caface_error *err)
{
    cafi_window window = {.stride = {l->stride, l->stride},
                          .pad = {l->pad, l->pad, l->pad, l->pad},
                          .dilation = {1, 1},
                          .groups = l->groups};
    size_t shape[] = {l->out_channels, channels_of(dict, l->x) / (size_t)l->groups,
                      (size_t)l->kernel, (size_t)l->kernel};
    char bias_name[256];
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    size_t w = 0;
    size_t b = CAFI_NO_NODE;
    caface_status st = cafi_dict_take(dict, &weight, err, "%s.weight", l->name);

    if (!st)
        st = expect_shape(dict, weight, 4, shape, err);
    if (!st)
        st = cafi_graph_constant(dict->graph, weight, &w, err);
    snprintf(bias_name, sizeof bias_name, "%s.bias", l->name);
    if (!st && cafi_dict_has(dict, bias_name)) {
        st = cafi_dict_take(dict, &bias, err, "%s", bias_name);
        if (!st)
            st = expect_shape(dict, bias, 1, shape, err);
        if (!st)
            st = cafi_graph_constant(dict->graph, bias, &b, err);
    }
    return st ? st : cafi_graph_conv(dict->graph, l->name, l->x, w, b, &window, out, err);
}

caface_status cafi_dict_batchnorm(cafi_dict *dict, const char *name, size_t x, bool affine,
                                  size_t *out, caface_error *err)
{
    const cafi_tensor *gamma = NULL;
    const cafi_tensor *beta = NULL;
    const cafi_tensor *mean = NULL;
    const cafi_tensor *var = NULL;
    caface_status st = cafi_dict_take(dict, &mean, err, "%s.running_mean", name);

    if (!st)
        st = cafi_dict_take(dict, &var, err, "%s.running_var", name);
    if (!st && affine)
        st = cafi_dict_take(dict, &gamma, err, "%s.weight", name);
    if (!st && affine)
        st = cafi_dict_take(dict, &beta, err, "%s.bias", name);
    return st ? st
              : cafi_graph_batchnorm(dict->graph, name, x, gamma, beta, mean, var, 1e-5, out, err);
}

caface_status cafi_dict_prelu(cafi_dict *dict, const char *name, size_t x, size_t *out,
                              caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_PRELU, .name = name, .inputs = {x}, .input_count = 2};
    size_t shape[] = {channels_of(dict, x)};
    const cafi_tensor *slope = NULL;
    caface_status st = cafi_dict_take(dict, &slope, err, "%s.weight", name);

    if (!st)
        st = expect_shape(dict, slope, 1, shape, err);
    if (!st)
        st = cafi_graph_constant(dict->graph, slope, &node.inputs[1], err);
    return st ? st : cafi_graph_add(dict->graph, &node, out, err);
}

caface_status cafi_dict_linear(cafi_dict *dict, const char *name, size_t x, size_t *out,
                               caface_error *err)
{
    cafi_shape row = cafi_graph_node(dict->graph, x)->shape;
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    size_t shape[2] = {0};
    size_t w = 0;
    size_t b = 0;
    caface_status st = cafi_dict_take(dict, &weight, err, "%s.weight", name);

    row.dim[0] = 1;
    if (!st)
        st = cafi_dict_take(dict, &bias, err, "%s.bias", name);
    if (st)
        return st;
    shape[0] = weight->ndim == 2 ? weight->shape[0] : 0;
    cafi_shape_count(&row, 1, &shape[1]);
    st = expect_shape(dict, weight, 2, shape, err);
    if (!st)
        st = expect_shape(dict, bias, 1, shape, err);
    if (!st)
        st = cafi_graph_constant(dict->graph, weight, &w, err);
    if (!st)
        st = cafi_graph_constant(dict->graph, bias, &b, err);
    return st ? st : cafi_graph_gemm(dict->graph, name, x, w, b, out, err);
}

caface_status cafi_dict_input(cafi_dict *dict, size_t *out, caface_error *err)
{
    cafi_node node = {
        .op = CAFI_OP_INPUT, .name = "input", .shape = {4, {CAFI_BATCH, 3, 112, 112}}};

    return cafi_graph_add(dict->graph, &node, out, err);
}

/* The tensors at a place, without its name, sorted. */
static caface_status collect(cafi_dict *dict, const cafi_tensor *const *tensors, size_t count,
                             const cafi_place *place, caface_error *err)
{
    caface_status st = CAFI_NEW(&dict->entries, count, err);

    dict->prefix = (int)place->size;
    dict->prefix_text = place->name;
    for (size_t i = 0; !st && i < count; i++)
        if (strncmp(tensors[i]->name, place->name, place->size) == 0)
            dict->entries[dict->count++] =
                (cafi_dict_entry){tensors[i]->name + place->size, tensors[i], false};
    if (!st)
        qsort(dict->entries, dict->count, sizeof *dict->entries, by_name);
    return st;
}

/* Bytes of a name in front of its first dot. */
static size_t first_part(const char *name)
{
    return strcspn(name, ".");
}

/* A tensor that no layer took is a fault when it lies among the network's own
 * ("body.49..." of a deeper or another network): the numbers would be wrong
 * without it. What lies beside them ("head.kernel", "ema_decay") is somebody
 * else's. The entries are sorted, so one part's stand together. */
static caface_status check_left_over(const cafi_dict *dict, caface_error *err)
{
    char shape[128];
    size_t end = 0;

    for (size_t start = 0; start < dict->count; start = end) {
        const char *part = dict->entries[start].name;
        const cafi_dict_entry *left = NULL;
        bool used = false;

        for (end = start; end < dict->count; end++) {
            const cafi_dict_entry *e = &dict->entries[end];

            if (first_part(e->name) != first_part(part) ||
                strncmp(e->name, part, first_part(part)) != 0)
                break;
            used |= e->used;
            if (!e->used && !left && !cafi_ends_with(e->name, ".num_batches_tracked"))
                left = e;
        }
        if (used && left)
            return cafi_fail(
                err, CAFACE_EMODEL, "%s: tensor %s %s belongs to no layer of it", dict->family,
                left->tensor->name,
                cafi_shape_text(shape, sizeof shape, left->tensor->ndim, left->tensor->shape));
    }
    return CAFACE_OK;
}

static uint64_t mix(uint64_t h, const unsigned char *bytes, size_t n)
{
    uint64_t word = 0;

    for (; n >= 8; n -= 8, bytes += 8) {
        h = (h ^ cafi_le64(bytes)) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    word = n;
    for (size_t i = 0; i < n; i++)
        word = word << 8 | bytes[i];
    h = (h ^ word) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

/* The values as floats, which is what is computed with, so that a type that holds the same
 * numbers has the same hash. */
static caface_status mix_copy(uint64_t *h, const cafi_tensor *t, caface_error *err)
{
    size_t n = cafi_tensor_count(t);
    float *values = NULL;
    caface_status st = cafi_alloc_f32(&values, 1, n, err);

    if (st)
        return st;
    cafi_tensor_read_f32(t, 0, n, values);
    cafi_put_numbers((unsigned char *)values, values, n, sizeof *values);
    *h = mix(*h, (const unsigned char *)values, n * sizeof *values);
    free(values);
    return CAFACE_OK;
}

/* The tensors' names, shapes and values, in the names' order, so that the same
 * backbone has the same hash in whatever file and on whatever machine. */
static caface_status hash(const cafi_dict *dict, const cafi_bundle *bundle, char *text, size_t size,
                          caface_error *err)
{
    const bool is_little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    unsigned char shape[8 * CAFI_MAX_DIMS];
    uint64_t h = 0xcbf29ce484222325u;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < dict->count; i++) {
        const cafi_dict_entry *e = &dict->entries[i];
        size_t bytes = cafi_tensor_count(e->tensor) * cafi_dtype_size(e->tensor->dtype);

        if (!e->used)
            continue;
        h = mix(h, (const unsigned char *)e->name, strlen(e->name));
        for (int d = 0; d < e->tensor->ndim; d++)
            cafi_put_le64(shape + 8 * (size_t)d, e->tensor->shape[d]);
        h = mix(h, shape, 8 * (size_t)e->tensor->ndim);
        if (!is_little_endian || e->tensor->dtype != CAFI_F32 ||
            !cafi_tensor_is_contiguous(e->tensor)) {
            st = mix_copy(&h, e->tensor, err);
            continue;
        }
        h = mix(h, e->tensor->data, bytes);
        cafi_bundle_forget(bundle, e->tensor->data, bytes);
    }
    snprintf(text, size, "%016llx", (unsigned long long)h);
    return st;
}

static caface_status build_at(cafi_network *out, const cafi_tensor *const *tensors, size_t count,
                              const cafi_place *place, caface_error *err)
{
    cafi_dict dict = {.family = "backbone"};
    caface_status st = cafi_graph_new(&out->graph, err);

    dict.graph = out->graph;
    if (!st)
        st = collect(&dict, tensors, count, place, err);
    if (!st && cafi_is_ir(&dict))
        st = cafi_build_ir(&dict, out, err);
    else if (!st && cafi_is_iresnet(&dict))
        st = cafi_build_iresnet(&dict, out, err);
    else if (!st && cafi_is_mobilefacenet(&dict))
        st = cafi_build_mobilefacenet(&dict, out, err);
    else if (!st)
        st = cafi_dict_nearest(tensors, count, err);
    if (!st)
        st = check_left_over(&dict, err);
    if (!st)
        st = hash(&dict, out->bundle, out->hash, sizeof out->hash, err);
    free(dict.entries);
    if (st) {
        cafi_graph_free(out->graph);
        out->graph = NULL;
    }
    return st;
}

/* A network that fits, and where it lies. */
typedef struct fit {
    const cafi_place *place;
    char family[sizeof((cafi_network *)NULL)->family];
    char hash[sizeof((cafi_network *)NULL)->hash];
} fit;

/* Gives the choice between different networks back to the user. */
static caface_status refuse_several(const fit *fits, size_t count, caface_error *err)
{
    char list[300] = "";
    size_t n = 0, shown = 0;

    for (; shown < count && n < sizeof list - 90; shown++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s\"%.*s\" (%s)", shown ? ", " : "",
                              (int)(fits[shown].place->size < 60 ? fits[shown].place->size : 60),
                              fits[shown].place->name, fits[shown].family);
    return cafi_fail(err, CAFACE_EMODEL,
                     "holds %zu backbones whose weights differ: %s%s; choose one with "
                     "--weights-key, or write it into a file of its own once with caface convert "
                     "--weights-key",
                     count, list, shown < count ? ", ..." : "");
}

static bool is_new(const fit *fits, size_t count, const char *hash)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fits[i].hash, hash) == 0)
            return false;
    return true;
}

/* The places in turn. The first that fits is taken; others that fit must be
 * the same network (a copy under a second name). */
static caface_status build_any(cafi_network *out, const cafi_tensor *const *tensors, size_t count,
                               const cafi_place *places, size_t place_count, caface_error *err)
{
    fit fits[CAFI_MAX_PLACES];
    size_t fitting = 0;
    caface_error why = {0};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < place_count; i++) {
        cafi_network net = {.bundle = out->bundle};
        caface_status this = build_at(&net, tensors, count, &places[i], i ? &why : err);

        if (this == CAFACE_EMODEL)
            continue;
        if ((st = this)) {
            if (i)
                *err = why;
            break;
        }
        if (is_new(fits, fitting, net.hash)) {
            fits[fitting].place = &places[i];
            memcpy(fits[fitting].family, net.family, sizeof net.family);
            memcpy(fits[fitting++].hash, net.hash, sizeof net.hash);
        }
        if (out->graph)
            cafi_graph_free(net.graph);
        else
            *out = net;
    }
    if (!st && fitting > 1)
        st = refuse_several(fits, fitting, err);
    else if (!st && !fitting)
        st = CAFACE_EMODEL; /* err says what the first lacks */
    if (st) {
        cafi_graph_free(out->graph);
        out->graph = NULL;
    }
    return st;
}

static caface_status refuse_key(const cafi_place *places, size_t count, const char *key,
                                caface_error *err)
{
    char list[300] = "";
    size_t n = 0, shown = 0;

    for (; shown < count && n < sizeof list - 70; shown++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s\"%.*s\"", shown ? ", " : "",
                              (int)(places[shown].size < 60 ? places[shown].size : 60),
                              places[shown].name);
    return cafi_fail(err, CAFACE_EMODEL,
                     "--weights-key %.100s: no backbone under that name; what looks like one is "
                     "under %s%s",
                     key, list, shown < count ? ", ..." : "");
}

caface_status cafi_state_dict_network_at(cafi_network *out, const cafi_tensor *const *tensors,
                                         size_t count, const char *key, caface_error *err)
{
    cafi_place places[CAFI_MAX_PLACES];
    size_t found = cafi_dict_places(tensors, count, places);
    size_t chosen = 0;

    if (!found)
        return cafi_dict_nearest(tensors, count, err);
    if (!key)
        return build_any(out, tensors, count, places, found, err);
    for (size_t i = 0; i < found; i++)
        if (cafi_place_is(&places[i], key))
            places[chosen++] = places[i];
    if (!chosen)
        return refuse_key(places, found, key, err);
    return build_any(out, tensors, count, places, chosen, err);
}

caface_status cafi_state_dict_network(cafi_network *out, const cafi_tensor *const *tensors,
                                      size_t count, caface_error *err)
{
    return cafi_state_dict_network_at(out, tensors, count, NULL, err);
}
