#include "box_networks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ROWS = BOX_HEIGHT / BOX_CELL,
    COLS = BOX_WIDTH / BOX_CELL,
    CELLS = ROWS * COLS,
    SEES = 16,
    PARTS = SEES / 2 /* the network looks at four quarters */
};

void box_network(onnx_writer *w, int softmax)
{
    const int64_t input[] = {1, 3, BOX_HEIGHT, BOX_WIDTH}, kernel[] = {BOX_CELL, BOX_CELL};
    const int64_t scores[] = {1, CELLS, 2}, boxes[] = {1, CELLS, 4};
    const int64_t weight_shape[] = {2, 3, 1, 1}, bias_shape[] = {2}, order[] = {0, 2, 3, 1};
    const int64_t zero_shape[] = {4, 3, 1, 1}, four[] = {4};
    /* a white pixel is 1, a black one almost -1; the two shares differ by log(0.98 / 0.02) and -16
     */
    const float white = logf((float)BOX_SCORE / (1.0f - (float)BOX_SCORE));
    const float slope = (white + 16.0f) / (128.0f / 128.0f + 127.0f / 128.0f) / 3.0f;
    const float weight[6] = {0, 0, 0, slope, slope, slope}, bias[2] = {0, white - 3.0f * slope};
    const float zeros[12] = {0}, none[4] = {0};
    float corners[CELLS * 4];

    for (int i = 0; i < CELLS; i++) {
        float x = (float)(i % COLS * BOX_CELL), y = (float)(i / COLS * BOX_CELL);

        corners[4 * i] = (x - 8.0f) / BOX_WIDTH;
        corners[4 * i + 1] = (y - 8.0f) / BOX_HEIGHT;
        corners[4 * i + 2] = (x + BOX_CELL + 8.0f) / BOX_WIDTH;
        corners[4 * i + 3] = (y + BOX_CELL + 8.0f) / BOX_HEIGHT;
    }
    onnx_input(w, "input", 4, input);
    onnx_shaped_output(w, "scores", 3, scores);
    onnx_shaped_output(w, "boxes", 3, boxes);
    onnx_floats(w, "weight", 4, weight_shape, weight);
    onnx_floats(w, "bias", 1, bias_shape, bias);
    onnx_floats(w, "zeros", 4, zero_shape, zeros);
    onnx_floats(w, "none", 1, four, none);
    onnx_floats(w, "corners", 3, boxes, corners);
    onnx_ints(w, "score_shape", 3, scores);
    onnx_ints(w, "box_shape", 3, boxes);
    onnx_begin(w, "AveragePool", "input", "cells");
    onnx_attr_ints(w, "kernel_shape", 2, kernel);
    onnx_attr_ints(w, "strides", 2, kernel);
    onnx_end(w);
    onnx_node(w, "Conv", "cells,weight,bias", "logits");
    onnx_begin(w, "Transpose", "logits", "logits_last");
    onnx_attr_ints(w, "perm", 4, order);
    onnx_end(w);
    onnx_node(w, "Reshape", "logits_last,score_shape", softmax ? "rows" : "scores");
    if (softmax) {
        onnx_begin(w, "Softmax", "rows", "scores");
        onnx_attr_int(w, "axis", 2);
        onnx_end(w);
    }
    onnx_node(w, "Conv", "cells,zeros,none", "offsets");
    onnx_begin(w, "Transpose", "offsets", "offsets_last");
    onnx_attr_ints(w, "perm", 4, order);
    onnx_end(w);
    onnx_node(w, "Reshape", "offsets_last,box_shape", "offset_rows");
    onnx_node(w, "Add", "offset_rows,corners", "boxes");
    onnx_finish(w, 11);
}

void lffd_network(onnx_writer *w, int scales, int last, int wrong)
{
    static const int64_t strides[2][8] = {{4, 8, 16, 32, 64}, {4, 4, 8, 8, 16, 32, 32, 32}};
    const int64_t input[] = {1, 3, -1, -1}, score_shape[] = {1, 3, 1, 1}, one[] = {1};
    const float white = logf((float)LFFD_SCORE / (1.0f - (float)LFFD_SCORE));
    const float slope = (white + 16.0f) / 255.0f / 3.0f;
    const float weight[3] = {slope, slope, slope}, bias[1] = {-16.0f};
    const float zeros[12] = {0}, corners[4] = {0.8f, 0.6f, -0.4f, -1.0f};

    onnx_input(w, "data", 4, input);
    onnx_floats(w, "weight", 4, score_shape, weight);
    onnx_floats(w, "bias", 1, one, bias);
    for (int i = 0; i < scales; i++) {
        const int64_t stride[] = {strides[scales == 8][i], strides[scales == 8][i]};
        const int64_t numbers[] = {i + 1 == scales && wrong ? 3 : 4},
                      shape[] = {numbers[0], 3, 1, 1};
        char score[16], box[16], logit[16], names[64];

        snprintf(score, sizeof score, "score%d", i);
        snprintf(logit, sizeof logit, "logit%d", i);
        snprintf(box, sizeof box, "box%d", i);
        onnx_output(w, score);
        onnx_output(w, box);
        snprintf(names, sizeof names, "zeros%d", i);
        onnx_floats(w, names, 4, shape, zeros);
        snprintf(names, sizeof names, "corners%d", i);
        onnx_floats(w, names, 1, numbers, corners);
        onnx_begin(w, "Conv", "data,weight,bias", last ? logit : score);
        onnx_attr_ints(w, "strides", 2, stride);
        onnx_end(w);
        if (last)
            onnx_node(w, "Sigmoid", logit, score);
        snprintf(names, sizeof names, "data,zeros%d,corners%d", i, i);
        onnx_begin(w, "Conv", names, box);
        onnx_attr_ints(w, "strides", 2, stride);
        onnx_end(w);
    }
    onnx_finish(w, 11);
}

const float network_five[5][2] = {
    {0.34f, 0.46f}, {0.66f, 0.46f}, {0.50f, 0.64f}, {0.37f, 0.82f}, {0.63f, 0.82f}};

/* The points of an order that the five are taken from; first and last of a run. */
static const struct {
    int points;
    int runs[5][2][2];
} layouts[] = {
    [AS_5] = {5, {{{0, 0}}, {{1, 1}}, {{2, 2}}, {{3, 3}}, {{4, 4}}}},
    [AS_68] = {68,
               {{{36, 41}}, {{42, 47}}, {{30, 30}}, {{48, 48}, {60, 60}}, {{54, 54}, {64, 64}}}},
    [AS_106_INSIGHT] = {106, {{{33, 42}}, {{87, 96}}, {{86, 86}}, {{52, 52}}, {{61, 61}}}},
    [AS_106_JD] = {106, {{{52, 57}}, {{58, 63}}, {{46, 46}}, {{84, 84}}, {{90, 90}}}},
    [FLAT_68] = {68, {{{0, 0}}, {{1, 1}}, {{2, 2}}, {{3, 3}}, {{4, 4}}}},
};

static float in_units(float part, network_units units)
{
    return units == IN_PARTS ? part : units == IN_PIXELS ? part * SEES : 2.0f * part - 1.0f;
}

void landmark_network(onnx_writer *w, int channels, network_order order, network_units units)
{
    const int64_t input[] = {1, channels, SEES, SEES}, kernel[] = {PARTS, PARTS};
    const int points = layouts[order].points, inputs = 4 * channels;
    const int64_t output[] = {1, 2 * points}, weight_shape[] = {2 * points, inputs};
    const int64_t bias_shape[] = {2 * points};
    const float unit = in_units(1.0f, units) - in_units(0.0f, units);
    float weight[212 * 12] = {0}, bias[212];

    for (int i = 0; i < points; i++) {
        bias[2 * i] = bias[2 * i + 1] = in_units(0.5f, units);
        for (int k = 0; k < inputs; k++) /* two quarters on the left, two on the right */
            weight[2 * i * inputs + k] =
                (k % 2 ? -1.0f : 1.0f) * NETWORK_SHIFT * unit / (2.0f * (float)channels);
    }
    for (int k = 0; k < 5; k++)
        for (int run = 0; run < 2; run++) {
            const int *of = layouts[order].runs[k][run];

            for (int i = of[0]; i <= of[1] && (run == 0 || of[1] > 0); i++) {
                bias[2 * i] = in_units(network_five[k][0], units);
                bias[2 * i + 1] = in_units(network_five[k][1], units);
            }
        }
    onnx_input(w, "input", 4, input);
    onnx_shaped_output(w, "output", 2, output);
    onnx_floats(w, "weight", 2, weight_shape, weight);
    onnx_floats(w, "bias", 1, bias_shape, bias);
    onnx_begin(w, "AveragePool", "input", "parts");
    onnx_attr_ints(w, "kernel_shape", 2, kernel);
    onnx_attr_ints(w, "strides", 2, kernel);
    onnx_end(w);
    onnx_node(w, "Flatten", "parts", "row");
    onnx_begin(w, "Gemm", "row,weight,bias", "output");
    onnx_attr_int(w, "transB", 1);
    onnx_end(w);
    onnx_finish(w, 11);
}
