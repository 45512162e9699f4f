/* Pairs of pictures: LFW's lists, InsightFace's .bin sets. */
#include "check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eval/image_pairs.h"
#include "files/pair_bin.h"

static cafi_index *index_of(const char *text)
{
    const char *path = test_temp("index.tsv");
    cafi_index *index = NULL;
    caface_error err;

    test_write(path, text, strlen(text));
    EXPECT_OK(cafi_index_open(&index, path, &err), err);
    return index;
}

static const char *list_of(const char *text)
{
    const char *path = test_temp("pairs.txt");

    test_write(path, text, strlen(text));
    return path;
}

static const char rows[] = "source\nlfw/Joe/Joe_0001.jpg\nlfw/Joe/Joe_0002.jpg\n"
                           "lfw/Ann/Ann_0012.png\na/twice.jpg\nb/twice.jpg\n";

static void lists_are_read(void **state)
{
    cafi_index *index = index_of(rows);
    cafi_image_pairs pairs;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_image_pairs_read(&pairs,
                                    list_of("10\t300\r\nJoe\t1\t2\r\nJoe\t2\tAnn\t12\n\n"
                                            "Ann_0012.png lfw/Joe/Joe_0001.jpg 0\n"
                                            "a/twice.jpg b/twice.jpg 1"),
                                    index, "set", &err),
              err);
    assert_int_equal(pairs.count, 4);
    assert_true(pairs.a[0] == 0 && pairs.b[0] == 1 && pairs.same[0]);
    assert_true(pairs.a[1] == 1 && pairs.b[1] == 2 && !pairs.same[1]);
    assert_true(pairs.a[2] == 2 && pairs.b[2] == 0 && !pairs.same[2]);
    assert_true(pairs.a[3] == 3 && pairs.b[3] == 4 && pairs.same[3]);
    assert_null(pairs.subject_a); /* two lines name nobody */
    cafi_image_pairs_free(&pairs);
    cafi_index_free(index);
}

/* The same three pairs in every form that people's lists have. */
static void every_form_of_a_list_is_read(void **state)
{
    static const char *const forms[] = {
        "Joe\t1\t2\nJoe\t2\tAnn Lee\t12\nAnn Lee\t12\tJoe\t1\n", /* LFW: tabs, blanks in names */
        "Joe 1 2\nJoe 2 Ann Lee 12\nAnn Lee 12 Joe 1\n",         /* blanks alone */
        "name,imagenum1,imagenum2,\nJoe,1,2,\nJoe,2,Ann Lee,12\nAnn Lee,12,Joe,1\n", /* a header */
        "Joe_0001.jpg,Joe_0002.jpg,1\nJoe_0002.jpg,Ann Lee_0012.png,0\nAnn "
        "Lee_0012.png,Joe_0001.jpg,-1\n",
        "1\tJoe_0001\tJoe_0002\n0\tJoe_0002\tAnn Lee_0012\n-1\tAnn Lee_0012\tJoe_0001\n",
        "Joe_0001.jpg\t4\nJoe_0002.jpg\t4\nJoe_0002.jpg\t0\nAnn Lee_0012.png\t0\n" /* CALFW */
        "Ann Lee_0012.png\t0\nJoe_0001.jpg\t0\n",
        "Joe_0001.jpg 4\nJoe_0002.jpg 4\nJoe_0002.jpg 0\nAnn Lee_0012.png 0\n" /* at blanks */
        "Ann Lee/Ann Lee_0012.png 0\nJoe_0001.jpg 0\n",
        "Joe_0001 1\nJoe_0002 1\nJoe_0002 0\nAnn Lee_0012 0\nAnn Lee_0012 0\nJoe_0001 0\n",
        "Joe_0001.jpg Joe_0002.jpg 1\nJoe_0002.jpg Ann Lee_0012.png 0\n"
        "lfw/Ann Lee/Ann Lee_0012.png Joe_0001.jpg -1\n",
        "1 Joe_0001 Joe_0002\n0 Joe_0002 Ann Lee_0012\n0 Ann Lee/Ann Lee_0012 Joe_0001\n",
    };
    cafi_index *index = index_of("source\nlfw/Joe/Joe_0001.jpg\nlfw/Joe/Joe_0002.jpg\n"
                                 "lfw/Ann Lee/Ann Lee_0012.png\n");
    cafi_image_pairs pairs;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        EXPECT_OK(cafi_image_pairs_read(&pairs, list_of(forms[i]), index, "set", &err), err);
        assert_int_equal(pairs.count, 3);
        assert_true(pairs.a[0] == 0 && pairs.b[0] == 1 && pairs.same[0]);
        assert_true(pairs.a[1] == 1 && pairs.b[1] == 2 && !pairs.same[1]);
        assert_true(pairs.a[2] == 2 && pairs.b[2] == 0 && !pairs.same[2]);
        cafi_image_pairs_free(&pairs);
    }
    cafi_index_free(index);
}

/* People whose names are numbers, and labels as programs write them. */
static void numbers_are_names(void **state)
{
    static const char *const forms[] = {
        "0007\t1\t2\n0007\t2\t12\t3\n12\t3\t0007\t1\n",
        "name,a,b\n0007,1,2\n0007,2,12,3\n12,3,0007,1\n",
        "0007 1 2\n0007 2 12 3\n12 3 0007 1\n",
        "0007_0001.jpg,0007_0002.jpg,True\n0007_0002,12_0003,False\n12_0003,0007_0001.jpg,0.0\n",
    };
    cafi_index *index = index_of("source\nx/0007/0007_0001.jpg\nx/0007/0007_0002.jpg\n"
                                 "x/12/12_0003.jpg\n");
    cafi_image_pairs pairs;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        EXPECT_OK(cafi_image_pairs_read(&pairs, list_of(forms[i]), index, "set", &err), err);
        assert_int_equal(pairs.count, 3);
        assert_true(pairs.a[0] == 0 && pairs.b[0] == 1 && pairs.same[0]);
        assert_true(pairs.a[1] == 1 && pairs.b[1] == 2 && !pairs.same[1]);
        assert_true(pairs.a[2] == 2 && pairs.b[2] == 0 && !pairs.same[2]);
        cafi_image_pairs_free(&pairs);
    }
    cafi_index_free(index);
    /* pictures that are called by numbers alone */
    index = index_of("source\n000001.jpg\n000002.jpg\n");
    EXPECT_OK(cafi_image_pairs_read(&pairs, list_of("000001\t000002\t1\n"), index, "set", &err),
              err);
    assert_true(pairs.count == 1 && pairs.a[0] == 0 && pairs.b[0] == 1 && pairs.same[0]);
    cafi_image_pairs_free(&pairs);
    cafi_index_free(index);
}

/* What a shell puts for <(command). */
static void a_list_comes_through_a_pipe(void **state)
{
    static const char text[] = "Joe 1 2\n";
    cafi_index *index = index_of(rows);
    cafi_image_pairs pairs;
    caface_error err;
    char path[64];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, sizeof text - 1), sizeof text - 1);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    EXPECT_OK(cafi_image_pairs_read(&pairs, path, index, "set", &err), err);
    assert_int_equal(pairs.count, 1);
    cafi_image_pairs_free(&pairs);
    cafi_index_free(index);
    close(ends[0]);
}

static void subjects_are_names_or_labels(void **state)
{
    cafi_index *index = index_of(rows);
    cafi_image_pairs pairs;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_image_pairs_read(&pairs, list_of("Joe 1 2\nJoe 2 Ann 12\n"), index, "set", &err),
              err);
    assert_int_equal(pairs.subjects, 2);
    assert_true(pairs.subject_a[0] == pairs.subject_b[0] &&
                pairs.subject_a[1] == pairs.subject_a[0] &&
                pairs.subject_b[1] != pairs.subject_a[1]);
    cafi_image_pairs_free(&pairs);
    cafi_index_free(index);
    index = index_of("source\tlabel\na.jpg\tx\nb.jpg\ty\nc.jpg\tx\n");
    EXPECT_OK(cafi_image_pairs_read(&pairs, list_of("a c 1\na b 0\n"), index, "set", &err), err);
    assert_int_equal(pairs.subjects, 2);
    assert_true(pairs.subject_a[0] == pairs.subject_b[0] && pairs.subject_b[1] == 1);
    cafi_image_pairs_free(&pairs);
    EXPECT_OK(cafi_image_pairs_read(&pairs, list_of("a c 1\nc a 0\n"), index, "set", &err), err);
    assert_null(pairs.subject_a); /* x is x, and is not */
    cafi_image_pairs_free(&pairs);
    cafi_index_free(index);
}

static void bad_lists_are_named_by_line(void **state)
{
    static const struct {
        const char *text, *words[4];
    } cases[] = {
        {"300\nJoe 1 3\n", {"line 2", "Joe_0003", "set", NULL}},
        {"Joe 1 2\nJoe 1\n", {"line 2", "neither", NULL}},
        {"Joe 1 2 3 4\n", {"line 1", "Joe 1 2_0003", NULL}},
        {"Joe_0001 1\nJoe_0002 0\n", {"lines 1 and 2", "say 1 and 0", NULL}},
        {"Joe_0001 1\nJoe_0002 1\nAnn_0012 0\n", {"line 3", "half a pair", NULL}},
        {"Joe_0001 1\nJoe 1 2\n", {"line 2", "neither", NULL}},
        {"Joe_0001 Ann_0012 2\n", {"line 1", "neither", NULL}},
        {"Joe 1 2\na b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l\n",
         {"line 2", "neither", NULL}},
        {"Joe,1,2\n,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n",
         {"line 2", "neither", NULL}},
        {"Joe_0001 twice 1\n", {"line 1", "twice", "more than one row", NULL}},
        {"Joe 1 2\nMary Ann_1.jpg Joe_0001.jpg 1\n",
         {"line 2", "picture Mary Ann_1.jpg is in no row", NULL}},
    };
    cafi_index *index = index_of(rows);
    cafi_index *nameless = NULL;
    char many[5000] = "";
    cafi_image_pairs pairs;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        caface_status st =
            cafi_image_pairs_read(&pairs, list_of(cases[i].text), index, "set", &err);

        check_fail(st, CAFACE_EFORMAT, &err, __FILE__, __LINE__, cases[i].words);
    }
    /* more fields than are kept, empty ones at the end */
    memset(many, ',', sizeof many - 1);
    for (size_t i = 0; i < 100; i += 2)
        many[i] = '1';
    EXPECT_FAIL(cafi_image_pairs_read(&pairs, list_of(many), index, "set", &err), CAFACE_EFORMAT,
                err, "line 1");
    cafi_index_free(index);
    nameless = index_of("template\n1\n");
    EXPECT_FAIL(cafi_image_pairs_read(&pairs, list_of("a b 1\n"), nameless, "set", &err),
                CAFACE_EFORMAT, err, "no column source");
    cafi_index_free(nameless);
}

static void bin_sets_are_read(void **state)
{
    static const char *const names[] = {
        "pairs_0",        "pairs_2",         "pairs_4",         "pairs_arrays_0",
        "pairs_arrays_2", "pairs_arrays_5",  "pairs_mixed_2",   "pairs_mixed_4",
        "pairs_mixed_5",  "pairs_objects_4", "pairs_columns_2",
    };
    caface_error err;

    (void)state;
    for (size_t p = 0; p < sizeof names / sizeof *names; p++) {
        cafi_pair_bin *bin = NULL;
        const unsigned char *bytes = NULL;
        size_t size = 0;

        EXPECT_OK(cafi_pair_bin_open(&bin, test_fixture("eval/%s.bin", names[p]), &err), err);
        assert_int_equal(cafi_pair_bin_pairs(bin), 2);
        assert_true(cafi_pair_bin_same(bin)[0] && !cafi_pair_bin_same(bin)[1]);
        bytes = cafi_pair_bin_picture(bin, 0, &size);
        assert_int_equal(size, 256);
        for (size_t i = 0; i < 256; i++)
            assert_int_equal(bytes[i], i);
        cafi_pair_bin_picture(bin, 1, &size);
        assert_int_equal(size, 0);
        bytes = cafi_pair_bin_picture(bin, 3, &size);
        assert_int_equal(size, 3);
        assert_memory_equal(bytes, "\xff\xc3\x28", 3);
        cafi_pair_bin_close(bin);
    }
}

/* Pickles by hand, protocol 0: every kind of thing in the wrong place. */
static void bad_bin_sets_are_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"I1\n.", "no pair of a list"},
        {"((lI01\na(lt.", "0 labels"},
        {"((lS'a'\naS'b'\na(lI01\naI00\nat.", "2 pictures and 2 labels"},
        {"((lS'a'\naI5\na(lI01\nat.", "picture 1 is no bytes"},
        {"((lS'a'\naS'b'\na(lI7\nat.", "label 0 is 7, neither 1 nor 0"},
        {"((lS'a'\naS'b'\na(lS'x'\nat.", "label 0 is no boolean"},
        {"cos\nsystem\n(S'true'\ntR.", "no pair of a list"},
        {"((lS'a'\n", "pairs.bin"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = test_temp("pairs.bin");
        cafi_pair_bin *bin = NULL;
        caface_error err;

        test_write(path, cases[i].text, strlen(cases[i].text));
        EXPECT_FAIL(cafi_pair_bin_open(&bin, path, &err), CAFACE_EFORMAT, err, "pairs.bin",
                    cases[i].word);
        assert_null(bin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(every_form_of_a_list_is_read),
        cmocka_unit_test(numbers_are_names),
        cmocka_unit_test(a_list_comes_through_a_pipe),
        cmocka_unit_test(subjects_are_names_or_labels),
        cmocka_unit_test(bad_lists_are_named_by_line),
        cmocka_unit_test(bin_sets_are_read),
        cmocka_unit_test(bad_bin_sets_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
