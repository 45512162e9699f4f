#include "files/event_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/protobuf.h"

struct cafi_event_log {
    FILE *file;
    char *path;
};

/* Fields of the messages Event, Summary, Summary.Value and SessionLog. */
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };

static uint32_t crc32c(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

uint32_t cafi_event_crc(const void *bytes, size_t n)
{
    uint32_t crc = crc32c(bytes, n);

    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* n bytes of value, the lowest first. */
static void put_number(cafi_buf *to, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)(value >> 8 * i);

        cafi_buf_append(to, &byte, 1);
    }
}

static void put_varint(cafi_buf *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_number(to, (value & 0x7f) | 0x80, 1);
    put_number(to, value, 1);
}

static void put_key(cafi_buf *to, unsigned field, unsigned type)
{
    put_varint(to, field << 3 | type);
}

static void put_bytes(cafi_buf *to, unsigned field, const void *bytes, size_t n)
{
    put_key(to, field, CAFI_PB_BYTES);
    put_varint(to, n);
    cafi_buf_append(to, bytes, n);
}

/* Time and step, which every event begins with. */
static void begin_event(cafi_buf *to, uint64_t step)
{
    struct timespec now;
    double seconds;
    uint64_t bits;

    clock_gettime(CLOCK_REALTIME, &now);
    seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof bits);
    put_key(to, EVENT_TIME, CAFI_PB_FIXED64);
    put_number(to, bits, 8);
    put_key(to, EVENT_STEP, CAFI_PB_VARINT);
    put_varint(to, step);
}

/* A TFRecord: the length and its checksum, the event and its own. Frees the event. */
static caface_status write_event(cafi_event_log *log, cafi_buf *event, caface_error *err)
{
    cafi_buf record = {0};
    caface_status st = CAFACE_OK;

    put_number(&record, event->size, 8);
    if (!record.failed)
        put_number(&record, cafi_event_crc(record.data, 8), 4);
    cafi_buf_append(&record, event->data, event->size);
    put_number(&record, cafi_event_crc(event->data, event->size), 4);
    if (event->failed || record.failed)
        st = cafi_fail_memory(err, record.size);
    else if (fwrite(record.data, 1, record.size, log->file) != record.size ||
             fflush(log->file) != 0)
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", log->path, strerror(errno));
    cafi_buf_free(&record);
    cafi_buf_free(event);
    return st;
}

/* The version that every file begins with, and the start of a session. */
static caface_status write_start(cafi_event_log *log, uint64_t step, caface_error *err)
{
    static const char version[] = "brain.Event:2";
    static const unsigned char start[] = {SESSION_STATUS << 3 | CAFI_PB_VARINT, SESSION_START};
    cafi_buf event = {0};
    caface_status st;

    begin_event(&event, 0);
    put_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
    if ((st = write_event(log, &event, err)))
        return st;
    begin_event(&event, step);
    put_bytes(&event, EVENT_SESSION, start, sizeof start);
    return write_event(log, &event, err);
}

caface_status cafi_event_log_open(cafi_event_log **out, const char *folder, uint64_t step,
                                  caface_error *err)
{
    cafi_event_log *log = NULL;
    cafi_buf path = {0};
    caface_status st = CAFI_NEW(&log, 1, err);

    *out = NULL;
    if (st)
        return st;
    cafi_buf_printf(&path, "%s/events.out.tfevents.%010lld.caface.%ld", folder,
                    (long long)time(NULL), (long)getpid());
    log->path = path.data;
    if (path.failed)
        st = cafi_fail_memory(err, strlen(folder));
    else if (!(log->file = fopen(path.data, "ab")))
        st = cafi_fail(err, CAFACE_EIO, "%s: %s", path.data, strerror(errno));
    else
        st = write_start(log, step, err);
    if (st) {
        cafi_event_log_close(log);
        return st;
    }
    *out = log;
    return CAFACE_OK;
}

caface_status cafi_event_log_scalar(cafi_event_log *log, uint64_t step, const char *tag,
                                    double value, caface_error *err)
{
    cafi_buf event = {0};
    cafi_buf summary = {0};
    cafi_buf one = {0};
    float simple = (float)value;
    uint32_t bits;

    memcpy(&bits, &simple, sizeof bits);
    put_bytes(&one, VALUE_TAG, tag, strlen(tag));
    put_key(&one, VALUE_SIMPLE, CAFI_PB_FIXED32);
    put_number(&one, bits, 4);
    put_bytes(&summary, SUMMARY_VALUE, one.data, one.size);
    begin_event(&event, step);
    put_bytes(&event, EVENT_SUMMARY, summary.data, summary.size);
    event.failed = event.failed || one.failed || summary.failed;
    cafi_buf_free(&one);
    cafi_buf_free(&summary);
    return write_event(log, &event, err);
}

void cafi_event_log_close(cafi_event_log *log)
{
    if (!log)
        return;
    if (log->file)
        fclose(log->file);
    free(log->path);
    free(log);
}
