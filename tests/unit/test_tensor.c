/* Views: strides, byte orders, conversions. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/tensor.h"

/* A half precision number from its definition. */
static double half_value(unsigned bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = (double)(bits & 1023) / 1024.0;
    double magnitude = exponent == 31 ? (mantissa != 0.0 ? NAN : INFINITY)
                       : exponent     ? ldexp(1.0 + mantissa, exponent - 15)
                                      : ldexp(mantissa, -14);

    return bits & 0x8000 ? -magnitude : magnitude;
}

static void every_half_is_exact(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        double want = half_value(bits);
        float got = cafi_f16_to_f32((uint16_t)bits);

        if (isnan(want)) {
            assert_true(isnan(got));
            assert_true(isnan(cafi_f16_to_f32(cafi_f32_to_f16(got))));
            continue;
        }
        assert_true((double)got == want && !signbit(got) == !signbit(want));
        assert_int_equal(cafi_f32_to_f16(got), bits);
    }
}

/* To the nearest half, ties to even: compared with a search by value. */
static void floats_round_to_the_nearest_half(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        double low = half_value(bits);
        double high = bits + 1 == 0x7c00 ? 65536.0 : half_value(bits + 1);
        float middle = (float)((low + high) / 2.0); /* exact: 12 bits */
        float inside = (float)(low + (high - low) * (0.5 + 0.49 * (double)test_uniform(&rng)));
        unsigned nearest = (double)inside < (double)middle ? bits : bits + 1;

        assert_int_equal(cafi_f32_to_f16(middle), bits & 1 ? bits + 1 : bits);
        assert_int_equal(cafi_f32_to_f16(nextafterf(middle, 0.0f)), bits);
        assert_int_equal(cafi_f32_to_f16(nextafterf(middle, INFINITY)), bits + 1);
        if (inside != middle)
            assert_int_equal(cafi_f32_to_f16(-inside), 0x8000 | nearest);
    }
    assert_int_equal(cafi_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(cafi_f32_to_f16(1e-30f), 0);
}

static void reverse(unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        unsigned char c = p[i];

        p[i] = p[size - 1 - i];
        p[size - 1 - i] = c;
    }
}

/* What element i of t is, bit for bit, found without the code under test. */
static void element(const cafi_tensor *t, size_t i, unsigned char *out)
{
    ptrdiff_t at = 0;
    size_t size = cafi_dtype_size(t->dtype);

    for (int d = t->ndim - 1; d >= 0; d--) {
        at += (ptrdiff_t)(i % t->shape[d]) * t->stride[d];
        i /= t->shape[d];
    }
    memcpy(out, t->data + at * (ptrdiff_t)size, size);
    if (t->swapped)
        reverse(out, size);
}

static double as_double(cafi_dtype dtype, const unsigned char *p)
{
    union {
        double f64;
        float f32;
        uint16_t u16;
        int64_t i64;
        uint64_t u64;
        int32_t i32;
        uint32_t u32;
        int16_t i16;
        int8_t i8;
        uint8_t u8;
    } v;

    memcpy(&v, p, cafi_dtype_size(dtype));
    switch (dtype) {
    case CAFI_F64:
        return v.f64;
    case CAFI_F32:
        return (double)v.f32;
    case CAFI_F16:
        return half_value(v.u16);
    case CAFI_I64:
        return (double)v.i64;
    case CAFI_U64:
        return (double)v.u64;
    case CAFI_I32:
        return v.i32;
    case CAFI_U32:
        return v.u32;
    case CAFI_I16:
        return v.i16;
    case CAFI_U16:
        return v.u16;
    case CAFI_I8:
        return v.i8;
    case CAFI_U8:
        return v.u8;
    case CAFI_BOOL_T:
        return v.u8 != 0;
    default: { /* bf16: the upper half of a float */
        uint32_t bits = (uint32_t)v.u16 << 16;

        memcpy(&v.f32, &bits, 4);
        return (double)v.f32;
    }
    }
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* A random view into a random buffer: strides of either sign, zero strides,
 * unaligned data, either byte order. */
static cafi_tensor random_view(test_rng *rng, const unsigned char *buffer, size_t middle)
{
    cafi_tensor t = {.name = "t",
                     .dtype = (cafi_dtype)test_below(rng, CAFI_DTYPE_COUNT),
                     .swapped = test_below(rng, 2) == 1,
                     .ndim = (int)test_below(rng, 5)};

    t.data = buffer + middle + test_below(rng, 8);
    for (int d = 0; d < t.ndim; d++) {
        t.shape[d] = 1 + test_below(rng, 5);
        t.stride[d] = (ptrdiff_t)test_below(rng, 41) - 20;
    }
    if (test_below(rng, 3) == 0) { /* and often a plain one */
        ptrdiff_t step = 1;

        for (int d = t.ndim - 1; d >= 0; d--) {
            t.stride[d] = step;
            step *= (ptrdiff_t)t.shape[d];
        }
    }
    return t;
}

static void any_view_reads_like_its_definition(void **state)
{
    enum { SIZE = 16384, MAX = 625 };
    static unsigned char buffer[SIZE];
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        buffer[i] = (unsigned char)test_next(&rng);
    for (int round = 0; round < 2000; round++) {
        cafi_tensor t = random_view(&rng, buffer, SIZE / 2);
        size_t n = cafi_tensor_count(&t);
        size_t size = cafi_dtype_size(t.dtype);
        size_t first = test_below(&rng, n);
        size_t count = test_below(&rng, n - first + 1);
        unsigned char raw[MAX * 8 + 1];
        float f32[MAX];
        double f64[MAX];

        cafi_tensor_read_raw(&t, first, count, raw);
        cafi_tensor_read_f32(&t, first, count, f32);
        cafi_tensor_read_f64(&t, first, count, f64);
        for (size_t i = 0; i < count; i++) {
            unsigned char want[8];
            double number = 0.0;

            element(&t, first + i, want);
            if (size > 1)
                assert_memory_equal(raw + i * size, want, size);
            number = as_double(t.dtype, want);
            assert_true(same_number(f64[i], number));
            if (t.dtype != CAFI_I64 && t.dtype != CAFI_U64) /* those round once, not twice */
                assert_true(same_number((double)f32[i], (double)(float)number));
        }
    }
}

static void whole_numbers_are_checked(void **state)
{
    static const unsigned char big[16] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80};
    cafi_tensor t = {
        .name = "ids", .data = big, .dtype = CAFI_U64, .ndim = 1, .shape = {2}, .stride = {1}};
    int64_t out[2];
    caface_error err;

    (void)state;
    t.swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    EXPECT_OK(cafi_tensor_read_i64(&t, 0, 1, out, &err), err);
    assert_int_equal(out[0], 1);
    EXPECT_FAIL(cafi_tensor_read_i64(&t, 0, 2, out, &err), CAFACE_EFORMAT, err, "ids", "element 1",
                "9223372036854775808");
    t.dtype = CAFI_F64;
    EXPECT_FAIL(cafi_tensor_read_i64(&t, 0, 1, out, &err), CAFACE_EFORMAT, err, "F64");
    t.dtype = CAFI_I8;
    t.data = big + 15;
    EXPECT_OK(cafi_tensor_read_i64(&t, 0, 1, out, &err), err);
    assert_int_equal(out[0], -128);
}

static void shapes_print(void **state)
{
    size_t shape[4] = {64, 3, 3, 3};
    char text[64];

    (void)state;
    assert_string_equal(cafi_shape_text(text, sizeof text, 4, shape), "[64,3,3,3]");
    assert_string_equal(cafi_shape_text(text, sizeof text, 0, shape), "[]");
    assert_string_equal(cafi_shape_text(text, 6, 4, shape), "[64,3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_exact),
        cmocka_unit_test(floats_round_to_the_nearest_half),
        cmocka_unit_test(any_view_reads_like_its_definition),
        cmocka_unit_test(whole_numbers_are_checked),
        cmocka_unit_test(shapes_print),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
