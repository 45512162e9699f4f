#include "files/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* FNV-1a and a finaliser. It starts from the table's address, so that a file
 * cannot be made to fall into one chain. */
static uint64_t hash_of(const cafi_names *names, const char *name, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u ^ ((uint64_t)(uintptr_t)names->slots * 0x9E3779B97F4A7C15u);

    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
    h ^= h >> 30;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ (h >> 27);
}

static cafi_name_slot *slot_of(const cafi_names *names, const char *name, size_t size,
                               uint64_t hash)
{
    size_t mask = names->capacity - 1;
    size_t i = (size_t)hash & mask;

    while (names->slots[i].name) {
        cafi_name_slot *s = &names->slots[i];

        if (s->hash == hash && s->size == size && memcmp(s->name, name, size) == 0)
            return s;
        i = (i + 1) & mask;
    }
    return &names->slots[i];
}

static caface_status grow(cafi_names *names, caface_error *err)
{
    cafi_names bigger = {.capacity = names->capacity ? names->capacity * 2 : 64,
                         .count = names->count};
    caface_status st = CAFI_NEW(&bigger.slots, bigger.capacity, err);

    if (st)
        return st;
    for (size_t i = 0; i < names->capacity; i++) {
        cafi_name_slot old = names->slots[i];

        if (!old.name)
            continue;
        old.hash = hash_of(&bigger, old.name, old.size);
        *slot_of(&bigger, old.name, old.size, old.hash) = old;
    }
    free(names->slots);
    *names = bigger;
    return CAFACE_OK;
}

caface_status cafi_names_add(cafi_names *names, const char *name, size_t size, size_t value,
                             size_t *existing, caface_error *err)
{
    cafi_name_slot *slot = NULL;
    uint64_t hash = 0;
    caface_status st = CAFACE_OK;

    *existing = CAFI_NO_NAME;
    if (names->count * 2 >= names->capacity && (st = grow(names, err)))
        return st;
    hash = hash_of(names, name, size);
    slot = slot_of(names, name, size, hash);
    if (slot->name) {
        *existing = slot->value;
        return CAFACE_OK;
    }
    *slot = (cafi_name_slot){name, size, hash, value};
    names->count++;
    return CAFACE_OK;
}

size_t cafi_names_find(const cafi_names *names, const char *name, size_t size)
{
    const cafi_name_slot *slot = NULL;

    if (!names->count)
        return CAFI_NO_NAME;
    slot = slot_of(names, name, size, hash_of(names, name, size));
    return slot->name ? slot->value : CAFI_NO_NAME;
}

void cafi_names_free(cafi_names *names)
{
    free(names->slots);
    *names = (cafi_names){0};
}

int cafi_is_utf8(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    const unsigned char *end = p + size;

    while (p < end) {
        unsigned c = *p++;
        unsigned more = c < 0x80   ? 0
                        : c < 0xc2 ? 9
                        : c < 0xe0 ? 1
                        : c < 0xf0 ? 2
                        : c < 0xf5 ? 3
                                   : 9;

        if (more > (size_t)(end - p))
            return 0;
        for (unsigned i = 0; i < more; i++) {
            unsigned next = p[i];
            unsigned low = i == 0 && c == 0xe0 ? 0xa0 : i == 0 && c == 0xf0 ? 0x90 : 0x80;
            unsigned high = i == 0 && c == 0xed ? 0x9f : i == 0 && c == 0xf4 ? 0x8f : 0xbf;

            if (next < low || next > high)
                return 0;
        }
        p += more;
    }
    return 1;
}
