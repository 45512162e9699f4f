/* What the evaluations share: the feature set, its templates, the model, and
 * the rows of the table, each a method with its chunk size. */
#ifndef CAFACE_CLI_EVAL_INPUT_H
#define CAFACE_CLI_EVAL_INPUT_H

#include "cli/command.h"
#include "eval/template_set.h"
#include "files/json.h"
#include "cli/eval/images.h"
#include "cli/fusion_model.h"
#include "cli/method.h"
#include "cli/progress.h"

/* Members of the options that verify and identify have in common. */
typedef struct eval_options {
    cli_list models;
    const char *features, *styles;
    eval_images_options images;
    const char *method, *chunk;
    const char *gallery_method; /* not of pairs */
    double norm_power;
    const char *meta, *dataset, *templates;
    size_t bootstrap;
    int64_t seed;
    cli_list compare; /* "A" "B", or "A,B" */
    const char *csv, *markdown;
} eval_options;

void eval_defaults(eval_options *options);

#define EVAL_GALLERY_OPTION(type, in, text)                                                        \
    {                                                                                              \
        "gallery-method", 0, CLI_STRING, offsetof(type, in.gallery_method), "M", text, 0, 0        \
    }

#define EVAL_OPTIONS(type, in)                                                                     \
    {"features",                                                                                   \
     'f',                                                                                          \
     CLI_STRING,                                                                                   \
     offsetof(type, in.features),                                                                  \
     "SET",                                                                                        \
     "feature set: a folder, an .npz, or features .npy; rows in the order of the templates",       \
     0,                                                                                            \
     0},                                                                                           \
        {"styles",   0,                                                                            \
         CLI_STRING, offsetof(type, in.styles),                                                    \
         "S.npy",    "styles, where --features is an .npy",                                        \
         0,          0},                                                                           \
        {"images",                                                                                 \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, in.images.images),                                                         \
         "DIR",                                                                                    \
         "pictures in place of --features: aligned, encoded by --model, and kept for the next "    \
         "time",                                                                                   \
         0,                                                                                        \
         0},                                                                                       \
        {"landmarks",                                                                              \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, in.images.landmarks),                                                      \
         "L.txt",                                                                                  \
         "with --images, or for +score: lines `name x1 y1 ... x5 y5 [score]` (default: that of "   \
         "--meta)",                                                                                \
         0,                                                                                        \
         0},                                                                                       \
        {"cache",                                                                                  \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, in.images.cache),                                                          \
         "SET",                                                                                    \
         "with --images: the feature set to keep (default: DIR-BACKBONE.set, beside DIR)",         \
         0,                                                                                        \
         0},                                                                                       \
        {"flip",   0,                                                                              \
         CLI_FLAG, offsetof(type, in.images.flip),                                                 \
         NULL,     "with --images: average over each crop and its mirror image",                   \
         0,        0},                                                                             \
        {"precision", 0,                                                                           \
         CLI_STRING,  offsetof(type, in.images.precision),                                         \
         "P",         "with --images: fp32 (default), bf16 or int8",                               \
         0,           0},                                                                          \
        {"model",  'm',                                                                            \
         CLI_LIST, offsetof(type, in.models),                                                      \
         "M",      "file with a fusion network, or, for --images, a backbone; may be repeated",    \
         0,        0},                                                                             \
        {"method",                                                                                 \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, in.method),                                                                \
         "M1,M2",                                                                                  \
         "average, media (or media-average), unit, norm, norm:POWER, caface, caface@CHUNK, "       \
         "restore, restore@CHUNK (default: all that the data allows); average+score (media, "      \
         "unit, "                                                                                  \
         "norm too): weighed by the detector's score; best, best:METHOD: the largest cosine to "   \
         "the gallery's single pictures",                                                          \
         0,                                                                                        \
         0},                                                                                       \
        {"chunk",                                                                                  \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, in.chunk),                                                                 \
         "C1,C2",                                                                                  \
         "chunk sizes of caface and restore, a row of the table each; 0: all at once (default "    \
         "512)",                                                                                   \
         0,                                                                                        \
         0},                                                                                       \
        {"norm-power", 0,                                                                          \
         CLI_REAL,     offsetof(type, in.norm_power),                                              \
         "P",          "power of the method norm (default 1)",                                     \
         -100,         100},                                                                       \
        {"meta",     0,                                                                            \
         CLI_STRING, offsetof(type, in.meta),                                                      \
         "DIR",      "folder of the InsightFace files, or the one above its meta/",                \
         0,          0},                                                                           \
        {"dataset",  0,                                                                            \
         CLI_STRING, offsetof(type, in.dataset),                                                   \
         "NAME",     "with --meta: IJBB, IJBC or any name that the files begin with",              \
         0,          0},                                                                           \
        {"templates", 0,                                                                           \
         CLI_STRING,  offsetof(type, in.templates),                                                \
         "T.txt",     "lines `name template media [subject]` (default: index.tsv of the set)",     \
         0,           0},                                                                          \
        {"bootstrap", 0,                                                                           \
         CLI_SIZE,    offsetof(type, in.bootstrap),                                                \
         "N",         "resamples of the 95 % intervals (default 1000); 0: none",                   \
         0,           100000},                                                                     \
        {"seed", 0, CLI_INT, offsetof(type, in.seed), "S", "seed of the resamples (default 1)",    \
         0,      0},                                                                               \
        {"csv", 0, CLI_STRING, offsetof(type, in.csv), "FILE", "write the table as CSV", 0, 0},    \
    {                                                                                              \
        "markdown", 0, CLI_STRING, offsetof(type, in.markdown), "FILE",                            \
            "write the table as Markdown", 0, 0                                                    \
    }

/* Of the tables whose rows can be compared. */
#define EVAL_COMPARE_OPTION(type, in)                                                              \
    {                                                                                              \
        "compare", 0, CLI_PATHS, offsetof(type, in.compare), "A B",                                \
            "what row A has more than row B, with its interval; also A,B", 0, 0                    \
    }

/* A row of the table. */
typedef struct eval_recipe {
    caface_method method;
    double power; /* of norm */
    size_t chunk; /* of a network; 0 where chunks have no part in it */
    bool scored;  /* +score: faces weigh by their detector's score */
    bool is_best; /* best:METHOD: against the gallery's pictures, not its templates */
    char name[CLI_METHOD_TEXT + 8]; /* "average", "norm:7", "caface@512", "media+score",
                                     * "best:unit": what --compare takes */
} eval_recipe;

#define EVAL_MAX_RECIPES 64

typedef struct eval_input {
    const char *command; /* "eval verify" */
    const cli_common *common;
    const eval_options *o;
    cafi_pool *pool;
    cli_fusions fusions;
    bool called_wrongly; /* what fails now is the options' fault: exit status 2 */
    eval_images *images; /* with --images */
    cafi_template_list list;
    cafi_template_set templates;
    size_t C;
    eval_recipe recipes[EVAL_MAX_RECIPES];
    size_t recipe_count;
    eval_recipe gallery;  /* of --gallery-method */
    bool *enrolled;       /* [list.count] templates that it fuses; NULL without it */
    float *gallery_fused; /* [list.count][C] */
    bool chunk_used;      /* some method took its sizes from --chunk */
    bool power_used;      /* some method took its power from --norm-power */
    float *scores;        /* [rows], detectors' scores, where some method asks for them */
    float *fused;         /* [list.count][C]: templates of the recipe at hand */
    bool *noted;          /* [list.count] templates that eval_note_empty found */
    size_t noted_count;
    cli_progress progress;
} eval_input;

/* Checks what can be checked before anything is opened; CLI_OK or CLI_USAGE. */
int eval_check_usage(const char *command, const eval_options *options);

/* Opens the models, lists the recipes, reads which row belongs to which
 * template, and opens the rows, those of --images not yet: lists are read before
 * hours of encoding. */
caface_status eval_open(eval_input *in, const char *command, const cli_common *common,
                        const eval_options *options, caface_error *err);
/* Encodes the pictures of --images, and opens their rows. */
caface_status eval_open_pictures(eval_input *in, caface_error *err);
/* The feature set of the rows; the caller's, to cafi_feature_set_close. */
caface_status eval_open_set(const eval_input *in, cafi_feature_set **out, caface_error *err);
void eval_close(eval_input *in);
/* A template that a pair or list names: true where it has no row left, because
 * all hold NaN or Inf. It scores 0 with every other, then; it is counted, and
 * named on stderr, once. */
bool eval_note_empty(eval_input *in, size_t place);
/* How many there were, unless each has been named. */
void eval_tell_empty(const eval_input *in);
/* Prints why it failed; CLI_USAGE where that is in the options, else CLI_FAILED. */
int eval_failed(const eval_input *in, const caface_error *err);
/* CLI_SKIPPED where pictures could not be used, else CLI_OK. */
int eval_exit_status(const eval_input *in);

/* Fuses all templates by one recipe into in->fused. The set is mapped for this
 * call only: its pages would otherwise count as memory of all that follows. */
caface_status eval_fuse(eval_input *in, const eval_recipe *recipe, caface_error *err);

/* EINVAL where some row weighs by scores or compares with single pictures, which `what`
 * does not. */
caface_status eval_only_plain(eval_input *in, const char *what, caface_error *err);

/* Writes what a row is: name, method, chunk, detector_score, best_of, norm_power. */
void eval_write_recipe(const eval_input *in, const eval_recipe *recipe, cafi_json *json);

/* Fills in->recipes and in->gallery. EINVAL: an unknown method, several chunk
 * sizes for the galleries, a network without a model, and a --chunk or --norm-power
 * that nothing uses: a mistake, to be told before work begins. */
caface_status eval_choose_methods(eval_input *in, caface_error *err);
/* With --gallery-method: fuses the templates of enrolled [list.count], which becomes the
 * input's, and eval_fuse leaves them so in every row from now on. Without it: frees
 * enrolled. */
caface_status eval_fix_galleries(eval_input *in, bool *enrolled, caface_error *err);

/* Does some row, or --gallery-method, fuse by a network? */
bool eval_uses_network(const eval_input *in);
/* Does the row fuse in chunks? */
bool eval_has_chunks(const eval_input *in, const eval_recipe *recipe);

/* The numbers of the recipes that --compare names (also just "caface": the first
 * one). EINVAL: no such row. */
caface_status eval_find_compared(eval_input *in, size_t out[2], caface_error *err);

#endif
