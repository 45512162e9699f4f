/* Every backward kernel against finite differences of its forward, computed in
 * double; and every fast version against plain C. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backward/batchnorm.h"
#include "backward/blas.h"
#include "backward/kernels.h"
#include "backward/linear.h"
#include "backward/rows.h"
#include "math/kernels.h"
#include "math/rows.h"
#include "train/loss.h"

/* A forward in double: out from in. Arrays of a case lie one behind the other
 * in `in`, as sizes says. */
typedef struct gradient_case {
    const char *name;
    size_t inputs, outputs; /* numbers in all */
    size_t R, K, J;
    void (*forward)(const struct gradient_case *c, double *out, const double *in);
    void (*backward)(const struct gradient_case *c, float *din, const float *dout, const float *in);
} gradient_case;

static test_rng rng;
static const cafi_kernels *kernels;
static const cafi_backward_kernels *back;

/* |got - want| <= 2e-4 of the largest gradient: floats of up to a few hundred
 * terms against differences that are good to 1e-8. */
static void check_case(const gradient_case *c)
{
    float *in = malloc((c->inputs + 16) * sizeof *in);
    float *dout = malloc((c->outputs + 16) * sizeof *dout);
    float *got = calloc(c->inputs + 16, sizeof *got);
    double *x = malloc((c->inputs + 1) * sizeof *x);
    double *plus = calloc(c->outputs + 1, sizeof *plus);
    double *minus = calloc(c->outputs + 1, sizeof *minus);
    double top = 1e-3;
    double *want = malloc((c->inputs + 1) * sizeof *want);

    assert_true(in && dout && got && x && plus && minus && want);
    test_fill(&rng, in, c->inputs, 1.0f);
    test_fill(&rng, dout, c->outputs, 1.0f);
    for (size_t i = 0; i < c->inputs; i++) {
        if (fabsf(in[i]) < 1e-4f)
            in[i] = 1e-4f; /* a difference across PReLU's kink is no derivative */
        x[i] = (double)in[i];
        got[i] = 0.25f; /* gradients are added to what is there */
    }
    for (size_t i = 0; i < c->inputs; i++) {
        double keep = x[i];

        want[i] = 0.0;
        x[i] = keep + 1e-5;
        c->forward(c, plus, x);
        x[i] = keep - 1e-5;
        c->forward(c, minus, x);
        x[i] = keep;
        for (size_t k = 0; k < c->outputs; k++)
            want[i] += (double)dout[k] * (plus[k] - minus[k]) / 2e-5;
        top = fmax(top, fabs(want[i]));
    }
    c->backward(c, got, dout, in);
    for (size_t i = 0; i < c->inputs; i++)
        if (!(fabs((double)got[i] - 0.25 - want[i]) <= 2e-4 * top))
            fail_msg("%s (%s, R=%zu K=%zu J=%zu): gradient %zu is %g, differences say %g", c->name,
                     cafi_isa_name(kernels->isa), c->R, c->K, c->J, i, (double)got[i] - 0.25,
                     want[i]);
    free(in);
    free(dout);
    free(got);
    free(x);
    free(plus);
    free(minus);
    free(want);
}

static void linear_forward(const gradient_case *c, double *out, const double *in)
{
    const double *w = in + c->R * c->K;
    const double *b = w + c->J * c->K;

    for (size_t r = 0; r < c->R; r++)
        for (size_t j = 0; j < c->J; j++) {
            out[r * c->J + j] = b[j];
            for (size_t k = 0; k < c->K; k++)
                out[r * c->J + j] += in[r * c->K + k] * w[j * c->K + k];
        }
}

static void linear_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    size_t w = c->R * c->K;
    size_t b = w + c->J * c->K;

    cafi_linear_bwd(din, din + w, din + b, dout, in, in + w, c->R, c->K, c->J);
}

/* y [J][K] from x [R][K]: R is M here. */
static void mix_forward(const gradient_case *c, double *out, const double *in)
{
    const double *w = in + c->R * c->K;
    const double *b = w + c->J * c->R;

    for (size_t j = 0; j < c->J; j++)
        for (size_t k = 0; k < c->K; k++) {
            out[j * c->K + k] = b[j];
            for (size_t m = 0; m < c->R; m++)
                out[j * c->K + k] += w[j * c->R + m] * in[m * c->K + k];
        }
}

static void mix_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    size_t w = c->R * c->K;
    size_t b = w + c->J * c->R;

    cafi_mix_rows_bwd(din, din + w, din + b, dout, in, in + w, c->R, c->J, c->K);
}

static void layernorm_forward(const gradient_case *c, double *out, const double *in)
{
    const double *gamma = in + c->R * c->K;
    const double *beta = gamma + c->K;

    for (size_t r = 0; r < c->R; r++) {
        const double *x = in + r * c->K;
        double mean = 0.0;
        double var = 0.0;

        for (size_t k = 0; k < c->K; k++)
            mean += x[k] / (double)c->K;
        for (size_t k = 0; k < c->K; k++)
            var += (x[k] - mean) * (x[k] - mean) / (double)c->K;
        for (size_t k = 0; k < c->K; k++)
            out[r * c->K + k] = (x[k] - mean) / sqrt(var + 1e-5) * gamma[k] + beta[k];
    }
}

static void layernorm_backward(const gradient_case *c, float *din, const float *dout,
                               const float *in)
{
    size_t gamma = c->R * c->K;
    size_t beta = gamma + c->K;
    float *y = malloc((c->R * c->K + 1) * sizeof *y);
    float *stats = malloc((c->R * 2 + 1) * sizeof *stats);

    assert_true(y && stats);
    kernels->layernorm_save(y, stats, in, in + gamma, in + beta, c->R, c->K);
    back->layernorm_bwd(din, din + gamma, din + beta, dout, in, stats, in + gamma, c->R, c->K);
    free(y);
    free(stats);
}

static void batchnorm_forward(const gradient_case *c, double *out, const double *in)
{
    const double *gamma = in + c->R * c->K;
    const double *beta = gamma + c->K;

    for (size_t k = 0; k < c->K; k++) {
        double mean = 0.0;
        double var = 0.0;

        for (size_t r = 0; r < c->R; r++)
            mean += in[r * c->K + k] / (double)c->R;
        for (size_t r = 0; r < c->R; r++)
            var += pow(in[r * c->K + k] - mean, 2.0) / (double)c->R;
        for (size_t r = 0; r < c->R; r++)
            out[r * c->K + k] = (in[r * c->K + k] - mean) / sqrt(var + 1e-5) * gamma[k] + beta[k];
    }
}

/* As train/step.c does: sums over the batch first, in two pieces, then the rows. */
static void batchnorm_backward(const gradient_case *c, float *din, const float *dout,
                               const float *in)
{
    size_t n = c->R * c->K;
    size_t cut = c->R / 2;
    double *mean = calloc(4 * c->K + 1, sizeof *mean);
    double *scale = mean + c->K;
    double *dw = mean + 2 * c->K;
    double *db = mean + 3 * c->K;
    float *dx = malloc((n + 1) * sizeof *dx);
    cafi_batchnorm norm = {
        .w = in + n, .b = in + n + c->K, .mean = mean, .scale = scale, .E = c->K};

    assert_true(mean && dx);
    cafi_batchnorm_sum(mean, in, cut, c->K);
    cafi_batchnorm_sum(mean, in + cut * c->K, c->R - cut, c->K);
    for (size_t k = 0; k < c->K; k++)
        mean[k] /= (double)c->R;
    cafi_batchnorm_squares(scale, in, mean, cut, c->K);
    cafi_batchnorm_squares(scale, in + cut * c->K, mean, c->R - cut, c->K);
    for (size_t k = 0; k < c->K; k++)
        scale[k] = 1.0 / sqrt(scale[k] / (double)c->R + 1e-5);
    cafi_batchnorm_bwd_sums(&norm, dw, db, dout, in, cut);
    cafi_batchnorm_bwd_sums(&norm, dw, db, dout + cut * c->K, in + cut * c->K, c->R - cut);
    for (size_t k = 0; k < c->K; k++) {
        din[n + k] += (float)dw[k];
        din[n + c->K + k] += (float)db[k];
        dw[k] /= (double)c->R;
        db[k] /= (double)c->R;
    }
    cafi_batchnorm_bwd(&norm, dx, dout, in, dw, db, c->R);
    for (size_t i = 0; i < n; i++)
        din[i] += dx[i];
    free(mean);
    free(dx);
}

static void gelu_forward(const gradient_case *c, double *out, const double *in)
{
    for (size_t i = 0; i < c->inputs; i++)
        out[i] = 0.5 * in[i] * (1.0 + erf(in[i] / sqrt(2.0)));
}

static void add(float *to, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += x[i];
}

static void gelu_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    float *y = malloc((c->inputs + 1) * sizeof *y);
    float *slope = malloc((c->inputs + 1) * sizeof *slope);

    assert_true(y && slope);
    back->gelu_save(y, slope, in, c->inputs);
    back->gelu_bwd(y, dout, slope, c->inputs);
    add(din, y, c->inputs);
    free(y);
    free(slope);
}

/* Softmax over R of [R][K]. */
static void columns_forward(const gradient_case *c, double *out, const double *in)
{
    for (size_t k = 0; k < c->K; k++) {
        double sum = 0.0;

        for (size_t r = 0; r < c->R; r++)
            sum += exp(in[r * c->K + k]);
        for (size_t r = 0; r < c->R; r++)
            out[r * c->K + k] = exp(in[r * c->K + k]) / sum;
    }
}

static void columns_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    float *y = malloc((c->inputs + 1) * sizeof *y);
    float *dx = malloc((c->inputs + 1) * sizeof *dx);

    assert_true(y && dx);
    kernels->softmax_columns(y, in, c->R, c->K);
    back->softmax_columns_bwd(dx, dout, y, c->R, c->K);
    add(din, dx, c->inputs);
    free(y);
    free(dx);
}

/* R queries, J keys, 2 heads of width K; q, k, v one behind the other. */
static void attention_forward(const gradient_case *c, double *out, const double *in)
{
    size_t D = 2 * c->K;
    const double *keys = in + c->R * D;
    const double *values = keys + c->J * D;

    for (size_t r = 0; r < c->R; r++)
        for (size_t h = 0; h < 2; h++) {
            double p[64];
            double sum = 0.0;

            for (size_t n = 0; n < c->J; n++) {
                p[n] = 0.0;
                for (size_t i = 0; i < c->K; i++)
                    p[n] += in[r * D + h * c->K + i] * keys[n * D + h * c->K + i];
                p[n] = exp(0.7 * p[n]);
                sum += p[n];
            }
            for (size_t i = 0; i < c->K; i++) {
                out[r * D + h * c->K + i] = 0.0;
                for (size_t n = 0; n < c->J; n++)
                    out[r * D + h * c->K + i] += p[n] / sum * values[n * D + h * c->K + i];
            }
        }
}

static void attention_backward(const gradient_case *c, float *din, const float *dout,
                               const float *in)
{
    size_t D = 2 * c->K;
    size_t k = c->R * D;
    size_t v = k + c->J * D;
    float *scratch = malloc((cafi_attention_bwd_scratch(c->J, c->K) + 1) * sizeof *scratch);
    cafi_attention a = {.q = in,
                        .k = in + k,
                        .v = in + v,
                        .ldq = D,
                        .ldk = D,
                        .ldv = D,
                        .Q = c->R,
                        .N = c->J,
                        .H = 2,
                        .d = c->K,
                        .scale = 0.7f,
                        .scratch = scratch};
    cafi_attention_grad g = {
        .a = &a, .dout = dout, .lddout = D, .dq = din, .dk = din + k, .dv = din + v};

    assert_non_null(scratch);
    back->attention_bwd(&g);
    free(scratch);
}

static void prelu_forward(const gradient_case *c, double *out, const double *in)
{
    for (size_t i = 0; i < c->outputs; i++)
        out[i] = in[i] > 0.0 ? in[i] : in[c->outputs] * in[i];
}

static void prelu_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    float *dx = malloc((c->outputs + 1) * sizeof *dx);

    assert_non_null(dx);
    cafi_prelu_bwd(dx, din + c->outputs, dout, in, in[c->outputs], c->outputs);
    add(din, dx, c->outputs);
    free(dx);
}

/* Weights [K][2] are the input; the styles are fixed by R. */
static float style_of(size_t i)
{
    return (float)((i * 37) % 19) / 9.0f - 1.0f;
}

static void style_forward(const gradient_case *c, double *out, const double *in)
{
    for (size_t i = 0; i < c->R * c->K; i++)
        out[i] = (double)style_of(2 * i) * in[2 * (i % c->K)] +
                 (double)style_of(2 * i + 1) * in[2 * (i % c->K) + 1];
}

static void style_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    float *s = malloc((2 * c->R * c->K + 1) * sizeof *s);

    (void)in;
    assert_non_null(s);
    for (size_t i = 0; i < 2 * c->R * c->K; i++)
        s[i] = style_of(i);
    cafi_style_mix_bwd(din, dout, s, c->R, c->K);
    free(s);
}

static void cosine_forward(const gradient_case *c, double *out, const double *in)
{
    double xx = 0.0;
    double yy = 0.0;
    double xy = 0.0;

    for (size_t k = 0; k < c->K; k++) {
        xx += in[k] * in[k];
        yy += in[c->K + k] * in[c->K + k];
        xy += in[k] * in[c->K + k];
    }
    out[0] = 1.0 - xy / ((sqrt(xx) + 1e-5) * (sqrt(yy) + 1e-5));
}

static void cosine_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    cafi_cosine_loss(in, in + c->K, din, din + c->K, (double)dout[0], c->K);
}

/* x0 [K], x1 [K], and two masses, which are made positive. */
static void merge_forward(const gradient_case *c, double *out, const double *in)
{
    double a0 = in[2 * c->K] + 2.0;
    double a1 = in[2 * c->K + 1] + 2.0;

    for (size_t k = 0; k < c->K; k++)
        out[k] = (a0 * in[k] + a1 * in[c->K + k]) / (a0 + a1);
}

static void merge_backward(const gradient_case *c, float *din, const float *dout, const float *in)
{
    float *to = malloc((3 * c->K + 1) * sizeof *to);
    float *dx0 = to + c->K;
    float *dx1 = dx0 + c->K;
    float a0 = in[2 * c->K] + 2.0f;
    float a1 = in[2 * c->K + 1] + 2.0f;

    assert_non_null(to);
    cafi_merge_fwd(to, in, in + c->K, a0, a1, c->K);
    cafi_merge_bwd(dx0, dx1, &din[2 * c->K], &din[2 * c->K + 1], dout, to, in, in + c->K, a0, a1,
                   c->K);
    add(din, dx0, c->K);
    add(din + c->K, dx1, c->K);
    free(to);
}

static void random_cases(size_t R, size_t K, size_t J)
{
    const gradient_case cases[] = {
        {"linear", R * K + J * K + J, R * J, R, K, J, linear_forward, linear_backward},
        {"mix_rows", R * K + J * R + J, J * K, R, K, J, mix_forward, mix_backward},
        {"layernorm", R * K + 2 * K, R * K, R, K, 0, layernorm_forward, layernorm_backward},
        {"batchnorm", R * K + 2 * K, R * K, R, K, 0, batchnorm_forward, batchnorm_backward},
        {"gelu", R * K, R * K, R, K, 0, gelu_forward, gelu_backward},
        {"softmax_columns", R * K, R * K, R, K, 0, columns_forward, columns_backward},
        {"attention", 2 * K * (R + 2 * J), 2 * K * R, R, K, J, attention_forward,
         attention_backward},
        {"prelu", R * K + 1, R * K, R, K, 0, prelu_forward, prelu_backward},
        {"style_mix", 2 * K, R * K, R, K, 0, style_forward, style_backward},
        {"cosine", 2 * K, 1, 1, K, 0, cosine_forward, cosine_backward},
        {"merge", 2 * K + 2, K, 1, K, 0, merge_forward, merge_backward},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

static void test_gradients(void **state)
{
    static const size_t shapes[][3] = {{1, 2, 1}, {3, 16, 5}, {5, 17, 20}, {4, 9, 33}, {2, 33, 3}};
    uint64_t seed = test_seed();

    (void)state;
    cafi_blas_single_thread();
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++) {
        kernels = cafi_kernels_for((cafi_isa)isa);
        back = cafi_backward_for((cafi_isa)isa);
        if (!kernels)
            continue;
        rng.state = seed;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            random_cases(shapes[i][0], shapes[i][1], shapes[i][2]);
    }
}

/* Column sums of strided rows, with nothing written past the last column. */
static void test_column_sums(void **state)
{
    enum { R = 7, LD = 40 };
    float x[R * LD];
    uint64_t seed = test_seed();

    (void)state;
    rng.state = seed;
    test_fill(&rng, x, R * LD, 1.0f);
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++)
        for (size_t K = 0; K <= 37; K++) {
            const cafi_backward_kernels *k = cafi_backward_for((cafi_isa)isa);
            float sum[LD];

            for (size_t i = 0; i < LD; i++)
                sum[i] = 1.0f;
            if (k)
                k->column_sums(sum, x, LD, R, K);
            for (size_t i = 0; k && i < LD; i++) {
                double want = 1.0;

                for (size_t r = 0; r < R && i < K; r++)
                    want += (double)x[r * LD + i];
                assert_true(fabs((double)sum[i] - want) < 1e-5);
            }
        }
}

/* CBLAS with strides and transposes as the linear layer asks for them. */
static void test_linear_forward(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    rng.state = seed;
    cafi_blas_single_thread();
    for (int round = 0; round < 60; round++) {
        enum { MOST = 100, GUARD = 16 };
        size_t R = 1 + test_below(&rng, 40), K = 1 + test_below(&rng, MOST);
        size_t J = 1 + test_below(&rng, MOST);
        float x[40 * MOST], w[MOST * MOST], b[MOST], got[40 * MOST + GUARD], want[40 * MOST];

        test_fill(&rng, x, R * K, 1.0f);
        test_fill(&rng, w, J * K, 1.0f);
        test_fill(&rng, b, J, 1.0f);
        for (size_t i = 0; i < GUARD; i++)
            got[R * J + i] = 12345.0f;
        for (size_t r = 0; r < R; r++)
            for (size_t j = 0; j < J; j++) {
                double sum = (double)b[j];

                for (size_t k = 0; k < K; k++)
                    sum += (double)x[r * K + k] * (double)w[j * K + k];
                want[r * J + j] = (float)sum;
            }
        cafi_linear_fwd(got, x, w, b, R, K, J);
        EXPECT_NEAR_F32(got, want, R * J, 1e-5, "R=%zu K=%zu J=%zu seed=%llu", R, K, J,
                        (unsigned long long)seed);
        for (size_t i = 0; i < GUARD; i++)
            assert_true(got[R * J + i] == 12345.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_column_sums),
        cmocka_unit_test(test_linear_forward),
    };

    return cmocka_run_group_tests_name("backward", tests, NULL, NULL);
}
