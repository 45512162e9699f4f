/* The inside of the PostgreSQL extension. */
#ifndef CAFPG_EXTENSION_H
#define CAFPG_EXTENSION_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/expandeddatum.h"

#include <caface/caface.h>

#include "rows.h"

/* --- settings (module.c) --------------------------------------------------- */

extern char *cafpg_model_path;
extern int cafpg_chunk;
extern int cafpg_width;
extern bool cafpg_require_order;

/* Raises what a call of the library reported. */
pg_attribute_noreturn() void cafpg_raise(caface_status status, const caface_error *err);
/* The same for the model's file, a setting that does not do. */
pg_attribute_noreturn() void cafpg_raise_setting(const caface_error *err);

/* --- the model (model.c) --------------------------------------------------- */

/* A model that is open, and how many states and values work with it. */
typedef struct cafpg_model {
    caface_model *model;
    caface_model_info info;
    char *path;
    int users;
    bool is_current;
} cafpg_model;

/* The model of caface.model, opened by the first who asks. Without the setting: an error, or
 * NULL when it is not required. Valid until the setting changes; longer for who holds it. */
cafpg_model *cafpg_model_get(bool is_required);
cafpg_model *cafpg_model_hold(cafpg_model *model); /* NULL is allowed */
void cafpg_model_release(cafpg_model *model);      /* NULL is allowed */
/* While the server starts: backends inherit what was opened then. A failure is a warning. */
void cafpg_model_preload(void);

/* --- numbers (numbers.c) --------------------------------------------------- */

/* Argument i, real[] or bytea; borrowed, or detoasted into the current context. real[]: no NULL
 * in it; one dimension for a feature, one or [S][2] for a style. */
cafx_numbers cafpg_numbers(FunctionCallInfo fcinfo, int i, bool is_blob, const char *what);
/* How many numbers a feature has: the setting's, the model's, or as many as a real[] holds; an
 * error for bytea of which nobody says. */
size_t cafpg_feature_width(const cafx_numbers *feature, const caface_model_info *info);
Datum cafpg_real_array(const float *values, size_t n);

/* --- values (value.c) ------------------------------------------------------ */

/* A state as a value of type bytea, in the current context: the set itself, which becomes bytes
 * when somebody stores or sends it. is_own: the value takes the set; else the set outlives
 * the value. */
Datum cafpg_value(caface_set *set, bool is_own, cafpg_model *model);
/* The bytes of a set, in the current context: as they are kept (caface_set_save_memory), or for
 * the leader of a parallel plan (caface_set_pack). */
typedef caface_status (*cafpg_form)(const caface_set *set, void **bytes, size_t *size,
                                    caface_error *err);
bytea *cafpg_bytes_of(const caface_set *set, cafpg_form form);

/* A set for reading, from an argument. */
typedef struct cafpg_loaded {
    caface_set *set;
    cafpg_model *model; /* or NULL */
    bool is_own;        /* not the value's own: the caller's to free */
} cafpg_loaded;

cafpg_loaded cafpg_load(Datum state);
void cafpg_unload(cafpg_loaded *loaded);

#endif
