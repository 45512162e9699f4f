#include "files/pickle_machine.h"

#include <string.h>

#include "base/mem.h"
#include "files/bytes.h"

caface_status cafi_vm_wrong(const cafi_vm *vm, const char *what)
{
    return cafi_fail(vm->err, CAFACE_EFORMAT, "pickle byte %zu: %s", vm->op, what);
}

caface_status cafi_vm_node(cafi_vm *vm, cafi_node_kind kind, cafi_ref *out)
{
    cafi_pickle *p = vm->pickle;
    caface_status st = CAFACE_OK;

    if (p->count >= CAFI_PICKLE_MAX_NODES)
        return cafi_fail(vm->err, CAFACE_ELIMIT, "pickle byte %zu: more than %zu objects", vm->op,
                         CAFI_PICKLE_MAX_NODES);
    if ((st = CAFI_GROW(&p->nodes, &p->capacity, p->count + 1, vm->err)))
        return st;
    p->nodes[p->count] = (cafi_pickled){.kind = kind};
    *out = (cafi_ref)p->count++;
    return CAFACE_OK;
}

cafi_pickled *cafi_vm_at(cafi_vm *vm, cafi_ref ref)
{
    return &vm->pickle->nodes[ref];
}

caface_status cafi_vm_append(cafi_vm *vm, cafi_ref seq, const cafi_ref *items, size_t n)
{
    cafi_pickled *s = cafi_vm_at(vm, seq);
    size_t capacity = s->u.seq.capacity;
    caface_status st = CAFACE_OK;

    if (n == 0)
        return CAFACE_OK;
    /* Most are small and complete at once: no slack on the first. */
    if (capacity == 0) {
        if ((st = CAFI_NEW(&s->u.seq.items, n, vm->err)))
            return st;
        capacity = n;
    } else if ((st = CAFI_GROW(&s->u.seq.items, &capacity, s->u.seq.count + n, vm->err)))
        return st;
    s->u.seq.capacity = (uint32_t)capacity;
    memcpy(s->u.seq.items + s->u.seq.count, items, n * sizeof *items);
    s->u.seq.count += (uint32_t)n;
    return CAFACE_OK;
}

caface_status cafi_vm_push(cafi_vm *vm, cafi_ref ref)
{
    caface_status st = CAFI_GROW(&vm->stack, &vm->stack_capacity, vm->depth + 1, vm->err);

    if (!st)
        vm->stack[vm->depth++] = ref;
    return st;
}

size_t cafi_vm_fence(const cafi_vm *vm)
{
    return vm->mark_count ? vm->marks[vm->mark_count - 1] : 0;
}

caface_status cafi_vm_need(cafi_vm *vm, size_t n)
{
    return vm->depth - cafi_vm_fence(vm) < n ? cafi_vm_wrong(vm, "the stack is too short")
                                             : CAFACE_OK;
}

caface_status cafi_vm_pop_mark(cafi_vm *vm, size_t *first)
{
    if (!vm->mark_count)
        return cafi_vm_wrong(vm, "no MARK on the stack");
    *first = vm->marks[--vm->mark_count];
    return CAFACE_OK;
}

caface_status cafi_vm_push_bytes(cafi_vm *vm, cafi_node_kind kind, const char *data, size_t size)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_node(vm, kind, &ref);

    if (st)
        return st;
    cafi_vm_at(vm, ref)->u.bytes.data = data;
    cafi_vm_at(vm, ref)->u.bytes.size = size;
    return cafi_vm_push(vm, ref);
}

caface_status cafi_vm_push_int(cafi_vm *vm, cafi_node_kind kind, int64_t value)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_node(vm, kind, &ref);

    if (st)
        return st;
    cafi_vm_at(vm, ref)->u.integer = value;
    return cafi_vm_push(vm, ref);
}

caface_status cafi_vm_take(cafi_vm *vm, uint64_t n, const unsigned char **out)
{
    if (n > (uint64_t)(vm->end - vm->at))
        return cafi_vm_wrong(vm, "the pickle ends inside an opcode's argument");
    *out = vm->at;
    vm->at += n;
    return CAFACE_OK;
}

caface_status cafi_vm_take_counted(cafi_vm *vm, size_t width, const unsigned char **out,
                                   uint64_t *size)
{
    const unsigned char *p = NULL;
    caface_status st = cafi_vm_take(vm, width, &p);

    if (st)
        return st;
    *size = width == 1 ? p[0] : width == 4 ? cafi_le32(p) : cafi_le64(p);
    return cafi_vm_take(vm, *size, out);
}

/* Everything from `first` up becomes one new container. */
caface_status cafi_vm_collect(cafi_vm *vm, cafi_node_kind kind, size_t first)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_node(vm, kind, &ref);

    if (st || (st = cafi_vm_append(vm, ref, vm->stack + first, vm->depth - first)))
        return st;
    vm->depth = first;
    return cafi_vm_push(vm, ref);
}

caface_status cafi_vm_put(cafi_vm *vm, uint64_t key)
{
    size_t old = vm->memo_size;
    caface_status st = cafi_vm_need(vm, 1);

    if (st)
        return st;
    if (key >= CAFI_PICKLE_MAX_MEMO)
        return cafi_fail(vm->err, CAFACE_ELIMIT, "pickle byte %zu: memo number %llu, limit %zu",
                         vm->op, (unsigned long long)key, CAFI_PICKLE_MAX_MEMO);
    if (key >= old) {
        if ((st = CAFI_GROW(&vm->memo, &vm->memo_size, (size_t)key + 1, vm->err)))
            return st;
        memset(vm->memo + old, 0xff, (vm->memo_size - old) * sizeof *vm->memo);
    }
    if (vm->memo[key] == UINT32_MAX)
        vm->memoized++;
    vm->memo[key] = vm->stack[vm->depth - 1];
    return CAFACE_OK;
}

caface_status cafi_vm_get(cafi_vm *vm, uint64_t key)
{
    if (key >= vm->memo_size || vm->memo[key] == UINT32_MAX)
        return cafi_vm_wrong(vm, "refers to something not seen before");
    return cafi_vm_push(vm, vm->memo[key]);
}

caface_status cafi_vm_global(cafi_vm *vm, cafi_ref module, cafi_ref name, cafi_ref *out)
{
    caface_status st = cafi_vm_node(vm, CAFI_NODE_GLOBAL, out);

    if (st)
        return st;
    cafi_vm_at(vm, *out)->u.global.module = module;
    cafi_vm_at(vm, *out)->u.global.name = name;
    return CAFACE_OK;
}

caface_status cafi_vm_call(cafi_vm *vm, cafi_ref callable, cafi_ref args)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_node(vm, CAFI_NODE_OBJECT, &ref);

    if (st)
        return st;
    cafi_vm_at(vm, ref)->u.object.callable = callable;
    cafi_vm_at(vm, ref)->u.object.args = args;
    return cafi_vm_push(vm, ref);
}

caface_status cafi_vm_inst(cafi_vm *vm, cafi_ref global)
{
    size_t first = 0;
    cafi_ref args = 0;
    caface_status st = cafi_vm_pop_mark(vm, &first);

    if (st || (st = cafi_vm_collect(vm, CAFI_NODE_TUPLE, first)))
        return st;
    args = vm->stack[--vm->depth];
    return cafi_vm_call(vm, global, args);
}
