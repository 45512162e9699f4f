/* A program whose locale writes 1,5: what the library writes and reads keeps its full stop. The
 * locale is a fixture, since a bare system has none with a comma. */
#include "check.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <caface/set.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/index.h"
#include "files/json.h"
#include "files/recordio.h"

static int begin(void **state)
{
    char text[16];

    (void)state;
    setenv("LOCPATH", test_fixture("locale"), 1);
    if (!setlocale(LC_NUMERIC, "xx_COMMA"))
        return 0;
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5");
    return 0;
}

static bool is_here(void)
{
    return strcmp(localeconv()->decimal_point, ",") == 0;
}

static void numbers_are_written_with_a_full_stop(void **state)
{
    cafi_buf out = {0};
    cafi_json json = {.out = &out};
    caface_set_options o;
    char text[64];
    caface_error err;

    (void)state;
    if (!is_here())
        skip(); /* a machine that does not take the fixture: another C library or byte order */
    cafi_json_real(&json, NULL, 0.25);
    assert_string_equal(out.data, "0.25");
    cafi_buf_printf(&out, " %.3f", -1234.5);
    assert_string_equal(out.data, "0.25 -1234.500");
    cafi_buf_free(&out);
    cafi_fail(&err, CAFACE_EINVAL, "%g", 2.5);
    assert_string_equal(err.message, "2.5");
    caface_set_options_init(&o);
    EXPECT_OK(caface_set_options_parse(&o, "norm:2.5", &err), err);
    assert_true(o.norm_power == 2.5);
    assert_string_equal(caface_set_options_text(&o, text, sizeof text), "norm:2.5");
    assert_string_equal(localeconv()->decimal_point, ","); /* the program keeps its own */
}

static void numbers_are_read_with_a_full_stop(void **state)
{
    static const char table[] = "name\tx\na\t0.5\nb\t-1e-3\n", list[] = "1\t2.5\ta.jpg\n";
    cafi_value v;
    cafi_index *index = NULL;
    cafi_record_list records;
    float x[2];
    char *end = NULL;
    caface_error err;

    (void)state;
    if (!is_here())
        skip();
    EXPECT_OK(cafi_json_parse(&v, "0.75", 4, &err), err);
    assert_true(v.u.real == 0.75);
    cafi_value_clear(&v);
    assert_true(cafi_strtod("1.5,2", &end) == 1.5 && *end == ',');
    assert_true(cafi_strtof("1.25", &end) == 1.25f && !*end);
    test_write(test_temp("index.tsv"), table, sizeof table - 1);
    EXPECT_OK(cafi_index_open(&index, test_temp("index.tsv"), &err), err);
    EXPECT_OK(cafi_index_reals(index, 1, x, &err), err);
    assert_true(x[0] == 0.5f && x[1] == -1e-3f);
    cafi_index_free(index);
    test_write(test_temp("r.lst"), list, sizeof list - 1);
    EXPECT_OK(cafi_record_list_open(&records, test_temp("r.lst"), &err), err);
    assert_true(records.labels[0] == 2.5f);
    cafi_record_list_close(&records);
}

/* Turkish has an i without a dot: strcasecmp(".GIF", ".gif") is not 0 there. */
static void letters_are_those_of_ascii(void **state)
{
    (void)state;
    assert_int_equal(cafi_strcasecmp(".GIF", ".gif"), 0);
    assert_true(cafi_strcasecmp("ab", "abc") < 0 && cafi_strcasecmp("B", "a") > 0);
    assert_int_equal(cafi_strncasecmp("TIFFx", "tiffy", 4), 0);
    assert_true(cafi_strncasecmp("\xc4", "\xe4", 1) != 0); /* no letters */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_with_a_full_stop),
        cmocka_unit_test(numbers_are_read_with_a_full_stop),
        cmocka_unit_test(letters_are_those_of_ascii),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
