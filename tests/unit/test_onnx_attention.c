/* Operators around attention, written here, against numbers worked out by hand: values
 * chosen, constants made, Einsum, groups, and batches that stand elsewhere. */
#include "check.h"
#include "onnx_case.h"

#include <math.h>

/* Of two values, not of one and a number. */
static void chosen_values(void **state)
{
    onnx_writer m = begin(2, 1, 2, 2);

    (void)state;
    onnx_floats(&m, "five", 1, (int64_t[]){1}, (float[]){5});
    onnx_floats(&m, "row", 2, (int64_t[]){2, 2}, (float[]){1.5f, INFINITY, -INFINITY, 2});
    onnx_node(&m, "Sub", "five,x", "down");
    onnx_node(&m, "Max", "x,down", "high");
    onnx_node(&m, "Min", "high,row", "low");
    onnx_node(&m, "Max", "low,down", "y");
    expect(&m, 13, 2, 8, (float[]){5, 4, 3, 2, 1.5f, 5, -1, 2}, "max and min of two values");

    m = begin(1, 1, 2, 2); /* where: infinity stays infinity, and nothing becomes NaN */
    onnx_floats(&m, "side", 1, (int64_t[]){2}, (float[]){0, 1});
    onnx_floats(&m, "low", 1, (int64_t[]){1}, (float[]){-INFINITY});
    onnx_begin(&m, "Cast", "side", "is");
    onnx_attr_int(&m, "to", 9);
    onnx_end(&m);
    onnx_node(&m, "Where", "is,low,x", "first"); /* [0,-inf],[2,-inf] */
    onnx_node(&m, "Neg", "x", "minus");
    onnx_node(&m, "Where", "is,minus,first", "y");
    expect(&m, 13, 2, 8, (float[]){0, -1, 2, -3, 4, -5, 6, -7}, "where over an infinity");
}

static void constants_made(void **state)
{
    onnx_writer m = begin(1, 1, 2, 2);

    (void)state;
    onnx_floats(&m, "part", 2, (int64_t[]){1, 2}, (float[]){10, 20});
    onnx_ints(&m, "twice", 2, (int64_t[]){2, 1});
    onnx_node(&m, "Tile", "part,twice", "all");
    onnx_ints(&m, "one", 1, (int64_t[]){1});
    onnx_node(&m, "CumSum", "all,one", "sums"); /* [[10,30],[10,30]] */
    onnx_ints(&m, "at", 2, (int64_t[]){-1, 0});
    onnx_ints(&m, "shape", 2, (int64_t[]){1, 2});
    onnx_node(&m, "Reshape", "at,shape", "place");
    onnx_floats(&m, "seven", 1, (int64_t[]){1}, (float[]){7});
    onnx_node(&m, "ScatterND", "sums,place,seven", "c");
    onnx_tensor(&m, "pick", 7, 2, (int64_t[]){2, 2}, (int64_t[]){1, 0, -2, 1}, 32);
    onnx_node(&m, "GatherElements", "c,pick", "d"); /* [[7,30],[10,30]] of [[10,30],[7,30]] */
    onnx_node(&m, "Sub", "d,c", "e");
    onnx_node(&m, "Add", "x,e", "f");
    onnx_node(&m, "Add", "f,c", "y");
    expect(&m, 13, 1, 4, (float[]){7, 31, 12, 33}, "tile, sums, scatter, gather");
}

static void einsums(void **state)
{
    onnx_writer m = begin(1, 2, 2, 2);

    (void)state;
    onnx_floats(&m, "w", 3, (int64_t[]){2, 2, 2}, (float[]){1, 0, 2, 0, 0, 1, 1, 1});
    onnx_begin(&m, "Einsum", "x,w", "y"); /* sum over c and w of x[n,c,h,w] w[w,c,j] */
    onnx_attr_text(&m, "equation", "nchw, wcj -> jnh");
    onnx_end(&m);
    /* columns: x000 + 2 x100 + x101, x001 + x101, each for two rows */
    expect(&m, 13, 1, 4, (float[]){13, 21, 6, 10}, "two letters summed");

    m = begin(1, 1, 2, 2);
    onnx_begin(&m, "Einsum", "x,x", "y");
    onnx_attr_text(&m, "equation", "ncij,nckj->nci");
    onnx_end(&m);
    refuse(&m, 13, "a sum over one value alone");
}

static void groups(void **state)
{
    static const float want[2][4] = {{-1, 1, -8, 12}, {-1, 2, -8, 15}};

    (void)state;
    for (int opset = 18; opset < 23; opset += 4) {
        onnx_writer m = begin(1, 4, 1, 1);
        bool by_group = opset < 21;

        onnx_floats(&m, "s", 1, (int64_t[]){by_group ? 2 : 4},
                    by_group ? (float[]){1, 10} : (float[]){1, 2, 10, 13});
        onnx_floats(&m, "b", 1, (int64_t[]){by_group ? 2 : 4},
                    by_group ? (float[]){0, 2} : (float[]){0, 0, 2, 2});
        onnx_begin(&m, "GroupNormalization", "x,s,b", "y");
        onnx_attr_int(&m, "num_groups", 2);
        onnx_attr_float(&m, "epsilon", 0);
        onnx_end(&m);
        expect(&m, opset, 1, 4, want[!by_group], "groups normalised");
    }
}

/* What an open batch of the trace's size, 2, says: [2,-1] would be two halves of one picture. */
static void traced_with_two(void **state)
{
    onnx_writer m = begin(-1, 2, 1, 2);

    (void)state;
    onnx_ints(&m, "rows", 3, (int64_t[]){2, -1, 2});
    onnx_node(&m, "Reshape", "x,rows", "r");
    onnx_begin(&m, "ReduceSum", "r", "y");
    onnx_attr_ints(&m, "axes", 1, (int64_t[]){1});
    onnx_end(&m);
    expect(&m, 11, 3, 6, (float[]){2, 4, 10, 12, 18, 20}, "traced with a batch of 2");

    m = begin(-1, 2, 1, 2); /* behind a token of every picture that is large */
    onnx_node(&m, "Shape", "x", "s");
    onnx_ints(&m, "zero", 1, (int64_t[]){0});
    onnx_ints(&m, "two", 1, (int64_t[]){2});
    onnx_ints(&m, "wide", 1, (int64_t[]){512});
    onnx_node(&m, "Gather", "s,zero", "n");
    onnx_begin(&m, "Concat", "n,wide", "target");
    onnx_attr_int(&m, "axis", 0);
    onnx_end(&m);
    onnx_floats(&m, "ten", 0, NULL, (float[]){10});
    onnx_node(&m, "Expand", "ten,target", "tokens");
    onnx_node(&m, "Slice", "tokens,zero,two,one", "token");
    onnx_ints(&m, "one", 1, (int64_t[]){1});
    onnx_ints(&m, "rows", 3, (int64_t[]){2, -1, 2});
    onnx_node(&m, "Reshape", "x,rows", "r");
    onnx_begin(&m, "ReduceSum", "r", "sum");
    onnx_attr_ints(&m, "axes", 1, (int64_t[]){1});
    onnx_attr_int(&m, "keepdims", 0);
    onnx_end(&m);
    onnx_node(&m, "Add", "sum,token", "y");
    expect(&m, 11, 3, 6, (float[]){12, 14, 20, 22, 28, 30}, "traced with 2, a large token");

    m = begin(4, 2, 1, 2);
    onnx_ints(&m, "split", 3, (int64_t[]){2, 2, 4});
    onnx_node(&m, "Reshape", "x,split", "y");
    refuse(&m, 13, "mixes pictures of the batch (4)");

    m = begin(2, 4, 3, 3); /* windows folded into the batch, then a convolution of them */
    onnx_ints(&m, "windows", 4, (int64_t[]){-1, 1, 3, 3});
    onnx_node(&m, "Reshape", "x,windows", "w");
    onnx_floats(&m, "k", 4, (int64_t[]){1, 1, 1, 1}, (float[]){1});
    onnx_node(&m, "Conv", "w,k", "y");
    refuse(&m, 13, "Conv node n_y: an input of shape [8,1,3,3]");
}

/* Overlapping rows, as patches are cut, and pixels from channels in both orders. */
static void patches(void **state)
{
    static const struct {
        const char *mode;
        float want[16];
    } modes[] = {{"DCR", {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}},
                 {"CRD", {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}}};
    onnx_writer m = begin(1, 1, 1, 40);
    int64_t index[3][13];
    float want[39];

    (void)state;
    for (int64_t k = 0; k < 3; k++)
        for (int64_t j = 0; j < 13; j++) {
            index[k][j] = k + 3 * j - (k == 2 ? 40 : 0); /* from the end, too */
            want[13 * k + j] = (float)(k + 3 * j);
        }
    onnx_tensor(&m, "i", 7, 2, (int64_t[]){3, 13}, index, sizeof index);
    onnx_begin(&m, "Gather", "x,i", "y");
    onnx_attr_int(&m, "axis", 3);
    onnx_end(&m);
    expect(&m, 13, 1, 39, want, "runs of indices");

    for (int i = 0; i < 2; i++) {
        m = begin(1, 8, 1, 2);
        onnx_begin(&m, "DepthToSpace", "x", "d");
        onnx_attr_int(&m, "blocksize", 2);
        onnx_attr_text(&m, "mode", modes[i].mode);
        onnx_end(&m);
        onnx_node(&m, "Identity", "d", "y");
        expect(&m, 13, 1, 16, modes[i].want, modes[i].mode);
    }
    m = begin(1, 1, 2, 4);
    onnx_begin(&m, "SpaceToDepth", "x", "y");
    onnx_attr_int(&m, "blocksize", 2);
    onnx_end(&m);
    expect(&m, 13, 1, 8, (float[]){0, 2, 1, 3, 4, 6, 5, 7}, "channels from pixels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_values),   cmocka_unit_test(constants_made),
        cmocka_unit_test(einsums),         cmocka_unit_test(groups),
        cmocka_unit_test(traced_with_two), cmocka_unit_test(patches),
    };
    return cmocka_run_group_tests_name("onnx_attention", tests, NULL, NULL);
}
