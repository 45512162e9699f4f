/* What the threads of a pipeline share: pipeline.c has the searchers and the caller's side,
 * pipeline_read.c the reader. */
#ifndef CAFI_FACES_PIPELINE_INTERNAL_H
#define CAFI_FACES_PIPELINE_INTERNAL_H

#include <pthread.h>

#include "faces/cut.h"
#include "faces/frame_faces.h"
#include "faces/pipeline.h"

enum { SLOTS = 48, SLOTS_WITH_PIXELS = 16, MAX_WORKERS = 32, AHEAD = 3, LIVE_SLOTS = 2 };
/* Frames of more bytes than this together wait to be read, unless their pixels
 * are kept: a folder of huge pictures is no reason for huge memory. */
#define HELD_BYTES ((size_t)1 << 30)
typedef enum slot_state { EMPTY, READ, BUSY, READY } slot_state;

/* A frame on its way. */
typedef struct slot {
    slot_state state;
    cafi_frame frame;
    cafi_cut_histogram histogram;
    cafi_frame_faces found;
} slot;

struct cafi_pipeline {
    cafi_pipeline_options options;
    cafi_pipeline_result result;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot slots[SLOTS];
    size_t slot_count, workers, ahead;   /* ahead: of frames that may wait beyond one a worker */
    size_t read, taken, found, released; /* frames read, begun by a detector, done, given up */
    bool ended, stop;
    caface_status status;
    caface_error error;
    size_t held; /* bytes of the frames that are read and not yet searched */
    cafi_frame spare[MAX_WORKERS + AHEAD];
    size_t spares;
    pthread_t threads[MAX_WORKERS + 1];
    size_t thread_count;
    /* the caller's side */
    size_t batch, next, row; /* frames that are encoded, those of them given out, their faces */
    size_t dropped;          /* of result, as of the last batch */
    bool is_over;
    size_t C, S;
    uint8_t *crops;
    float *features, *styles, *scores; /* scores: of the quality network */
    cafi_sighting *sightings;
    int64_t *ids;
    size_t room;
    cafi_tracker *tracker;
    cafi_cut_detector cut;
};

/* Processor time of the calling thread. */
double cafi_pipeline_thread_seconds(void);
/* The lock is held. The first failure is the one that is reported. */
void cafi_pipeline_fail(cafi_pipeline *pipeline, caface_status st, const caface_error *err);
/* The reader's thread: of a cafi_pipeline, until the source ends or the pipeline stops. */
void *cafi_pipeline_read(void *pipeline);

#endif
