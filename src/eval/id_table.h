/* From ids, which are any whole numbers, to places 0..count-1. */
#ifndef CAFI_EVAL_ID_TABLE_H
#define CAFI_EVAL_ID_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define CAFI_NO_ID UINT32_MAX

typedef struct cafi_id_slot {
    int64_t id;
    uint32_t place; /* CAFI_NO_ID: free */
} cafi_id_slot;

typedef struct cafi_id_table {
    cafi_id_slot *slots;
    size_t mask;
} cafi_id_table;

/* Sorts ids [n], takes out what is there twice, and returns how many are left. */
size_t cafi_ids_unique(int64_t *ids, size_t n);

/* ids [count], all different, count below CAFI_NO_ID. */
caface_status cafi_id_table_build(cafi_id_table *out, const int64_t *ids, size_t count,
                                  caface_error *err);
void cafi_id_table_free(cafi_id_table *table);

static inline size_t cafi_id_hash(int64_t id)
{
    uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15u;

    return (size_t)(h ^ (h >> 32));
}

/* CAFI_NO_ID when there is no such id. */
static inline uint32_t cafi_id_find(const cafi_id_table *table, int64_t id)
{
    size_t i = cafi_id_hash(id) & table->mask;

    while (table->slots[i].place != CAFI_NO_ID && table->slots[i].id != id)
        i = (i + 1) & table->mask;
    return table->slots[i].place;
}

#endif
