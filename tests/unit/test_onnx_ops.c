/* Single operators of ONNX, written here, against numbers worked out by hand:
 * what PyTorch's exporter does not write, or writes in one way only. */
#include "check.h"
#include "onnx_case.h"

#include <math.h>
#include <string.h>

/* Typed lists: every element type, packed or not, through a Cast and an Add. */
static void typed_initializers(void **state)
{
    static const struct {
        int type;
        unsigned field;
        uint64_t bits[2]; /* of 1.5 and -2, or 1 and 2 */
        float value[2];
    } types[] = {
        {10, 5, {0x3e00, 0xc000}, {1.5f, -2}},
        {16, 5, {0x3fc0, 0xc000}, {1.5f, -2}},
        {2, 5, {1, 200}, {1, 200}},
        {3, 5, {1, (uint64_t)-2}, {1, -2}},
        {4, 5, {1, 65535}, {1, 65535}},
        {5, 5, {1, (uint64_t)-2}, {1, -2}},
        {6, 5, {1, (uint64_t)-2}, {1, -2}},
        {7, 7, {1, (uint64_t)-2}, {1, -2}},
        {9, 5, {1, 0}, {1, 0}},
        {12, 11, {1, 4000000000u}, {1, 4e9f}},
        {13, 11, {1, 2}, {1, 2}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int packed = 0; packed < 2; packed++) {
            onnx_writer m = begin(1, 1, 1, 2);
            cafi_buf t = {0};
            cafi_buf list = {0};
            float want[2] = {0 + types[i].value[0], 1 + types[i].value[1]};

            pb_int(&t, 1, 2);
            pb_int(&t, 2, (uint64_t)types[i].type);
            pb_text(&t, 8, "t");
            for (int k = 0; k < 2; k++)
                if (packed)
                    pb_varint(&list, types[i].bits[k]);
                else
                    pb_int(&t, types[i].field, types[i].bits[k]);
            if (packed)
                pb_bytes(&t, types[i].field, list.data, list.size);
            pb_bytes(&m.graph, 5, t.data, t.size);
            cafi_buf_free(&t);
            cafi_buf_free(&list);
            onnx_begin(&m, "Cast", "t", "f");
            onnx_attr_int(&m, "to", 1);
            onnx_end(&m);
            onnx_node(&m, "Add", "x,f", "y");
            expect(&m, 13, 1, 2, want, "typed list");
        }
}

/* A batch that the file fixes, two ways, is open here. */
static void fixed_batches_open(void **state)
{
    onnx_writer m = begin(1, 2, 1, 2);
    float want[8] = {0, 2, 1, 3, 4, 6, 5, 7};

    (void)state;
    onnx_begin(&m, "Transpose", "x", "t"); /* [1,2,1,2] -> [2,1,2,1]: the batch is axis 3 */
    onnx_attr_ints(&m, "perm", 4, (int64_t[]){3, 2, 1, 0});
    onnx_end(&m);
    onnx_ints(&m, "flat", 2, (int64_t[]){-1, 1});
    onnx_node(&m, "Reshape", "t,flat", "y");
    expect(&m, 13, 2, 8, want, "folded batch");

    m = begin(3, 1, 2, 2);
    onnx_ints(&m, "rows", 2, (int64_t[]){3, 4});
    onnx_node(&m, "Reshape", "x,rows", "y");
    expect(&m, 13, 2, 8, (float[]){0, 1, 2, 3, 4, 5, 6, 7}, "a batch of 3 run with 2");
}

static void shape_arithmetic(void **state)
{
    onnx_writer m = begin(-1, 2, 3, 2);
    float want[24];

    (void)state;
    for (int i = 0; i < 24; i++)
        want[i] = (float)i;
    /* reshape(x, [shape[0], prod(shape[1:])]) by Slice, ReduceProd, Where ... */
    onnx_node(&m, "Shape", "x", "s");
    onnx_ints(&m, "one", 1, (int64_t[]){1});
    onnx_ints(&m, "zero", 1, (int64_t[]){0});
    onnx_ints(&m, "end", 1, (int64_t[]){99});
    onnx_node(&m, "Slice", "s,one,end", "tail");
    onnx_node(&m, "ReduceProd", "tail", "p");
    onnx_node(&m, "Gather", "s,zero", "n");
    onnx_node(&m, "Equal", "p,one", "is_one");
    onnx_node(&m, "Where", "is_one,one,p", "p2");
    onnx_node(&m, "Mul", "p2,one", "p3");
    onnx_node(&m, "Div", "p3,one", "p4");
    onnx_begin(&m, "Concat", "n,p4", "target");
    onnx_attr_int(&m, "axis", 0);
    onnx_end(&m);
    onnx_node(&m, "Reshape", "x,target", "y");
    expect(&m, 13, 2, 24, want, "shape arithmetic");
}

static void slices_and_gathers(void **state)
{
    onnx_writer m = begin(1, 1, 3, 4);

    (void)state;
    onnx_ints(&m, "starts", 2, (int64_t[]){-1, 3});
    onnx_ints(&m, "ends", 2, (int64_t[]){-99, 0});
    onnx_ints(&m, "axes", 2, (int64_t[]){2, -1});
    onnx_ints(&m, "steps", 2, (int64_t[]){-2, -2});
    onnx_node(&m, "Slice", "x,starts,ends,axes,steps", "y");
    expect(&m, 13, 1, 4, (float[]){11, 9, 3, 1}, "slice backwards");

    m = begin(1, 1, 3, 4);
    onnx_begin(&m, "Slice", "x", "y"); /* opset 9: attributes */
    onnx_attr_ints(&m, "starts", 2, (int64_t[]){1, 1});
    onnx_attr_ints(&m, "ends", 2, (int64_t[]){2, 1000});
    onnx_attr_ints(&m, "axes", 2, (int64_t[]){2, 3});
    onnx_end(&m);
    expect(&m, 9, 1, 3, (float[]){5, 6, 7}, "slice of opset 9");

    m = begin(1, 1, 3, 4);
    onnx_ints(&m, "i", 4, (int64_t[]){3, -4, 2, 2});
    onnx_begin(&m, "Gather", "x,i", "g");
    onnx_attr_int(&m, "axis", 3);
    onnx_end(&m);
    onnx_begin(&m, "Split", "g", "a,y");
    onnx_attr_int(&m, "axis", 2);
    onnx_attr_ints(&m, "split", 2, (int64_t[]){1, 2});
    onnx_end(&m);
    expect(&m, 11, 1, 8, (float[]){7, 4, 6, 6, 11, 8, 10, 10}, "gather and split");
}

static void pads_and_resizes(void **state)
{
    onnx_writer m = begin(1, 1, 1, 3);

    (void)state;
    onnx_ints(&m, "pads", 8, (int64_t[]){0, 0, 0, 2, 0, 0, 0, 1});
    onnx_begin(&m, "Pad", "x,pads", "y");
    onnx_attr_text(&m, "mode", "reflect");
    onnx_end(&m);
    expect(&m, 13, 1, 6, (float[]){2, 1, 0, 1, 2, 1}, "pad reflect");

    m = begin(1, 1, 1, 3);
    onnx_begin(&m, "Pad", "x", "y");
    onnx_attr_ints(&m, "pads", 8, (int64_t[]){0, 0, 0, 1, 0, 0, 1, 0});
    onnx_attr_float(&m, "value", 9);
    onnx_end(&m);
    expect(&m, 10, 1, 8, (float[]){9, 0, 1, 2, 9, 9, 9, 9}, "pad of opset 10");

    m = begin(1, 1, 1, 3);
    onnx_floats(&m, "scales", 1, (int64_t[]){4}, (float[]){1, 1, 1, 2});
    onnx_begin(&m, "Resize", "x,,scales", "y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_end(&m);
    expect(&m, 13, 1, 6, (float[]){0, 0.25f, 0.75f, 1.25f, 1.75f, 2}, "resize half_pixel");

    m = begin(1, 1, 1, 3);
    onnx_ints(&m, "sizes", 1, (int64_t[]){5});
    onnx_begin(&m, "Resize", "x,,,sizes", "y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_attr_text(&m, "coordinate_transformation_mode", "align_corners");
    onnx_attr_ints(&m, "axes", 1, (int64_t[]){3});
    onnx_end(&m);
    expect(&m, 18, 1, 5, (float[]){0, 0.5f, 1, 1.5f, 2}, "resize align_corners");

    /* The fourth comes from 3.5 * 15 / 7 - 0.5, which is 7 and not a little less. */
    m = begin(1, 1, 1, 15);
    onnx_ints(&m, "sizes", 1, (int64_t[]){7});
    onnx_begin(&m, "Resize", "x,,,sizes", "y");
    onnx_attr_text(&m, "nearest_mode", "floor");
    onnx_attr_ints(&m, "axes", 1, (int64_t[]){3});
    onnx_end(&m);
    expect(&m, 18, 1, 7, (float[]){0, 2, 4, 7, 9, 11, 13}, "resize to whole positions");

    m = begin(1, 1, 1, 3);
    onnx_floats(&m, "scales", 1, (int64_t[]){4}, (float[]){1, 1, 1, 2});
    onnx_node(&m, "Upsample", "x,scales", "y");
    expect(&m, 9, 1, 6, (float[]){0, 0, 1, 1, 2, 2}, "upsample of opset 9");
}

static void softmax_changes_with_the_opset(void **state)
{
    float flat[4];
    float lines[4];
    float sum = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        sum += expf((float)i);
    for (int i = 0; i < 4; i++) {
        flat[i] = expf((float)i) / sum;
        lines[i] = expf((float)i) / (i < 2 ? expf(0) + expf(1) : expf(2) + expf(3));
    }
    {
        onnx_writer m = begin(1, 1, 2, 2);

        onnx_begin(&m, "Softmax", "x", "y");
        onnx_attr_int(&m, "axis", 2);
        onnx_end(&m);
        expect(&m, 12, 1, 4, flat, "softmax of opset 12");
    }
    {
        onnx_writer m = begin(1, 1, 2, 2);

        onnx_node(&m, "Softmax", "x", "y");
        expect(&m, 13, 1, 4, lines, "softmax of opset 13");
    }
}

static void arithmetic(void **state)
{
    onnx_writer m = begin(1, 2, 1, 2);
    float want[4];

    (void)state;
    onnx_floats(&m, "slope", 3, (int64_t[]){2, 1, 1}, (float[]){0.5f, -1});
    onnx_floats(&m, "two", 0, NULL, (float[]){2});
    onnx_node(&m, "Sub", "two,x", "d"); /* 2 1 0 -1 */
    onnx_node(&m, "PRelu", "d,slope", "p");
    onnx_node(&m, "Neg", "p", "n");
    onnx_node(&m, "Abs", "n", "a");
    onnx_node(&m, "Pow", "a,two", "w");
    onnx_node(&m, "Max", "two,w", "y");
    expect(&m, 13, 1, 4, (float[]){4, 2, 2, 2}, "prelu, pow, max");

    m = begin(1, 4, 1, 1);
    onnx_begin(&m, "LpNormalization", "x", "y");
    onnx_attr_int(&m, "axis", 1);
    onnx_end(&m);
    for (int i = 0; i < 4; i++)
        want[i] = (float)i / sqrtf(14);
    expect(&m, 13, 1, 4, want, "LpNormalization");

    m = begin(-1, 1, 1, 2);
    onnx_begin(&m, "HardSigmoid", "x", "h");
    onnx_attr_float(&m, "alpha", 0.25f);
    onnx_end(&m);
    onnx_node(&m, "HardSwish", "h", "y");
    for (int i = 0; i < 4; i++) {
        float h = fminf(0.25f * (float)i + 0.5f, 1);

        want[i] = h * (h / 6 + 0.5f);
    }
    expect(&m, 14, 2, 4, want, "hard functions");
}

static void windows(void **state)
{
    static const float ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    onnx_writer m = begin(1, 1, 3, 3);

    (void)state;
    onnx_floats(&m, "k", 4, (int64_t[]){1, 1, 2, 2}, ones);
    onnx_begin(&m, "Conv", "x,k", "y");
    onnx_attr_text(&m, "auto_pad", "SAME_UPPER");
    onnx_attr_ints(&m, "strides", 2, (int64_t[]){2, 2});
    onnx_end(&m);
    expect(&m, 13, 1, 4, (float[]){8, 7, 13, 8}, "conv SAME_UPPER");

    m = begin(1, 1, 3, 3);
    onnx_floats(&m, "k", 4, (int64_t[]){1, 1, 2, 2}, ones);
    onnx_begin(&m, "Conv", "x,k", "y");
    onnx_attr_text(&m, "auto_pad", "SAME_LOWER");
    onnx_attr_ints(&m, "strides", 2, (int64_t[]){2, 2});
    onnx_end(&m);
    expect(&m, 13, 1, 4, (float[]){0, 3, 9, 24}, "conv SAME_LOWER");

    m = begin(1, 1, 3, 3);
    onnx_begin(&m, "AveragePool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", 2, (int64_t[]){2, 2});
    onnx_attr_ints(&m, "strides", 2, (int64_t[]){2, 2});
    onnx_attr_ints(&m, "pads", 4, (int64_t[]){1, 1, 0, 0});
    onnx_attr_int(&m, "count_include_pad", 1);
    onnx_end(&m);
    expect(&m, 13, 1, 4, (float[]){0, 0.75f, 2.25f, 6}, "average pool with padding");
}

/* One slope a channel in every way in which it is written, over planes and over
 * single pixels. */
static void prelu_slopes(void **state)
{
    static const struct {
        int ndim;
        int64_t dim[4];
    } shapes[] = {{1, {2}}, {3, {2, 1, 1}}, {4, {1, 2, 1, 1}}};
    const float slope[] = {0.5f, -2};

    (void)state;
    for (int64_t side = 1; side <= 2; side++) /* 2: as many columns as channels */
        for (size_t i = 0; i < 3; i++) {
            onnx_writer m = begin(-1, 2, 1, side);
            float want[8];
            float ten = -10;

            for (int64_t k = 0; k < 4 * side; k++)
                want[k] = ((float)k - 10) * slope[k / side % 2];
            onnx_floats(&m, "ten", 0, NULL, &ten);
            onnx_floats(&m, "s", shapes[i].ndim, shapes[i].dim, slope);
            onnx_node(&m, "Add", "x,ten", "a");
            onnx_node(&m, "PRelu", "a,s", "y");
            expect(&m, 9, 2, (size_t)(4 * side), want, "slopes");
        }
}

/* The batch is open, and a Reshape says 1 all the same. */
static void batch_of_the_trace(void **state)
{
    const int64_t shapes[][2] = {{1, 6}, {1, -1}, {-1, 6}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        onnx_writer m = begin(-1, 3, 1, 2);
        float want[18];

        for (size_t k = 0; k < 18; k++)
            want[k] = (float)k;
        onnx_ints(&m, "shape", 2, shapes[i]);
        onnx_node(&m, "Reshape", "x,shape", "y");
        expect(&m, 13, 3, 18, want, "reshape");
    }
}

/* Gelu in both forms, against the definition in double. */
static void gelu(void **state)
{
    float want[2][6];

    (void)state;
    for (size_t k = 0; k < 6; k++) {
        double x = (double)k - 2;

        want[0][k] = (float)(x / 2 * (1 + erf(x / sqrt(2))));
        want[1][k] = (float)(x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))));
    }
    for (int i = 0; i < 2; i++) {
        onnx_writer m = begin(1, 1, 2, 3);
        float two = 2;

        onnx_floats(&m, "two", 0, NULL, &two);
        onnx_node(&m, "Sub", "x,two", "a");
        onnx_begin(&m, "Gelu", "a", "y");
        if (i)
            onnx_attr_text(&m, "approximate", "tanh");
        onnx_end(&m);
        expect(&m, 20, 1, 6, want[i], "gelu");
    }
}

/* Over the last two axes of [1][1][2][3], against mean and deviation in double. */
static void layer_norm(void **state)
{
    onnx_writer m = begin(1, 1, 2, 3);
    const float scale[] = {1, 2, 3, 4, 5, 6};
    const float bias[] = {0, 1, 0, -1, 0, 2};
    float want[6];

    (void)state;
    for (size_t k = 0; k < 6; k++) /* 0 to 5: mean 2.5, variance 35/12 */
        want[k] = (float)(((double)k - 2.5) / sqrt(35.0 / 12 + 1e-3) * (double)scale[k] +
                          (double)bias[k]);
    onnx_floats(&m, "s", 2, (int64_t[]){2, 3}, scale);
    onnx_floats(&m, "b", 2, (int64_t[]){2, 3}, bias);
    onnx_begin(&m, "LayerNormalization", "x,s,b", "y");
    onnx_attr_int(&m, "axis", 2);
    onnx_attr_float(&m, "epsilon", 1e-3f);
    onnx_end(&m);
    expect(&m, 23, 1, 6, want, "layer norm");
}

/* The place that an element of a padded axis comes from; -1: the constant. */
static int64_t place(const char *mode, int64_t i, int64_t size)
{
    if (i >= 0 && i < size)
        return i;
    if (mode[0] == 'c')
        return -1;
    if (mode[0] == 'e')
        return i < 0 ? 0 : size - 1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

/* Every mode and side, element by element. (Three at the end would be channels.) */
static void pads_anywhere(void **state)
{
    static const char *const modes[] = {"constant", "edge", "reflect"};
    static const int64_t size[] = {2, 2, 4};
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < 60; i++) {
        const char *mode = modes[i % 3];
        onnx_writer m = begin(1, size[0], size[1], size[2]);
        int64_t pads[8] = {0}, end[3];
        float want[MOST];
        size_t n = 0;

        for (int d = 0; d < 3; d++) {
            pads[1 + d] = (int64_t)test_below(&rng, (size_t)size[d]);
            pads[5 + d] = (int64_t)test_below(&rng, (size_t)size[d]);
            end[d] = size[d] + pads[5 + d];
        }
        for (int64_t c = -pads[1]; c < end[0]; c++)
            for (int64_t y = -pads[2]; y < end[1]; y++)
                for (int64_t x = -pads[3]; x < end[2]; x++) {
                    int64_t k[] = {place(mode, c, size[0]), place(mode, y, size[1]),
                                   place(mode, x, size[2])};
                    bool inside = k[0] >= 0 && k[1] >= 0 && k[2] >= 0;

                    want[n++] = inside ? (float)((k[0] * size[1] + k[1]) * size[2] + k[2]) : 9;
                }
        onnx_ints(&m, "pads", 8, pads);
        onnx_floats(&m, "nine", 0, NULL, (float[]){9});
        onnx_begin(&m, "Pad", mode[0] == 'c' ? "x,pads,nine" : "x,pads", "y");
        onnx_attr_text(&m, "mode", mode);
        onnx_end(&m);
        expect(&m, 13, 1, n, want, mode);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prelu_slopes),
        cmocka_unit_test(batch_of_the_trace),
        cmocka_unit_test(gelu),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(typed_initializers),
        cmocka_unit_test(fixed_batches_open),
        cmocka_unit_test(shape_arithmetic),
        cmocka_unit_test(slices_and_gathers),
        cmocka_unit_test(pads_and_resizes),
        cmocka_unit_test(pads_anywhere),
        cmocka_unit_test(softmax_changes_with_the_opset),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(windows),
    };
    return cmocka_run_group_tests_name("onnx_ops", tests, NULL, NULL);
}
