#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "files/json.h"

static char *rewritten(const char *text)
{
    cafi_value v;
    caface_error err;
    cafi_buf out = {0};
    cafi_json json = {.out = &out};

    EXPECT_OK(cafi_json_parse(&v, text, strlen(text), &err), err);
    cafi_json_value(&json, NULL, &v);
    cafi_value_clear(&v);
    return out.data;
}

static void valid_texts_are_read(void **state)
{
    static const char *const cases[][2] = {
        {"null", "null"},
        {" [ ] ", "[]"},
        {"{}", "{}"},
        {"[true,false,null]", "[true,false,null]"},
        {"-0", "-0.0"},
        {"0", "0"},
        {"-12", "-12"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9.223372036854776e+18"},
        {"1.5e3", "1.5e+03"},
        {"0.1", "0.1"},
        {"1E-7", "1e-07"},
        {"5e-324", "5e-324"},
        {"\"\"", "\"\""},
        {"\"a\\u0000b\"", "\"a\\u0000b\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\u0008\\u000c\\n\\u000d\\t\""},
        {"\"\\u00fc\\u20AC\\ud83d\\ude00\"", "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\"\xc3\xbc\"", "\"\xc3\xbc\""},
        {"{\"a\":{\"b\":[1,{\"c\":2}]},\"\":3}", "{\"a\":{\"b\":[1,{\"c\":2}]},\"\":3}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *got = rewritten(cases[i][0]);
        char *again = rewritten(got);

        assert_string_equal(got, cases[i][1]);
        assert_string_equal(again, got);
        free(got);
        free(again);
    }
}

static void invalid_texts_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "nul",
        "nulll",
        "truefalse",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{1:2}",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"a\nb\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "Infinity",
        "1e999",
        "-1e999",
        "1 2",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "\xef\xbb\xbf{}",
        "{\"a\":1,\"a\":2}",
        "{\"a\\u0000\":1}",
        "/**/1",
        "[1]x",
    };
    caface_error err;
    cafi_value v;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!cafi_json_parse(&v, cases[i], strlen(cases[i]), &err))
            fail_msg("accepted: %s", cases[i]);
        else
            EXPECT_FAIL(err.status, CAFACE_EFORMAT, err, "JSON byte ");
    assert_int_equal(cafi_json_parse(&v, "1\0", 2, &err), CAFACE_EFORMAT);
}

static void depth_and_number_are_bounded(void **state)
{
    caface_error err;
    cafi_value v;
    char deep[2 * 100000];
    size_t n = (size_t)2 * CAFI_JSON_MAX_VALUES + 16;
    char *many = malloc(n);

    (void)state;
    assert_non_null(many);
    memset(deep, '[', sizeof deep / 2);
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    EXPECT_FAIL(cafi_json_parse(&v, deep, sizeof deep, &err), CAFACE_ELIMIT, err, "deeper than 64");
    EXPECT_OK(cafi_json_parse(&v, deep + 100000 - 64, 128, &err), err);
    cafi_value_clear(&v);
    memset(many, '0', n);
    for (size_t i = 0; i < n; i += 2)
        many[i] = i ? ',' : '[';
    EXPECT_FAIL(cafi_json_parse(&v, many, n, &err), CAFACE_ELIMIT, err, "2097152 values");
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_read),
        cmocka_unit_test(invalid_texts_are_refused),
        cmocka_unit_test(depth_and_number_are_bounded),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
