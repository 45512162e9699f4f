/* Memory that the buffers of several plans lie in, of which one runs at a time: what the smaller
 * maps of a pyramid need is in the cache from the larger ones, and there is one such memory
 * instead of one a size. One thread at a time. */
#ifndef CAFI_GRAPH_ROOM_H
#define CAFI_GRAPH_ROOM_H

#include <stddef.h>

#include "caface/status.h"

/* More than this is no room's: it fits into no cache. */
#define CAFI_ROOM_MOST ((size_t)32 << 20)

typedef struct cafi_room cafi_room;

caface_status cafi_room_new(cafi_room **out, caface_error *err);
/* The plans that lie in it must have been freed. */
void cafi_room_free(cafi_room *room);
/* At least that many bytes, aligned to 64, at most CAFI_ROOM_MOST; every plan may get the same.
 * They are not zeroed, and the room's. ENOMEM. */
caface_status cafi_room_take(cafi_room *room, size_t bytes, void **out, caface_error *err);

#endif
