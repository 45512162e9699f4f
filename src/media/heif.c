#include "media/heif.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Numbers out of a span, most significant byte first. What lies beyond its end is 0, and bad is
 * set. */
typedef struct reader {
    cafi_span in;
    size_t at;
    bool bad;
} reader;

static uint64_t take(reader *r, size_t bytes)
{
    uint64_t v = 0;

    if (bytes > r->in.size - r->at) {
        r->bad = true;
        r->at = r->in.size;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | r->in.at[r->at + i];
    r->at += bytes;
    return v;
}

static void skip(reader *r, uint64_t bytes)
{
    r->bad = r->bad || bytes > r->in.size - r->at;
    r->at = r->bad ? r->in.size : r->at + (size_t)bytes;
}

/* A box's type and what is in it. */
typedef struct box {
    char kind[5];
    cafi_span in;
} box;

/* The next box of a span. False at its end, and where a box does not fit into it. */
static bool next_box(reader *r, box *out)
{
    uint64_t size, head = 8;

    if (r->in.size - r->at < 8)
        return false;
    size = take(r, 4);
    memcpy(out->kind, r->in.at + r->at, 4);
    out->kind[4] = '\0';
    r->at += 4;
    if (size == 1) {
        size = take(r, 8);
        head = 16;
    } else if (size == 0)
        size = r->in.size - r->at + head;
    if (r->bad || size < head || size - head > r->in.size - r->at)
        return false;
    out->in = (cafi_span){r->in.at + r->at, (size_t)(size - head)};
    r->at += out->in.size;
    return true;
}

static bool is(const char *kind, const char *name)
{
    return memcmp(kind, name, 4) == 0;
}

/* The first box of a kind; bytes of its own head are passed over. */
static cafi_span find(cafi_span in, size_t head, const char *kind)
{
    reader r = {in, head < in.size ? head : in.size, false};
    box b;

    while (next_box(&r, &b))
        if (is(b.kind, kind))
            return b.in;
    return (cafi_span){NULL, 0};
}

bool cafi_heif_find(cafi_heif *out, const unsigned char *bytes, size_t size)
{
    cafi_span meta = find((cafi_span){bytes, size}, 0, "meta");
    cafi_span first = {NULL, 0}, all = {NULL, 0};
    reader r;

    *out = (cafi_heif){.bytes = bytes, .size = size};
    if (!meta.at)
        return false;
    first = find(meta, 4, "pitm");
    all = find(meta, 4, "iprp");
    out->places = find(meta, 4, "iloc");
    out->kinds = find(meta, 4, "iinf");
    out->refs = find(meta, 4, "iref");
    out->inside = find(meta, 4, "idat");
    if (!first.at || !all.at || !out->places.at || !out->kinds.at)
        return false;
    out->properties = find(all, 0, "ipco");
    out->belongs = find(all, 0, "ipma");
    r = (reader){first, 0, false};
    out->shown = take(&r, 4) >> 24 ? (uint32_t)take(&r, 4) : (uint32_t)take(&r, 2);
    return out->properties.at && out->belongs.at && !r.bad;
}

/* "hvc1", by the item's entry. */
static bool kind_of(const cafi_heif *h, uint32_t id, char kind[5])
{
    reader r = {h->kinds, 0, false};
    size_t seen = 0;
    box b;

    (void)(take(&r, 4) >> 24 ? take(&r, 4) : take(&r, 2)); /* how many there are */
    while (next_box(&r, &b) && seen++ < CAFI_HEIF_MAX_ITEMS) {
        reader e = {b.in, 0, false};
        uint64_t version = take(&e, 4) >> 24;
        uint64_t own = 0;

        if (!is(b.kind, "infe") || version < 2)
            continue;
        own = take(&e, version == 2 ? 2 : 4);
        (void)take(&e, 2);
        if (e.bad || own != id || e.in.size - e.at < 4)
            continue;
        memcpy(kind, e.in.at + e.at, 4);
        kind[4] = '\0';
        return true;
    }
    return false;
}

/* The n-th property, from 1. */
static bool property(const cafi_heif *h, uint64_t n, box *out)
{
    reader r = {h->properties, 0, false};

    while (n && n <= CAFI_HEIF_MAX_PROPERTIES && next_box(&r, out))
        if (--n == 0)
            return true;
    return false;
}

static void take_colours(cafi_heif_item *out, cafi_span in)
{
    reader r = {in, 0, false};

    if (in.size < 4)
        return;
    r.at = 4;
    if (is((const char *)in.at, "nclx")) {
        (void)take(&r, 4); /* primaries and transfer */
        out->matrix = (unsigned)take(&r, 2);
        out->full_range = take(&r, 1) >> 7;
        out->has_colours = !r.bad;
    } else if (is((const char *)in.at, "prof") || is((const char *)in.at, "rICC"))
        out->profile = (cafi_span){in.at + 4, in.size - 4};
}

static caface_status take_turn(cafi_heif_item *out, const box *b, caface_error *err)
{
    cafi_heif_turn *t = out->turns + out->turn_count;
    reader r = {b->in, 0, false};

    if (out->turn_count == CAFI_HEIF_MAX_TURNS)
        return cafi_fail(err, CAFACE_EFORMAT, "more than %d turns", CAFI_HEIF_MAX_TURNS);
    memcpy(t->kind, b->kind, 4);
    if (is(b->kind, "clap"))
        for (int i = 0; i < 8; i++)
            t->clap[i] = (uint32_t)take(&r, 4);
    else
        t->value = (unsigned)take(&r, 1) & (is(b->kind, "irot") ? 3u : 1u);
    out->turn_count++;
    return r.bad ? cafi_fail(err, CAFACE_EFORMAT, "a property %s is cut short", b->kind)
                 : CAFACE_OK;
}

static bool is_alpha(cafi_span in)
{
    static const char *const names[] = {"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
                                        "urn:mpeg:hevc:2015:auxid:1"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (in.size > 4 + strlen(names[i]) &&
            memcmp(in.at + 4, names[i], strlen(names[i]) + 1) == 0)
            return true;
    return false;
}

static caface_status take_property(cafi_heif_item *out, const box *b, bool essential,
                                   caface_error *err)
{
    static const char *const harmless[] = {"ispe", "pixi", "pasp", "a1lx", "clli", "mdcv"};

    if (is(b->kind, "hvcC") || is(b->kind, "av1C"))
        out->config = b->in;
    else if (is(b->kind, "auxC"))
        out->is_alpha = is_alpha(b->in);
    else if (is(b->kind, "colr"))
        take_colours(out, b->in);
    else if (is(b->kind, "clap") || is(b->kind, "irot") || is(b->kind, "imir"))
        return take_turn(out, b, err);
    else if (essential) {
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            if (is(b->kind, harmless[i]))
                return CAFACE_OK;
        memcpy(out->needs, b->kind, 5);
    }
    return CAFACE_OK;
}

caface_status cafi_heif_describe(const cafi_heif *h, uint32_t id, cafi_heif_item *out,
                                 caface_error *err)
{
    reader r = {h->belongs, 0, false};
    uint64_t head = take(&r, 4), entries = take(&r, 4);

    *out = (cafi_heif_item){.id = id};
    if (!kind_of(h, id, out->kind))
        return cafi_fail(err, CAFACE_EFORMAT, "picture %u is not listed", (unsigned)id);
    for (uint64_t i = 0; i < entries && i < CAFI_HEIF_MAX_ITEMS && !r.bad; i++) {
        uint64_t own = take(&r, head >> 24 ? 4 : 2), count = take(&r, 1);

        if (own != id) {
            skip(&r, count * (head & 1 ? 2 : 1));
            continue;
        }
        if (count > CAFI_HEIF_MAX_OWN)
            return cafi_fail(err, CAFACE_ELIMIT, "a picture of %u properties, at most %d",
                             (unsigned)count, CAFI_HEIF_MAX_OWN);
        while (count-- && !r.bad) {
            uint64_t v = take(&r, head & 1 ? 2 : 1), top = head & 1 ? 0x8000 : 0x80;
            caface_status st = CAFACE_OK;
            box b;

            if (property(h, v & (top - 1), &b) &&
                (st = take_property(out, &b, (v & top) != 0, err)))
                return st;
        }
        break;
    }
    return CAFACE_OK;
}

/* Copies one extent behind what is there. */
static caface_status add_extent(const cafi_heif *h, bool inside, uint64_t from, uint64_t length,
                                unsigned char *to, size_t *at, caface_error *err)
{
    cafi_span in = inside ? h->inside : (cafi_span){h->bytes, h->size};

    if (!in.at || from > in.size || length > in.size - from || *at > h->size - (size_t)length)
        return cafi_fail(err, CAFACE_EFORMAT, "cut short: %llu bytes at %llu, the file has %zu",
                         (unsigned long long)length, (unsigned long long)from, h->size);
    if (!length)
        length = in.size - from; /* all that follows */
    if (*at > h->size - (size_t)length)
        return cafi_fail(err, CAFACE_EFORMAT, "a picture of more bytes than the file has");
    memcpy(to + *at, in.at + from, (size_t)length);
    *at += (size_t)length;
    return CAFACE_OK;
}

/* One entry of iloc, as its head says how wide the numbers are. */
typedef struct widths {
    uint64_t version, offset, length, base, index;
} widths;

static caface_status read_extents(const cafi_heif *h, reader *r, const widths *w, bool wanted,
                                  unsigned char *to, size_t *size, caface_error *err)
{
    uint64_t method = w->version ? take(r, 2) & 15 : 0, source = take(r, 2);
    uint64_t base = take(r, (size_t)w->base), count = take(r, 2);

    if (!wanted) {
        skip(r, count * (w->offset + w->length + (w->version ? w->index : 0)));
        return CAFACE_OK;
    }
    if (method > 1 || source)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "a picture whose bytes are in another file or item");
    for (uint64_t e = 0; e < count && !r->bad; e++) {
        uint64_t from, length;
        caface_status st = CAFACE_OK;

        if (w->version && w->index)
            (void)take(r, (size_t)w->index);
        from = take(r, (size_t)w->offset);
        length = take(r, (size_t)w->length);
        if (r->bad)
            break;
        if (from > UINT64_MAX - base)
            return cafi_fail(err, CAFACE_EFORMAT, "an offset beyond the file");
        if ((st = add_extent(h, method == 1, base + from, length, to, size, err)))
            return st;
    }
    return CAFACE_OK;
}

static caface_status find_bytes(const cafi_heif *h, uint32_t id, unsigned char *to, size_t *size,
                                caface_error *err)
{
    reader r = {h->places, 0, false};
    widths w = {.version = take(&r, 4) >> 24};
    uint64_t sizes = take(&r, 2), count;

    w.offset = sizes >> 12;
    w.length = sizes >> 8 & 15;
    w.base = sizes >> 4 & 15;
    w.index = sizes & 15;
    if (w.version > 2 || w.offset > 8 || w.length > 8 || w.base > 8 || w.index > 8)
        return cafi_fail(err, CAFACE_EFORMAT, "its pictures' places are damaged");
    count = take(&r, w.version < 2 ? 2 : 4);
    for (uint64_t i = 0; i < count && i < CAFI_HEIF_MAX_ITEMS && !r.bad; i++) {
        bool wanted = take(&r, w.version < 2 ? 2 : 4) == id;
        caface_status st = read_extents(h, &r, &w, wanted, to, size, err);

        if (st)
            return st;
        if (wanted && !r.bad)
            return CAFACE_OK;
    }
    return cafi_fail(err, CAFACE_EFORMAT, "picture %u has no place in the file", (unsigned)id);
}

caface_status cafi_heif_read(const cafi_heif *h, uint32_t id, size_t room, unsigned char **out,
                             size_t *size, caface_error *err)
{
    unsigned char *bytes = NULL;
    caface_status st = cafi_alloc_bytes(&bytes, h->size + room, err);

    *out = NULL;
    *size = 0;
    if (st)
        return st;
    if ((st = find_bytes(h, id, bytes, size, err))) {
        free(bytes);
        return st;
    }
    memset(bytes + *size, 0, room);
    *out = bytes;
    return CAFACE_OK;
}

size_t cafi_heif_refs(const cafi_heif *h, uint32_t id, const char *kind, bool back, uint32_t *out,
                      size_t most)
{
    reader r = {h->refs, 0, false};
    size_t wide = h->refs.at && take(&r, 4) >> 24 ? 4 : 2, found = 0, seen = 0;
    box b;

    while (h->refs.at && next_box(&r, &b) && seen++ < CAFI_HEIF_MAX_ITEMS) {
        reader e = {b.in, 0, false};
        uint64_t from = take(&e, wide), count = take(&e, 2);

        if (!is(b.kind, kind) || (!back && from != id))
            continue;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t to = take(&e, wide);

            if (e.bad)
                break;
            if (back && to != id)
                continue;
            if (found < most)
                out[found] = (uint32_t)(back ? from : to);
            found++;
        }
    }
    return found;
}

caface_status cafi_heif_grid_read(cafi_heif_grid *out, const unsigned char *bytes, size_t size,
                                  caface_error *err)
{
    reader r = {{bytes, size}, 0, false};
    uint64_t head = take(&r, 2);
    size_t wide = head & 1 ? 4 : 2;

    out->rows = (size_t)take(&r, 1) + 1;
    out->columns = (size_t)take(&r, 1) + 1;
    out->width = (size_t)take(&r, wide);
    out->height = (size_t)take(&r, wide);
    return r.bad || head >> 8 ? cafi_fail(err, CAFACE_EFORMAT, "a grid whose head is damaged")
                              : CAFACE_OK;
}
