#include "files/pair_bin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "files/checkpoint.h"

struct cafi_pair_bin {
    cafi_bundle *bundle; /* the mapped file, and what had to be decoded */
    cafi_pickle pickle;
    cafi_storage *pictures; /* [2 * pairs] */
    bool *same;
    size_t pairs;
};

/* The LIST or TUPLE that ref is, or that an array of objects holds; NULL. */
static const cafi_pickled *sequence(cafi_pair_bin *bin, cafi_ref ref)
{
    const cafi_pickled *node = cafi_pickle_node(&bin->pickle, ref);
    cafi_tensor view = {0};
    cafi_storage inside = {0};
    cafi_ref objects = CAFI_NOTHING;
    bool found = false;
    caface_error why;

    if (!cafi_numpy_array(bin->bundle, &bin->pickle, ref, &view, &inside, &found, &objects, &why) &&
        objects)
        node = cafi_pickle_node(&bin->pickle, objects);
    return node->kind == CAFI_NODE_LIST || node->kind == CAFI_NODE_TUPLE ? node : NULL;
}

static caface_status set_label(cafi_pair_bin *bin, size_t i, double value, caface_error *err)
{
    if (value != 0 && value != 1 && value != -1)
        return cafi_fail(err, CAFACE_EFORMAT, "label %zu is %g, neither 1 nor 0 (or -1)", i, value);
    bin->same[i] = value == 1;
    return CAFACE_OK;
}

/* An array of numbers: *found. Its values become the labels from `first` on. */
static caface_status take_array(cafi_pair_bin *bin, cafi_ref ref, size_t first, bool one,
                                bool *found, caface_error *err)
{
    cafi_tensor view = {0};
    cafi_storage inside = {0};
    cafi_ref objects = CAFI_NOTHING;
    size_t n = 0;
    caface_status st =
        cafi_numpy_array(bin->bundle, &bin->pickle, ref, &view, &inside, found, &objects, err);

    if (st || !*found)
        return st;
    n = cafi_tensor_count(&view);
    if (one && n != 1)
        return cafi_fail(err, CAFACE_EFORMAT, "label %zu is an array of %zu numbers", first, n);
    if (!one) {
        bin->pairs = n;
        if ((st = CAFI_NEW(&bin->same, n, err)))
            return st;
    }
    for (size_t i = 0; !st && i < n; i++) {
        double value = 0;

        cafi_tensor_read_f64(&view, i, 1, &value);
        st = set_label(bin, first + i, value, err);
    }
    return st;
}

/* Labels are booleans, whole numbers, floats or numpy's of these, one by one or
 * in one array. */
static caface_status take_labels(cafi_pair_bin *bin, cafi_ref ref, caface_error *err)
{
    const cafi_pickled *labels = NULL;
    bool found = false;
    caface_status st = take_array(bin, ref, 0, false, &found, err);

    if (st || found)
        return st;
    if (!(labels = sequence(bin, ref)))
        return cafi_fail(err, CAFACE_EFORMAT, "no pair of a list of pictures and a list of labels");
    bin->pairs = labels->u.seq.count;
    st = CAFI_NEW(&bin->same, bin->pairs, err);
    for (size_t i = 0; !st && i < bin->pairs; i++) {
        const cafi_pickled *label = cafi_pickle_node(&bin->pickle, labels->u.seq.items[i]);

        if (label->kind == CAFI_NODE_BOOL || label->kind == CAFI_NODE_INT)
            st = set_label(bin, i, (double)label->u.integer, err);
        else if (label->kind == CAFI_NODE_REAL)
            st = set_label(bin, i, label->u.real, err);
        else if (!(st = take_array(bin, labels->u.seq.items[i], i, true, &found, err)) && !found)
            st = cafi_fail(err, CAFACE_EFORMAT, "label %zu is no boolean and no number", i);
    }
    return st;
}

/* (pictures, labels), each checked. */
static caface_status take(cafi_pair_bin *bin, caface_error *err)
{
    const cafi_pickled *both = sequence(bin, bin->pickle.root);
    const cafi_pickled *pictures = NULL;
    caface_status st = CAFACE_OK;

    if (!both || both->u.seq.count != 2 || !(pictures = sequence(bin, both->u.seq.items[0])))
        return cafi_fail(err, CAFACE_EFORMAT, "no pair of a list of pictures and a list of labels");
    if ((st = take_labels(bin, both->u.seq.items[1], err)))
        return st;
    if (pictures->u.seq.count % 2 || pictures->u.seq.count / 2 != bin->pairs)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%u pictures and %zu labels, twice as many as labels "
                         "are needed",
                         pictures->u.seq.count, bin->pairs);
    st = cafi_alloc(&bin->pictures, bin->pairs, 2 * sizeof *bin->pictures, err);
    for (size_t i = 0; !st && i < 2 * bin->pairs; i++) {
        bool found = false;
        char place[64];

        snprintf(place, sizeof place, "picture %zu", i);
        st = cafi_pickle_bytes(bin->bundle, &bin->pickle, pictures->u.seq.items[i],
                               &bin->pictures[i], &found, err);
        if (st)
            cafi_prefix(err, st, place);
        else if (!found)
            st = cafi_fail(err, CAFACE_EFORMAT, "picture %zu is no bytes", i);
    }
    return st;
}

caface_status cafi_pair_bin_open(cafi_pair_bin **out, const char *path, caface_error *err)
{
    cafi_pair_bin *bin = NULL;
    caface_status st = CAFI_NEW(&bin, 1, err);

    *out = NULL;
    if (st)
        return st;
    if (!(st = CAFI_NEW(&bin->bundle, 1, err))) {
        bin->bundle->file.fd = -1;
        st = cafi_mapped_open(&bin->bundle->file, path, err);
    }
    if (!st)
        st = cafi_pickle_read(&bin->pickle, bin->bundle->file.data, bin->bundle->file.size, err);
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
    cafi_bundle_close(bin->bundle);
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
