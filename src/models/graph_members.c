#include "models/graph_members.h"

#include <string.h>

#define AT(what) offsetof(cafi_node, what)

const cafi_member cafi_members[] = {
    {"kernel", CAFI_MEMBER_I64, AT(window.kernel), 2},
    {"stride", CAFI_MEMBER_I64, AT(window.stride), 2},
    {"pad", CAFI_MEMBER_I64, AT(window.pad), 4},
    {"dilation", CAFI_MEMBER_I64, AT(window.dilation), 2},
    {"groups", CAFI_MEMBER_I64, AT(window.groups), 1},
    {"ceil_mode", CAFI_MEMBER_BOOL, AT(window.ceil_mode), 1},
    {"count_pad", CAFI_MEMBER_BOOL, AT(window.count_pad), 1},
    {"alpha", CAFI_MEMBER_FLOAT, AT(alpha), 1},
    {"beta", CAFI_MEMBER_FLOAT, AT(beta), 1},
    {"axis", CAFI_MEMBER_INT, AT(axis), 1},
    {"axes", CAFI_MEMBER_UNSIGNED, AT(axes), 1},
    {"keep_dims", CAFI_MEMBER_BOOL, AT(keep_dims), 1},
    {"perm", CAFI_MEMBER_INT, AT(perm), CAFI_MAX_DIMS},
    {"start", CAFI_MEMBER_I64, AT(start), CAFI_MAX_DIMS},
    {"extent", CAFI_MEMBER_I64, AT(extent), CAFI_MAX_DIMS},
    {"step", CAFI_MEMBER_I64, AT(step), CAFI_MAX_DIMS},
    {"resize_mode", CAFI_MEMBER_INT, AT(resize_mode), 1},
    {"resize_from", CAFI_MEMBER_INT, AT(resize_from), 1},
    {"resize_round", CAFI_MEMBER_INT, AT(resize_round), 1},
    {"resize_scale", CAFI_MEMBER_FLOAT, AT(resize_scale), 2},
    {"pad_mode", CAFI_MEMBER_INT, AT(pad_mode), 1},
};
const size_t cafi_member_count = sizeof cafi_members / sizeof cafi_members[0];

static size_t width_of(cafi_member_kind kind)
{
    return kind == CAFI_MEMBER_I64 ? 8 : kind == CAFI_MEMBER_BOOL ? sizeof(bool) : 4;
}

double cafi_member_get(const cafi_node *node, const cafi_member *m, size_t i)
{
    const char *at = (const char *)node + m->offset + i * width_of(m->kind);
    int64_t wide = 0;
    int32_t number = 0;
    uint32_t bits = 0;
    bool flag = false;
    float real = 0;

    switch (m->kind) {
    case CAFI_MEMBER_I64:
        memcpy(&wide, at, sizeof wide);
        return (double)wide;
    case CAFI_MEMBER_INT:
        memcpy(&number, at, sizeof number);
        return number;
    case CAFI_MEMBER_UNSIGNED:
        memcpy(&bits, at, sizeof bits);
        return bits;
    case CAFI_MEMBER_BOOL:
        memcpy(&flag, at, sizeof flag);
        return flag;
    case CAFI_MEMBER_FLOAT:
        memcpy(&real, at, sizeof real);
        return (double)real;
    }
    return 0;
}

void cafi_member_set(cafi_node *node, const cafi_member *m, size_t i, double v)
{
    char *at = (char *)node + m->offset + i * width_of(m->kind);
    int64_t wide = 0;
    int32_t number = 0;
    uint32_t bits = 0;
    bool flag = v != 0;
    float real = (float)v;

    if (m->kind == CAFI_MEMBER_I64) {
        wide = (int64_t)v;
        memcpy(at, &wide, sizeof wide);
    } else if (m->kind == CAFI_MEMBER_INT) {
        number = (int32_t)v;
        memcpy(at, &number, sizeof number);
    } else if (m->kind == CAFI_MEMBER_UNSIGNED) {
        bits = (uint32_t)v;
        memcpy(at, &bits, sizeof bits);
    } else if (m->kind == CAFI_MEMBER_BOOL)
        memcpy(at, &flag, sizeof flag);
    else
        memcpy(at, &real, sizeof real);
}

bool cafi_member_shape(cafi_op op)
{
    return op == CAFI_OP_INPUT || op == CAFI_OP_RESHAPE;
}
