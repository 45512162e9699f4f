#include "graph/room.h"

#include <stdlib.h>

#include "base/mem.h"

/* A place of twice the size of the one before at least, so that what they come to is less than
 * twice the last. */
typedef struct place {
    struct place *smaller;
    float *memory;
    size_t bytes;
} place;

struct cafi_room {
    place *last; /* the largest */
};

caface_status cafi_room_new(cafi_room **out, caface_error *err)
{
    return CAFI_NEW(out, 1, err);
}

static void place_free(place *p)
{
    if (!p)
        return;
    free(p->memory);
    free(p);
}

void cafi_room_free(cafi_room *room)
{
    if (!room)
        return;
    while (room->last) {
        place *p = room->last;

        room->last = p->smaller;
        place_free(p);
    }
    free(room);
}

caface_status cafi_room_take(cafi_room *room, size_t bytes, void **out, caface_error *err)
{
    size_t before = room->last ? room->last->bytes : 0;
    place *p = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!room->last || before < bytes) {
        if ((st = CAFI_NEW(&p, 1, err)))
            return st;
        p->bytes = bytes > 2 * before ? bytes : 2 * before;
        p->bytes = (p->bytes + 63) / 64 * 64;
        st = cafi_alloc_f32(&p->memory, 1, p->bytes / sizeof(float), err);
        if (st) {
            place_free(p);
            return st;
        }
        p->smaller = room->last;
        room->last = p;
    }
    *out = room->last->memory;
    return CAFACE_OK;
}
