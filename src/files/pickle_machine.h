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

caface_status cafi_vm_wrong(const cafi_vm *vm, const char *what);
caface_status cafi_vm_node(cafi_vm *vm, cafi_node_kind kind, cafi_ref *out);
caface_status cafi_vm_push(cafi_vm *vm, cafi_ref ref);
caface_status cafi_vm_put(cafi_vm *vm, uint64_t key);
caface_status cafi_vm_get(cafi_vm *vm, uint64_t key);
caface_status cafi_vm_global(cafi_vm *vm, cafi_ref module, cafi_ref name, cafi_ref *out);
caface_status cafi_vm_call(cafi_vm *vm, cafi_ref callable, cafi_ref args);

/* INST: calls global with what lies above the MARK. */
caface_status cafi_vm_inst(cafi_vm *vm, cafi_ref global);

/* I L F S V c i P g p */
caface_status cafi_vm_text_op(cafi_vm *vm, unsigned char code);

#endif
