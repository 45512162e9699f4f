/* The tensors of all inputs, each once. */
#include "convert/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/fusion_names.h"
#include "models/dict_find.h"

/* Compared in pieces, so that no tensor is copied whole. */
static bool same_bits(const cafi_tensor *a, const cafi_tensor *b)
{
    enum { PIECE = 8192 };
    unsigned char x[PIECE];
    unsigned char y[PIECE];
    size_t size = cafi_dtype_size(a->dtype);
    size_t n = cafi_tensor_count(a);

    if (a->dtype != b->dtype || !cafi_tensor_has_shape(a, b->ndim, b->shape))
        return false;
    for (size_t first = 0; first < n; first += PIECE / size) {
        size_t part = n - first < PIECE / size ? n - first : PIECE / size;

        cafi_tensor_read_raw(a, first, part, x);
        cafi_tensor_read_raw(b, first, part, y);
        if (memcmp(x, y, part * size) != 0)
            return false;
    }
    return true;
}

static caface_status fail_conflict(const cafi_merge *m, size_t first, size_t input,
                                   const cafi_tensor *t, caface_error *err)
{
    char a[128];
    char b[128];
    const cafi_tensor *old = m->tensors[first];

    return cafi_fail(
        err, CAFACE_EMODEL, "%s and %s both have %.150s, but not the same: %s %s, %s %s",
        m->paths[m->owner[first]], m->paths[input], t->name, cafi_dtype_name(old->dtype),
        cafi_shape_text(a, sizeof a, old->ndim, old->shape), cafi_dtype_name(t->dtype),
        cafi_shape_text(b, sizeof b, t->ndim, t->shape));
}

static caface_status add_tensor(cafi_merge *m, size_t input, const cafi_tensor *t,
                                caface_error *err)
{
    size_t existing = 0;
    caface_status st =
        cafi_names_add(&m->names, t->name, strlen(t->name), m->count, &existing, err);

    if (st)
        return st;
    if (existing != CAFI_NO_NAME)
        return same_bits(m->tensors[existing], t) ? CAFACE_OK
                                                  : fail_conflict(m, existing, input, t, err);
    m->tensors[m->count] = t;
    m->owner[m->count++] = input;
    return CAFACE_OK;
}

/* A restoring fusion lies under "restore."; that of a file of its own may have no prefix,
 * and in an ensemble it gets a number. */
static caface_status add_restoring(cafi_merge *m, size_t input, const cafi_tensor *t, bool is_bare,
                                   caface_error *err)
{
    const size_t prefix = strlen(CAFI_RESTORE_PREFIX);
    bool is_part = is_bare || strncmp(t->name, CAFI_RESTORE_PREFIX, prefix) == 0;
    const char *name = t->name + (is_bare ? 0 : prefix);
    size_t i = m->renamed_count, room = prefix + 24 + strlen(t->name);
    caface_status st = CAFACE_OK;

    if (!is_part || (!is_bare && !(m->power > 0.0f)))
        return add_tensor(m, input, t, err);
    if ((st = CAFI_NEW(&m->new_names[i], room, err)))
        return st;
    if (m->power > 0.0f)
        snprintf(m->new_names[i], room, CAFI_RESTORE_PREFIX "%zu.%s", m->members, name);
    else
        snprintf(m->new_names[i], room, CAFI_RESTORE_PREFIX "%s", name);
    m->renamed[i] = *t;
    m->renamed[i].name = m->new_names[i];
    m->renamed_count++;
    return add_tensor(m, input, &m->renamed[i], err);
}

static caface_status add_network(cafi_merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    bool is_bare = cafi_restore_is_under(b, "");
    caface_status st = CAFACE_OK;

    if (m->power > 0.0f && !is_bare && !cafi_restore_is_under(b, CAFI_RESTORE_PREFIX))
        return cafi_fail(err, CAFACE_EMODEL, "%s: an ensemble already", m->paths[input]);
    for (size_t i = 0; i < cafi_bundle_count(b) && !st; i++)
        st = add_restoring(m, input, cafi_bundle_at(b, i), is_bare, err);
    m->members++;
    return st;
}

caface_status cafi_merge_add_power(cafi_merge *m, caface_error *err)
{
    cafi_tensor *t = &m->renamed[m->renamed_count];

    if (m->members < 2)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: an ensemble needs two restoring fusions at least, the inputs have %zu",
            m->paths[0], m->members);
    *t = (cafi_tensor){.name = CAFI_RESTORE_PREFIX "power",
                       .dtype = CAFI_F32,
                       .data = (const unsigned char *)&m->power};
    return add_tensor(m, 0, t, err);
}

/* With a weights_key a file that holds backbones gives the one of that name and nothing else;
 * with an empty name, what is not under the name of another. */
static bool is_wanted(const cafi_merge *m, size_t input, const char *name, const cafi_place *places,
                      size_t place_count)
{
    const char *key = m->weights_key;
    size_t n = key ? strlen(key) : 0;

    if (!key || !m->backbones[input].found)
        return true;
    if (n)
        return strncmp(name, key, n) == 0 && (key[n - 1] == '.' || name[n] == '.');
    for (size_t i = 0; i < place_count; i++)
        if (places[i].size && strncmp(name, places[i].name, places[i].size) == 0)
            return false;
    return true;
}

/* The tensors of a checkpoint that is no restoring fusion. */
static caface_status add_checkpoint(cafi_merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    size_t count = cafi_bundle_count(b), place_count = 0;
    cafi_place places[CAFI_MAX_PLACES];
    const cafi_tensor **all = NULL;
    caface_status st = CAFI_NEW(&all, count, err);

    for (size_t i = 0; !st && i < count; i++)
        all[i] = cafi_bundle_at(b, i);
    if (!st)
        place_count = cafi_dict_places(all, count, places);
    for (size_t i = 0; !st && i < count; i++)
        if (is_wanted(m, input, all[i]->name, places, place_count))
            st = add_tensor(m, input, all[i], err);
    free(all);
    return st;
}

caface_status cafi_merge_add(cafi_merge *m, size_t input, caface_error *err)
{
    const cafi_bundle *b = m->inputs[input];
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !b && !st && i < m->backbones[input].count; i++)
        st = add_tensor(m, input, &m->backbones[input].tensors[i], err);
    if (!b)
        return st;
    st = cafi_bundle_verify_watched(b, m->progress, m->context, err);
    if (!st && cafi_fusion_restores(b))
        return add_network(m, input, err);
    return st ? st : add_checkpoint(m, input, err);
}
