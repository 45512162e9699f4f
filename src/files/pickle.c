#include "files/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "files/bundle_build.h"
#include "files/bytes.h"
#include "files/pickle_machine.h"

/* ---- opcodes ----------------------------------------------------------- */

static caface_status op_constant(cafi_vm *vm, unsigned char code)
{
    if (code == 'N')
        return cafi_vm_push(vm, CAFI_NOTHING);
    return cafi_vm_push_int(vm, CAFI_NODE_BOOL, code == 0x88);
}

static caface_status op_int(cafi_vm *vm, unsigned char code)
{
    const unsigned char *p = NULL;
    caface_status st = cafi_vm_take(vm, code == 'J' ? 4 : code == 'M' ? 2 : 1, &p);

    if (st)
        return st;
    return cafi_vm_push_int(vm, CAFI_NODE_INT,
                            code == 'J'   ? (int64_t)(int32_t)cafi_le32(p)
                            : code == 'M' ? (int64_t)cafi_le16(p)
                                          : (int64_t)p[0]);
}

/* LONG1 and LONG4: two's complement, little-endian, of any length. */
static caface_status op_long(cafi_vm *vm, unsigned char code)
{
    const unsigned char *p = NULL;
    uint64_t n = 0;
    uint64_t value = 0;
    caface_status st = cafi_vm_take_counted(vm, code == 0x8a ? 1 : 4, &p, &n);

    if (st)
        return st;
    if (n > 8)
        return cafi_vm_push_bytes(vm, CAFI_NODE_LONG, (const char *)p, (size_t)n);
    if (n && p[n - 1] & 0x80)
        value = UINT64_MAX;
    for (uint64_t i = n; i-- > 0;)
        value = value << 8 | p[i];
    return cafi_vm_push_int(vm, CAFI_NODE_INT, (int64_t)value);
}

static caface_status op_float(cafi_vm *vm, unsigned char code)
{
    const unsigned char *p = NULL;
    uint64_t bits = 0;
    cafi_ref ref = 0;
    caface_status st = cafi_vm_take(vm, 8, &p);

    (void)code;
    if (st || (st = cafi_vm_node(vm, CAFI_NODE_REAL, &ref)))
        return st;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    memcpy(&cafi_vm_at(vm, ref)->u.real, &bits, sizeof bits);
    return cafi_vm_push(vm, ref);
}

static caface_status op_bytes(cafi_vm *vm, unsigned char code)
{
    bool text = code == 'X' || code == 0x8c || code == 0x8d;
    size_t width = code == 'U' || code == 'C' || code == 0x8c     ? 1
                   : code == 0x8d || code == 0x8e || code == 0x96 ? 8
                                                                  : 4;
    const unsigned char *p = NULL;
    uint64_t n = 0;
    caface_status st = cafi_vm_take_counted(vm, width, &p, &n);

    if (st)
        return st;
    return cafi_vm_push_bytes(vm, text ? CAFI_NODE_TEXT : CAFI_NODE_BYTES, (const char *)p,
                              (size_t)n);
}

static caface_status op_empty(cafi_vm *vm, unsigned char code)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_node(vm,
                                    code == ']'   ? CAFI_NODE_LIST
                                    : code == ')' ? CAFI_NODE_TUPLE
                                    : code == '}' ? CAFI_NODE_DICT
                                                  : CAFI_NODE_SET,
                                    &ref);

    return st ? st : cafi_vm_push(vm, ref);
}

static caface_status op_tuple_n(cafi_vm *vm, unsigned char code)
{
    size_t n = (size_t)code - 0x84;
    caface_status st = cafi_vm_need(vm, n);

    return st ? st : cafi_vm_collect(vm, CAFI_NODE_TUPLE, vm->depth - n);
}

static caface_status op_collect(cafi_vm *vm, unsigned char code)
{
    size_t first = 0;
    caface_status st = cafi_vm_pop_mark(vm, &first);

    if (st)
        return st;
    if (code == 'd' && (vm->depth - first) % 2)
        return cafi_vm_wrong(vm, "a dict with a key and no value");
    return cafi_vm_collect(vm,
                           code == 't'   ? CAFI_NODE_TUPLE
                           : code == 'l' ? CAFI_NODE_LIST
                           : code == 'd' ? CAFI_NODE_DICT
                                         : CAFI_NODE_SET,
                           first);
}

/* The container that items go to: `to` itself, or one inside an object. */
static caface_status container_of(cafi_vm *vm, cafi_ref to, cafi_node_kind kind, cafi_ref *out)
{
    cafi_ref inner = 0;
    caface_status st = CAFACE_OK;

    *out = to;
    if (cafi_vm_at(vm, to)->kind == kind ||
        (kind == CAFI_NODE_LIST && cafi_vm_at(vm, to)->kind == CAFI_NODE_SET))
        return CAFACE_OK;
    if (cafi_vm_at(vm, to)->kind != CAFI_NODE_OBJECT)
        return cafi_vm_wrong(vm, "items for something that is no container");
    inner = kind == CAFI_NODE_DICT ? cafi_vm_at(vm, to)->u.object.dict
                                   : cafi_vm_at(vm, to)->u.object.list;
    if (!inner) {
        if ((st = cafi_vm_node(vm, kind, &inner)))
            return st;
        if (kind == CAFI_NODE_DICT)
            cafi_vm_at(vm, to)->u.object.dict = inner;
        else
            cafi_vm_at(vm, to)->u.object.list = inner;
    }
    *out = inner;
    return CAFACE_OK;
}

static caface_status add_items(cafi_vm *vm, cafi_node_kind kind, size_t first)
{
    cafi_ref to = 0;
    caface_status st = CAFACE_OK;

    if (first == cafi_vm_fence(vm))
        return cafi_vm_wrong(vm, "items, but nothing to put them in");
    if ((st = container_of(vm, vm->stack[first - 1], kind, &to)) ||
        (st = cafi_vm_append(vm, to, vm->stack + first, vm->depth - first)))
        return st;
    vm->depth = first;
    return CAFACE_OK;
}

static caface_status op_append(cafi_vm *vm, unsigned char code)
{
    size_t n = code == 'a' ? 1 : 2;
    caface_status st = cafi_vm_need(vm, n + 1);

    return st ? st : add_items(vm, n == 1 ? CAFI_NODE_LIST : CAFI_NODE_DICT, vm->depth - n);
}

static caface_status op_appends(cafi_vm *vm, unsigned char code)
{
    size_t first = 0;
    caface_status st = cafi_vm_pop_mark(vm, &first);

    if (st)
        return st;
    if (code == 'u' && (vm->depth - first) % 2)
        return cafi_vm_wrong(vm, "a dict with a key and no value");
    return add_items(vm, code == 'u' ? CAFI_NODE_DICT : CAFI_NODE_LIST, first);
}

static caface_status op_stack(cafi_vm *vm, unsigned char code)
{
    size_t first = 0;
    caface_status st = CAFACE_OK;

    if (code == '(') {
        if ((st = CAFI_GROW(&vm->marks, &vm->mark_capacity, vm->mark_count + 1, vm->err)))
            return st;
        vm->marks[vm->mark_count++] = vm->depth;
        return CAFACE_OK;
    }
    /* POP on a MARK removes the MARK. */
    if (code == '1' || (code == '0' && vm->mark_count && vm->depth == cafi_vm_fence(vm))) {
        if (!(st = cafi_vm_pop_mark(vm, &first)))
            vm->depth = first;
        return st;
    }
    if ((st = cafi_vm_need(vm, 1)))
        return st;
    if (code == '2')
        return cafi_vm_push(vm, vm->stack[vm->depth - 1]);
    vm->depth--;
    return CAFACE_OK;
}

/* ---- memo -------------------------------------------------------------- */

static caface_status op_memo(cafi_vm *vm, unsigned char code)
{
    bool wide = code == 'r' || code == 'j';
    const unsigned char *p = NULL;
    uint64_t key = 0;
    caface_status st = CAFACE_OK;

    if (code == 0x94)
        return cafi_vm_put(vm, vm->memoized);
    if ((st = cafi_vm_take(vm, wide ? 4 : 1, &p)))
        return st;
    key = wide ? cafi_le32(p) : p[0];
    return code == 'q' || code == 'r' ? cafi_vm_put(vm, key) : cafi_vm_get(vm, key);
}

/* ---- what would be calls ----------------------------------------------- */

static caface_status op_stack_global(cafi_vm *vm, unsigned char code)
{
    cafi_ref *top = NULL;
    cafi_ref ref = 0;
    caface_status st = cafi_vm_need(vm, 2);

    (void)code;
    if (st)
        return st;
    top = vm->stack + vm->depth - 2;
    if (cafi_vm_at(vm, top[0])->kind != CAFI_NODE_TEXT ||
        cafi_vm_at(vm, top[1])->kind != CAFI_NODE_TEXT)
        return cafi_vm_wrong(vm, "a global's name is no text");
    vm->depth -= 2;
    st = cafi_vm_global(vm, top[0], top[1], &ref);
    return st ? st : cafi_vm_push(vm, ref);
}

/* Codes of copyreg's registry: never resolved, opaque like any global. */
static caface_status op_extension(cafi_vm *vm, unsigned char code)
{
    const unsigned char *p = NULL;
    cafi_ref name = 0;
    cafi_ref ref = 0;
    caface_status st = cafi_vm_take(vm, code == 0x82 ? 1 : code == 0x83 ? 2 : 4, &p);

    (void)p;
    if (st || (st = cafi_vm_node(vm, CAFI_NODE_TEXT, &name)))
        return st;
    cafi_vm_at(vm, name)->u.bytes.data = "extension";
    cafi_vm_at(vm, name)->u.bytes.size = strlen("extension");
    st = cafi_vm_global(vm, name, name, &ref);
    return st ? st : cafi_vm_push(vm, ref);
}

static caface_status op_call(cafi_vm *vm, unsigned char code)
{
    size_t n = code == 0x92 ? 3 : 2;
    cafi_ref *top = NULL;
    caface_status st = cafi_vm_need(vm, n);

    if (st)
        return st;
    top = vm->stack + vm->depth - n;
    if (cafi_vm_at(vm, top[1])->kind != CAFI_NODE_TUPLE)
        return cafi_vm_wrong(vm, "the arguments of a call are no tuple");
    if (cafi_vm_at(vm, top[0])->kind != CAFI_NODE_GLOBAL &&
        cafi_vm_at(vm, top[0])->kind != CAFI_NODE_OBJECT &&
        cafi_vm_at(vm, top[0])->kind != CAFI_NODE_PERSISTENT) /* a class of old torch files */
        return cafi_vm_wrong(vm, "a call of something that is no global");
    vm->depth -= n;
    return cafi_vm_call(vm, top[0], top[1]);
}

static caface_status op_build(cafi_vm *vm, unsigned char code)
{
    cafi_pickled *target = NULL;
    caface_status st = cafi_vm_need(vm, 2);

    (void)code;
    if (st)
        return st;
    target = cafi_vm_at(vm, vm->stack[vm->depth - 2]);
    if (target->kind == CAFI_NODE_OBJECT)
        target->u.object.state = vm->stack[vm->depth - 1];
    else if (target->kind != CAFI_NODE_DICT && target->kind != CAFI_NODE_LIST &&
             target->kind != CAFI_NODE_SET)
        return cafi_vm_wrong(vm, "state for something that takes none");
    vm->depth--;
    return CAFACE_OK;
}

/* OBJ: a class and its arguments above a MARK. */
static caface_status op_obj(cafi_vm *vm, unsigned char code)
{
    size_t first = 0;
    cafi_ref args = 0;
    caface_status st = cafi_vm_pop_mark(vm, &first);

    (void)code;
    if (st)
        return st;
    if (vm->depth == first || (cafi_vm_at(vm, vm->stack[first])->kind != CAFI_NODE_GLOBAL &&
                               cafi_vm_at(vm, vm->stack[first])->kind != CAFI_NODE_PERSISTENT))
        return cafi_vm_wrong(vm, "an object without a class");
    if ((st = cafi_vm_collect(vm, CAFI_NODE_TUPLE, first + 1)))
        return st;
    args = vm->stack[first + 1];
    vm->depth = first;
    return cafi_vm_call(vm, vm->stack[first], args);
}

static caface_status op_persistent(cafi_vm *vm, unsigned char code)
{
    cafi_ref ref = 0;
    caface_status st = cafi_vm_need(vm, 1);

    (void)code;
    if (st || (st = cafi_vm_node(vm, CAFI_NODE_PERSISTENT, &ref)))
        return st;
    cafi_vm_at(vm, ref)->u.id = vm->stack[--vm->depth];
    return cafi_vm_push(vm, ref);
}

static caface_status op_frame(cafi_vm *vm, unsigned char code)
{
    const unsigned char *p = NULL;
    caface_status st = CAFACE_OK;

    if (code == 0x80) {
        if ((st = cafi_vm_take(vm, 1, &p)))
            return st;
        return p[0] > 5 ? cafi_fail(vm->err, CAFACE_EUNSUPPORTED,
                                    "pickle byte %zu: protocol %u, 0 to 5 are known", vm->op, p[0])
                        : CAFACE_OK;
    }
    if ((st = cafi_vm_take(vm, 8, &p)))
        return st;
    if (cafi_le64(p) > (uint64_t)(vm->end - vm->at))
        return cafi_vm_wrong(vm, "a frame longer than the pickle");
    return CAFACE_OK;
}

static caface_status op_buffer(cafi_vm *vm, unsigned char code)
{
    (void)code;
    return cafi_fail(vm->err, CAFACE_EUNSUPPORTED,
                     "pickle byte %zu: its data is in a buffer outside the file", vm->op);
}

typedef caface_status (*opcode)(cafi_vm *vm, unsigned char code);

static const opcode opcodes[256] = {
    ['N'] = op_constant,     [0x88] = op_constant,     [0x89] = op_constant,
    ['J'] = op_int,          ['M'] = op_int,           ['K'] = op_int,
    [0x8a] = op_long,        [0x8b] = op_long,         ['G'] = op_float,
    ['T'] = op_bytes,        ['U'] = op_bytes,         ['B'] = op_bytes,
    ['C'] = op_bytes,        ['X'] = op_bytes,         [0x8c] = op_bytes,
    [0x8d] = op_bytes,       [0x8e] = op_bytes,        [0x96] = op_bytes,
    [']'] = op_empty,        [')'] = op_empty,         ['}'] = op_empty,
    [0x8f] = op_empty,       [0x85] = op_tuple_n,      [0x86] = op_tuple_n,
    [0x87] = op_tuple_n,     ['t'] = op_collect,       ['l'] = op_collect,
    ['d'] = op_collect,      [0x91] = op_collect,      ['a'] = op_append,
    ['s'] = op_append,       ['e'] = op_appends,       ['u'] = op_appends,
    [0x90] = op_appends,     ['('] = op_stack,         ['0'] = op_stack,
    ['1'] = op_stack,        ['2'] = op_stack,         ['q'] = op_memo,
    ['r'] = op_memo,         ['h'] = op_memo,          ['j'] = op_memo,
    [0x94] = op_memo,        [0x93] = op_stack_global, [0x82] = op_extension,
    [0x83] = op_extension,   [0x84] = op_extension,    ['R'] = op_call,
    [0x81] = op_call,        [0x92] = op_call,         ['b'] = op_build,
    ['o'] = op_obj,          ['Q'] = op_persistent,    [0x80] = op_frame,
    [0x95] = op_frame,       [0x97] = op_buffer,       [0x98] = op_buffer,
    ['I'] = cafi_vm_text_op, ['L'] = cafi_vm_text_op,  ['F'] = cafi_vm_text_op,
    ['S'] = cafi_vm_text_op, ['V'] = cafi_vm_text_op,  ['c'] = cafi_vm_text_op,
    ['i'] = cafi_vm_text_op, ['P'] = cafi_vm_text_op,  ['g'] = cafi_vm_text_op,
    ['p'] = cafi_vm_text_op,
};

static caface_status run(cafi_vm *vm, const unsigned char *bytes)
{
    caface_status st = CAFACE_OK;

    for (size_t steps = 0; vm->at < vm->end; steps++) {
        unsigned char code = *vm->at;

        vm->op = (size_t)(vm->at++ - bytes);
        if (steps >= CAFI_PICKLE_MAX_STEPS)
            return cafi_fail(vm->err, CAFACE_ELIMIT, "pickle byte %zu: more than %zu opcodes",
                             vm->op, CAFI_PICKLE_MAX_STEPS);
        if (code == '.') {
            if (vm->depth != 1 || vm->mark_count)
                return cafi_vm_wrong(vm, vm->depth ? "it stops with more than one result"
                                                   : "it stops without a result");
            vm->pickle->root = vm->stack[0];
            vm->pickle->size = (size_t)(vm->at - bytes);
            return CAFACE_OK;
        }
        if (!opcodes[code])
            return cafi_fail(vm->err, CAFACE_EFORMAT, "pickle byte %zu: 0x%02x is no opcode",
                             vm->op, code);
        if ((st = opcodes[code](vm, code)))
            return st;
    }
    vm->op = (size_t)(vm->end - bytes);
    return cafi_vm_wrong(vm, "it ends without STOP");
}

caface_status cafi_pickle_read(cafi_pickle *out, const unsigned char *bytes, size_t size,
                               caface_error *err)
{
    cafi_vm vm = {.pickle = out, .at = bytes, .end = bytes + size, .err = err};
    cafi_ref none = 0;
    caface_status st = CAFACE_OK;

    *out = (cafi_pickle){0};
    if (!(st = cafi_vm_node(&vm, CAFI_NODE_NONE, &none)) &&
        !(st = CAFI_GROW(&vm.stack, &vm.stack_capacity, 1, err)))
        st = run(&vm, bytes);
    free(vm.stack);
    free(vm.marks);
    free(vm.memo);
    if (st)
        cafi_pickle_free(out);
    return st;
}

void cafi_pickle_free(cafi_pickle *p)
{
    for (size_t i = 0; i < p->count; i++)
        switch (p->nodes[i].kind) {
        case CAFI_NODE_LIST:
        case CAFI_NODE_TUPLE:
        case CAFI_NODE_SET:
        case CAFI_NODE_DICT:
            free(p->nodes[i].u.seq.items);
            break;
        default:
            break;
        }
    for (size_t i = 0; i < p->text_count; i++)
        free(p->texts[i]);
    free(p->nodes);
    free(p->texts);
    *p = (cafi_pickle){0};
}
