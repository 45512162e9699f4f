/* `caface compare --gallery` in a build without galleries. */
#include "cli/compare/people.h"

caface_status cli_people_open(cli_people **out, cafi_comparison *c, const char *path,
                              const caface_encoder *encoder, const cli_fusions *fusions,
                              caface_error *err)
{
    (void)c;
    (void)encoder;
    (void)fusions;
    *out = NULL;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build has no galleries (SQLite was not there)", path);
}

void cli_people_free(cli_people *people)
{
    (void)people;
}

caface_status cli_people_thresholds(const cli_people *people, cafi_comparison *c, bool is_asked,
                                    caface_error *err)
{
    (void)people;
    (void)c;
    (void)is_asked;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build has no galleries");
}

caface_status cli_people_add(cli_people *people, cafi_gallery *gallery, caface_error *err)
{
    (void)people;
    (void)gallery;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build has no galleries");
}
