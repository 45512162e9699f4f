/* The pickle machine's own parts, shared by pickle.c (binary opcodes) and
 * pickle_text.c (those of protocol 0, whose arguments are lines of text). */
#ifndef CAFI_FILES_PICKLE_MACHINE_H
#define CAFI_FILES_PICKLE_MACHINE_H

#include "files/pickle.h"

typedef struct cafi_vm {
    cafi_pickle *pickle;
    const unsigned char *at, *end;
    size_t op; /* offset of the opcode that runs */
    cafi_ref *stack;
    size_t depth, stack_capacity;
    size_t *marks; /* depths */
    size_t mark_count, mark_capacity;
    cafi_ref *memo; /* UINT32_MAX: free */
    size_t memo_size;
    size_t memoized; /* places in use: the next number of MEMOIZE */
    caface_error *err;
} cafi_vm;

/* EFORMAT, naming the byte of the opcode that runs. */
caface_status cafi_vm_wrong(const cafi_vm *vm, const char *what);

/* ---- nodes: a reference is a place, so it outlives growth; a pointer does not */

caface_status cafi_vm_node(cafi_vm *vm, cafi_node_kind kind, cafi_ref *out);
cafi_pickled *cafi_vm_at(cafi_vm *vm, cafi_ref ref);
/* n items behind those of a list, tuple, set or dictionary. */
caface_status cafi_vm_append(cafi_vm *vm, cafi_ref seq, const cafi_ref *items, size_t n);

/* ---- the stack */

caface_status cafi_vm_push(cafi_vm *vm, cafi_ref ref);
caface_status cafi_vm_push_int(cafi_vm *vm, cafi_node_kind kind, int64_t value);
/* data is borrowed from the pickle's own bytes. */
caface_status cafi_vm_push_bytes(cafi_vm *vm, cafi_node_kind kind, const char *data, size_t size);
/* The lowest place an opcode without MARK may pop. */
size_t cafi_vm_fence(const cafi_vm *vm);
/* EFORMAT unless n items lie above the fence. */
caface_status cafi_vm_need(cafi_vm *vm, size_t n);
/* Removes the topmost MARK; what was pushed since begins at *first. */
caface_status cafi_vm_pop_mark(cafi_vm *vm, size_t *first);
/* Replaces what lies on the stack from first on by one sequence of it. */
caface_status cafi_vm_collect(cafi_vm *vm, cafi_node_kind kind, size_t first);

/* ---- arguments in the stream */

caface_status cafi_vm_take(cafi_vm *vm, uint64_t n, const unsigned char **out);
/* A length of `width` bytes, and then that many bytes. */
caface_status cafi_vm_take_counted(cafi_vm *vm, size_t width, const unsigned char **out,
                                   uint64_t *size);

/* ---- the memo: the top of the stack under a number, and back */

caface_status cafi_vm_put(cafi_vm *vm, uint64_t key);
caface_status cafi_vm_get(cafi_vm *vm, uint64_t key);

/* ---- what would be calls: recorded as objects, never made */

caface_status cafi_vm_global(cafi_vm *vm, cafi_ref module, cafi_ref name, cafi_ref *out);
caface_status cafi_vm_call(cafi_vm *vm, cafi_ref callable, cafi_ref args);
/* INST: calls global with what lies above the MARK. */
caface_status cafi_vm_inst(cafi_vm *vm, cafi_ref global);

/* ---- pickle_text.c */

/* I L F S V c i P g p */
caface_status cafi_vm_text_op(cafi_vm *vm, unsigned char code);

#endif
