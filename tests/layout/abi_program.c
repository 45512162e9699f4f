/* A product that was built against other headers than the library's (test_abi): it
 * prints how large its structs are, and fails when the library writes beyond them,
 * or takes members that it does not know for anything but their defaults. */
#include <caface/caface.h>
#include <stdio.h>
#include <string.h>

#define MARK 0x5a

/* A struct, and what the compiler of an old program put behind it. */
typedef struct guarded_options {
    caface_set_options options;
    unsigned char behind[256];
} guarded_options;
typedef struct guarded_info {
    caface_model_info info;
    unsigned char behind[256];
} guarded_info;

static int is_touched(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != MARK)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_OK, ""};
    caface_model *model = NULL;
    caface_set *set = NULL;
    guarded_options o;
    guarded_info i;

    memset(&o, MARK, sizeof o);
    memset(&i, MARK, sizeof i);
    if (argc != 2 || caface_model_open(&model, argv[1], &err))
        return fprintf(stderr, "model: %s\n", err.message), 1;
    caface_model_get_info(model, &i.info);
    caface_set_options_init(&o.options);
    o.options.chunk = 7;
    if (caface_set_new(&set, model, &o.options, &err))
        return fprintf(stderr, "set: %s\n", err.message), 1;
    memset(&o.options, MARK, sizeof o.options);
    caface_set_get_options(set, &o.options);
    printf("options %zu info %zu chunk %zu C %zu\n", sizeof o.options, sizeof i.info,
           o.options.chunk, i.info.C);
    if (is_touched(o.behind, sizeof o.behind) || is_touched(i.behind, sizeof i.behind))
        return fprintf(stderr, "the library wrote beyond a struct\n"), 1;
#ifdef NEWER
    if (o.options.newer || i.info.newer)
        return fprintf(stderr, "a member that the library does not know is not 0\n"), 1;
    caface_set_free(set);
    set = NULL;
    o.options.newer = 1;
    if (caface_set_new(&set, model, &o.options, &err) != CAFACE_EUNSUPPORTED)
        return fprintf(stderr, "an option that the library does not know was passed over\n"), 1;
#endif
    caface_set_free(set);
    caface_model_free(model);
    return 0;
}
