/* The driver: which nodes are needed, what each value is, one node at a time. */
#include "onnx/build.h"

#include "base/text.h"
#include "onnx/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

caface_status cafi_onnx_fail(const cafi_onnx_node *n, caface_error *err, caface_status status,
                             const char *fmt, ...)
{
    char text[CAFACE_ERROR_SIZE];
    va_list args;

    va_start(args, fmt);
    cafi_vformat(text, sizeof text, fmt, args);
    va_end(args);
    return cafi_fail(err, status, "%s node %s: %s", n->op, n->name, text);
}

/* FNV-1a over the name, then linear probing: the slot of that name, or the free
 * one where it would go. The table is never full. */
static cafi_slot *find_slot(const cafi_onnx_build *b, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    for (size_t i = (size_t)(h ^ (h >> 32)) & (b->slot_room - 1);; i = (i + 1) & (b->slot_room - 1))
        if (!b->slots[i].name || strcmp(b->slots[i].name, name) == 0)
            return &b->slots[i];
}

static caface_status new_slots(cafi_onnx_build *b, caface_error *err)
{
    const cafi_onnx_file *f = b->file;
    size_t names = f->initializer_count + f->input_count;
    void *p = NULL;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < f->node_count; i++)
        names += f->nodes[i].output_count;
    b->slot_room = 64;
    while (b->slot_room < 2 * names)
        b->slot_room *= 2;
    st = cafi_alloc(&p, b->slot_room, sizeof(cafi_slot), err);
    b->slots = p;
    return st;
}

static caface_status define(cafi_onnx_build *b, const char *name, const cafi_slot *value,
                            caface_error *err)
{
    cafi_slot *slot = find_slot(b, name);

    if (slot->name)
        return cafi_fail(err, CAFACE_EFORMAT, "the value %s is made twice", name);
    *slot = *value;
    slot->name = name;
    b->slot_count++;
    return CAFACE_OK;
}

cafi_slot *cafi_onnx_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i)
{
    cafi_slot *slot = NULL;

    if (i >= n->input_count || !*n->inputs[i])
        return NULL;
    slot = find_slot(b, n->inputs[i]);
    return slot->name ? slot : NULL;
}

caface_status cafi_onnx_set_data(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i, size_t node,
                                 cafi_place place, caface_error *err)
{
    cafi_slot s = {.kind = CAFI_SLOT_DATA, .node = node, .place = place};

    if (i >= n->output_count || !*n->outputs[i])
        return CAFACE_OK;
    return define(b, n->outputs[i], &s, err);
}

caface_status cafi_onnx_set_constant(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                     const cafi_tensor *t, caface_error *err)
{
    cafi_slot s = {.kind = CAFI_SLOT_CONSTANT, .constant = t};

    if (i >= n->output_count || !*n->outputs[i])
        return CAFACE_OK;
    return define(b, n->outputs[i], &s, err);
}

caface_status cafi_onnx_set_slot(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                 const cafi_slot *s, caface_error *err)
{
    if (s->kind == CAFI_SLOT_CONSTANT)
        return cafi_onnx_set_constant(b, n, i, s->constant, err);
    return cafi_onnx_set_data(b, n, i, s->node, s->place, err);
}

/* Needed are the nodes from which an output can be reached. One walk from the
 * end suffices, since a node comes after what it uses. */
static caface_status mark_needed(cafi_onnx_build *b, caface_error *err)
{
    const cafi_onnx_file *f = b->file;
    cafi_onnx_build wanted = {.file = b->file}; /* its slots are a set of names */
    bool *needed = NULL;
    void *p = NULL;
    size_t uses = f->output_count;
    caface_status st = cafi_onnx_alloc(b->file, &p, f->node_count, sizeof(bool), err);

    needed = p;
    for (size_t i = 0; i < f->node_count; i++)
        uses += f->nodes[i].input_count;
    for (wanted.slot_room = 64; wanted.slot_room < 2 * uses;)
        wanted.slot_room *= 2;
    if (st || (st = cafi_alloc(&p, wanted.slot_room, sizeof(cafi_slot), err)))
        return st;
    wanted.slots = p;
    for (size_t i = 0; i < f->output_count; i++)
        find_slot(&wanted, f->outputs[i].name)->name = f->outputs[i].name;
    for (size_t i = f->node_count; i-- > 0;) {
        const cafi_onnx_node *n = &f->nodes[i];

        for (size_t o = 0; o < n->output_count && !needed[i]; o++)
            needed[i] = *n->outputs[o] && find_slot(&wanted, n->outputs[o])->name;
        for (size_t k = 0; needed[i] && k < n->input_count; k++)
            find_slot(&wanted, n->inputs[k])->name = n->inputs[k];
    }
    free(wanted.slots);
    b->needed = needed;
    return CAFACE_OK;
}

static const cafi_onnx_entry *find_entry(const char *op)
{
    static const cafi_onnx_entry *const tables[] = {
        cafi_onnx_layers,       cafi_onnx_products,   cafi_onnx_math,    cafi_onnx_activations,
        cafi_onnx_shapes,       cafi_onnx_slices,     cafi_onnx_resizes, cafi_onnx_reductions,
        cafi_onnx_transformers, cafi_onnx_selections, cafi_onnx_einsums};

    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const cafi_onnx_entry *e = tables[t]; e->op; e++)
            if (strcmp(e->op, op) == 0)
                return e;
    return NULL;
}

/* Every input exists and is made already; *all tells if all are constants. */
static caface_status check_inputs(cafi_onnx_build *b, const cafi_onnx_node *n,
                                  const cafi_onnx_entry *entry, bool *all, caface_error *err)
{
    *all = true;
    if (n->input_count < entry->min_inputs || n->input_count > entry->max_inputs)
        return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "%zu inputs, it takes %zu to %zu",
                              n->input_count, entry->min_inputs, entry->max_inputs);
    for (size_t i = 0; i < n->input_count; i++) {
        const cafi_slot *s = cafi_onnx_in(b, n, i);

        if (!*n->inputs[i] && i < entry->min_inputs)
            return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "input %zu is left out", i);
        if (*n->inputs[i] && !s)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL,
                                  "its input %s is made by no node before it", n->inputs[i]);
        *all = *all && (!s || s->kind == CAFI_SLOT_CONSTANT);
    }
    return CAFACE_OK;
}

/* QuantizeLinear, DequantizeLinear, QLinearConv, ConvInteger and their like. */
static bool is_quantised(const char *op)
{
    return strstr(op, "uantizeLinear") || strncmp(op, "QLinear", 7) == 0 ||
           strcmp(op, "ConvInteger") == 0 || strcmp(op, "MatMulInteger") == 0;
}

static caface_status fail_quantised(const cafi_onnx_node *n, caface_error *err)
{
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "operator %s of node %s: quantised networks are not read; take the float "
                     "file it was made from (`caface calibrate` makes int8 of that)",
                     n->op, n->name);
}

/* A constant as data, 0 of the picture plus the constant: what is computed from it by an operator
 * that computes no constants is the same for every picture (positions that a convolution
 * projects, a normalised query). */
static caface_status lift(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                          caface_error *err)
{
    const cafi_tensor *t = s->constant;
    bool first = t->ndim > 0 && (t->shape[0] == 1 || (int64_t)t->shape[0] == b->batch);
    cafi_node thin = {.op = CAFI_OP_SLICE, .inputs = {b->picture}, .input_count = 1};
    cafi_shape ones = {.ndim = t->ndim};
    size_t zero = 0;
    size_t constant = 0;
    caface_status st = CAFACE_OK;

    if (t->ndim == 0 || cafi_fold_is_integer(t->dtype) || (!first && b->batch != 1))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "not supported on constants");
    s->kind = CAFI_SLOT_DATA;
    s->place = first ? CAFI_FIRST : CAFI_NOWHERE;
    for (int i = 0; i < CAFI_MAX_DIMS; i++) {
        thin.extent[i] = i == 0 ? -1 : 1;
        thin.step[i] = 1;
        ones.dim[i] = 1;
    }
    if ((st = cafi_graph_add(b->graph, &thin, &zero, err)) ||
        (st = cafi_graph_unary(b->graph, NULL, CAFI_OP_CLIP, zero, 0, 0, &zero, err)) ||
        (st = cafi_onnx_to_shape(b, n, zero, &ones, s->place, &zero, err)) ||
        (st = cafi_onnx_beside(b, n, t, t->ndim, s->place, &constant, err)))
        return st;
    return cafi_graph_binary(b->graph, NULL, CAFI_OP_ADD, zero, constant, &s->node, err);
}

/* Runs an operator that computes no constants on some. */
static caface_status run_lifted(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_onnx_op run,
                                caface_error *err)
{
    cafi_slot *s = cafi_onnx_in(b, n, 0);
    cafi_slot kept = {0};
    caface_status st = CAFACE_OK;

    if (!run || !s)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "not supported on constants");
    kept = *s;
    if (!(st = lift(b, n, s, err)))
        st = run(b, n, err);
    *s = kept;
    return st;
}

/* An operator of the file may be many nodes of the graph: the one that is its result has its name,
 * which taps ask for, further results those of their values. before: nodes there were. */
static caface_status name_results(cafi_onnx_build *b, const cafi_onnx_node *n, size_t before,
                                  caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = before; !st && i < cafi_graph_count(b->graph); i++)
        if (strcmp(cafi_graph_node(b->graph, i)->name, n->name) == 0)
            st = cafi_graph_rename(b->graph, i, NULL, err);
    for (size_t i = n->output_count; !st && i-- > 0;) {
        const cafi_slot *s = *n->outputs[i] ? find_slot(b, n->outputs[i]) : NULL;

        if (s && s->name && s->kind == CAFI_SLOT_DATA && s->node >= before)
            st = cafi_graph_rename(b->graph, s->node, i ? n->outputs[i] : n->name, err);
    }
    return st;
}

static caface_status run_node(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_onnx_entry *entry = *n->domain ? NULL : find_entry(n->op);
    bool constant = false;
    size_t before = cafi_graph_count(b->graph);
    cafi_onnx_op run = NULL;
    caface_status st = CAFACE_OK;

    if (!entry && is_quantised(n->op))
        return fail_quantised(n, err);
    if (!entry)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "operator %s%s%s of node %s is not supported",
                         n->domain, *n->domain ? "." : "", n->op, n->name);
    if ((st = check_inputs(b, n, entry, &constant, err)))
        return st;
    run = constant && entry->fold ? entry->fold : entry->data;
    if (constant && !entry->fold)
        st = run_lifted(b, n, run, err);
    else if (!run)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "not supported on values that depend on the picture");
    else
        st = run(b, n, err);
    if (st && err && !strstr(err->message, n->op)) {
        char where[160];

        snprintf(where, sizeof where, "%.40s node %.100s", n->op, n->name);
        cafi_prefix(err, st, where);
    }
    return st ? st : name_results(b, n, before, err);
}

static caface_status add_initializers(cafi_onnx_build *b, caface_error *err)
{
    for (size_t i = 0; i < b->file->initializer_count; i++) {
        cafi_slot s = {.kind = CAFI_SLOT_CONSTANT, .constant = b->file->initializers[i]};
        caface_status st = define(b, s.constant->name, &s, err);

        if (st)
            return st;
    }
    return CAFACE_OK;
}

/* Quantised networks take bytes, too. */
static caface_status fail_type(const cafi_onnx_build *b, const cafi_onnx_value *v,
                               caface_error *err)
{
    static const char *const names[] = {"?",     "FLOAT", "UINT8",  "INT8", "UINT16",  "INT16",
                                        "INT32", "INT64", "STRING", "BOOL", "FLOAT16", "DOUBLE"};
    const char *name =
        v->type >= 0 && (size_t)v->type < sizeof names / sizeof *names ? names[v->type] : "other";

    for (size_t i = 0; i < b->file->node_count; i++)
        if (is_quantised(b->file->nodes[i].op))
            return fail_quantised(&b->file->nodes[i], err);
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "input %s is of the type %s, not FLOAT", v->name,
                     name);
}

/* The one graph input that is no initializer: older files list both. */
static caface_status find_picture(cafi_onnx_build *b, const cafi_onnx_value **out,
                                  caface_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < b->file->input_count; i++) {
        const cafi_onnx_value *v = &b->file->inputs[i];

        if (find_slot(b, v->name)->name)
            continue;
        if (*out)
            return cafi_fail(err, CAFACE_EUNSUPPORTED,
                             "two inputs, %s and %s; a network of one picture is needed",
                             (*out)->name, v->name);
        *out = v;
    }
    if (!*out)
        return cafi_fail(err, CAFACE_EMODEL, "no input that is not an initializer");
    if ((*out)->type != 1 && (*out)->type != 10 && (*out)->type != 0)
        return fail_type(b, *out, err);
    if ((*out)->ndim != 4)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "input %s has %d dimensions, not 4",
                         (*out)->name, (*out)->ndim);
    return CAFACE_OK;
}

/* Pictures beyond this are tiled by who wants them, and hostile files stop
 * here before anything is allocated. */
enum { MAX_SIDE = 16384, DEFAULT_SIDE = 112, MAX_CHANNELS = 64 };

static caface_status picture_size(const cafi_onnx_value *v, cafi_onnx_graph *g, size_t height,
                                  size_t width, caface_error *err)
{
    int first = g->channels_last ? 1 : 2;
    int64_t c = v->dim[g->channels_last ? 3 : 1];
    size_t sides[2] = {height, width};

    for (int i = 0; i < 2; i++) {
        int64_t own = v->dim[first + i];

        if (!sides[i])
            sides[i] = own > 0 ? (size_t)own : DEFAULT_SIDE;
        if (sides[i] > MAX_SIDE)
            return cafi_fail(err, CAFACE_ELIMIT, "input %s is %zu pixels %s, the limit is %d",
                             v->name, sides[i], i ? "wide" : "high", MAX_SIDE);
    }
    g->channels = c > 0 ? (size_t)c : 3;
    g->height = sides[0];
    g->width = sides[1];
    if (g->channels > MAX_CHANNELS)
        return cafi_fail(err, CAFACE_ELIMIT, "input %s has %zu channels, the limit is %d", v->name,
                         g->channels, MAX_CHANNELS);
    return CAFACE_OK;
}

static caface_status add_picture(cafi_onnx_build *b, cafi_onnx_graph *g, size_t height,
                                 size_t width, caface_error *err)
{
    const cafi_onnx_value *v = NULL;
    cafi_slot s = {.kind = CAFI_SLOT_DATA, .place = CAFI_FIRST};
    cafi_node node = {.op = CAFI_OP_INPUT};
    caface_status st = find_picture(b, &v, err);

    if (st)
        return st;
    /* TensorFlow's order is taken where the channels can only be last. */
    g->channels_last = v->dim[1] != 3 && v->dim[1] != 1 && v->dim[3] == 3;
    if ((st = picture_size(v, g, height, width, err)))
        return st;
    b->batch = v->dim[0] > 0 ? v->dim[0] : b->taken;
    b->open = v->dim[0] <= 0 && b->stays ? b->taken : 0;
    node.name = v->name;
    node.shape =
        (cafi_shape){4, {CAFI_BATCH, (int64_t)g->channels, (int64_t)g->height, (int64_t)g->width}};
    if ((st = cafi_graph_add(b->graph, &node, &g->input, err)))
        return st;
    s.node = g->input;
    b->picture = g->input;
    if (g->channels_last) {
        cafi_node turn = {.op = CAFI_OP_TRANSPOSE, .input_count = 1, .perm = {0, 2, 3, 1}};

        turn.inputs[0] = g->input;
        turn.name = "channels_last";
        if ((st = cafi_graph_add(b->graph, &turn, &s.node, err)))
            return st;
    }
    return define(b, v->name, &s, err);
}

static caface_status find_outputs(cafi_onnx_build *b, cafi_onnx_graph *g, caface_error *err)
{
    const cafi_onnx_file *f = b->file;

    if (f->output_count == 0 || f->output_count > CAFI_ONNX_MAX_OUTPUTS)
        return cafi_fail(err, f->output_count ? CAFACE_ELIMIT : CAFACE_EMODEL,
                         "%zu outputs; 1 to %d are supported", f->output_count,
                         CAFI_ONNX_MAX_OUTPUTS);
    for (size_t i = 0; i < f->output_count; i++) {
        const cafi_slot *s = find_slot(b, f->outputs[i].name);

        if (!s->name)
            return cafi_fail(err, CAFACE_EMODEL, "output %s is made by no node",
                             f->outputs[i].name);
        if (s->kind != CAFI_SLOT_DATA)
            return cafi_fail(err, CAFACE_EMODEL, "output %s does not depend on the input",
                             f->outputs[i].name);
        g->outputs[i] = s->node;
        g->names[i] = f->outputs[i].name;
    }
    g->output_count = f->output_count;
    return CAFACE_OK;
}

static caface_status build(cafi_onnx_build *b, cafi_onnx_graph *g, size_t height, size_t width,
                           caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = new_slots(b, err)) || (st = add_initializers(b, err)) || (st = mark_needed(b, err)) ||
        (st = add_picture(b, g, height, width, err)))
        return st;
    for (size_t i = 0; i < b->file->node_count; i++)
        if (b->needed[i] && (st = run_node(b, &b->file->nodes[i], err)))
            return st;
    return find_outputs(b, g, err);
}

/* taken, stays: see cafi_onnx_build. *traced: the batch that the file turns out to hold. */
static caface_status build_with(cafi_onnx_graph *out, cafi_onnx_file *file, const size_t *size,
                                int64_t taken, bool stays, int64_t *traced, caface_error *err)
{
    cafi_onnx_build b = {.file = file, .taken = taken, .stays = stays};
    const cafi_onnx_block *blocks = file->blocks;
    size_t made = file->made;
    caface_status st = CAFACE_OK;

    *out = (cafi_onnx_graph){0};
    if (!(st = cafi_graph_new(&b.graph, err)))
        st = build(&b, out, size[0], size[1], err);
    free(b.slots);
    *traced = b.traced;
    if (st) {
        cafi_graph_free(b.graph);
        cafi_onnx_forget(file, made, blocks);
        *out = (cafi_onnx_graph){0};
        return st;
    }
    out->graph = b.graph;
    return CAFACE_OK;
}

/* Exporters that leave the batch of the input open often write the batch they
 * were traced with into a Reshape all the same: mostly 1 ([1,512], [1,-1]), or
 * that of the pictures they were shown. Such a graph makes sense with that batch
 * alone, and is read so; with another it may run and mean nothing. The rows are
 * independent of each other either way. */
caface_status cafi_onnx_build_graph(cafi_onnx_graph *out, cafi_onnx_file *file, size_t height,
                                    size_t width, caface_error *err)
{
    size_t size[2] = {height, width};
    caface_error why;
    int64_t traced = 0;
    caface_status st = build_with(out, file, size, CAFI_ONNX_OPEN, true, &traced, &why);

    if (st == CAFACE_ELIMIT &&
        !build_with(out, file, size, CAFI_ONNX_OPEN_SMALL, true, &traced, &why))
        cafi_graph_free(out->graph);
    if (st && st != CAFACE_ENOMEM)
        st = build_with(out, file, size, traced > 1 ? traced : 1, false, &traced, &why);
    return st ? cafi_fail(err, st, "%s: %s", file->path, why.message) : CAFACE_OK;
}
