#include "cli/feature_set.h"

#include <stdlib.h>

#include "cli/command.h"
#include "files/origin.h"

caface_status cli_feature_set_open(caface_features **out, const char *path, caface_error *err)
{
    caface_features_info info;
    caface_status st = caface_features_open(out, path, err);

    if (st)
        return st;
    caface_features_get_info(*out, &info);
    if (!info.is_complete)
        cli_warn("%s: this set is not complete: the program that wrote it was stopped after %zu "
                 "face%s (go on "
                 "with --resume)",
                 path, info.n, info.n == 1 ? "" : "s");
    return CAFACE_OK;
}

caface_status cli_check_encoding(const char *faces, const char *encoding, const char *there,
                                 const char *theirs, bool styles, caface_error *err)
{
    char *joined = NULL;
    caface_status st = cafi_encoding_join(&joined, theirs, encoding, styles, faces, err);

    free(joined);
    if (!st && cafi_encoding_is_new(encoding, theirs))
        cli_warn("%s: encoded in %.*s, %s in %.*s: their features differ a little", faces,
                 cafi_encoding_ways(encoding), encoding, there, cafi_encoding_ways(theirs), theirs);
    return st;
}
