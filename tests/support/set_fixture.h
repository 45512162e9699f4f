/* A model, another one, and faces, for tests of face sets. */
#ifndef CAFACE_TESTS_SET_FIXTURE_H
#define CAFACE_TESTS_SET_FIXTURE_H

#include "check.h"

#include "caface/set.h"

enum { C = 40, S = 12, E = 10, D = 24, M = 4, N = 230 };

typedef struct fixture {
    test_rng rng;
    uint64_t seed;
    caface_model *model;
    caface_model *other; /* other weights */
    float *feat;         /* [N][C] */
    float *style;        /* [N][S][2] */
    int64_t media[N];
} fixture;

typedef struct result {
    float template[C];
    float weights[N];
} result;

/* Every method: caface_method 0 .. METHODS - 1. */
enum { METHODS = 5 };

/* cmocka's set-up and tear-down of a group; *state is a fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Options for the fixture's faces, logging weights where there are any. */
caface_set_options fixture_options_of(caface_method method, size_t chunk, size_t expected_n);
caface_set *fixture_new_set(const fixture *f, const caface_set_options *o);
/* Rows first .. first + n of the fixture, by the set's method. */
caface_status fixture_push(const fixture *f, caface_set *set, size_t first, size_t n,
                           caface_error *err);
void fixture_push_ok(const fixture *f, caface_set *set, size_t first, size_t n);
/* Template and, where there are any, weights. */
result fixture_read_set(caface_set *set);
/* All faces through one set, so many at a time. */
result fixture_fuse(const fixture *f, const caface_set_options *o, size_t portion);

#endif
