/* The options of every command that finds faces. */
#ifndef CAFACE_CLI_DETECTION_H
#define CAFACE_CLI_DETECTION_H

#include "caface/detector.h"
#include "cli/command.h"

typedef struct cli_detection {
    const char *detector;  /* path, or NULL */
    const char *landmarks; /* the same */
    double min_face, score;
    size_t max_faces, max_side;
    bool low_thresholds;
    const char *rotate;
    const char *precision;
} cli_detection;

#define CLI_DETECTION_OPTIONS(type, member)                                                        \
    {"detector",                                                                                   \
     'd',                                                                                          \
     CLI_STRING,                                                                                   \
     offsetof(type, member.detector),                                                              \
     "FILE|FOLDER",                                                                                \
     "find and align faces with this: a folder with MTCNN's pnet.npy, rnet.npy and onet.npy, a "   \
     "RetinaFace .pth, YuNet, SCRFD, UltraFace or LFFD as .onnx, or what `caface convert` made "   \
     "of "                                                                                         \
     "such; the family is recognised",                                                             \
     0,                                                                                            \
     0},                                                                                           \
        {"landmarks",                                                                              \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.landmarks),                                                         \
         "FILE.onnx",                                                                              \
         "a landmark network (5, 68 or 106 points) for detectors that find only boxes, or to "     \
         "replace the landmarks of another",                                                       \
         0,                                                                                        \
         0},                                                                                       \
        {"min-face",                                                                               \
         0,                                                                                        \
         CLI_REAL,                                                                                 \
         offsetof(type, member.min_face),                                                          \
         "PIXELS",                                                                                 \
         "MTCNN's smallest window, at least 12; faces from about half that size are found "        \
         "(default: 20)",                                                                          \
         1,                                                                                        \
         100000},                                                                                  \
        {"max-faces", 0,                                                                           \
         CLI_SIZE,    offsetof(type, member.max_faces),                                            \
         "N",         "the best N of each picture or frame (default: all)",                        \
         1,           1e9},                                                                        \
        {"score",                                                                                  \
         0,                                                                                        \
         CLI_REAL,                                                                                 \
         offsetof(type, member.score),                                                             \
         "S",                                                                                      \
         "least score (default: MTCNN 0.9, YuNet 0.6, SCRFD 0.5, RetinaFace 0.4, "                 \
         "UltraFace 0.7, LFFD 0.8)",                                                               \
         1e-6,                                                                                     \
         0.999999},                                                                                \
        {"low-thresholds",                                                                         \
         0,                                                                                        \
         CLI_FLAG,                                                                                 \
         offsetof(type, member.low_thresholds),                                                    \
         NULL,                                                                                     \
         "MTCNN: 0.5 for each stage in place of 0.6, 0.7 and 0.9",                                 \
         0,                                                                                        \
         0},                                                                                       \
        {"max-side", 0,                                                                            \
         CLI_SIZE,   offsetof(type, member.max_side),                                              \
         "PIXELS",   "pictures with a longer side are searched at this size (default: 2560)",      \
         32,         8192},                                                                        \
        {"detector-precision",                                                                     \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.precision),                                                         \
         "P",                                                                                      \
         "of a detector's network: fp32 (default) or bf16 (not MTCNN; processors with AVX-512 "    \
         "BF16), faster, with boxes an IoU of 0.98 and more from fp32's",                          \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "rotate", 0, CLI_STRING, offsetof(type, member.rotate), "WAY",                             \
            "auto: a picture in which no upright face is certain is searched in all four "         \
            "directions; none: as it is (default: auto; frames of a video are taken as they are)", \
            0, 0                                                                                   \
    }

void cli_detection_defaults(cli_detection *d);
/* CLI_OK, or CLI_USAGE with the sentence printed. */
int cli_detection_check(const char *command, const cli_detection *d);
/* True when an option was given that only a detector understands. */
bool cli_detection_given(const cli_detection *d);
/* Opens d->detector, the caller's to free; threads: of one search. */
caface_status cli_detection_open(caface_detector **out, const cli_detection *d, size_t threads,
                                 caface_error *err);

#endif
