/* Lists of templates, pairs and subjects: good files, and bad ones by line. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/identify.h"
#include "files/lines.h"
#include "eval/pairs.h"

static const char *file_of(const char *name, const char *text)
{
    const char *path = test_temp("%s", name);

    test_write(path, text, strlen(text));
    return path;
}

/* --- templates ------------------------------------------------------------------ */

static cafi_template_list templates_of(const char *text)
{
    cafi_template_list list;
    caface_error err;

    EXPECT_OK(cafi_template_list_read(&list, file_of("T.txt", text), &err), err);
    return list;
}

static void templates_are_grouped(void **state)
{
    /* unsorted ids, CRLF, tabs, several blanks, an empty line, no last newline */
    cafi_template_list list = templates_of("a.jpg 7 1 joe\r\nb.jpg\t-3\t1\tann\n\nc.jpg  7   2 joe "
                                           "\nd.jpg 2 5 ann");

    (void)state;
    assert_int_equal(list.rows, 4);
    assert_int_equal(list.count, 3);
    assert_true(list.id[0] == -3 && list.id[1] == 2 && list.id[2] == 7);
    assert_int_equal(list.first[2], 2);
    assert_int_equal(list.first[3], 4);
    assert_true(list.order[0] == 1 && list.order[1] == 3 && list.order[2] == 0 &&
                list.order[3] == 2);
    assert_true(list.media[2] == 2 && list.line[3] == 5);
    assert_int_equal(list.subjects, 2);
    assert_int_equal(list.subject[0], list.subject[1]);
    assert_int_not_equal(list.subject[0], list.subject[2]);
    assert_int_equal(cafi_id_find(&list.table, 2), 1);
    assert_int_equal(cafi_id_find(&list.table, 3), CAFI_NO_ID);
    cafi_template_list_free(&list);
}

/* Names with blanks, with and without subjects, cut at blanks or tabs. */
static void names_may_hold_blanks(void **state)
{
    static const char *const forms[] = {"my a.jpg 7 1\nb.jpg 7 2\nthe c 3.jpg 9 1\n",
                                        "my a.jpg\t7\t1\nb.jpg\t7\t2\nthe c 3.jpg\t9\t1\n",
                                        "my a.jpg 7 1 joe\nb.jpg 7 2 joe\nthe c 3.jpg 9 1 ann\n",
                                        "b.jpg 7 1 joe\nmy a.jpg 7 2 joe\nphoto 3 9 1 ann\n"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        cafi_template_list list = templates_of(forms[i]);

        assert_int_equal(list.rows, 3);
        assert_int_equal(list.count, 2);
        assert_true(list.id[0] == 7 && list.id[1] == 9);
        assert_true(list.media[0] == 1 && list.media[1] == 2 && list.media[2] == 1);
        assert_int_equal(list.subjects, i < 2 ? 0 : 2);
        cafi_template_list_free(&list);
    }
}

static void bad_templates_are_named_by_line(void **state)
{
    static const struct {
        const char *text, *words[3];
    } cases[] = {
        {"", {"T.txt", "no rows", NULL}},
        {"a 1 1\nb 2\n", {"line 2", "2 fields", NULL}},
        {"a 1 1 x y\n", {"line 1", "5 fields", NULL}},
        {"a 1 1\n\nb x 1\n", {"line 3", "template \"x\"", NULL}},
        {"a 1 1\nb 2 1.5\n", {"line 2", "media \"1.5\"", NULL}},
        {"a 1 1\nb 99999999999999999999 1\n", {"line 2", "no whole number", NULL}},
        {"a 1 1 joe\nb 2 1\n", {"line 2 has no subject", "line 1 has one", NULL}},
        {"a 1 1\nb 2 1 joe\n", {"line 2 has a subject", "line 1 has none", NULL}},
        {"a 1 1 joe\nb 2 1 ann\nc 1 1 ann\n",
         {"template 1 has two subjects", "lines 1 and 3", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cafi_template_list list;
        caface_error err = {CAFACE_OK, ""};
        caface_status st = cafi_template_list_read(&list, file_of("T.txt", cases[i].text), &err);

        check_fail(st, CAFACE_EFORMAT, &err, __FILE__, __LINE__, cases[i].words);
    }
}

/* --- pairs ---------------------------------------------------------------------- */

static void pairs_are_read(void **state)
{
    cafi_template_list list = templates_of("a 10 1\nb 20 1\nc 30 1\n");
    cafi_pair_list pairs;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pairs_read(&pairs,
                              file_of("P.txt", "\xef\xbb\xbf"
                                               "10 20 1\r\n\n 30\t10 0 \n20 10 1\n10 20 0"),
                              &list, NULL, &err),
              err);
    assert_int_equal(pairs.count, 4);
    assert_int_equal(pairs.genuine, 2);
    assert_int_equal(pairs.impostor, 2);
    assert_int_equal(pairs.duplicates, 2); /* also the other way round */
    assert_true(cafi_pair_a(pairs.pairs[1]) == 2 && pairs.pairs[1].b == 0);
    assert_true(cafi_pair_is_genuine(pairs.pairs[0]) && !cafi_pair_is_genuine(pairs.pairs[3]));
    cafi_pairs_free(&pairs);
    EXPECT_OK(cafi_pairs_read(&pairs, file_of("P.txt", ""), &list, NULL, &err), err);
    assert_int_equal(pairs.count, 0);
    cafi_pairs_free(&pairs);
    cafi_template_list_free(&list);
}

static void bad_pairs_are_named_by_line(void **state)
{
    static const struct {
        const char *text, *words[4];
    } cases[] = {
        {"10 20 1\n10 20\n", {"P.txt", "line 2", "2 fields", NULL}},
        {"10 20 1 9\n", {"line 1", "4 fields", NULL}},
        {"10 20 1\n\n\n10 20 2\n", {"line 4", "label 2", NULL}},
        {"10 20 1\n10 40 0", {"line 2", "template 40", "T.txt", NULL}},
        {"10 b 1\n", {"line 1", "field 2", NULL}},
        {"10 20 99999999999999999999\n", {"line 1", "field 3", NULL}},
    };
    cafi_template_list list = templates_of("a 10 1\nb 20 1\nc 30 1\n");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cafi_pair_list pairs;
        caface_error err = {CAFACE_OK, ""};
        caface_status st =
            cafi_pairs_read(&pairs, file_of("P.txt", cases[i].text), &list, NULL, &err);

        check_fail(st, CAFACE_EFORMAT, &err, __FILE__, __LINE__, cases[i].words);
    }
    cafi_template_list_free(&list);
}

/* Larger than a block of the reader: lines that straddle the borders are read
 * once, and errors behind them are named by the right line. */
static void a_large_list_is_read_in_blocks(void **state)
{
    enum { LINES = 1200000 };
    cafi_template_list list = templates_of("a 1 1\nb 22 1\nc 333 1\nd 4444 1\n");
    static const int64_t ids[] = {1, 22, 333, 4444};
    test_rng rng = {test_seed()};
    cafi_buf text = {0};
    uint8_t *want = calloc(LINES, 1);
    char path[512];
    cafi_pool *pool = NULL;
    cafi_pair_list pairs;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < LINES; i++) {
        want[i] = (uint8_t)test_below(&rng, 32);
        cafi_buf_printf(&text, "%lld %lld %d\n", (long long)ids[want[i] & 3],
                        (long long)ids[want[i] >> 2 & 3], want[i] >> 4);
    }
    assert_true(text.size > ((size_t)8 << 20));
    snprintf(path, sizeof path, "%s", test_temp("large.txt"));
    test_write(path, text.data, text.size);
    EXPECT_OK(cafi_pool_new(&pool, 3, &err), err);
    EXPECT_OK(cafi_pairs_read(&pairs, path, &list, pool, &err), err);
    assert_int_equal(pairs.count, LINES);
    for (size_t i = 0; i < LINES; i++)
        assert_true(cafi_pair_a(pairs.pairs[i]) == (want[i] & 3u) &&
                    pairs.pairs[i].b == (want[i] >> 2 & 3u) &&
                    cafi_pair_is_genuine(pairs.pairs[i]) == (want[i] >> 4));
    cafi_pairs_free(&pairs);
    cafi_buf_text(&text, "1 5 0\n");
    test_write(path, text.data, text.size);
    EXPECT_FAIL(cafi_pairs_read(&pairs, path, &list, pool, &err), CAFACE_EFORMAT, err,
                "line 1200001", "template 5");
    memset(text.data + 100000, 'x', 5000000);
    test_write(path, text.data, text.size);
    EXPECT_FAIL(cafi_pairs_read(&pairs, path, &list, pool, &err), CAFACE_EFORMAT, err, "line",
                "longer than");
    cafi_pool_free(pool);
    cafi_buf_free(&text);
    free(want);
    cafi_template_list_free(&list);
}

static void subjects_are_connected_components(void **state)
{
    /* genuine: 0-3, 3-5, 2-4; 1 alone */
    cafi_pair raw[] = {{0 | CAFI_PAIR_GENUINE, 3},
                       {5 | CAFI_PAIR_GENUINE, 3},
                       {4 | CAFI_PAIR_GENUINE, 2},
                       {0, 1},
                       {2, 5}};
    cafi_pair_list pairs = {.pairs = raw, .count = 5, .genuine = 3, .impostor = 2};
    uint32_t subject[6];
    size_t count = 0;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pairs_subjects(&pairs, 6, subject, &count, &err), err);
    assert_int_equal(count, 3);
    assert_true(subject[0] == 0 && subject[3] == 0 && subject[5] == 0);
    assert_true(subject[1] == 1 && subject[2] == 2 && subject[4] == 2);
}

static void subject_lists_are_read(void **state)
{
    cafi_template_list list = templates_of("a 10 1\nb 20 1\nc 30 1\n");
    cafi_subject_book book = {0};
    cafi_subject_list gallery, probes;
    caface_error err;

    (void)state;
    /* IJB's header in another order, a template in two lines, CRLF, quotes */
    EXPECT_OK(
        cafi_subject_list_read(&gallery,
                               file_of("G.csv", "SIGHTING_ID, TEMPLATE_ID ,SUBJECT_ID,FILE\r\n"
                                                "1,30,joe,x.jpg\r\n2,10,ann,y.jpg\r\n"
                                                "\"3, \"\"a\"\", b\", \"30\" ,\"joe\",z.jpg"),
                               &list, &book, &err),
        err);
    assert_int_equal(gallery.count, 2);
    assert_true(gallery.items[0].place == 0 && gallery.items[1].place == 2);
    /* blanks and no header; subjects are shared */
    EXPECT_OK(cafi_subject_list_read(&probes, file_of("P.lst", "20 joe\n"), &list, &book, &err),
              err);
    assert_int_equal(probes.items[0].subject, gallery.items[1].subject);
    assert_int_equal(book.names.count, 2);
    cafi_subject_list_free(&gallery);
    cafi_subject_list_free(&probes);
    cafi_subject_book_free(&book);
    cafi_template_list_free(&list);
}

static void bad_subject_lists_are_named_by_line(void **state)
{
    static const struct {
        const char *text, *words[4];
    } cases[] = {
        {"TEMPLATE_ID,SUBJECT_ID\n", {"G.csv", "no templates", NULL}},
        {"TEMPLATE_ID,SUBJECT_ID\n10,1\n20\n", {"line 3 has 1 fields", NULL}},
        {"TEMPLATE_ID,SUBJECT_ID\n10,1\nx,1\n", {"line 3", "\"x\"", NULL}},
        {"TEMPLATE_ID,SUBJECT_ID\n10,\n", {"line 2", "no subject", NULL}},
        {"TEMPLATE_ID,SUBJECT_ID\n\"10,1\n", {"line 2 has 1 fields", NULL}},
        {"TEMPLATE_ID,SUBJECT_ID\n40,1\n", {"line 2", "template 40", "T.txt", NULL}},
        {"10,1\n20,1\n10,2\n", {"template 10 has two subjects", "lines 1 and 3", NULL}},
    };
    cafi_template_list list = templates_of("a 10 1\nb 20 1\nc 30 1\n");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cafi_subject_book book = {0};
        cafi_subject_list gallery;
        caface_error err = {CAFACE_OK, ""};
        caface_status st =
            cafi_subject_list_read(&gallery, file_of("G.csv", cases[i].text), &list, &book, &err);

        check_fail(st, CAFACE_EFORMAT, &err, __FILE__, __LINE__, cases[i].words);
        cafi_subject_book_free(&book);
    }
    cafi_template_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_grouped),
        cmocka_unit_test(names_may_hold_blanks),
        cmocka_unit_test(bad_templates_are_named_by_line),
        cmocka_unit_test(pairs_are_read),
        cmocka_unit_test(bad_pairs_are_named_by_line),
        cmocka_unit_test(a_large_list_is_read_in_blocks),
        cmocka_unit_test(subjects_are_connected_components),
        cmocka_unit_test(subject_lists_are_read),
        cmocka_unit_test(bad_subject_lists_are_named_by_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
