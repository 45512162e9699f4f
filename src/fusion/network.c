#include "fusion/network.h"

#include <math.h>
#include <string.h>

#include "fusion/aggregate.h"
#include "fusion/cluster.h"
#include "math/exact.h"

caface_status cafi_network_state(cafi_state *state, const caface_model *model, size_t C,
                                 caface_error *err)
{
    size_t members = model->member_count;
    const cafi_member *last = members ? &model->members[members - 1] : NULL;

    if (!members)
        return cafi_state_new(state, model->info.M, C, model->info.D, err);
    return cafi_state_new_sums(state, last->sums + cafi_restore_state_size(&last->net), err);
}

size_t cafi_network_log_width(const caface_model *model)
{
    return model->member_count ? model->member_count : model->info.M;
}

void cafi_network_compact(const caface_model *model, cafi_scratch *scratch, const float *style,
                          size_t n, float *compact)
{
    size_t width = model->info.compact;

    if (!model->member_count)
        cafi_sim_fwd(model, scratch, style, n, compact);
    for (size_t i = 0; i < model->member_count; i++) {
        const cafi_member *m = &model->members[i];

        cafi_restore_compact(&m->net, &scratch->restore[i], style, n, compact + m->compact, width);
    }
}

/* Every member's numbers of n faces, and the log of their weights. */
bool cafi_network_faces(const caface_model *model, cafi_scratch *scratch, const float *feat,
                        const float *compact, size_t n)
{
    size_t count = model->member_count;

    for (size_t i = 0; i < count; i++) {
        const cafi_member *m = &model->members[i];
        cafi_restore_scratch *s = &scratch->restore[i];

        if (cafi_restore_faces(&m->net, s, feat, compact + m->compact, model->info.compact, n) < n)
            return false;
        for (size_t r = 0; r < n; r++)
            scratch->assign[r * count + i] = (float)s->weight[r];
    }
    return true;
}

void cafi_network_add(const caface_model *model, const cafi_scratch *scratch, const float *feat,
                      size_t first, size_t n, cafi_state *state)
{
    cafi_state_make_room(state, n);
    for (size_t i = 0; i < model->member_count; i++) {
        const cafi_member *m = &model->members[i];

        cafi_restore_add(&m->net, &scratch->restore[i], feat, first, n, state->hi + m->sums,
                         state->lo + m->sums);
    }
    state->empty = false;
}

bool cafi_network_chunk(const caface_model *model, cafi_scratch *scratch, const float *feat,
                        const float *compact, size_t n, cafi_state *state)
{
    if (!model->member_count) {
        cafi_cluster_fwd(model, scratch, feat, compact, n, state);
        return cafi_state_is_finite(state);
    }
    cafi_state_clear(state);
    if (!cafi_network_faces(model, scratch, feat, compact, n))
        return false;
    cafi_network_add(model, scratch, feat, 0, n, state);
    return true;
}

/* A head's weights at most: with terms of at most CAFI_RESTORE_MOST times a weight no
 * sum passes 2^CAFI_EXACT_TOTAL. A weight is at most e^12. */
#define MOST_MASS 0x1p44
#define MOST_WEIGHT 0x1p18

/* The largest sum of a head's weights. */
static double largest_mass(const caface_model *model, const cafi_state *state)
{
    double most = 0.0;

    for (size_t i = 0; i < model->member_count; i++) {
        const cafi_restore *net = &model->members[i].net;
        size_t at = model->members[i].sums + net->K * (net->C + net->R);
        size_t heads = net->form == CAFI_RESTORE_PLAIN ? 0 : net->K;

        for (size_t k = 0; k <= heads; k++) {
            size_t place = at + (k < heads ? k : heads + net->H);
            double mass = cafi_exact_value(state->hi[place], state->lo[place]);

            most = mass > most ? mass : most;
        }
    }
    return most;
}

/* Is every sum at most `most` times its head's mass? By the high words, carried ones, which are
 * their sums' floors in units of 2^-8; the mass is at most MOST_MASS. */
static bool within(const cafi_state *state, size_t at, size_t n, double mass, double most)
{
    int64_t bound = (int64_t)((most * mass + 1.0) * 0x1p8) + 1;
    bool beyond = false;

    for (size_t i = at; i < at + n; i++)
        beyond |= (state->hi[i] > bound) | (state->hi[i] < -bound);
    return !beyond;
}

bool cafi_network_is_sane(const caface_model *model, const cafi_state *state)
{
    bool ok = true;

    for (size_t i = 0; ok && i < model->member_count; i++) {
        const cafi_restore *net = &model->members[i].net;
        size_t at = model->members[i].sums, masses = at + net->K * (net->C + net->R);
        bool plain = net->form == CAFI_RESTORE_PLAIN;
        size_t last = masses + (plain ? 0 : net->K) + net->H;
        double mass = cafi_exact_value(state->hi[last], state->lo[last]);

        ok = state->empty ? mass == 0.0 : mass > 0.0 && mass <= MOST_MASS;
        ok = ok && within(state, last - net->H, net->H, mass, (double)CAFI_RESTORE_MOST);
        for (size_t k = 0; ok && k < net->K; k++) {
            size_t place = plain ? last : masses + k;

            mass = cafi_exact_value(state->hi[place], state->lo[place]);
            ok = state->empty ? mass == 0.0 : mass > 0.0 && mass <= MOST_MASS;
            ok = ok && within(state, at + k * net->C, net->C, mass, 1.0) &&
                 within(state, at + net->K * net->C + k * net->R, net->R, mass,
                        (double)CAFI_RESTORE_MOST);
        }
    }
    return ok;
}

static caface_status no_room(caface_error *err)
{
    return cafi_fail(err, CAFACE_ELIMIT,
                     "the weights of the faces come to more than a set holds, 2^44");
}

caface_status cafi_network_check_room(const caface_model *model, const cafi_state *state, size_t n,
                                      caface_error *err)
{
    if (model->member_count && largest_mass(model, state) + (double)n * MOST_WEIGHT > MOST_MASS)
        return no_room(err);
    return CAFACE_OK;
}

caface_status cafi_network_check_merge(const caface_model *model, const cafi_state *to,
                                       const cafi_state *from, caface_error *err)
{
    if (model->member_count && largest_mass(model, to) + largest_mass(model, from) > MOST_MASS)
        return no_room(err);
    return CAFACE_OK;
}

/* Templates of the members, averaged: out [C]. */
static void restore_template(const caface_model *model, cafi_scratch *scratch,
                             const cafi_state *state, float *out)
{
    size_t C = model->info.C, count = model->member_count;
    const cafi_member *m = model->members;

    cafi_restore_template(&m->net, &scratch->restore[0], state->hi, state->lo, out);
    for (size_t i = 1; i < count; i++) {
        float *one = scratch->restore[0].direction; /* free again, and [C] at least */

        m = &model->members[i];
        cafi_restore_template(&m->net, &scratch->restore[i], state->hi + m->sums,
                              state->lo + m->sums, one);
        for (size_t c = 0; c < C; c++)
            out[c] += one[c];
    }
    if (count > 1)
        cafi_restore_unit(out, C);
}

void cafi_network_template(const caface_model *model, cafi_scratch *scratch,
                           const cafi_state *state, float *out)
{
    if (model->member_count)
        restore_template(model, scratch, state, out);
    else
        cafi_template_fwd(model, scratch, state, out);
}

/* The sum of all weights of member i. */
static double total_weight(const caface_model *model, const cafi_state *state, size_t i)
{
    const cafi_member *m = &model->members[i];
    size_t at = m->sums + cafi_restore_state_size(&m->net) - 1;

    return cafi_exact_value(state->hi[at], state->lo[at]);
}

double cafi_network_evidence(const caface_model *model, const cafi_state *state)
{
    double sum = 0.0;

    for (size_t i = 0; i < model->member_count; i++)
        sum += log(total_weight(model, state, i));
    return sum / (double)model->member_count;
}

void cafi_network_prepare_weights(const caface_model *model, cafi_scratch *scratch,
                                  const cafi_state *state)
{
    if (!model->member_count)
        cafi_confidence_fwd(model, scratch, state);
}

/* The mean over members of w / the sum of w. */
static void restore_weights(const caface_model *model, const cafi_state *state, const float *logged,
                            size_t n, float *weight)
{
    size_t count = model->member_count;

    for (size_t r = 0; r < n; r++) {
        double sum = 0.0;

        for (size_t i = 0; i < count; i++)
            sum += (double)logged[r * count + i] / total_weight(model, state, i);
        weight[r] = (float)(sum / (double)count);
    }
}

void cafi_network_weights(const caface_model *model, const cafi_scratch *scratch,
                          const cafi_state *state, const float *log, size_t n, float *weight)
{
    if (model->member_count)
        restore_weights(model, state, log, n, weight);
    else
        cafi_face_weights(model, scratch, state, log, n, weight);
}
