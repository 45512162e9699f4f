/* Scores, identification and templates of a set, against naive computations. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/best.h"
#include "eval/identify.h"
#include "eval/scores.h"
#include "eval/template_set.h"
#include "files/feature_set_write.h"

static cafi_template_list templates_of(const char *text)
{
    const char *path = test_temp("T.txt");
    cafi_template_list list;
    caface_error err;

    test_write(path, text, strlen(text));
    EXPECT_OK(cafi_template_list_read(&list, path, &err), err);
    return list;
}

/* --- scores --------------------------------------------------------------------- */

static void random_unit_rows(test_rng *rng, float *rows, size_t n, size_t C)
{
    test_fill(rng, rows, n * C, 1);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;

        for (size_t c = 0; c < C; c++)
            sum += (double)rows[r * C + c] * (double)rows[r * C + c];
        for (size_t c = 0; c < C; c++)
            rows[r * C + c] = (float)((double)rows[r * C + c] / sqrt(sum));
    }
}

static double exact_dot(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Dense lists go through products, sparse ones through single dots: both give
 * the cosine, and the same bits for any number of threads. */
static void scores_are_cosines(void **state)
{
    static const struct {
        size_t templates, C, as, n;
    } cases[] = {
        {300, 37, 300, 40000}, {300, 64, 20, 5000}, {5000, 16, 5000, 3000},
        {129, 5, 129, 600000}, {1, 3, 1, 4},        {2600, 8, 2600, 700000},
    };
    test_rng rng = {test_seed()};
    cafi_pool *pool = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 2, &err), err);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t C = cases[k].C;
        size_t n = cases[k].n;
        float *rows = malloc(cases[k].templates * C * sizeof *rows);
        cafi_pair *pairs = malloc(n * sizeof *pairs);
        float *score = malloc(n * sizeof *score);
        float *again = malloc(n * sizeof *again);

        random_unit_rows(&rng, rows, cases[k].templates, C);
        for (size_t i = 0; i < n; i++)
            pairs[i] = (cafi_pair){(uint32_t)test_below(&rng, cases[k].as) |
                                       (i % 3 ? 0 : CAFI_PAIR_GENUINE),
                                   (uint32_t)test_below(&rng, cases[k].templates)};
        EXPECT_OK(cafi_scores_pairs(score, rows, cases[k].templates, C, pairs, n, pool, &err), err);
        EXPECT_OK(cafi_scores_pairs(again, rows, cases[k].templates, C, pairs, n, NULL, &err), err);
        assert_memory_equal(score, again, n * sizeof *score);
        for (size_t i = 0; i < n; i++) {
            double want = exact_dot(rows + cafi_pair_a(pairs[i]) * C, rows + pairs[i].b * C, C);

            /* C products of numbers below 1, summed in float */
            if (!(fabs((double)score[i] - want) <= 1e-6))
                fail_msg("case %zu pair %zu: %.9g, exactly %.9g", k, i, (double)score[i], want);
        }
        free(rows);
        free(pairs);
        free(score);
        free(again);
    }
    cafi_pool_free(pool);
}

/* --- subject lists and identification --------------------------------------------- */

/* Everything from the definitions, with all scores in one table. */
typedef struct naive {
    double rank[3], tpir[2], open[2];
    size_t mated, nonmated;
} naive;

static int falling(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return x > y ? -1 : x < y;
}

/* A row of zeros is a template that could not be made. */
static bool is_made(const float *row, size_t C)
{
    for (size_t c = 0; c < C; c++)
        if (row[c] != 0)
            return true;
    return false;
}

static naive identify_naively(const float *rows, size_t C, const cafi_subject_list *g,
                              const cafi_subject_list *p)
{
    naive out = {{0}, {NAN, NAN}, {NAN, NAN}, 0, 0};
    float *mate = malloc(p->count * sizeof *mate);
    float *top = malloc(p->count * sizeof *top);
    float *other = malloc(p->count * g->count * sizeof *other);
    size_t others = 0;

    for (size_t i = 0; i < p->count; i++) {
        float *score = malloc(g->count * sizeof *score);
        float best = -2;
        float highest = -2;
        size_t best_at = 0;
        size_t rank = 1;

        for (size_t k = 0; k < g->count; k++) {
            score[k] =
                (float)exact_dot(rows + p->items[i].place * C, rows + g->items[k].place * C, C);
            if (g->items[k].place == p->items[i].place)
                continue;
            highest = score[k] > highest ? score[k] : highest;
            if (g->items[k].subject == p->items[i].subject && score[k] > best) {
                best = score[k];
                best_at = k;
            }
        }
        if (best > -2) {
            bool found = is_made(rows + p->items[i].place * C, C) &&
                         is_made(rows + g->items[best_at].place * C, C);

            for (size_t k = 0; k < g->count; k++)
                if (g->items[k].subject != p->items[i].subject &&
                    g->items[k].place != p->items[i].place) {
                    rank += !found || score[k] > best || (score[k] == best && k < best_at);
                    other[others++] = score[k];
                }
            mate[out.mated++] = found ? best : -INFINITY;
            for (int r = 0; r < 3; r++)
                out.rank[r] += rank <= cafi_ranks[r];
        } else
            top[out.nonmated++] = highest;
        free(score);
    }
    for (int r = 0; r < 3; r++)
        out.rank[r] /= (double)out.mated;
    qsort(other, others, sizeof *other, falling);
    qsort(top, out.nonmated, sizeof *top, falling);
    for (int f = 0; f < 2; f++) {
        size_t k = (size_t)ceil(cafi_fpirs[f] * (double)out.mated);
        size_t allowed = (size_t)floor(cafi_fpirs[f] * (double)out.nonmated);
        double hits = 0;
        double open = 0;

        for (size_t i = 0; i < out.mated; i++) {
            hits += k <= others && mate[i] > other[k - 1];
            open += allowed < out.nonmated && mate[i] > top[allowed];
        }
        if (k <= others)
            out.tpir[f] = hits / (double)out.mated;
        if (allowed < out.nonmated)
            out.open[f] = open / (double)out.mated;
    }
    free(mate);
    free(top);
    free(other);
    return out;
}

static bool near(double got, double want)
{
    return (isnan(got) && isnan(want)) || fabs(got - want) < 1e-12;
}

static char g_path[] = "G.csv";
static char p_path[] = "P.csv";

/* Rows whose dot products are exact in float, in any order of addition, so that
 * ties are ties. */
static void small_integers(test_rng *rng, float *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rows[i] = (float)test_below(rng, 5) / 4 - 0.5f;
}

static void identification_equals_the_definition(void **state)
{
    enum { TEMPLATES = 700, C = 6 };
    uint64_t seed = test_seed();
    test_rng rng = {seed};
    static float rows[TEMPLATES * C];
    cafi_pool *pool = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 2, &err), err);
    for (int round = 0; round < 12; round++) {
        size_t gallery_size = 1 + test_below(&rng, round < 4 ? 10 : 300);
        size_t probe_size = 1 + test_below(&rng, round < 4 ? 20 : 350);
        size_t overlap = round % 3 == 2 ? gallery_size / 2 : 0; /* lists that share templates */
        cafi_enrolled g_items[300], p_items[360];
        cafi_subject_list g = {g_path, g_items, gallery_size};
        cafi_subject_list p = {p_path, p_items, probe_size};
        uint32_t subject[TEMPLATES];
        cafi_identified got;
        naive want;

        small_integers(&rng, rows, TEMPLATES * C);
        for (size_t t = 0; t < TEMPLATES; t++)
            subject[t] = (uint32_t)test_below(&rng, gallery_size);
        for (size_t t = 0; round % 2 && t < TEMPLATES; t += 1 + test_below(&rng, 5))
            memset(rows + t * C, 0, C * sizeof *rows);
        for (size_t i = 0; i < gallery_size; i++)
            g_items[i] = (cafi_enrolled){(uint32_t)i, subject[i]};
        for (size_t i = 0; i < probe_size; i++) {
            size_t t = gallery_size - overlap + i;

            p_items[i] = (cafi_enrolled){(uint32_t)t, subject[t]};
        }
        p_items[probe_size - 1].subject = g_items[0].subject; /* one mate at least */
        if (overlap >= probe_size)
            continue; /* that probe would be in the gallery itself */
        EXPECT_OK(cafi_identify(&got, rows, C, &g, &p, NULL, pool, &err), err);
        want = identify_naively(rows, C, &g, &p);
        assert_int_equal(got.mated, want.mated);
        assert_int_equal(got.nonmated, want.nonmated);
        for (int k = 0; k < 3; k++)
            if (!near(got.figure[CAFI_ID_RANK + k], want.rank[k]))
                fail_msg("round %d rank-%zu: %.6f, naively %.6f (seed %llu)", round, cafi_ranks[k],
                         got.figure[CAFI_ID_RANK + k], want.rank[k], (unsigned long long)seed);
        for (int f = 0; f < 2; f++)
            if (!near(got.figure[CAFI_ID_TPIR + f], want.tpir[f]) ||
                !near(got.figure[CAFI_ID_OPEN + f], want.open[f]))
                fail_msg("round %d FPIR %s: %.6f and %.6f, naively %.6f and %.6f (seed %llu)",
                         round, cafi_fpir_names[f], got.figure[CAFI_ID_TPIR + f],
                         got.figure[CAFI_ID_OPEN + f], want.tpir[f], want.open[f],
                         (unsigned long long)seed);
        cafi_identified_free(&got);
    }
    cafi_pool_free(pool);
}

static void a_resample_of_everybody_is_the_sample(void **state)
{
    enum { N = 200, C = 8, RESAMPLES = 3 };
    test_rng rng = {test_seed()};
    static float rows[2 * N * C];
    cafi_enrolled g_items[N], p_items[N];
    cafi_subject_list g = {g_path, g_items, N};
    cafi_subject_list p = {p_path, p_items, N};
    cafi_resampling resample;
    cafi_identified got;
    caface_error err;

    (void)state;
    random_unit_rows(&rng, rows, (size_t)2 * N, C);
    for (uint32_t i = 0; i < N; i++) {
        g_items[i] = (cafi_enrolled){i, i};
        p_items[i] = (cafi_enrolled){N + i, i < N / 2 ? i : N + i};
    }
    EXPECT_OK(cafi_resampling_new(&resample, (size_t)2 * N, RESAMPLES, 1, &err), err);
    memset(resample.lanes, 1, (size_t)2 * N * CAFI_LANES); /* everybody once */
    EXPECT_OK(cafi_identify(&got, rows, C, &g, &p, &resample, NULL, &err), err);
    for (size_t r = 0; r < RESAMPLES; r++)
        for (size_t k = 0; k < CAFI_ID_FIGURES; k++)
            assert_true(near(got.resampled[r * CAFI_ID_FIGURES + k], got.figure[k]));
    cafi_identified_free(&got);
    cafi_resampling_free(&resample);
    for (size_t i = 0; i < N; i++)
        p_items[i].subject = (uint32_t)(N + i);
    EXPECT_FAIL(cafi_identify(&got, rows, C, &g, &p, NULL, NULL, &err), CAFACE_EINVAL, err, "P.csv",
                "200 probes", "G.csv");
}

/* --- templates of a set ------------------------------------------------------------ */

static void rows_with_nan_are_dropped(void **state)
{
    /* template 1: rows 0 and 2; template 2: row 1; template 3: row 3, not finite */
    static const float f[] = {3, 0, 0, 2, NAN, 1, INFINITY, 1};
    static const cafi_set_layout layout = {2, 0, 0, CAFI_F32, NULL, 0};
    static const cafi_set_info info = {0};
    cafi_template_list list = templates_of("a 1 1\nb 2 1\nc 1 1\nd 3 1\n");
    cafi_template_list short_list = {0};
    cafi_template_set templates;
    cafi_set_writer *w = NULL;
    cafi_feature_set *set = NULL;
    cafi_fuse_options options = {.method = CAFACE_METHOD_AVERAGE};
    char path[512];
    float out[6];
    caface_error err;

    (void)state;
    snprintf(path, sizeof path, "%s", test_temp("set"));
    EXPECT_OK(cafi_set_begin(&w, path, &layout, &err), err);
    EXPECT_OK(cafi_set_append(w, 4, f, NULL, NULL, NULL, &err), err);
    EXPECT_OK(cafi_set_commit(w, &info, &err), err);
    EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
    EXPECT_OK(cafi_template_set_new(&templates, &list, set, false, NULL, &err), err);
    assert_int_equal(templates.dropped, 2);
    assert_int_equal(templates.empty_count, 1);
    assert_false(templates.empty[1]);
    assert_true(templates.empty[2]);
    EXPECT_OK(cafi_template_set_fuse(&templates, set, NULL, options, out, &err), err);
    EXPECT_NEAR_F32(out, ((const float[]){1, 0, 0, 1, 0, 0}), 6, 1e-7, "templates");
    cafi_template_set_free(&templates);
    cafi_template_list_free(&list);
    short_list = templates_of("a 1 1\nb 2 1\n");
    EXPECT_FAIL(cafi_template_set_new(&templates, &short_list, set, false, NULL, &err),
                CAFACE_EFORMAT, err, "lists 2 rows", "has 4");
    cafi_template_list_free(&short_list);
    cafi_feature_set_close(set);
}

/* The largest cosine to the pictures of a template, naively. */
static double best_naively(const float *fused, const float *feat, const cafi_template_list *list,
                           size_t a, size_t C)
{
    double best = -2.0;

    for (size_t i = list->first[a]; i < list->first[a + 1]; i++) {
        const float *row = feat + (size_t)list->order[i] * C;
        double norm = sqrt(exact_dot(row, row, C));
        double cosine = norm > 0 ? exact_dot(row, fused, C) / norm : 0.0;

        if (isfinite(norm) && cosine > best)
            best = cosine;
    }
    return best > -2.0 ? best : 0.0;
}

/* A template against single pictures: pairs, and identification, whose figures are those
 * of a gallery with the best picture as its template. Template 0 has no valid row. */
static void the_best_picture_counts(void **state)
{
    enum { TEMPLATES = 40, ROWS = 900, C = 24, GALLERY = 15, PAIRS = 300 };
    uint64_t seed = test_seed();
    test_rng rng = {seed};
    static float feat[ROWS * C], fused[TEMPLATES * C];
    static cafi_pair pairs[PAIRS];
    float score[2][PAIRS];
    cafi_enrolled g_items[GALLERY], p_items[TEMPLATES - GALLERY];
    cafi_subject_list g = {g_path, g_items, GALLERY};
    cafi_subject_list p = {p_path, p_items, TEMPLATES - GALLERY};
    cafi_buf text = {0};
    cafi_template_list list;
    cafi_template_set templates;
    cafi_feature_set *set = NULL;
    cafi_pool *pool = NULL;
    cafi_pictures pictures = {0};
    cafi_identified got;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 3, &err), err);
    test_fill(&rng, feat, (size_t)ROWS * C, 1.0f);
    random_unit_rows(&rng, fused, TEMPLATES, C);
    for (size_t i = 0; i < ROWS; i++) /* template 3 has more than a block's rows */
        cafi_buf_printf(&text, "n%zu %zu 1\n", i,
                        i < TEMPLATES ? i
                        : i % 3       ? 3
                                      : test_below(&rng, TEMPLATES - 1) + 1);
    feat[0] = NAN;
    memset(feat + (size_t)C * 5, 0, C * sizeof *feat); /* a picture of no length */
    list = templates_of(text.data);
    cafi_buf_free(&text);
    EXPECT_OK(cafi_feature_set_wrap(&set, ROWS, feat, C, NULL, 0, NULL, 0, &err), err);
    EXPECT_OK(cafi_template_set_new(&templates, &list, set, false, NULL, &err), err);
    assert_true(templates.empty[0]);
    for (size_t i = 0; i < PAIRS; i++)
        pairs[i] = (cafi_pair){(uint32_t)(i < TEMPLATES ? i : test_below(&rng, TEMPLATES)) |
                                   (i % 2 ? CAFI_PAIR_GENUINE : 0u),
                               (uint32_t)test_below(&rng, TEMPLATES)};
    EXPECT_OK(cafi_scores_best(score[0], fused, &templates, set, pairs, PAIRS, pool, &err), err);
    EXPECT_OK(cafi_scores_best(score[1], fused, &templates, set, pairs, PAIRS, NULL, &err), err);
    assert_memory_equal(score[0], score[1], sizeof score[0]);
    for (size_t i = 0; i < PAIRS; i++) {
        double want =
            best_naively(fused + (size_t)pairs[i].b * C, feat, &list, cafi_pair_a(pairs[i]), C);

        if (!(fabs(score[0][i] - want) < 1e-6))
            fail_msg("pair %zu: %.8f, naively %.8f (seed %llu)", i, (double)score[0][i], want,
                     (unsigned long long)seed);
    }
    for (uint32_t i = 0; i < TEMPLATES; i++)
        *(i < GALLERY ? &g_items[i] : &p_items[i - GALLERY]) = (cafi_enrolled){i, i % GALLERY};
    EXPECT_OK(cafi_pictures_new(&pictures, &templates, set, &g, &err), err);
    EXPECT_OK(cafi_identify_best(&got, fused, C, &g, &pictures, &p, NULL, pool, &err), err);
    assert_int_equal(got.mated, p.count);
    for (size_t i = 0; i < p.count; i++) {
        const float *probe = fused + (size_t)p_items[i].place * C;
        size_t mate = p_items[i].subject, rank = 1, at_most = 1;
        double own = best_naively(probe, feat, &list, mate, C);

        /* A gallery entry of no picture, and a best picture of no length, score 0 and tie in the
         * order of the list. Other ties are those of rounding, and either order will do. */
        for (size_t k = 0; k < g.count; k++) {
            double other = best_naively(probe, feat, &list, k, C);
            bool ties = other == own;
            bool before = !mate || other > own + 1e-6 || (ties && k < mate);

            if (k == mate)
                continue;
            rank += before;
            at_most += before || (!ties && other > own - 1e-6);
        }
        if (got.rank[i] < rank || got.rank[i] > at_most ||
            (mate && !(fabs(got.mate[i] - own) < 1e-6)))
            fail_msg("probe %zu: rank %u, naively %zu; mate %.8f, naively %.8f (seed %llu)", i,
                     got.rank[i], rank, (double)got.mate[i], own, (unsigned long long)seed);
    }
    cafi_identified_free(&got);
    cafi_pictures_free(&pictures);
    cafi_template_set_free(&templates);
    cafi_template_list_free(&list);
    cafi_feature_set_close(set);
    cafi_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_cosines),
        cmocka_unit_test(identification_equals_the_definition),
        cmocka_unit_test(a_resample_of_everybody_is_the_sample),
        cmocka_unit_test(rows_with_nan_are_dropped),
        cmocka_unit_test(the_best_picture_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
