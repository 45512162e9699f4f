#include "files/pair_bin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "files/mapped.h"
#include "files/pickle.h"

typedef struct picture {
    const void *data;
    size_t size;
    void *owned; /* data, when it is not in the file as it is */
} picture;

struct cafi_pair_bin {
    cafi_mapped map;
    bool mapped;
    cafi_pickle pickle;
    picture *pictures; /* [2 * pairs] */
    bool *same;
    size_t pairs;
};

static const cafi_node *sequence(const cafi_pickle *pickle, cafi_ref ref)
{
    const cafi_node *node = cafi_pickle_node(pickle, ref);

    return node->kind == CAFI_NODE_LIST || node->kind == CAFI_NODE_TUPLE ? node : NULL;
}

/* Protocol 2 of Python 3 has no bytes: it writes _codecs.encode(text, "latin1"),
 * where every byte has become a character of its number. */
static caface_status from_latin1(picture *out, const char *text, size_t size, caface_error *err)
{
    unsigned char *to = NULL;
    size_t n = 0;
    caface_status st = cafi_alloc(&out->owned, size, 1, err);

    if (st)
        return st;
    to = out->owned;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x80)
            to[n++] = c;
        else if ((c == 0xc2 || c == 0xc3) && i + 1 < size &&
                 ((unsigned char)text[i + 1] & 0xc0) == 0x80)
            to[n++] = (unsigned char)((c & 3) << 6 | ((unsigned char)text[++i] & 0x3f));
        else
            return cafi_fail(err, CAFACE_EFORMAT, "a character that is no byte");
    }
    out->data = to;
    out->size = n;
    return CAFACE_OK;
}

static caface_status take_picture(cafi_pair_bin *bin, size_t i, cafi_ref ref, caface_error *err)
{
    const cafi_pickle *pickle = &bin->pickle;
    const cafi_node *node = cafi_pickle_node(pickle, ref);
    char place[64];

    if (node->kind == CAFI_NODE_BYTES) {
        bin->pictures[i] = (picture){node->u.bytes.data, node->u.bytes.size, NULL};
        return CAFACE_OK;
    }
    /* how protocols 0 to 2 write no bytes at all */
    if ((cafi_pickle_is_call(pickle, ref, "__builtin__", "bytes") ||
         cafi_pickle_is_call(pickle, ref, "builtins", "bytes")) &&
        cafi_pickle_arg(pickle, ref, 0) == CAFI_NOTHING) {
        bin->pictures[i] = (picture){"", 0, NULL};
        return CAFACE_OK;
    }
    if (cafi_pickle_is_call(pickle, ref, "_codecs", "encode")) {
        const cafi_node *text = cafi_pickle_node(pickle, cafi_pickle_arg(pickle, ref, 0));

        if (text->kind == CAFI_NODE_TEXT &&
            (cafi_pickle_is_text(pickle, cafi_pickle_arg(pickle, ref, 1), "latin1") ||
             cafi_pickle_is_text(pickle, cafi_pickle_arg(pickle, ref, 1), "latin-1"))) {
            caface_status st =
                from_latin1(&bin->pictures[i], text->u.bytes.data, text->u.bytes.size, err);

            snprintf(place, sizeof place, "picture %zu", i);
            return st ? cafi_prefix(err, st, place) : CAFACE_OK;
        }
    }
    return cafi_fail(err, CAFACE_EFORMAT, "picture %zu is no bytes", i);
}

/* (pictures, labels), each checked. */
static caface_status take(cafi_pair_bin *bin, caface_error *err)
{
    const cafi_pickle *pickle = &bin->pickle;
    const cafi_node *both = sequence(pickle, pickle->root);
    const cafi_node *pictures = NULL;
    const cafi_node *labels = NULL;
    caface_status st = CAFACE_OK;

    if (!both || both->u.seq.count != 2 || !(pictures = sequence(pickle, both->u.seq.items[0])) ||
        !(labels = sequence(pickle, both->u.seq.items[1])))
        return cafi_fail(err, CAFACE_EFORMAT, "no pair of a list of pictures and a list of labels");
    bin->pairs = labels->u.seq.count;
    if (pictures->u.seq.count != 2 * bin->pairs)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%u pictures and %zu labels, twice as many as labels "
                         "are needed",
                         pictures->u.seq.count, bin->pairs);
    if ((st = CAFI_NEW(&bin->same, bin->pairs, err)))
        return st;
    for (size_t i = 0; i < bin->pairs; i++) {
        const cafi_node *label = cafi_pickle_node(pickle, labels->u.seq.items[i]);

        if ((label->kind != CAFI_NODE_BOOL && label->kind != CAFI_NODE_INT) ||
            (label->u.integer != 0 && label->u.integer != 1))
            return cafi_fail(err, CAFACE_EFORMAT, "label %zu is no boolean", i);
        bin->same[i] = label->u.integer != 0;
    }
    st = cafi_alloc(&bin->pictures, bin->pairs, 2 * sizeof *bin->pictures, err);
    for (size_t i = 0; !st && i < 2 * bin->pairs; i++)
        st = take_picture(bin, i, pictures->u.seq.items[i], err);
    return st;
}

caface_status cafi_pair_bin_open(cafi_pair_bin **out, const char *path, caface_error *err)
{
    cafi_pair_bin *bin = NULL;
    caface_status st = CAFI_NEW(&bin, 1, err);

    *out = NULL;
    if (st)
        return st;
    st = cafi_mapped_open(&bin->map, path, err);
    bin->mapped = !st;
    if (!st)
        st = cafi_pickle_read(&bin->pickle, bin->map.data, bin->map.size, err);
    if (!st)
        st = take(bin, err);
    if (st) {
        cafi_prefix(err, st, path);
        cafi_pair_bin_close(bin);
    } else
        *out = bin;
    return st;
}

void cafi_pair_bin_close(cafi_pair_bin *bin)
{
    if (!bin)
        return;
    cafi_pickle_free(&bin->pickle);
    if (bin->mapped)
        cafi_mapped_close(&bin->map);
    for (size_t i = 0; bin->pictures && i < 2 * bin->pairs; i++)
        free(bin->pictures[i].owned);
    free(bin->pictures);
    free(bin->same);
    free(bin);
}

size_t cafi_pair_bin_pairs(const cafi_pair_bin *bin)
{
    return bin->pairs;
}

const bool *cafi_pair_bin_same(const cafi_pair_bin *bin)
{
    return bin->same;
}

const void *cafi_pair_bin_picture(const cafi_pair_bin *bin, size_t i, size_t *size)
{
    *size = bin->pictures[i].size;
    return bin->pictures[i].data;
}
