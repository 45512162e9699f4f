#include "cli/default_models.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* DIR/NAME where such a file can be read; else NULL. */
static caface_status file_in(char **out, const char *folder, const char *name, caface_error *err)
{
    cafi_buf path = {0};

    *out = NULL;
    cafi_buf_printf(&path, "%s/%s", folder, name);
    if (path.failed) {
        cafi_buf_free(&path);
        return cafi_fail_memory(err, strlen(folder) + strlen(name));
    }
    if (access(path.data, R_OK) == 0)
        *out = path.data;
    else
        cafi_buf_free(&path);
    return CAFACE_OK;
}

static caface_status look_in(cli_default_models *found, const char *folder, caface_error *err)
{
    caface_status st = file_in(&found->backbone, folder, "backbone.safetensors", err);

    if (!st)
        st = file_in(&found->detector, folder, "detector.safetensors", err);
    if (!st && found->backbone)
        st = file_in(&found->fusion, folder, "fusion.safetensors", err);
    return st;
}

/* The folder of the program, without a slash at its end; "" where it is not known. */
static void program_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    char *slash = NULL;

    out[n > 0 ? n : 0] = '\0';
    slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
    else
        *out = '\0';
}

static caface_status look(cli_default_models *found, caface_error *err)
{
    const char *only = getenv("CAFACE_MODELS"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char program[4096];
    struct {
        const char *base, *rest;
    } places[] = {{".", "/models"},
                  {program, "/models"},
                  {program, "/../share/caface/models"},
                  {data && *data == '/' ? data : home,
                   data && *data == '/' ? "/caface/models" : "/.local/share/caface/models"}};
    caface_status st = CAFACE_OK;

    if (only)
        return *only ? look_in(found, only, err) : CAFACE_OK;
    program_folder(program, sizeof program);
    for (size_t i = 0; !st && i < sizeof places / sizeof *places; i++) {
        cafi_buf folder = {0};

        if (!places[i].base || !*places[i].base || found->backbone || found->detector)
            continue;
        cafi_buf_printf(&folder, "%s%s", places[i].base, places[i].rest);
        st = folder.failed ? cafi_fail_memory(err, sizeof program)
                           : look_in(found, folder.data, err);
        cafi_buf_free(&folder);
    }
    return st;
}

caface_status cli_default_models_take(cli_default_models *found, cli_list *models, bool with_fusion,
                                      cli_detection *detection, bool quiet, caface_error *err)
{
    bool no_model = models && !models->count, no_detector = detection && !detection->detector;
    caface_status st = no_model || no_detector ? look(found, err) : CAFACE_OK;

    if (st)
        return st;
    if (no_model && found->backbone) {
        free((void *)models->items); /* the list's owner frees what is put in its place */
        if ((st = CAFI_NEW(&models->items, 2, err)))
            return st;
        models->items[0] = found->backbone;
        models->items[1] = found->fusion;
        models->count = with_fusion && found->fusion ? 2 : 1;
        for (size_t i = 0; !quiet && i < models->count; i++)
            cli_warn("no --model is named: %s is taken", models->items[i]);
    }
    if (no_detector && found->detector) {
        detection->detector = found->detector;
        if (!quiet)
            cli_warn("no --detector is named: %s is taken", found->detector);
    }
    return CAFACE_OK;
}

void cli_default_models_clear(cli_default_models *found)
{
    free(found->backbone);
    free(found->fusion);
    free(found->detector);
    *found = (cli_default_models){0};
}
