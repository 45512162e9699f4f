/* A restoring fusion of a file: one network, or the members of an ensemble. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/model.h"

#define POWER CAFI_RESTORE_PREFIX "power"

/* "restore.N." */
static const char *member_prefix(char text[32], size_t i)
{
    snprintf(text, 32, CAFI_RESTORE_PREFIX "%zu.", i);
    return text;
}

/* Under which prefix the only network lies; NULL: an ensemble, or none. */
static const char *only_prefix(const cafi_bundle *bundle)
{
    if (cafi_restore_is_under(bundle, CAFI_RESTORE_PREFIX))
        return CAFI_RESTORE_PREFIX;
    return cafi_restore_is_under(bundle, "") ? "" : NULL;
}

static size_t count_members(const cafi_bundle *bundle)
{
    char prefix[32];
    size_t n = 0;

    while (n <= CAFI_RESTORE_MAX_MEMBERS && cafi_restore_is_under(bundle, member_prefix(prefix, n)))
        n++;
    return n;
}

/* Every tensor of an ensemble belongs to a member, which looks at its own, or is the
 * power. */
static caface_status check_names(const cafi_bundle *bundle, size_t count, caface_error *err)
{
    const size_t length = strlen(CAFI_RESTORE_PREFIX);
    char prefix[32];

    for (size_t t = 0; t < cafi_bundle_count(bundle); t++) {
        const char *name = cafi_bundle_at(bundle, t)->name;
        bool known = strncmp(name, CAFI_RESTORE_PREFIX, length) != 0 || strcmp(name, POWER) == 0;

        for (size_t i = 0; !known && i < count; i++)
            known = strncmp(name, member_prefix(prefix, i), strlen(prefix)) == 0;
        if (!known)
            return cafi_fail(err, CAFACE_EMODEL, "%.150s: not part of an ensemble of %zu networks",
                             name, count);
    }
    return CAFACE_OK;
}

/* The power of the weights of an ensemble: 1 where the file has none. */
static caface_status read_power(const cafi_bundle *bundle, float *power, caface_error *err)
{
    const cafi_tensor *t = cafi_bundle_find(bundle, POWER);

    *power = 1.0f;
    if (!t)
        return CAFACE_OK;
    if (cafi_tensor_count(t) != 1)
        return cafi_fail(err, CAFACE_EMODEL, POWER ": %zu numbers, one is needed",
                         cafi_tensor_count(t));
    cafi_tensor_read_f32(t, 0, 1, power);
    if (!(*power > 0.0f && *power <= 1.0f))
        return cafi_fail(err, CAFACE_EMODEL, POWER ": %g, needed above 0 and at most 1",
                         (double)*power);
    return CAFACE_OK;
}

/* Of one network its own hash; of an ensemble that of the members' and the power. */
static void hash_members(char out[CAFI_SHA256_TEXT], char (*hashes)[CAFI_SHA256_TEXT], size_t count,
                         float power)
{
    unsigned char digest[CAFI_SHA256_SIZE];
    cafi_sha256 hash;

    cafi_sha256_begin(&hash);
    for (size_t i = 0; i < count; i++)
        cafi_sha256_add(&hash, hashes[i], CAFI_SHA256_TEXT);
    cafi_sha256_add_f32(&hash, &power, 1);
    cafi_sha256_end(&hash, digest);
    cafi_sha256_hex(digest, out);
}

/* Sizes of member i against the first, and its places in a row and a state. */
static caface_status place_member(caface_model *m, size_t i, caface_error *err)
{
    cafi_member *member = &m->members[i];
    const cafi_restore *first = &m->members[0].net, *net = &member->net;

    if (net->C != first->C || net->S != first->S)
        return cafi_fail(err, CAFACE_EMODEL,
                         CAFI_RESTORE_PREFIX "%zu: C = %zu and S = %zu, the first network has "
                                             "%zu and %zu",
                         i, net->C, net->S, first->C, first->S);
    if (i > 0)
        member->sums = member[-1].sums + cafi_restore_state_size(&member[-1].net);
    member->compact = m->info.compact;
    m->info.compact += net->I;
    return CAFACE_OK;
}

static void fill_info(caface_model *m)
{
    const cafi_restore *net = &m->members[0].net;

    m->info.method = CAFACE_METHOD_RESTORE;
    m->info.C = net->C;
    m->info.S = net->S;
    m->info.K = net->K;
    m->info.hidden = net->H;
    m->info.rank = net->R;
    m->info.members = m->member_count;
    m->info.is_sum = 1;
    m->info.form = cafi_restore_form_name(net->form);
    for (size_t i = 1; i < m->member_count; i++)
        if (m->members[i].net.form != net->form)
            m->info.form = "mixed";
    for (size_t i = 0; i < m->member_count; i++)
        m->info.is_sum = m->info.is_sum && m->members[i].net.form != CAFI_RESTORE_EXCHANGE;
}

caface_status cafi_model_bind_restore(caface_model *m, const cafi_bundle *bundle, caface_error *err)
{
    const char *only = only_prefix(bundle);
    size_t count = only ? 1 : count_members(bundle);
    char prefix[32], hashes[CAFI_RESTORE_MAX_MEMBERS][CAFI_SHA256_TEXT];
    float power = 1.0f;
    caface_status st = CAFACE_OK;

    if (count > CAFI_RESTORE_MAX_MEMBERS)
        return cafi_fail(err, CAFACE_ELIMIT, "an ensemble of more than %d networks",
                         CAFI_RESTORE_MAX_MEMBERS);
    if ((!only &&
         ((st = check_names(bundle, count, err)) || (st = read_power(bundle, &power, err)))) ||
        (st = CAFI_NEW(&m->members, count, err)))
        return st;
    m->member_count = count;
    for (size_t i = 0; !st && i < count; i++) {
        st = cafi_restore_bind(&m->members[i].net, bundle, only ? only : member_prefix(prefix, i),
                               &m->arena, hashes[i], err);
        m->members[i].net.temper = power;
        if (!st)
            st = place_member(m, i, err);
    }
    if (st)
        return st;
    fill_info(m);
    if (count == 1 && only)
        memcpy(m->info.hash, hashes[0], CAFI_SHA256_TEXT);
    else
        hash_members(m->info.hash, hashes, count, power);
    return CAFACE_OK;
}
