#include "models/dict_find.h"

#include <string.h>

/* A name that every network of a family has, and parts of names by which one
 * that has it not is told apart from other networks. */
typedef struct landmark {
    const char *family;
    const char *names[2]; /* either of them; the second may be NULL */
    const char *parts[4];
    const char *also; /* what it has beside the first of names; or NULL */
} landmark;

static const landmark landmarks[] = {
    {"ir (AdaFace, face.evoLVe)",
     {"input_layer.0.weight", "body.0.res_layer.1.weight"},
     {"res_layer.", "shortcut_layer.", "input_layer.", "output_layer."},
     NULL},
    {"iresnet (ArcFace, InsightFace)",
     {"layer1.0.conv1.weight", NULL},
     {"layer1.", "layer2.", "layer3.", "downsample."},
     "prelu.weight"},
    {"mobilefacenet",
     {"gdconv.depthwise.weight", "features.0.conv.0.0.weight"},
     {"gdconv.", "dw_conv.", ".conv.0.0.", ".conv.1.0."},
     "features.0.conv.0.0.weight"},
};
#define FAMILIES (sizeof landmarks / sizeof *landmarks)

/* True when name is `end`, or ends with it after a dot; *before is what stands
 * in front. */
static bool ends_with_path(const char *name, const char *end, size_t *before)
{
    size_t n = strlen(name);
    size_t k = strlen(end);

    if (n < k || strcmp(name + n - k, end) != 0 || (n > k && name[n - k - 1] != '.'))
        return false;
    *before = n - k;
    return true;
}

static void add_place(const char *name, size_t size, cafi_place *places, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (places[i].size == size && memcmp(places[i].name, name, size) == 0)
            return;
    if (*count < CAFI_MAX_PLACES)
        places[(*count)++] = (cafi_place){name, size};
}

size_t cafi_dict_places(const cafi_tensor *const *tensors, size_t count, cafi_place *out)
{
    size_t places = 0;
    size_t before = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < FAMILIES; f++)
            for (size_t k = 0; k < 2 && landmarks[f].names[k]; k++)
                if (ends_with_path(tensors[i]->name, landmarks[f].names[k], &before))
                    add_place(tensors[i]->name, before, out, &places);
    return places;
}

bool cafi_place_is(const cafi_place *place, const char *key)
{
    size_t n = strlen(key);

    if (n == 0 || place->size < n)
        return n == 0 && place->size == 0;
    return memcmp(place->name, key, n) == 0 &&
           (place->size == n || key[n - 1] == '.' || place->name[n] == '.');
}

/* The name whose absence keeps the tensors from being of the family. */
static const char *missing(const landmark *l, const cafi_tensor *const *tensors, size_t count)
{
    size_t before = 0;

    for (size_t i = 0; l->also && i < count; i++)
        if (ends_with_path(tensors[i]->name, l->names[0], &before))
            return l->also;
    return l->names[0];
}

caface_status cafi_dict_nearest(const cafi_tensor *const *tensors, size_t count, caface_error *err)
{
    size_t best = 0;
    size_t most = 0;

    for (size_t f = 0; f < FAMILIES; f++) {
        size_t like = 0;

        for (size_t i = 0; i < count; i++) {
            bool found = false;

            for (size_t k = 0; k < 4 && !found; k++)
                found = strstr(tensors[i]->name, landmarks[f].parts[k]) != NULL;
            like += found;
        }
        if (like > most) {
            most = like;
            best = f;
        }
    }
    if (!most)
        return cafi_fail(err, CAFACE_EMODEL,
                         "no backbone among its %zu tensors: known are ir_18/34/50/101/152, "
                         "ir_se_18 to 152, iresnet18/34/50/100/200 and mobilefacenet",
                         count);
    return cafi_fail(err, CAFACE_EMODEL,
                     "no backbone among its %zu tensors: the nearest is %s, whose names %zu of "
                     "them are like, but there is no tensor %s",
                     count, landmarks[best].family, most,
                     missing(&landmarks[best], tensors, count));
}
