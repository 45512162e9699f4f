#include "plot/report.h"

#include "files/output.h"

void cafi_base64(cafi_buf *out, const void *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned long v = (unsigned long)p[i] << 16 |
                          (left > 1 ? (unsigned long)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char text[4] = {letters[v >> 18 & 63], letters[v >> 12 & 63],
                        left > 1 ? letters[v >> 6 & 63] : '=', left > 2 ? letters[v & 63] : '='};

        cafi_buf_append(out, text, sizeof text);
    }
}

static void add_lines(cafi_buf *page, const char *const *lines)
{
    for (; *lines; lines++)
        cafi_buf_text(page, *lines);
}

caface_status cafi_report_save(const char *path, const char *data, size_t size, caface_error *err)
{
    cafi_buf page = {0};
    caface_status st;

    add_lines(&page, cafi_report_head);
    /* In a script element only "</" and "<!" could end the data early. */
    for (size_t i = 0; i < size; i++)
        if (data[i] == '<')
            cafi_buf_text(&page, "\\u003c");
        else
            cafi_buf_append(&page, data + i, 1);
    add_lines(&page, cafi_report_tail);
    st = page.failed ? cafi_fail_memory(err, page.size)
                     : cafi_output_save(path, page.data, page.size, err);
    cafi_buf_free(&page);
    return st;
}
