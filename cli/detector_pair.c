#include "cli/detector_pair.h"

#include "faces/detector_files.h"
#include "files/json.h"

bool cli_detector_pair(const cli_list *files)
{
    return files->count > 0 && cafi_detector_files_is_onnx(files->items[0]);
}

int cli_detector_pair_save(const char *output, const cli_list *files, const cli_common *common)
{
    caface_error err;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (files->count != 2)
        return cli_usage("convert",
                         "%s is a detector: it is joined with a landmark network, in two files",
                         files->items[0]);
    if (cafi_detector_files_save(output, files->items[0], files->items[1], &err))
        return cli_fail(&err);
    if (!common->json) {
        if (!common->quiet)
            cli_say(stdout, "%s: a detector and its landmark network\n", output);
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "file", output);
    cafi_json_int(&json, "inputs", 2);
    cafi_json_int(&json, "tensors", 2);
    cafi_json_end_object(&json);
    return cli_print(&text);
}
