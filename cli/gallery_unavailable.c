/* What the commands of `caface gallery` are in a build without SQLite: they exist, and say so. */
#include "cli/missing.h"

static int say_so(void *arg)
{
    (void)arg;
    cli_warn("this build has no galleries (SQLite was not there); meson setup -Dgallery=enabled "
             "says what is missing");
    return CLI_FAILED;
}

const cli_command cli_gallery_create =
    MISSING("gallery create", "an empty gallery of people, in one file");
const cli_command cli_gallery_add = MISSING("gallery add", "faces to the people of a gallery");
const cli_command cli_gallery_remove = MISSING("gallery remove", "people out of a gallery");
const cli_command cli_gallery_rename = MISSING("gallery rename", "another name for a person");
const cli_command cli_gallery_merge = MISSING("gallery merge", "two people of a gallery are one");
const cli_command cli_gallery_list = MISSING("gallery list", "who is in a gallery");
const cli_command cli_gallery_show = MISSING("gallery show", "what is in a gallery");
const cli_command cli_gallery_calibrate =
    MISSING("gallery calibrate", "thresholds that mean a false accept rate");
const cli_command cli_gallery_rebuild =
    MISSING("gallery rebuild", "kept crops through another backbone or fusion model");
const cli_command cli_gallery_export =
    MISSING("gallery export", "a gallery as a folder of plain files");
const cli_command cli_gallery_import =
    MISSING("gallery import", "an exported gallery into a new one");
const cli_command cli_gallery_search = MISSING("gallery search", "who of a gallery somebody is");
