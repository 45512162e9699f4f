#include "archive.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "check.h"
#include "files/bytes.h"

static void put(cafi_buf *out, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        unsigned char byte = (unsigned char)(value >> (8 * i));

        cafi_buf_append(out, &byte, 1);
    }
}

static unsigned char *deflated(const void *data, size_t size, size_t *packed)
{
    z_stream z = {0};
    unsigned char *out = NULL;

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    *packed = deflateBound(&z, size);
    out = malloc(*packed + 1);
    assert_non_null(out);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)*packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *packed = z.total_out;
    deflateEnd(&z);
    return out;
}

void test_zip_add(test_zip *zip, const char *name, const void *data, size_t size, int method)
{
    size_t offset = zip->out.size;
    size_t packed = size;
    unsigned char *bytes = method == 8 ? deflated(data, size, &packed) : NULL;
    unsigned long crc = crc32_z(crc32_z(0, NULL, 0), data, size);
    cafi_buf *parts[2] = {&zip->out, &zip->directory};

    for (int i = 0; i < 2; i++) {
        put(parts[i], i ? TEST_ZIP_CENTRAL : TEST_ZIP_LOCAL, 4);
        if (i)
            put(parts[i], 20, 2);
        put(parts[i], 20, 2);
        put(parts[i], 0x800, 2);
        put(parts[i], (uint64_t)method, 2);
        put(parts[i], 0, 4);
        put(parts[i], crc, 4);
        put(parts[i], packed, 4);
        put(parts[i], size, 4);
        put(parts[i], strlen(name), 2);
        put(parts[i], 0, 2);
        if (i) {
            put(parts[i], 0, 8);
            put(parts[i], 0, 2);
            put(parts[i], offset, 4);
        }
        cafi_buf_text(parts[i], name);
    }
    cafi_buf_append(&zip->out, bytes ? (const void *)bytes : data, packed);
    free(bytes);
    zip->entries++;
}

void test_zip_end(test_zip *zip)
{
    size_t start = zip->out.size;

    cafi_buf_append(&zip->out, zip->directory.data, zip->directory.size);
    put(&zip->out, TEST_ZIP_END, 4);
    put(&zip->out, 0, 4);
    put(&zip->out, zip->entries, 2);
    put(&zip->out, zip->entries, 2);
    put(&zip->out, zip->directory.size, 4);
    put(&zip->out, start, 4);
    put(&zip->out, 0, 2);
    assert_false(zip->out.failed);
}

void test_zip_free(test_zip *zip)
{
    cafi_buf_free(&zip->out);
    cafi_buf_free(&zip->directory);
    zip->entries = 0;
}

void test_zip_patch(cafi_buf *archive, unsigned signature, size_t n, size_t offset, size_t width,
                    uint64_t value)
{
    const unsigned char mark[4] = {(unsigned char)signature, (unsigned char)(signature >> 8),
                                   (unsigned char)(signature >> 16),
                                   (unsigned char)(signature >> 24)};

    for (size_t i = 0; i + 4 <= archive->size; i++) {
        if (memcmp(archive->data + i, mark, 4) != 0 || n--)
            continue;
        assert_true(i + offset + width <= archive->size);
        for (size_t k = 0; k < width; k++)
            archive->data[i + offset + k] = (char)(value >> (8 * k));
        return;
    }
    fail_msg("signature %08x is not in the archive", signature);
}

void test_checkpoint(test_zip *zip, const void *pickle, size_t size)
{
    float storage[12];

    for (int i = 0; i < 12; i++)
        storage[i] = (float)i;
    cafi_put_numbers((unsigned char *)storage, storage, 12, sizeof *storage);
    *zip = (test_zip){0};
    test_zip_add(zip, "x/data.pkl", pickle, size, 0);
    test_zip_add(zip, "x/data/0", storage, sizeof storage, 0);
    test_zip_end(zip);
}
