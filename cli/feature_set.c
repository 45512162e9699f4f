#include "cli/feature_set.h"
#include "base/text.h"

#include <stdlib.h>

#include "cli/command.h"

caface_status cli_feature_set_open(cafi_feature_set **out, const char *path, caface_error *err)
{
    caface_status st = cafi_feature_set_open(out, path, err);
    const cafi_value *complete = st ? NULL : cafi_value_get(&(*out)->info, "complete");

    if (complete && complete->kind == CAFI_BOOL && !complete->u.boolean)
        cli_warn("%s: this set is not complete: what wrote it was stopped after %zu face%s (go on "
                 "with --resume)",
                 path, (size_t)(*out)->features->shape[0], cafi_plural((*out)->features->shape[0]));
    return st;
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
