#include "base/shown.h"

#include <string.h>

#include "base/text.h"

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

/* Does text, which begins at `begin`, say so before `at`, in any case? */
static bool follows(const char *begin, const char *at, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(at - begin) >= n && cafi_strncasecmp(at - n, word, n) == 0;
}

/* The last @ of the part of an address at `start` that may have a password; NULL: none. */
static char *last_at(char *start, bool is_server)
{
    size_t n = strcspn(start, is_server ? AFTER_ADDRESS : AFTER_ADDRESS "/");

    while (n > 0 && start[n - 1] != '@')
        n--;
    return n ? start + n - 1 : NULL;
}

/* Does the name of an option, which ends at `end`, speak of a password: password, sslpassword, and
 * what somebody takes for it? */
static bool is_secret(const char *name, const char *end)
{
    static const char *const words[] = {"pass", "pwd", "secret"};

    for (const char *p = name; p < end; p++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (follows(name, p + 1, words[i]))
                return true;
    return false;
}

void cafi_text_hide_passwords(char *text)
{
    for (char *p = text; (p = strstr(p, ":/")); p++) {
        bool is_server = follows(text, p, "postgres") || follows(text, p, "postgresql");
        char *start = p + 1 + strspn(p + 1, "/"), *at = NULL, *colon = NULL;

        if (start - p < 3 && !is_server)
            continue;
        at = last_at(start, is_server);
        colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
        if (colon)
            memmove(colon, at, strlen(at) + 1);
    }
    for (char *p = text; (p = strpbrk(p, "?&")); p++) {
        char *equals = p + strcspn(p, "=" AFTER_ADDRESS), *end = NULL;

        if (*equals != '=' || !is_secret(p + 1, equals))
            continue;
        end = equals + strcspn(equals, "&" AFTER_ADDRESS);
        memmove(equals + 1, end, strlen(end) + 1);
    }
}
