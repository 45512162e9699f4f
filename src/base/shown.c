#include "base/shown.h"

#include <string.h>

/* Bytes of the UTF-8 character at p, 0 for none: no overlong forms, no surrogates. */
static size_t character(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (n == 0 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

size_t cafi_text_control(const char *text, const char *keep)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = character(p);
    unsigned code = 0;

    if (n == 1)
        return (p[0] < 0x20 && !strchr(keep, p[0])) || p[0] == 0x7f;
    if (n == 2)
        code = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    else if (n == 3)
        code = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    if ((code >= 0x80 && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
        return n;
    return 0;
}

void cafi_text_clean(char *text, const char *keep)
{
    char *to = text;

    for (const char *from = text; *from;) {
        size_t n = character((const unsigned char *)from);
        size_t control = cafi_text_control(from, keep);

        if (n == 0 || control) {
            *to++ = '?';
            from += control ? control : 1;
        } else {
            memmove(to, from, n);
            to += n;
            from += n;
        }
    }
    *to = '\0';
}

#define AFTER_ADDRESS " \t\n\"'"

/* The last @ of the part of an address at `start` that may have a password; NULL: none. */
static char *last_at(char *text, char *start)
{
    size_t before = (size_t)(start - 3 - text); /* of "://" */
    bool is_server = (before >= 8 && memcmp(start - 11, "postgres", 8) == 0) ||
                     (before >= 10 && memcmp(start - 13, "postgresql", 10) == 0);
    size_t n = strcspn(start, is_server ? AFTER_ADDRESS : AFTER_ADDRESS "/");

    while (n > 0 && start[n - 1] != '@')
        n--;
    return n ? start + n - 1 : NULL;
}

void cafi_text_hide_passwords(char *text)
{
    static const char key[] = "password=";

    for (char *p = text; (p = strstr(p, "://"));) {
        char *start = p + 3, *at = last_at(text, start);
        char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;

        if (colon)
            memmove(colon, at, strlen(at) + 1);
        p = start;
    }
    for (char *p = text; (p = strstr(p, key));) {
        bool is_option = p > text && (p[-1] == '?' || p[-1] == '&');
        char *value = p + sizeof key - 1, *end = value + strcspn(value, "&" AFTER_ADDRESS);

        if (is_option)
            memmove(value, end, strlen(end) + 1);
        p = value;
    }
}
