#include "fusion/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/exact.h"

#define SMALLEST_MASS 1e-6

caface_status cafi_state_new(cafi_state *state, size_t M, size_t C, size_t D, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *state = (cafi_state){.M = M, .C = C, .D = D, .empty = true};
    st = cafi_alloc(&state->mass, M, (1 + C + D) * sizeof(double), err);
    if (st)
        return st;
    state->mu = state->mass + M;
    state->style = state->mu + M * C;
    return CAFACE_OK;
}

caface_status cafi_state_new_sums(cafi_state *state, size_t sums, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *state = (cafi_state){.sums = sums, .empty = true};
    st = cafi_alloc(&state->hi, sums, 2 * sizeof *state->hi, err);
    if (!st)
        state->lo = state->hi + sums;
    return st;
}

caface_status cafi_state_new_like(cafi_state *state, const cafi_state *other, caface_error *err)
{
    return other->sums ? cafi_state_new_sums(state, other->sums, err)
                       : cafi_state_new(state, other->M, other->C, other->D, err);
}

void cafi_state_free(cafi_state *state)
{
    free(state->mass);
    free(state->hi);
    *state = (cafi_state){0};
}

size_t cafi_state_size(const cafi_state *state)
{
    return state->M * (1 + state->C + state->D);
}

void cafi_state_clear(cafi_state *state)
{
    if (state->mass)
        memset(state->mass, 0, cafi_state_size(state) * sizeof(double));
    if (state->hi)
        memset(state->hi, 0, 2 * state->sums * sizeof *state->hi);
    state->uncarried = 0;
    state->empty = true;
}

void cafi_state_copy(cafi_state *to, const cafi_state *from)
{
    if (from->mass)
        memcpy(to->mass, from->mass, cafi_state_size(from) * sizeof(double));
    if (from->hi)
        memcpy(to->hi, from->hi, 2 * from->sums * sizeof *from->hi);
    to->uncarried = from->uncarried;
    to->empty = from->empty;
}

void cafi_state_carry(cafi_state *state)
{
    if (state->uncarried)
        cafi_exact_carry(state->hi, state->lo, state->sums);
    state->uncarried = 0;
}

void cafi_state_make_room(cafi_state *state, size_t n)
{
    if (state->uncarried + n > CAFI_EXACT_TERMS / 2)
        cafi_state_carry(state);
    state->uncarried += n;
}

/* A pair that is carried is worth two terms. */
static void merge_sums(cafi_state *to, const cafi_state *from)
{
    cafi_state_make_room(to, from->uncarried + 2);
    for (size_t i = 0; i < 2 * to->sums; i++)
        to->hi[i] += from->hi[i];
}

static void merge_rows(double *to, const double *from, size_t n, double a, double b)
{
    double sum = a + b > SMALLEST_MASS ? a + b : SMALLEST_MASS;

    for (size_t i = 0; i < n; i++)
        to[i] = (a * to[i] + b * from[i]) / sum;
}

void cafi_state_merge(cafi_state *to, const cafi_state *from)
{
    if (from->empty)
        return;
    if (to->empty) {
        cafi_state_copy(to, from);
        return;
    }
    if (to->sums) {
        merge_sums(to, from);
        return;
    }
    for (size_t m = 0; m < to->M; m++) {
        double a = to->mass[m];
        double b = from->mass[m];

        merge_rows(to->mu + m * to->C, from->mu + m * to->C, to->C, a, b);
        merge_rows(to->style + m * to->D, from->style + m * to->D, to->D, a, b);
        to->mass[m] = a + b;
    }
}

/* Sums of is_finite that run side by side: vectors of any width, and their latency. */
#define LANES 16

/* 0 times anything but a finite number is NaN, which a sum keeps; sums side by
 * side are quicker than a look at every number. */
bool cafi_state_is_finite(const cafi_state *state)
{
    size_t n = state->sums ? 0 : cafi_state_size(state);
    const double *v = state->mass;
    double sum[LANES] = {0.0};
    double total = 0.0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += 0.0 * v[i + lane];
    for (; i < n; i++)
        total += 0.0 * v[i];
    for (size_t lane = 0; lane < LANES; lane++)
        total += sum[lane];
    return !isnan(total);
}
