/* Einsum of one or two values, as transposes, a Reshape and one matrix product. */
#include <string.h>

#include "onnx/build.h"

/* One letter of the equation is one axis. In turn: in both values and in the
 * result (of a batch of matrices), in the first and the result (its rows), in
 * both alone (summed over), in the second and the result (columns). */
typedef enum role { SHARED, ROW, SUMMED, COLUMN, ROLES } role;

typedef struct equation {
    char in[2][CAFI_MAX_DIMS + 1];
    char out[CAFI_MAX_DIMS + 1];
} equation;

static caface_status fail_equation(const cafi_onnx_node *n, const char *text, const char *why,
                                   caface_error *err)
{
    return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "the equation %.60s: %s", text, why);
}

/* "bhid,bhjd->bhij", blanks left out. */
static caface_status parse(const cafi_onnx_node *n, const char *text, equation *e,
                           caface_error *err)
{
    char *parts[3] = {e->in[0], e->in[1], e->out};
    size_t part = 0;
    size_t at = 0;

    if (!strstr(text, "->"))
        return fail_equation(n, text, "it has no ->", err);
    for (const char *c = text; *c; c++) {
        if (*c == ' ')
            continue;
        if (*c == ',' && part == 0) {
            part = 1;
            at = 0;
        } else if (*c == '-' && c[1] == '>' && part < 2) {
            part = 2;
            at = 0;
            c++;
        } else if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')) {
            if (at == CAFI_MAX_DIMS)
                return fail_equation(n, text, "more than 8 letters", err);
            if (strchr(parts[part], *c))
                return fail_equation(n, text, "a letter twice in one value", err);
            parts[part][at++] = *c;
        } else
            return fail_equation(n, text, "supported are letters of two values and ->", err);
    }
    return CAFACE_OK;
}

static role role_of(const equation *e, char c)
{
    bool first = strchr(e->in[0], c) != NULL;
    bool second = strchr(e->in[1], c) != NULL;

    if (first && second)
        return strchr(e->out, c) ? SHARED : SUMMED;
    return first ? ROW : COLUMN;
}

/* Every letter has one extent, and is in the result or in both values. */
static caface_status check(const cafi_onnx_node *n, const char *text, const equation *e,
                           const cafi_shape *shapes, caface_error *err)
{
    for (int i = 0; i < 2; i++) {
        if (shapes[i].ndim != (int)strlen(e->in[i]))
            return fail_equation(n, text, "another number of letters than dimensions", err);
        for (const char *c = e->in[i]; *c; c++) {
            const char *there = strchr(e->in[1 - i], *c);

            if (!there && !strchr(e->out, *c))
                return fail_equation(n, text, "a sum over one value alone", err);
            if (there && shapes[1 - i].dim[there - e->in[1 - i]] != shapes[i].dim[c - e->in[i]])
                return fail_equation(n, text, "extents of one letter differ", err);
        }
    }
    for (const char *c = e->out; *c; c++)
        if (!strchr(e->in[0], *c) && !strchr(e->in[1], *c))
            return fail_equation(n, text, "a letter of the result is in no value", err);
    return CAFACE_OK;
}

/* The letters of `letters` that have this role, in its order, behind those in out. */
static void append(const equation *e, const char *letters, role wanted, char *out)
{
    size_t at = strlen(out);

    for (const char *c = letters; *c; c++)
        if (role_of(e, *c) == wanted)
            out[at++] = *c;
    out[at] = '\0';
}

static caface_status reorder(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                             const char *from, const char *to, caface_error *err)
{
    int perm[CAFI_MAX_DIMS] = {0};

    for (int i = 0; to[i]; i++)
        perm[i] = (int)(strchr(from, to[i]) - from);
    return strcmp(from, to) == 0 ? CAFACE_OK : cafi_onnx_transpose(b, n, s, perm, err);
}

/* The axes from `first` on become two, of which the first has `rows` of them. */
static caface_status two_last(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s, int first,
                              int rows, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    cafi_shape to = {.ndim = first + 2};

    if (to.ndim > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
    if (rows == 1 && shape.ndim == to.ndim)
        return CAFACE_OK;
    for (int i = 0; i < first; i++)
        to.dim[i] = shape.dim[i];
    to.dim[first] = to.dim[first + 1] = 1;
    for (int i = first; i < shape.ndim; i++)
        if (__builtin_mul_overflow(to.dim[first + (i >= first + rows)], shape.dim[i],
                                   &to.dim[first + (i >= first + rows)]))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the input is too large");
    return cafi_onnx_reshape(b, n, s, &to, err);
}

/* The product's letters are apart again, in the result's order. */
static caface_status finish(cafi_onnx_build *b, const cafi_onnx_node *n, const equation *e,
                            const cafi_shape *shapes, cafi_slot *y, caface_error *err)
{
    char order[ROLES * CAFI_MAX_DIMS + 1] = "";
    cafi_shape full = {0};
    caface_status st = CAFACE_OK;

    append(e, e->out, SHARED, order);
    append(e, e->in[0], ROW, order);
    append(e, e->in[1], COLUMN, order);
    for (const char *c = order; *c; c++) {
        const char *at = strchr(e->in[0], *c);

        if (full.ndim == CAFI_MAX_DIMS)
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
        full.dim[full.ndim++] =
            at ? shapes[0].dim[at - e->in[0]] : shapes[1].dim[strchr(e->in[1], *c) - e->in[1]];
    }
    if ((st = cafi_onnx_reshape(b, n, y, &full, err)))
        return st;
    return reorder(b, n, y, order, e->out, err);
}

static caface_status do_einsum(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot s[2] = {*cafi_onnx_in(b, n, 0), *cafi_onnx_in(b, n, n->input_count > 1)};
    cafi_shape shapes[2] = {cafi_onnx_shape(b, &s[0]), cafi_onnx_shape(b, &s[1])};
    char order[2][ROLES * CAFI_MAX_DIMS + 1] = {"", ""};
    char some[ROLES * CAFI_MAX_DIMS + 1] = "";
    const char *text = NULL;
    equation e = {0};
    cafi_slot y = {0};
    int lead = 0;
    int rows[2] = {0};
    caface_status st = cafi_onnx_text(n, "equation", "", &text, err);

    if (st || (st = parse(n, text, &e, err)))
        return st;
    if (n->input_count != 2 || !*e.in[1])
        return fail_equation(n, text, "supported are two values", err);
    if ((st = check(n, text, &e, shapes, err)))
        return st;
    append(&e, e.out, SHARED, order[0]);
    lead = (int)strlen(order[0]);
    append(&e, e.out, SHARED, order[1]);
    append(&e, e.in[0], ROW, order[0]);
    rows[0] = (int)strlen(order[0]) - lead;
    append(&e, e.in[0], SUMMED, order[0]);
    append(&e, e.in[0], SUMMED, some);
    rows[1] = (int)strlen(some);
    append(&e, e.in[0], SUMMED, order[1]);
    append(&e, e.in[1], COLUMN, order[1]);
    for (int i = 0; i < 2; i++)
        if ((st = reorder(b, n, &s[i], e.in[i], order[i], err)) ||
            (st = two_last(b, n, &s[i], lead, rows[i], err)))
            return st;
    if ((st = cafi_onnx_multiply(b, n, &s[0], &s[1], &y, err)) ||
        (st = finish(b, n, &e, shapes, &y, err)))
        return st;
    return cafi_onnx_set_slot(b, n, 0, &y, err);
}

const cafi_onnx_entry cafi_onnx_einsums[] = {
    {"Einsum", 1, 2, do_einsum, NULL},
    {NULL, 0, 0, NULL, NULL},
};
