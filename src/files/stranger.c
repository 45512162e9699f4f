#include "files/stranger.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/shown.h"
#include "base/text.h"

/* A text of a server that says no is not longer; what is shown of it. */
#define MAX_TEXT 1024
#define SHOWN 60

typedef struct known {
    const char *begins;
    size_t size; /* of begins */
    size_t at;
    const char *sentence;
} known;

#define PACKED "a compressed archive: unpack it first"

static const known all[] = {
    {"7z\xbc\xaf\x27\x1c", 6, 0, PACKED},
    {"Rar!", 4, 0, PACKED},
    {"\x1f\x8b", 2, 0, PACKED},
    {"BZh", 3, 0, PACKED},
    {"\xfd"
     "7zXZ",
     5, 0, PACKED},
    {"\x28\xb5\x2f\xfd", 4, 0, PACKED},
    {"ustar", 5, 257, "a tar archive: unpack it first"},
    {"\x12\x01\0\0\0\0\0\0", 8, 0,
     "parameters of MXNet, which are not read: export the network to ONNX"},
    {"\x89HDF\r\n\x1a\n", 8, 0,
     "an HDF5 file (of Keras, or MATLAB), which is not read: export the network to ONNX, or its "
     "arrays to .npz"},
    {"7767517\n", 8, 0, "a network of ncnn, which is not read: export the network to ONNX"},
    {"ptrt", 4, 0, "a TensorRT engine, which is not read: export the network to ONNX"},
    {"GGUF", 4, 0, "a GGUF file, which is not read: a language model, as a rule"},
    {"TFL3", 4, 4, "a TensorFlow Lite network, which is not read: export the network to ONNX"},
    {"%PDF-", 5, 0, "a PDF document"},
    {"SQLite format 3", 16, 0, "an SQLite database that is no gallery of people"},
};

static bool has(const unsigned char *bytes, size_t size, size_t at, const char *text, size_t n)
{
    return size >= at && size - at >= n && memcmp(bytes + at, text, n) == 0;
}

static bool is_page(const unsigned char *bytes, size_t size)
{
    static const char *const tags[] = {"<!doc", "<html", "<?xml"};
    size_t blank = has(bytes, size, 0, "\xef\xbb\xbf", 3) ? 3 : 0;

    while (blank < size && blank < 1024 && bytes[blank] && strchr(" \t\r\n", bytes[blank]))
        blank++;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (size - blank >= 5 && cafi_strncasecmp((const char *)bytes + blank, tags[i], 5) == 0)
            return true;
    return false;
}

/* XML whose first element is a network. */
static bool is_openvino(const unsigned char *bytes, size_t size)
{
    static const char mark[] = "<net ";

    if (!has(bytes, size, 0, "<?xml", 5))
        return false;
    for (size_t i = 5; i < size && i < 512; i++)
        if (bytes[i] == '<')
            return has(bytes, size, i, mark, sizeof mark - 1);
    return false;
}

/* Printing characters, blanks and UTF-8 alone. */
static bool is_text(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < 0x20 && !strchr("\t\r\n", bytes[i])) || bytes[i] == 0 || bytes[i] == 0x7f)
            return false;
    return true;
}

static caface_status show_text(const unsigned char *bytes, size_t size, caface_error *err)
{
    char shown[SHOWN + 1];
    size_t end = size;
    size_t n = 0;

    while (end && strchr(" \t\r\n", bytes[end - 1]))
        end--;
    n = end < SHOWN ? end : SHOWN;
    while (end > n && n && (bytes[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    memcpy(shown, bytes, n);
    shown[n] = '\0';
    cafi_text_clean(shown, "");
    return cafi_fail(err, CAFACE_EFORMAT, "%zu bytes of text, not the file itself: \"%s%s\"", size,
                     shown, end > n ? "..." : "");
}

caface_status cafi_name_stranger(const void *bytes, size_t size, caface_error *err)
{
    static const char pointer[] = "version https://git-lfs.github.com/";
    const unsigned char *b = bytes;

    if (size == 0)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "the file is empty (0 bytes): a download that failed leaves such a file");
    if (has(b, size, 0, pointer, sizeof pointer - 1))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a Git LFS pointer of %zu bytes, not the file itself: run git lfs pull in "
                         "its repository",
                         size);
    if (is_openvino(b, size))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a network of OpenVINO, which is not read: export the network to ONNX");
    if (is_page(b, size))
        return cafi_fail(
            err, CAFACE_EFORMAT,
            "a web page of %zu bytes, not the file itself: the address gave a page (a login, a "
            "warning, an error) in its place; open it in a browser to see",
            size);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (has(b, size, all[i].at, all[i].begins, all[i].size))
            return cafi_fail(err, CAFACE_EFORMAT, "%s", all[i].sentence);
    return size <= MAX_TEXT && is_text(b, size) ? show_text(b, size, err) : CAFACE_OK;
}
