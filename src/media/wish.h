/* Asking whether somebody wants the work to stop. */
#ifndef CAFI_MEDIA_WISH_H
#define CAFI_MEDIA_WISH_H

#include <stdbool.h>
#include <stddef.h>

/* ask is called now and then, in any thread; true: stop. All zeros: nobody ever
 * wants that. */
typedef struct cafi_wish {
    bool (*ask)(void *ctx);
    void *ctx;
} cafi_wish;

static inline bool cafi_wished(cafi_wish wish)
{
    return wish.ask && wish.ask(wish.ctx);
}

#endif
