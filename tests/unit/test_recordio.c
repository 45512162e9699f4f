/* RecordIO: what is written is read back and accepted by an independent reader;
 * damaged files are refused. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/bytes.h"
#include "files/recordio.h"

static const unsigned char magic[4] = {0x0a, 0x23, 0xd7, 0xce};

/* Bodies of every length modulo 4, some with the magic number inside, at
 * multiples of 4 and not, twice in a row, at the start and at the end. */
static size_t body_of(test_rng *rng, size_t i, unsigned char *body)
{
    size_t size = i % 7 == 0 ? 0 : 8 + test_below(rng, 60);

    for (size_t k = 0; k < size; k++)
        body[k] = (unsigned char)test_below(rng, 256);
    if (size >= 8 && i % 3 == 0)
        memcpy(body + test_below(rng, size - 3), magic, 4);
    if (size >= 8 && i % 5 == 0) {
        memcpy(body, magic, 4);
        memcpy(body + 4, magic, 4);
    }
    if (size >= 8 && i % 4 == 0)
        memcpy(body + size / 4 * 4 - 4, magic, 4);
    return size;
}

static void write_set(const char *prefix, uint64_t seed)
{
    test_rng rng = {seed};
    cafi_record_writer *writer = NULL;
    caface_error err;
    unsigned char body[80];
    char path[32];

    EXPECT_OK(cafi_record_begin(&writer, prefix, &err), err);
    for (size_t i = 0; i < 60; i++) {
        size_t size = body_of(&rng, i, body);

        snprintf(path, sizeof path, "%zu/%zu.jpg", i / 10, i);
        EXPECT_OK(cafi_record_append(writer, i, (float)(i / 10), path, body, size, &err), err);
    }
    EXPECT_OK(cafi_record_commit(writer, &err), err);
}

static void check_set(const char *path, uint64_t seed)
{
    test_rng rng = {seed};
    cafi_recordio *rec = NULL;
    cafi_buf buf = {0};
    cafi_record r;
    caface_error err;
    unsigned char body[80];

    EXPECT_OK(cafi_recordio_open(&rec, path, &err), err);
    assert_int_equal(cafi_recordio_count(rec), 60);
    for (size_t i = 0; i < 60; i++) {
        size_t size = body_of(&rng, i, body);

        EXPECT_OK(cafi_recordio_read(rec, i, &buf, &r, &err), err);
        assert_int_equal(r.key, i);
        assert_int_equal(r.label_count, 1);
        assert_true(r.label == (float)(i / 10));
        assert_int_equal(r.size, size);
        assert_memory_equal(r.body, body, size);
    }
    assert_int_equal(cafi_recordio_find(rec, 59), 59);
    assert_true(cafi_recordio_find(rec, 60) == SIZE_MAX);
    cafi_buf_free(&buf);
    cafi_recordio_close(rec);
}

static void test_round_trip(void **state)
{
    uint64_t seed = test_seed();
    cafi_record_list list;
    caface_error err;

    (void)state;
    write_set(test_temp("a"), seed);
    check_set(test_temp("a.rec"), seed);
    EXPECT_OK(cafi_record_list_open(&list, test_temp("a.lst"), &err), err);
    assert_int_equal(list.count, 60);
    assert_string_equal(list.paths[59], "5/59.jpg");
    assert_true(list.labels[59] == 5.0f && list.keys[59] == 59);
    cafi_record_list_close(&list);
    /* and without its .idx, by walking the file */
    assert_int_equal(unlink(test_temp("a.idx")), 0);
    check_set(test_temp("a.rec"), seed);
}

/* A record with InsightFace's header: labels (n, m), then n-1 pictures, then
 * records of identities. */
static void test_header_record(void **state)
{
    unsigned char file[4096];
    size_t size = 0;
    FILE *index = fopen(test_temp("h.idx"), "w");
    cafi_recordio *rec = NULL;
    cafi_buf buf = {0};
    cafi_record r;
    caface_error err;

    (void)state;
    assert_non_null(index);
    memset(file, 0, sizeof file);
    for (int i = 0; i < 6; i++) {
        bool labels = i == 0 || i > 3;
        uint32_t length = 24 + (labels ? 8 : 0) + (labels ? 0 : 5);
        float values[2] = {i == 0 ? 4.0f : 1.0f, i == 0 ? 6.0f : 3.0f};
        unsigned char *at = file + size;

        fprintf(index, "%d\t%zu\n", i, size);
        memcpy(at, magic, 4);
        at[4] = (unsigned char)length;
        at[8] = labels ? 2 : 0;
        if (labels)
            cafi_put_numbers(at + 32, values, 2, 4);
        else
            memcpy(at + 32, "hello", 5);
        size += 8 + (length + 3) / 4 * 4;
    }
    fclose(index);
    test_write(test_temp("h.rec"), file, size);
    EXPECT_OK(cafi_recordio_open(&rec, test_temp("h.rec"), &err), err);
    assert_int_equal(cafi_recordio_count(rec), 3);
    EXPECT_OK(cafi_recordio_read(rec, 0, &buf, &r, &err), err);
    assert_int_equal(r.key, 1);
    assert_memory_equal(r.body, "hello", 5);
    cafi_recordio_close(rec);
    cafi_buf_free(&buf);
}

/* Every byte of a small file changed, and every length of it: no crash, and
 * what can't be a file is refused. */
static void test_damage(void **state)
{
    size_t size;
    unsigned char *good;
    test_rng rng = {test_seed()};

    (void)state;
    write_set(test_temp("d"), 5);
    good = test_read(test_temp("d.rec"), &size);
    for (size_t i = 0; i < 400; i++) {
        unsigned char *bad = malloc(size);
        size_t n = i % 2 ? size : test_below(&rng, size);
        cafi_recordio *rec = NULL;
        cafi_buf buf = {0};
        cafi_record r;
        caface_error err;

        assert_non_null(bad);
        memcpy(bad, good, size);
        bad[test_below(&rng, size)] ^= (unsigned char)(1 + test_below(&rng, 255));
        test_write(test_temp("d2.rec"), bad, n);
        if (i % 4 > 1)
            assert_int_equal(link(test_temp("d.idx"), test_temp("d2.idx")), 0);
        if (!cafi_recordio_open(&rec, test_temp("d2.rec"), &err))
            for (size_t k = 0; k < cafi_recordio_count(rec); k++)
                (void)cafi_recordio_read(rec, k, &buf, &r, &err);
        cafi_recordio_close(rec);
        cafi_buf_free(&buf);
        unlink(test_temp("d2.idx"));
        free(bad);
    }
    free(good);
}

/* Twenty records, some damaged: the good ones are there, the bad ones counted,
 * with an .idx and without. */
static void good_records_stay(void **state)
{
    enum { MANY = 20, BODY = 33 };
    size_t offsets[MANY];
    size_t size = 0;
    unsigned char *bytes = NULL;
    cafi_record_writer *w = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_record_begin(&w, test_temp("g"), &err), err);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned char body[BODY];

        memset(body, (int)(i + 1), sizeof body);
        EXPECT_OK(cafi_record_append(w, i, (float)i, "p", body, sizeof body, &err), err);
    }
    EXPECT_OK(cafi_record_commit(w, &err), err);
    bytes = test_read(test_temp("g.rec"), &size);
    for (size_t i = 0; i < MANY; i++)
        offsets[i] = i * (size / MANY);
    bytes[offsets[3]] ^= 1;       /* the magic number */
    bytes[offsets[7] + 8] = 0xff; /* labels that do not fit */
    bytes[offsets[7] + 9] = 0xff;
    bytes[offsets[11] + 4] = 0xff; /* a length beyond the file */
    bytes[offsets[11] + 6] = 0xff;
    for (int indexed = 0; indexed < 2; indexed++) {
        cafi_recordio *rec = NULL;
        cafi_buf buf = {0};
        caface_error why = {CAFACE_OK, ""};
        size_t bad = 0;

        if (!indexed)
            remove(test_temp("g.idx"));
        else
            bytes[offsets[15] + 4] -= 8; /* a length that is too small, which the .idx tells */
        if (indexed)
            for (unsigned i = 0; i < MANY; i++) {
                FILE *f = fopen(test_temp("g.idx"), i ? "a" : "w");

                assert_non_null(f);
                fprintf(f, "%u\t%zu\n", i, offsets[i]);
                fclose(f);
            }
        test_write(test_temp("g.rec"), bytes, size - 20); /* the last one is cut */
        if (!cafi_recordio_open(&rec, test_temp("g.rec"), &err)) {
            assert_true(indexed); /* without an .idx it is walked, and refused */
            cafi_recordio_close(rec);
        }
        EXPECT_OK(cafi_recordio_open_damaged(&rec, test_temp("g.rec"), &bad, &why, &err), err);
        assert_int_equal(bad, 4 + indexed);
        assert_int_equal(cafi_recordio_count(rec), MANY - 4 - indexed);
        assert_non_null(strstr(why.message, "g.rec"));
        for (size_t i = 0; i < cafi_recordio_count(rec); i++) {
            cafi_record r;

            EXPECT_OK(cafi_recordio_read(rec, i, &buf, &r, &err), err);
            assert_int_equal(r.size, BODY);
            assert_int_equal(r.body[0], (unsigned)r.label + 1);
            assert_true(r.label != 3 && r.label != 7 && r.label != 11 && r.label != 19);
            assert_true(!indexed || r.label != 15);
        }
        cafi_buf_free(&buf);
        cafi_recordio_close(rec);
    }
    free(bytes);
}

/* A set that was written on: of a key's two records the later is kept and the other counted. The
 * same line twice says nothing new. */
static void the_later_of_two_records_counts(void **state)
{
    cafi_record_writer *w = NULL;
    cafi_recordio *rec = NULL;
    cafi_buf buf = {0};
    caface_error err, why = {CAFACE_OK, ""};
    size_t bad = 9, size = 0;
    cafi_record r;

    (void)state;
    EXPECT_OK(cafi_record_begin(&w, test_temp("t"), &err), err);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(cafi_record_append(w, i, (float)i, "p", "0123456789ab", 12, &err), err);
    EXPECT_OK(cafi_record_commit(w, &err), err);
    free(test_read(test_temp("t.rec"), &size));
    for (int places = 1; places < 3; places++) {
        FILE *f = fopen(test_temp("t.idx"), "w");

        assert_non_null(f);
        if (places == 2)
            fprintf(f, "5\t%zu\n", 2 * (size / 3));
        fprintf(f, "5\t%zu\n8\t0\n5\t%zu\n", size / 3, size / 3);
        fclose(f);
        if (places == 1)
            EXPECT_OK(cafi_recordio_open(&rec, test_temp("t.rec"), &err), err);
        else {
            EXPECT_FAIL(cafi_recordio_open(&rec, test_temp("t.rec"), &err), CAFACE_EFORMAT, err,
                        "t.rec", "key 5 twice");
            EXPECT_OK(cafi_recordio_open_damaged(&rec, test_temp("t.rec"), &bad, &why, &err), err);
            assert_int_equal(bad, 1);
            assert_non_null(strstr(why.message, "key 5 twice"));
        }
        assert_int_equal(cafi_recordio_count(rec), 2);
        EXPECT_OK(cafi_recordio_read(rec, 0, &buf, &r, &err), err);
        assert_true(r.key == 5 && r.label == (float)places);
        cafi_recordio_close(rec);
    }
    cafi_buf_free(&buf);
}

/* InsightFace's three forms: no index; with a box; with landmarks too. */
static void insightface_lists_are_read(void **state)
{
    static const char text[] = "1\tm.0a/1 a.jpg\t0\n0\tm.0a/2.jpg\t0\t10\t10\t100.5\t100\n\n"
                               "1\tm.0b/1.jpg\t7\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\n";
    static const char *const bad[] = {"1\ta.jpg\n", "1\ta.jpg\tx\n", "2\ta.jpg\t1\n",
                                      "1\ta.jpg\t1\t2\n", "1\ta.jpg\t1\t1\t2\t3\tz\n"};
    cafi_record_list list;
    caface_error err;

    (void)state;
    test_write(test_temp("i.lst"), text, sizeof text - 1);
    EXPECT_OK(cafi_record_list_open(&list, test_temp("i.lst"), &err), err);
    assert_int_equal(list.count, 3);
    assert_true(list.keys[0] == 1 && list.keys[1] == 2 && list.keys[2] == 3);
    assert_true(list.labels[0] == 0 && list.labels[2] == 7);
    assert_string_equal(list.paths[0], "m.0a/1 a.jpg");
    assert_string_equal(list.paths[1], "m.0a/2.jpg");
    assert_string_equal(list.paths[2], "m.0b/1.jpg");
    cafi_record_list_close(&list);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_write(test_temp("bad.lst"), bad[i], strlen(bad[i]));
        EXPECT_FAIL(cafi_record_list_open(&list, test_temp("bad.lst"), &err), CAFACE_EFORMAT, err,
                    "bad.lst", "line 1");
    }
}

/* As Notepad writes it; and no line is lost behind a zero byte. */
static void test_list_bytes(void **state)
{
    static const char marked[] = "\xef\xbb\xbf"
                                 "1\ta.jpg\t4\r\n1\tb.jpg\t5";
    cafi_record_list list;
    caface_error err;

    (void)state;
    test_write(test_temp("m.lst"), marked, sizeof marked - 1);
    EXPECT_OK(cafi_record_list_open(&list, test_temp("m.lst"), &err), err);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.paths[0], "a.jpg");
    assert_true(list.labels[1] == 5);
    cafi_record_list_close(&list);
    test_write(test_temp("m.lst"),
               "1\ta.jpg\t4\n\0"
               "1\tb.jpg\t5\n",
               22);
    EXPECT_FAIL(cafi_record_list_open(&list, test_temp("m.lst"), &err), CAFACE_EFORMAT, err,
                "zero byte at 10");
}

static void test_bad_lists(void **state)
{
    static const char *const bad[] = {"1\t2\n", "x\t1\ta\n", "1\tx\ta\n", "1\t2\t\n", "-1\t2\ta\n"};
    cafi_record_list list;
    cafi_recordio *rec = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_write(test_temp("bad.lst"), bad[i], strlen(bad[i]));
        EXPECT_FAIL(cafi_record_list_open(&list, test_temp("bad.lst"), &err), CAFACE_EFORMAT, err,
                    "bad.lst", "line 1");
    }
    write_set(test_temp("b"), 5);
    test_write(test_temp("b.idx"), "0\t0\n0\t44\n", 9);
    EXPECT_FAIL(cafi_recordio_open(&rec, test_temp("b.rec"), &err), CAFACE_EFORMAT, err, "twice");
    test_write(test_temp("b.idx"), "0\t3\n", 4);
    EXPECT_FAIL(cafi_recordio_open(&rec, test_temp("b.rec"), &err), CAFACE_EFORMAT, err, "byte 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_records_stay),
        cmocka_unit_test(the_later_of_two_records_counts),
        cmocka_unit_test(insightface_lists_are_read),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_header_record),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_list_bytes),
        cmocka_unit_test(test_bad_lists),
    };

    return cmocka_run_group_tests_name("recordio", tests, NULL, NULL);
}
