/* TensorBoard's event files, taken apart with a reader of its own. */
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "files/event_log.h"

/* One event, as far as it is known here. */
typedef struct event {
    double time;
    uint64_t step;
    char version[32], tag[32];
    float value;
    int session;
} event;

static uint64_t number(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static uint64_t varint(const unsigned char **p)
{
    uint64_t v = 0;
    unsigned shift = 0;

    do
        v |= (uint64_t)(**p & 0x7f) << shift;
    while (shift += 7, *(*p)++ & 0x80);
    return v;
}

/* Bit by bit over the reversed message, not by a table or the writer's loop. */
static uint32_t masked_crc(const unsigned char *p, size_t n)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bit = (crc ^ (uint32_t)p[i / 8] >> i % 8) & 1;

        crc = crc >> 1 ^ bit * 0x82f63b78u;
    }
    crc ^= 0xffffffffu;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void read_message(event *e, const unsigned char *p, const unsigned char *end, int depth)
{
    while (p < end) {
        uint64_t key = varint(&p);
        uint32_t four;
        uint64_t n;

        switch (key & 7) {
        case 0:
            n = varint(&p);
            if (depth == 0 && key >> 3 == 2)
                e->step = n;
            if (depth == 7)
                e->session = (int)n;
            break;
        case 1:
            assert_int_equal(key >> 3, 1);
            n = number(p, 8);
            memcpy(&e->time, &n, 8);
            p += 8;
            break;
        case 5:
            assert_true(depth == 2 && key >> 3 == 2);
            four = (uint32_t)number(p, 4);
            memcpy(&e->value, &four, 4);
            p += 4;
            break;
        default:
            assert_int_equal(key & 7, 2);
            n = varint(&p);
            assert_true(n < sizeof e->tag && p + n <= end);
            if (depth == 0 && key >> 3 == 3)
                memcpy(e->version, p, n);
            else if (depth == 2)
                memcpy(e->tag, p, n);
            else
                read_message(e, p, p + n, depth == 0 ? (key >> 3 == 5 ? 1 : 7) : 2);
            p += n;
        }
    }
    assert_ptr_equal(p, end);
}

static size_t read_events(const unsigned char *bytes, size_t size, event *out, size_t room)
{
    size_t count = 0;

    for (size_t at = 0; at < size; count++) {
        size_t n = (size_t)number(bytes + at, 8);

        assert_true(count < room && n < size && at + 16 + n <= size);
        assert_int_equal(number(bytes + at + 8, 4), masked_crc(bytes + at, 8));
        assert_int_equal(number(bytes + at + 12 + n, 4), masked_crc(bytes + at + 12, n));
        out[count] = (event){0};
        read_message(&out[count], bytes + at + 12, bytes + at + 12 + n, 0);
        at += 16 + n;
    }
    return count;
}

static void test_scalars(void **state)
{
    cafi_event_log *log = NULL;
    struct dirent *entry;
    char path[512] = "";
    unsigned char *bytes;
    size_t size;
    event e[8];
    caface_error err;
    DIR *dir;

    (void)state;
    mkdir(test_temp("events"), 0777);
    EXPECT_OK(cafi_event_log_open(&log, test_temp("events"), 301, &err), err);
    EXPECT_OK(cafi_event_log_scalar(log, 5, "train/loss", 0.625, &err), err);
    EXPECT_OK(cafi_event_log_scalar(log, 70000, "lr", 1e-3, &err), err);
    /* all is there before the file is closed */
    dir = opendir(test_temp("events"));
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (!strncmp(entry->d_name, "events.out.tfevents.", 20))
            snprintf(path, sizeof path, "%s/%s", test_temp("events"), entry->d_name);
    closedir(dir);
    bytes = test_read(path, &size);
    assert_int_equal(read_events(bytes, size, e, 8), 4);
    assert_string_equal(e[0].version, "brain.Event:2");
    assert_true(e[1].session == 1 && e[1].step == 301);
    assert_string_equal(e[2].tag, "train/loss");
    assert_true(e[2].value == 0.625f && e[2].step == 5);
    assert_string_equal(e[3].tag, "lr");
    assert_true(e[3].value == 1e-3f && e[3].step == 70000);
    /* The wall's clock may be set back or forth meanwhile: the same hour is enough to tell
       seconds since 1970 from anything else. */
    for (int i = 0; i < 4; i++)
        assert_true(fabs(e[i].time - (double)time(NULL)) < 3600);
    free(bytes);
    cafi_event_log_close(log);
    EXPECT_FAIL(cafi_event_log_open(&log, test_temp("nowhere"), 0, &err), CAFACE_EIO, err,
                "nowhere");
}

static void test_checksum(void **state)
{
    /* CRC-32C of "123456789" is 0xe3069283, as every description of it says */
    uint32_t crc = 0xe3069283u;

    (void)state;
    assert_int_equal(cafi_event_crc("123456789", 9), (crc >> 15 | crc << 17) + 0xa282ead8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scalars),
                                       cmocka_unit_test(test_checksum)};

    return cmocka_run_group_tests_name("event_log", tests, NULL, NULL);
}
