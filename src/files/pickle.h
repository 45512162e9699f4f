/* A pickle, read as data. The machine below knows the opcodes of protocols 0
 * to 5 and nothing else: it never imports, calls or builds anything. A call
 * (REDUCE, NEWOBJ, INST, BUILD ...) becomes an OBJECT that says what would have
 * been called with what; what torch, numpy and Lightning mean by their calls is
 * interpreted by their readers, and every other call stays what it is: a name.
 *
 * The result is a graph of nodes, named by number, that may share and may hold
 * cycles; whoever walks it bounds depth and count. */
#ifndef CAFI_FILES_PICKLE_H
#define CAFI_FILES_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "files/value.h"

/* Limits, explained in docs/files.md. */
#define CAFI_PICKLE_MAX_NODES ((size_t)1 << 21)
#define CAFI_PICKLE_MAX_STEPS ((size_t)1 << 23)
#define CAFI_PICKLE_MAX_MEMO ((size_t)1 << 21)

typedef uint32_t cafi_ref;
/* Node 0 is None and stands for "nothing" too. */
#define CAFI_NOTHING ((cafi_ref)0)

typedef enum cafi_node_kind {
    CAFI_NODE_NONE,
    CAFI_NODE_BOOL,
    CAFI_NODE_INT,
    CAFI_NODE_LONG, /* beyond int64: the bytes of LONG1, or text */
    CAFI_NODE_REAL,
    CAFI_NODE_TEXT,  /* str; not checked to be UTF-8 */
    CAFI_NODE_BYTES, /* bytes, bytearray, and str of Python 2 */
    CAFI_NODE_LIST,
    CAFI_NODE_TUPLE,
    CAFI_NODE_SET,
    CAFI_NODE_DICT, /* items: key, value, key, value ... as written */
    CAFI_NODE_GLOBAL,
    CAFI_NODE_OBJECT,
    CAFI_NODE_PERSISTENT
} cafi_node_kind;

typedef struct cafi_pickled {
    cafi_node_kind kind;
    bool visiting; /* for whoever walks */
    union {
        int64_t integer; /* BOOL too */
        double real;
        struct {
            const char *data; /* in the pickle, or owned by it */
            size_t size;
        } bytes; /* TEXT, BYTES, LONG */
        struct {
            cafi_ref *items;
            uint32_t count, capacity;
        } seq;
        struct {
            cafi_ref module, name; /* TEXT */
        } global;
        struct {
            cafi_ref callable, args; /* what would be called */
            cafi_ref state;          /* the argument of BUILD */
            cafi_ref list, dict;     /* what APPEND and SETITEM put into it */
        } object;
        cafi_ref id; /* PERSISTENT */
    } u;
} cafi_pickled;

typedef struct cafi_pickle {
    cafi_pickled *nodes;
    size_t count, capacity;
    cafi_ref root;
    size_t size;  /* bytes up to and with STOP */
    char **texts; /* decoded strings */
    size_t text_count, text_capacity;
} cafi_pickle;

/* Reads the one pickle at the beginning of bytes, which must outlive it.
 * EFORMAT names the byte; ELIMIT: more than the limits above. EUNSUPPORTED:
 * out-of-band buffers. */
caface_status cafi_pickle_read(cafi_pickle *out, const unsigned char *bytes, size_t size,
                               caface_error *err);
void cafi_pickle_free(cafi_pickle *pickle);

static inline const cafi_pickled *cafi_pickle_node(const cafi_pickle *pickle, cafi_ref ref)
{
    return &pickle->nodes[ref];
}

/* Is it this global? */
bool cafi_pickle_is_global(const cafi_pickle *pickle, cafi_ref ref, const char *module,
                           const char *name);
/* Is it an OBJECT made by calling this global? */
bool cafi_pickle_is_call(const cafi_pickle *pickle, cafi_ref ref, const char *module,
                         const char *name);
/* Is it TEXT or BYTES of exactly these characters? */
bool cafi_pickle_is_text(const cafi_pickle *pickle, cafi_ref ref, const char *text);
/* An INT (not a BOOL). */
bool cafi_pickle_int(const cafi_pickle *pickle, cafi_ref ref, int64_t *out);
/* Argument i of an OBJECT's tuple of arguments; CAFI_NOTHING when absent. */
cafi_ref cafi_pickle_arg(const cafi_pickle *pickle, cafi_ref object, size_t i);
/* The DICT node that ref is, or the one inside an OrderedDict, AttributeDict or
 * another dict with a name, or in the state of a Namespace; else
 * CAFI_NOTHING. */
cafi_ref cafi_pickle_dict(const cafi_pickle *pickle, cafi_ref ref);
/* The DICT node that was given to an OBJECT as its state (its attributes, as
 * a rule), alone or as the first of a pair; else CAFI_NOTHING. */
cafi_ref cafi_pickle_state(const cafi_pickle *pickle, cafi_ref object);
/* The last value under a text key of a DICT node, or CAFI_NOTHING. */
cafi_ref cafi_pickle_get(const cafi_pickle *pickle, cafi_ref dict, const char *key);
/* "module.name" of a GLOBAL, or of what an OBJECT calls; cut to size. */
const char *cafi_pickle_class(const cafi_pickle *pickle, cafi_ref ref, char *text, size_t size);

/* Turns a part of the graph into a tree of values: pickle_value.c. Tensors,
 * arrays and unknown objects become OPAQUE. EFORMAT: something contains
 * itself. ELIMIT: more than 64 deep, a million values or 64 MiB of text. */
caface_status cafi_pickle_value(cafi_pickle *pickle, cafi_ref ref, cafi_value *out,
                                caface_error *err);

#endif
