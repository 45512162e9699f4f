/* Settings, errors, and what happens when the server loads the extension. */
#include "extension.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

char *cafpg_model_path = NULL;
int cafpg_chunk = 512;
int cafpg_width = 0;
bool cafpg_require_order = false;

/* A parallel worker that is the first to need the extension, by way of a function of SQL, loads it
 * when it already works in parallel, and must be let take what the leader's settings say. Servers
 * from before November 2024 lack the flag: there the library must be preloaded for that. */
#ifdef GUC_ALLOW_IN_PARALLEL
#define IN_WORKERS GUC_ALLOW_IN_PARALLEL
#else
#define IN_WORKERS 0
#endif

void _PG_init(void);

static int sqlstate_of(caface_status status)
{
    switch (status) {
    case CAFACE_EINVAL:
        return ERRCODE_INVALID_PARAMETER_VALUE;
    case CAFACE_ENOMEM:
        return ERRCODE_OUT_OF_MEMORY;
    case CAFACE_EIO:
        return ERRCODE_IO_ERROR;
    case CAFACE_EFORMAT:
        return ERRCODE_INVALID_BINARY_REPRESENTATION;
    case CAFACE_EMODEL:
        return ERRCODE_DATA_EXCEPTION;
    case CAFACE_ELIMIT:
        return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    case CAFACE_EUNSUPPORTED:
        return ERRCODE_FEATURE_NOT_SUPPORTED;
    case CAFACE_ECANCELLED:
        return ERRCODE_QUERY_CANCELED;
    case CAFACE_OK:
        break;
    }
    return ERRCODE_INTERNAL_ERROR;
}

void cafpg_raise(caface_status status, const caface_error *err)
{
    ereport(ERROR, (errcode(sqlstate_of(status)), errmsg("caface: %s", err->message)));
}

void cafpg_raise_setting(const caface_error *err)
{
    ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("caface.model: %s", err->message)));
}

/* The server's folder is nobody's idea of where a model is. */
static bool check_model(char **path, void **extra, GucSource source)
{
    (void)extra;
    (void)source;
    if (!*path || !**path || is_absolute_path(*path))
        return true;
    GUC_check_errdetail("The path must be absolute.");
    return false;
}

void _PG_init(void)
{
    /* A file that the server's user reads for whoever asks: who may set it decides which. */
    DefineCustomStringVariable("caface.model", "File with the fusion model.",
                               "A converted file or a checkpoint; opened once a session.",
                               &cafpg_model_path, "", PGC_SUSET, IN_WORKERS, check_model, NULL,
                               NULL);
    DefineCustomIntVariable("caface.chunk", "Faces that see each other at most.",
                            "Of models that are no sum: part of a result.", &cafpg_chunk, 512, 1,
                            CAFX_MOST_CHUNK, PGC_USERSET, IN_WORKERS, NULL, NULL, NULL);
    DefineCustomIntVariable("caface.width", "Numbers of a feature in bytea without a model.",
                            "0: the model's.", &cafpg_width, 0, 0, 65536, PGC_USERSET, IN_WORKERS,
                            NULL, NULL, NULL);
    DefineCustomBoolVariable("caface.require_order",
                             "Refuse to fuse without ORDER BY where the order is part of a result.",
                             NULL, &cafpg_require_order, false, PGC_USERSET, IN_WORKERS, NULL, NULL,
                             NULL);
    EmitWarningsOnPlaceholders("caface");
    if (process_shared_preload_libraries_in_progress)
        cafpg_model_preload();
}

PG_FUNCTION_INFO_V1(cafpg_version);
Datum cafpg_version(PG_FUNCTION_ARGS)
{
    PG_RETURN_TEXT_P(cstring_to_text(caface_version()));
}
