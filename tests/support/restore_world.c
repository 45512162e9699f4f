#include "restore_world.h"

#include <math.h>
#include <stdlib.h>

static void make_faces(world *w)
{
    size_t C = w->sizes.C, width = 2 * w->sizes.S;
    float *person = malloc(C * sizeof *person);

    w->feat = malloc(w->N * C * sizeof *w->feat);
    w->style = malloc(w->N * width * sizeof *w->style);
    assert_true(person && w->feat && w->style);
    test_fill(&w->rng, person, C, 1.0f);
    for (size_t i = 0; i < w->N; i++) {
        float *f = w->feat + i * C, noise = 0.3f + fabsf(2.0f * test_uniform(&w->rng));
        float length = 0.8f + 0.6f * test_uniform(&w->rng);

        test_fill(&w->rng, f, C, noise);
        for (size_t c = 0; c < C; c++)
            f[c] = length * (f[c] + (i % 7 == 3 ? -person[c] : person[c]));
    }
    test_fill(&w->rng, w->style, w->N * width, 2.0f);
    free(person);
}

void world_new(world *w, test_rng rng, restore_sizes sizes, size_t N)
{
    caface_error err;
    const char *path = test_temp("model.safetensors");

    *w = (world){.rng = rng, .seed = rng.state, .sizes = sizes, .N = N};
    w->weights = restore_model_new(&w->rng, sizes);
    test_model_save(&w->weights.tensors, path, (int)test_below(&w->rng, 2));
    EXPECT_OK(caface_model_open(&w->model, path, &err), err);
    make_faces(w);
}

void world_free(world *w)
{
    restore_model_free(&w->weights);
    caface_model_free(w->model);
    free(w->feat);
    free(w->style);
}

caface_set *world_set(const world *w, size_t chunk, size_t expected, size_t threads)
{
    caface_set_options o;
    caface_set *set = NULL;
    caface_error err;

    caface_set_options_init(&o);
    o.method = CAFACE_METHOD_RESTORE;
    o.chunk = chunk;
    o.expected_n = expected;
    o.keep_weights = 1;
    o.threads = threads;
    EXPECT_OK(caface_set_new(&set, w->model, &o, &err), err);
    return set;
}

void world_push(const world *w, caface_set *set, size_t first, size_t n)
{
    caface_error err;

    EXPECT_OK(caface_set_push(set, w->feat + first * w->sizes.C, w->style + first * 2 * w->sizes.S,
                              n, &err),
              err);
}

void world_template(caface_set *set, float *out)
{
    caface_error err;

    EXPECT_OK(caface_set_template(set, out, &err), err);
}
