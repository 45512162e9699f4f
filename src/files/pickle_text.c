/* The opcodes of protocol 0: their arguments are lines of text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle_build.h"
#include "files/json.h"
#include "files/pickle_machine.h"

typedef struct line {
    const char *text;
    size_t size; /* without the newline */
} line;

static caface_status take_line(cafi_vm *vm, line *out)
{
    const unsigned char *end = memchr(vm->at, '\n', (size_t)(vm->end - vm->at));

    if (!end)
        return cafi_vm_wrong(vm, "the pickle ends inside a line");
    out->text = (const char *)vm->at;
    out->size = (size_t)(end - vm->at);
    vm->at = end + 1;
    return CAFACE_OK;
}

/* Memory that lives as long as the pickle. */
static caface_status own(cafi_vm *vm, size_t size, char **out)
{
    cafi_pickle *p = vm->pickle;
    caface_status st = CAFI_GROW(&p->texts, &p->text_capacity, p->text_count + 1, vm->err);

    if (st || (st = CAFI_NEW(out, size + 1, vm->err)))
        return st;
    p->texts[p->text_count++] = *out;
    return CAFACE_OK;
}

static caface_status text_node(cafi_vm *vm, cafi_node_kind kind, const char *text, size_t size,
                               cafi_ref *out)
{
    caface_status st = cafi_vm_node(vm, kind, out);

    if (st)
        return st;
    vm->pickle->nodes[*out].u.bytes.data = text;
    vm->pickle->nodes[*out].u.bytes.size = size;
    return CAFACE_OK;
}

static caface_status push_text(cafi_vm *vm, cafi_node_kind kind, const char *text, size_t size)
{
    cafi_ref ref = 0;
    caface_status st = text_node(vm, kind, text, size, &ref);

    return st ? st : cafi_vm_push(vm, ref);
}

/* INT (01 and 00 are the booleans of protocol 1) and LONG (ends in L). */
static caface_status whole_number(cafi_vm *vm, unsigned char code, line l)
{
    char text[32];
    char *end = NULL;
    size_t n = l.size;
    int64_t value = 0;
    cafi_ref ref = 0;
    bool boolean = code == 'I' && n == 2 && l.text[0] == '0' && (l.text[1] | 1) == '1';
    caface_status st = CAFACE_OK;

    if (code == 'L' && n && l.text[n - 1] == 'L')
        n--;
    if (n == 0)
        return cafi_vm_wrong(vm, "a number without digits");
    for (size_t i = 0; i < n; i++)
        if (!(l.text[i] >= '0' && l.text[i] <= '9') && !(i == 0 && n > 1 && l.text[i] == '-'))
            return cafi_vm_wrong(vm, "a number that is none");
    if (n >= sizeof text)
        return push_text(vm, CAFI_NODE_LONG, l.text, n);
    memcpy(text, l.text, n);
    text[n] = '\0';
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno)
        return push_text(vm, CAFI_NODE_LONG, l.text, n);
    if ((st = cafi_vm_node(vm, boolean ? CAFI_NODE_BOOL : CAFI_NODE_INT, &ref)))
        return st;
    vm->pickle->nodes[ref].u.integer = value;
    return cafi_vm_push(vm, ref);
}

static caface_status real_number(cafi_vm *vm, line l)
{
    cafi_value value = {0};
    char text[64];
    cafi_ref ref = 0;
    double real = 0.0;
    caface_status st = CAFACE_OK;

    if (l.size == 0 || l.size >= sizeof text)
        return cafi_vm_wrong(vm, "a number that is none");
    memcpy(text, l.text, l.size);
    text[l.size] = '\0';
    if (strcmp(text, "nan") == 0 || strcmp(text, "-nan") == 0)
        real = (double)__builtin_nanf("");
    else if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0)
        real = text[0] == '-' ? -__builtin_inf() : __builtin_inf();
    else if ((st = cafi_json_parse(&value, text, l.size, NULL)))
        return st == CAFACE_ENOMEM ? cafi_fail_memory(vm->err, l.size)
                                   : cafi_vm_wrong(vm, "a number that is none");
    else if (value.kind == CAFI_REAL)
        real = value.u.real;
    else if (value.kind == CAFI_INT)
        real = (double)value.u.integer;
    else {
        cafi_value_clear(&value);
        return cafi_vm_wrong(vm, "a number that is none");
    }
    if ((st = cafi_vm_node(vm, CAFI_NODE_REAL, &ref)))
        return st;
    vm->pickle->nodes[ref].u.real = real;
    return cafi_vm_push(vm, ref);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static bool read_hex(const char *p, const char *end, int digits, unsigned *out)
{
    *out = 0;
    if (end - p < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        if (hex_value(p[i]) < 0)
            return false;
        *out = *out * 16 + (unsigned)hex_value(p[i]);
    }
    return true;
}

/* One escape of a Python 2 string, after the backslash; returns what follows
 * it, or NULL. *out is -1 for a line continued. */
static const char *string_escape(const char *p, const char *end, int *out)
{
    static const char names[] = "\\'\"abfnrtv";
    static const char values[] = "\\'\"\a\b\f\n\r\t\v";
    const char *found = NULL;
    unsigned code = 0;

    if (p == end)
        return NULL;
    if (*p == 'x') {
        *out = read_hex(p + 1, end, 2, &code) ? (int)code : 0;
        return read_hex(p + 1, end, 2, &code) ? p + 3 : NULL;
    }
    if (*p >= '0' && *p <= '7') {
        int i = 0;

        for (; i < 3 && p + i < end && p[i] >= '0' && p[i] <= '7'; i++)
            code = code * 8 + (unsigned)(p[i] - '0');
        *out = (int)(code & 0xff);
        return p + i;
    }
    found = *p ? strchr(names, *p) : NULL;
    *out = found ? (unsigned char)values[found - names] : '\\';
    return found ? p + 1 : p; /* an unknown escape stands for itself */
}

/* STRING: a Python 2 literal in quotes. */
static caface_status quoted_string(cafi_vm *vm, line l)
{
    const char *p = l.text;
    const char *end = NULL;
    char *out = NULL;
    size_t n = 0;
    caface_status st = CAFACE_OK;

    if (l.size < 2 || (p[0] != '\'' && p[0] != '"') || p[l.size - 1] != p[0])
        return cafi_vm_wrong(vm, "a string without its quotes");
    end = p + l.size - 1;
    if ((st = own(vm, l.size, &out)))
        return st;
    for (p++; p < end;) {
        int c = (unsigned char)*p++;

        if (c == '\\' && !(p = string_escape(p, end, &c)))
            return cafi_vm_wrong(vm, "a broken escape in a string");
        out[n++] = (char)c;
    }
    return push_text(vm, CAFI_NODE_BYTES, out, n);
}

static size_t encode_utf8(unsigned code, char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

/* UNICODE: raw-unicode-escape, Latin-1 with \uXXXX and \UXXXXXXXX. The result
 * is at most twice as long. */
static caface_status raw_unicode(cafi_vm *vm, line l)
{
    const char *p = l.text;
    const char *end = p + l.size;
    char *out = NULL;
    size_t n = 0;
    caface_status st = own(vm, 2 * l.size, &out);

    if (st)
        return st;
    while (p < end) {
        unsigned code = (unsigned char)*p++;
        int digits = code == '\\' && p < end && *p == 'u'   ? 4
                     : code == '\\' && p < end && *p == 'U' ? 8
                                                            : 0;

        if (digits) {
            if (!read_hex(p + 1, end, digits, &code) || code > 0x10ffff)
                return cafi_vm_wrong(vm, "a broken escape in a string");
            p += 1 + digits;
        }
        n += encode_utf8(code, out + n);
    }
    return push_text(vm, CAFI_NODE_TEXT, out, n);
}

static caface_status global_lines(cafi_vm *vm, line module, cafi_ref *out)
{
    line name = {NULL, 0};
    cafi_ref module_ref = 0;
    cafi_ref name_ref = 0;
    caface_status st = take_line(vm, &name);

    if (st || (st = text_node(vm, CAFI_NODE_TEXT, module.text, module.size, &module_ref)) ||
        (st = text_node(vm, CAFI_NODE_TEXT, name.text, name.size, &name_ref)))
        return st;
    return cafi_vm_global(vm, module_ref, name_ref, out);
}

static caface_status persistent_line(cafi_vm *vm, line l)
{
    cafi_ref id = 0;
    cafi_ref ref = 0;
    caface_status st = text_node(vm, CAFI_NODE_TEXT, l.text, l.size, &id);

    if (st || (st = cafi_vm_node(vm, CAFI_NODE_PERSISTENT, &ref)))
        return st;
    vm->pickle->nodes[ref].u.id = id;
    return cafi_vm_push(vm, ref);
}

static caface_status memo_line(cafi_vm *vm, unsigned char code, line l)
{
    uint64_t key = 0;

    for (size_t i = 0; i < l.size; i++)
        if (l.text[i] < '0' || l.text[i] > '9')
            return cafi_vm_wrong(vm, "a memo number that is none");
    if (l.size == 0 || l.size > 18)
        return cafi_vm_wrong(vm, "a memo number that is none");
    for (size_t i = 0; i < l.size; i++)
        key = key * 10 + (uint64_t)(l.text[i] - '0');
    return code == 'p' ? cafi_vm_put(vm, key) : cafi_vm_get(vm, key);
}

caface_status cafi_vm_text_op(cafi_vm *vm, unsigned char code)
{
    line l = {NULL, 0};
    cafi_ref ref = 0;
    caface_status st = take_line(vm, &l);

    if (st)
        return st;
    switch (code) {
    case 'I':
    case 'L':
        return whole_number(vm, code, l);
    case 'F':
        return real_number(vm, l);
    case 'S':
        return quoted_string(vm, l);
    case 'V':
        return raw_unicode(vm, l);
    case 'c':
        st = global_lines(vm, l, &ref);
        return st ? st : cafi_vm_push(vm, ref);
    case 'i':
        st = global_lines(vm, l, &ref);
        return st ? st : cafi_vm_inst(vm, ref);
    case 'P':
        return persistent_line(vm, l);
    default:
        return memo_line(vm, code, l);
    }
}
