#include "check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/shown.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "caface/version.h"

static void sizes_do_not_wrap(void **state)
{
    caface_error err;
    size_t n = 0;
    void *p = NULL;
    float *f = NULL;

    (void)state;
    assert_false(cafi_mul_size(SIZE_MAX / 2, 3, &n));
    assert_false(cafi_add_size(SIZE_MAX, 1, &n));
    assert_true(cafi_mul_size(7, 6, &n));
    assert_int_equal(n, 42);
    assert_true(cafi_fit_size(SIZE_MAX, &n) && n == SIZE_MAX);
    assert_int_equal(cafi_fit_size(UINT64_MAX, &n), SIZE_MAX == UINT64_MAX);
    assert_true(CAFI_GIB(1) == (size_t)1 << 30);
    /* a limit is never 0, whatever a size can say */
    assert_true(CAFI_GIB(8) >= SIZE_MAX / 2 || CAFI_GIB(8) == CAFI_GIB(1) * 8);
    EXPECT_FAIL(cafi_alloc(&p, SIZE_MAX / 2, 4, &err), CAFACE_ENOMEM, err, "4 bytes");
    assert_null(p);
    EXPECT_FAIL(cafi_alloc_f32(&f, SIZE_MAX / 4, 4, &err), CAFACE_ENOMEM, err, "4 floats");
    EXPECT_OK(cafi_alloc_f32(&f, 0, 4, &err), err);
    assert_non_null(f);
    free(f);
}

static void errors_carry_one_sentence(void **state)
{
    caface_error err;

    (void)state;
    assert_int_equal(cafi_fail(&err, CAFACE_EFORMAT, "file has %d, model needs %d", 3, 7),
                     CAFACE_EFORMAT);
    assert_int_equal(cafi_prefix(&err, CAFACE_EIO, "a.ckpt"), CAFACE_EFORMAT);
    assert_string_equal(err.message, "a.ckpt: file has 3, model needs 7");
    cafi_fail(&err, CAFACE_EFORMAT, "tensor %s", "a\nb\x1b[2J");
    assert_int_equal(cafi_prefix(&err, CAFACE_EIO, "x\ty"), CAFACE_EFORMAT);
    assert_string_equal(err.message, "x?y: tensor a?b?[2J");
    assert_string_equal(caface_status_name(CAFACE_ECANCELLED), "ECANCELLED");
    assert_string_equal(caface_status_name((caface_status)99), "unknown");
}

static void buffer_grows(void **state)
{
    cafi_buf buf = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        cafi_buf_printf(&buf, "%d,", i);
    assert_false(buf.failed);
    assert_int_equal(buf.size, strlen(buf.data));
    assert_string_equal(buf.data + buf.size - 8, "998,999,");
    cafi_buf_free(&buf);
}

typedef struct tally {
    int done[1000];
    size_t fail_from;
} tally;

static caface_status tick(void *ctx, size_t index, size_t worker, caface_error *err)
{
    tally *t = ctx;

    (void)worker;
    t->done[index]++;
    if (index >= t->fail_from)
        return cafi_fail(err, CAFACE_EINVAL, "task %zu", index);
    return CAFACE_OK;
}

static void pool_runs_every_task_once(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 8; threads *= 2) {
        cafi_pool *pool = NULL;
        caface_error err;

        EXPECT_OK(cafi_pool_new(&pool, threads, &err), err);
        for (int round = 0; round < 50; round++) {
            tally t = {.fail_from = 1000};
            EXPECT_OK(cafi_pool_run(pool, 1000, tick, &t, &err), err);
            for (int i = 0; i < 1000; i++)
                assert_int_equal(t.done[i], 1);
            t.fail_from = 10;
            EXPECT_FAIL(cafi_pool_run(pool, 1000, tick, &t, &err), CAFACE_EINVAL, err, "task 10");
        }
        cafi_pool_free(pool);
    }
}

/* Who watches a pool: how often it was asked, and from which question on it says no. */
typedef struct watcher {
    size_t asked, no_from, begun;
} watcher;

static int go_on(void *ctx, size_t begun)
{
    watcher *w = ctx;

    assert_true(begun > w->begun && begun <= 1000);
    w->begun = begun;
    return w->asked++ < w->no_from;
}

static void a_watched_run_can_be_stopped(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 4; threads *= 2)
        for (size_t no_from = 0; no_from <= 1000; no_from += 500) {
            cafi_pool *pool = NULL;
            watcher w = {.no_from = no_from};
            tally t = {.fail_from = 1000};
            caface_error err;
            caface_status st = CAFACE_OK;
            int done = 0;

            EXPECT_OK(cafi_pool_new(&pool, threads, &err), err);
            cafi_pool_watch(pool, go_on, &w);
            st = cafi_pool_run(pool, 1000, tick, &t, &err);
            for (int i = 0; i < 1000; i++)
                done += t.done[i];
            /* other workers may have left it nothing to be asked after */
            assert_int_equal(st, w.asked > no_from ? CAFACE_ECANCELLED : CAFACE_OK);
            if (threads == 1)
                assert_int_equal(done, no_from < 1000 ? no_from + 1 : 1000);
            if (!st)
                assert_int_equal(done, 1000);
            cafi_pool_watch(pool, NULL, NULL);
            t = (tally){.fail_from = 1000};
            EXPECT_OK(cafi_pool_run(pool, 1000, tick, &t, &err), err);
            cafi_pool_free(pool);
        }
}

/* Every kind of allocation fails when it is its turn, and leaves all as it was. */
static void allocations_fail_on_demand(void **state)
{
    caface_error err;
    float *rows = NULL;
    int *numbers = NULL;
    unsigned char *bytes = NULL;
    char *text = NULL;
    size_t capacity = 0;
    cafi_buf buf = {0};

    (void)state;
    for (uint64_t k = 1; k <= 7; k++) {
        caface_status want = CAFACE_OK;

        cafi_mem_fail(k, 1);
        for (uint64_t i = 1; i <= 7; i++) {
            caface_status st = CAFACE_OK;

            want = i == k ? CAFACE_ENOMEM : CAFACE_OK;
            assert_int_equal(cafi_mem_failures(), i > k);
            switch (i) {
            case 1:
                st = CAFI_NEW(&numbers, 3, &err);
                break;
            case 2:
                capacity = 3 * (k != 1);
                st = CAFI_GROW(&numbers, &capacity, 20, &err);
                assert_int_equal(capacity, st ? 3 * (k != 1) : k != 1 ? 24 : 32);
                break;
            case 3:
                st = cafi_alloc_f32(&rows, 2, 5, &err);
                break;
            case 4:
                st = cafi_alloc_bytes(&bytes, 9, &err);
                break;
            case 5:
                st = cafi_strdup(&text, "text", &err);
                break;
            case 6:
                st = CAFI_RESIZE(&numbers, 40, &err);
                break;
            default:
                cafi_buf_text(&buf, "text");
                st = buf.failed ? CAFACE_ENOMEM : CAFACE_OK;
            }
            assert_int_equal(st, want);
            if (st && i < 7)
                assert_non_null(strstr(err.message, "out of memory"));
        }
        assert_int_equal(cafi_mem_failures(), 1);
        cafi_mem_fail(0, 0);
        cafi_buf_free(&buf);
        free(text);
        free(bytes);
        free(rows);
        free(numbers);
        numbers = NULL;
    }
    cafi_mem_fail(2, 2);
    assert_int_equal(cafi_strdup(&text, "a", &err), CAFACE_OK);
    free(text);
    assert_int_equal(cafi_strdup(&text, "b", &err), CAFACE_ENOMEM);
    assert_int_equal(cafi_strdup(&text, "c", &err), CAFACE_ENOMEM);
    assert_int_equal(cafi_strdup(&text, "d", &err), CAFACE_OK);
    free(text);
    assert_int_equal(cafi_mem_failures(), 2);
    cafi_mem_fail(0, 0);
}

static void denormals_flush_and_come_back(void **state)
{
    volatile float tiny = 1e-40f;
    unsigned mode = 0;

    (void)state;
    if (getenv("CAFACE_VALGRIND"))
        skip(); /* valgrind computes with denormals, whatever the mode */
    assert_true(tiny * 1.0f > 0.0f);
    mode = cafi_fp_flush_denormals();
#if defined(__x86_64__) || defined(__aarch64__)
    assert_true(tiny * 1.0f == 0.0f);
#endif
    cafi_fp_restore(mode);
    assert_true(tiny * 1.0f > 0.0f);
}

/* FIPS 180-4's examples; then random bytes in random portions against one go of the plain
 * definition, whatever instructions the processor has. */
static void sha256_is_the_standard(void **state)
{
    static const struct {
        const char *text, *digest;
    } known[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                 {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    unsigned char digest[CAFI_SHA256_SIZE], bytes[64 * 9];
    char text[CAFI_SHA256_TEXT];
    test_rng rng = {.state = test_seed()};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        cafi_sha256_of(known[i].text, strlen(known[i].text), digest);
        assert_string_equal(cafi_sha256_hex(digest, text), known[i].digest);
    }
    for (int round = 0; round < 200; round++) {
        size_t blocks = 1 + test_below(&rng, 9), cut = 0;
        cafi_sha256 pieces, plain;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)test_below(&rng, 256);
        cafi_sha256_begin(&pieces);
        cafi_sha256_begin(&plain);
        cafi_sha256_blocks_plain(plain.state, bytes, blocks);
        for (size_t at = 0; at < 64 * blocks; at += cut) {
            cut = 1 + test_below(&rng, 64 * blocks - at);
            cafi_sha256_add(&pieces, bytes + at, cut);
        }
        assert_memory_equal(pieces.state, plain.state, sizeof plain.state);
    }
}

static void passwords_are_hidden(void **state)
{
    static const char *const cases[][2] = {
        {"postgresql://ann:secret@host/db: no", "postgresql://ann@host/db: no"},
        {"postgres://ann:se/cr@et@host/db", "postgres://ann@host/db"},
        {"postgresql://:secret@/db?host=/x", "postgresql://@/db?host=/x"},
        {"a postgresql://h/db?password=secret&host=x and b@c",
         "a postgresql://h/db?password=&host=x and b@c"},
        {"rtsp://u:p@door, rtsp://v:q@gate", "rtsp://u@door, rtsp://v@gate"},
        {"http://host:80/a@b", "http://host:80/a@b"},
        {"postgresql://host:5432/db", "postgresql://host:5432/db"},
        {"postgresql:/ann:secret@host/db: no", "postgresql:/ann@host/db: no"},
        {"POSTGRES:///ann:se/cret@host/db", "POSTGRES:///ann@host/db"},
        {"postgresql://h/db?passwd=secret", "postgresql://h/db?passwd="},
        {"postgresql://h/db?host=x&sslpassword=secret&a=b: no",
         "postgresql://h/db?host=x&sslpassword=&a=b: no"},
        {"rtsp://door/?user=u&pwd=p&x=pass", "rtsp://door/?user=u&pwd=&x=pass"},
        {"c:/a:b@c", "c:/a:b@c"},
        {"who? password = x", "who? password = x"},
        {"?pass", "?pass"},
        {"://", "://"},
        {"password=x", "password=x"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];

        snprintf(text, sizeof text, "%s", cases[i][0]);
        cafi_text_hide_passwords(text);
        assert_string_equal(text, cases[i][1]);
    }
}

/* What the library runs on: as snprintf cuts and counts. */
static void what_it_runs_on_is_told(void **state)
{
    char whole[1024], cut[11];
    size_t n = caface_about(whole, sizeof whole);

    (void)state;
    assert_int_equal(strlen(whole), n);
    assert_non_null(strstr(whole, "\nkernels     "));
    assert_non_null(strstr(whole, "\nzlib        1."));
    assert_int_equal(whole[n - 1], '\n');
    assert_int_equal(caface_about(NULL, 0), n);
    assert_int_equal(caface_about(cut, sizeof cut), n);
    assert_int_equal(strlen(cut), 10);
    assert_memory_equal(cut, whole, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_hidden),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(errors_carry_one_sentence),
        cmocka_unit_test(buffer_grows),
        cmocka_unit_test(pool_runs_every_task_once),
        cmocka_unit_test(a_watched_run_can_be_stopped),
        cmocka_unit_test(allocations_fail_on_demand),
        cmocka_unit_test(denormals_flush_and_come_back),
        cmocka_unit_test(sha256_is_the_standard),
        cmocka_unit_test(what_it_runs_on_is_told),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
