/* Follows everybody through a video. When nobody comes back to a track it prints
 * the track, its faces, and the template that they were fused into.
 *     follow_video DETECTOR BACKBONE VIDEO [FUSION] */
#include <caface/caface.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: follow_video DETECTOR BACKBONE VIDEO [FUSION]"};
    caface_detector *detector = NULL;
    caface_encoder *encoder = NULL;
    caface_model *model = NULL;
    caface_video *video = NULL;
    const caface_video_event *event = NULL;
    float template[4096];
    int bad = argc < 4 || argc > 5 || (argc == 5 && caface_model_open(&model, argv[4], &err)) ||
              caface_detector_open(&detector, argv[1], NULL, &err) ||
              caface_encoder_open(&encoder, argv[2], NULL, &err) ||
              caface_video_open(&video, argv[3], detector, encoder, model, NULL, &err);

    while (!bad && !(bad = caface_video_next(video, &event, &err)) && event) {
        size_t C = event->set ? caface_set_width(event->set) : 0;

        if (event->kind != CAFACE_TRACK_END || !event->confirmed || C > 4096 ||
            (bad = caface_set_template(event->set, template, &err)))
            continue;
        printf("track %lld, %zu faces:", (long long)event->track, event->count);
        for (size_t c = 0; c < C; c++)
            printf(" %.9g%s", (double)template[c], c + 1 < C ? "" : "\n");
    }
    if (bad)
        fprintf(stderr, "follow_video: %s\n", err.message);
    caface_video_free(video);
    caface_model_free(model);
    caface_encoder_free(encoder);
    caface_detector_free(detector);
    return bad;
}
