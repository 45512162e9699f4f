/* ONNX files that lie: every one is refused with a sentence, or read; none
 * crashes, hangs or takes memory it was not sent. */
#include "check.h"
#include "onnx_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/bytes.h"
#include "graph/plan.h"
#include "models/network_config.h"
#include "onnx/graph.h"

static const int64_t picture[4] = {1, 3, 8, 8};

/* What the importer makes of the bytes. */
static caface_status import(const void *bytes, size_t size, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    caface_status st = cafi_onnx_parse(&file, test_temp("m.onnx"), bytes, size, err);

    if (st)
        return st;
    if (!(st = cafi_onnx_build_graph(&g, file, 0, 0, err)))
        cafi_graph_free(g.graph);
    cafi_onnx_close(file);
    return st;
}

static void expect(onnx_writer *w, int opset, caface_status want, const char *a, const char *b)
{
    caface_error err = {CAFACE_OK, ""};

    onnx_finish(w, opset);
    assert_false(w->file.failed);
    EXPECT_FAIL(import(w->file.data, w->file.size, &err), want, err, a, b);
    onnx_free(w);
}

/* Convolution, batch norm by Mul and Add, a shape computation, Gemm. */
static void small_model(onnx_writer *w)
{
    static const float weight[4 * 3 * 3 * 3] = {0.5f, -0.25f};
    static const float four[4] = {1, 2, 3, 4};
    static const float fc[4 * 2] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int64_t zero = 0;
    static const int64_t rest = -1;

    onnx_input(w, "x", 4, picture);
    onnx_floats(w, "w", 4, (int64_t[]){4, 3, 3, 3}, weight);
    onnx_floats(w, "b", 1, (int64_t[]){4}, four);
    onnx_floats(w, "s", 3, (int64_t[]){4, 1, 1}, four);
    onnx_floats(w, "fc", 2, (int64_t[]){4, 2}, fc);
    onnx_ints(w, "zero", 1, &zero);
    onnx_ints(w, "rest", 1, &rest);
    onnx_begin(w, "Conv", "x,w,b", "c");
    onnx_attr_ints(w, "pads", 4, (int64_t[]){1, 1, 1, 1});
    onnx_attr_ints(w, "strides", 2, (int64_t[]){2, 2});
    onnx_end(w);
    onnx_node(w, "Mul", "c,s", "m");
    onnx_node(w, "GlobalAveragePool", "m", "g");
    onnx_node(w, "Shape", "g", "shape");
    onnx_node(w, "Gather", "shape,zero", "n");
    onnx_begin(w, "Concat", "n,rest", "target");
    onnx_attr_int(w, "axis", 0);
    onnx_end(w);
    onnx_node(w, "Reshape", "g,target", "flat");
    onnx_node(w, "Gemm", "flat,fc", "y");
    onnx_output(w, "y");
}

static void every_cut_is_refused(void **state)
{
    onnx_writer w = {0};
    caface_error err = {CAFACE_OK, ""};

    (void)state;
    small_model(&w);
    onnx_finish(&w, 13);
    EXPECT_OK(import(w.file.data, w.file.size, &err), err);
    for (size_t n = 0; n < w.file.size; n++) {
        unsigned char *cut = malloc(n ? n : 1); /* so that a byte too far is seen */

        assert_non_null(cut);
        memcpy(cut, w.file.data, n);
        assert_int_not_equal(import(cut, n, &err), CAFACE_OK);
        assert_true(strlen(err.message) > 10);
        free(cut);
    }
    onnx_free(&w);
}

/* What a failed download leaves is called by its name, not by what protobuf makes of it. */
static void what_is_no_model_is_named(void **state)
{
    static const struct {
        const char *bytes, *says;
    } all[] = {{"<!DOCTYPE html><html></html>", "a web page of 28 bytes"},
               {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
               {"Not Found", "9 bytes of text, not the file itself"},
               {"", "the file is empty"}};
    caface_error err = {CAFACE_OK, ""};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        EXPECT_FAIL(import(all[i].bytes, strlen(all[i].bytes), &err), CAFACE_EFORMAT, err,
                    all[i].says);
}

static void every_flipped_byte_ends_well(void **state)
{
    onnx_writer w = {0};
    caface_error err = {CAFACE_OK, ""};
    test_rng rng = {.state = test_seed()};

    (void)state;
    small_model(&w);
    onnx_finish(&w, 13);
    for (size_t i = 0; i < w.file.size; i++)
        for (int k = 0; k < 6; k++) {
            unsigned char *copy = malloc(w.file.size);

            assert_non_null(copy);
            memcpy(copy, w.file.data, w.file.size);
            copy[i] = k == 0 ? 0xff : k == 1 ? 0 : (unsigned char)test_next(&rng);
            (void)import(copy, w.file.size, &err); /* any answer, no crash */
            free(copy);
        }
    onnx_free(&w);
}

static void wiring_is_checked(void **state)
{
    onnx_writer w = {0};

    (void)state;
    onnx_input(&w, "x", 4, picture); /* a cycle */
    onnx_node(&w, "Add", "x,b", "a");
    onnx_node(&w, "Relu", "a", "b");
    onnx_output(&w, "b");
    expect(&w, 13, CAFACE_EMODEL, "n_a", "made by no node before it");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "nowhere", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EMODEL, "nowhere", "n_y");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "x", "y");
    onnx_node(&w, "Relu", "x", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EFORMAT, "y is made twice", "");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "x", "y");
    onnx_output(&w, "z");
    expect(&w, 13, CAFACE_EMODEL, "output z", "");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_input(&w, "x2", 4, picture);
    onnx_node(&w, "Add", "x,x2", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EUNSUPPORTED, "two inputs", "x2");
}

static void operators_are_named(void **state)
{
    onnx_writer w = {0};

    (void)state;
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Einsum", "x", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EUNSUPPORTED, "Einsum", "n_y");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "x", "y");
    onnx_node(&w, "Einsum", "x", "unused"); /* a dead node is no reason to refuse */
    onnx_output(&w, "y");
    onnx_finish(&w, 13);
    {
        caface_error err;

        EXPECT_OK(import(w.file.data, w.file.size, &err), err);
    }
    onnx_free(&w);

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "x", "y");
    onnx_output(&w, "y");
    expect(&w, 8, CAFACE_EUNSUPPORTED, "opset 8", "opset_version=17");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_node(&w, "Relu", "x", "y");
    onnx_output(&w, "y");
    expect(&w, 24, CAFACE_EUNSUPPORTED, "opset 24", "");
}

/* Quantised networks are named as such, whether they take floats or bytes. */
static void quantised_networks_are_named(void **state)
{
    static const char *const ops[] = {"QuantizeLinear", "QLinearConv", "ConvInteger",
                                      "DynamicQuantizeLinear", "MatMulInteger"};

    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int type = 1; type <= 3; type++) { /* FLOAT, UINT8, INT8 */
            onnx_writer w = {0};

            onnx_typed_input(&w, "x", type, 4, picture);
            onnx_node(&w, ops[i], "x", "y");
            onnx_output(&w, "y");
            expect(&w, 13, CAFACE_EUNSUPPORTED, ops[i], "quantised networks are not read");
        }
    {
        onnx_writer w = {0};

        onnx_typed_input(&w, "x", 2, 4, picture);
        onnx_node(&w, "Relu", "x", "y");
        onnx_output(&w, "y");
        expect(&w, 13, CAFACE_EUNSUPPORTED, "UINT8", "not FLOAT");
    }
}

static void numbers_are_checked(void **state)
{
    static const float few[3] = {1, 2, 3};
    onnx_writer w = {0};

    (void)state;
    onnx_input(&w, "x", 4, picture); /* a tensor larger than its bytes */
    onnx_tensor(&w, "t", 1, 2, (int64_t[]){1 << 20, 1 << 20}, few, sizeof few);
    onnx_node(&w, "Add", "x,t", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EFORMAT, "tensor t has 12 bytes", "");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture); /* a product that wraps */
    onnx_tensor(&w, "t", 1, 3, (int64_t[]){1ll << 40, 1ll << 40, 3}, few, sizeof few);
    onnx_node(&w, "Add", "x,t", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_ELIMIT, "tensor t", "too large");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, (int64_t[]){1, 3, 2000000000, 2000000000});
    onnx_node(&w, "Relu", "x", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_ELIMIT, "2000000000", "limit");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture); /* a constant of 2^60 elements out of nothing */
    onnx_ints(&w, "shape", 2, (int64_t[]){1 << 30, 1 << 30});
    onnx_node(&w, "ConstantOfShape", "shape", "big");
    onnx_node(&w, "Add", "x,big", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_ELIMIT, "ConstantOfShape", "too large");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture); /* padding without end */
    onnx_ints(&w, "pads", 8, (int64_t[]){0, 0, INT64_MAX, INT64_MAX, 0, 0, 1, 1});
    onnx_node(&w, "Pad", "x,pads", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EUNSUPPORTED, "Pad node n_y", "");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_ints(&w, "target", 2, (int64_t[]){7, -1});
    onnx_node(&w, "Reshape", "x,target", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EMODEL, "Reshape node n_y", "192 elements in rows of 7");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_floats(&w, "k", 4, (int64_t[]){1, 3, 1, 1}, few);
    onnx_begin(&w, "Conv", "x,k", "y");
    onnx_attr_ints(&w, "strides", 2, (int64_t[]){0, 1});
    onnx_end(&w);
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EMODEL, "Conv node n_y", "strides 0");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture); /* a list that is floats first, then integers */
    onnx_begin(&w, "Flatten", "x", "y");
    {
        static const char mixed[] = "\x0a\x01z\x3a\x04\0\0\0\0\x40\x01";

        pb_bytes(&w.node, 5, mixed, sizeof mixed - 1);
    }
    onnx_end(&w);
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EFORMAT, "attribute z", "two types");

    w = (onnx_writer){0};
    onnx_input(&w, "x", 4, picture);
    onnx_begin(&w, "Softmax", "x", "y");
    onnx_attr_int(&w, "axis", 7);
    onnx_end(&w);
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_EMODEL, "Softmax node n_y", "axis 7");
}

/* An initializer `t` [2] whose data lies at `place`. */
static void external(onnx_writer *w, const char *place)
{
    static const char *const keys[3] = {"location", "offset", "length"};
    const char *const values[3] = {place, "4", "8"};
    cafi_buf t = {0};

    pb_int(&t, 1, 2);
    pb_int(&t, 2, 1);
    pb_text(&t, 8, "t");
    for (int i = 0; i < 3; i++) {
        cafi_buf entry = {0};

        pb_text(&entry, 1, keys[i]);
        pb_text(&entry, 2, values[i]);
        pb_bytes(&t, 13, entry.data, entry.size);
        cafi_buf_free(&entry);
    }
    pb_int(&t, 14, 1);
    onnx_input(w, "x", 4, (int64_t[]){1, 3, 8, 2});
    pb_bytes(&w->graph, 5, t.data, t.size);
    cafi_buf_free(&t);
    onnx_node(w, "Add", "x,t", "y");
    onnx_output(w, "y");
}

static void external_data_stays_in_its_folder(void **state)
{
    static const float data[3] = {7, 8, 9};
    unsigned char bytes[sizeof data];
    static const char *const out[] = {
        "../secret.bin", "/etc/passwd",    "a/../../secret.bin", "..", "",
        "a\\..\\b",      "./../secret.bin"};
    onnx_writer w = {0};
    caface_error err;
    cafi_onnx_file *file = NULL;
    float back[2] = {0};

    (void)state;
    cafi_put_numbers(bytes, data, 3, sizeof *data);
    test_write(test_temp("data.bin"), bytes, sizeof bytes);
    external(&w, "data.bin");
    onnx_finish(&w, 13);
    EXPECT_OK(cafi_onnx_parse(&file, test_temp("m.onnx"), w.file.data, w.file.size, &err), err);
    cafi_tensor_read_f32(file->initializers[0], 0, 2, back);
    assert_true(back[0] == 8 && back[1] == 9);
    cafi_onnx_close(file);
    onnx_free(&w);
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        w = (onnx_writer){0};
        external(&w, out[i]);
        expect(&w, 13, CAFACE_EFORMAT, "not a path inside", "");
    }
    assert_int_equal(symlink("/etc/passwd", test_temp("link.bin")), 0);
    w = (onnx_writer){0};
    external(&w, "link.bin");
    expect(&w, 13, CAFACE_EFORMAT, "leads out of", "link.bin");
    w = (onnx_writer){0};
    external(&w, "missing.bin");
    expect(&w, 13, CAFACE_EIO, "missing.bin", "No such file");
    assert_int_equal(mkfifo(test_temp("pipe.bin"), 0600), 0);
    w = (onnx_writer){0};
    external(&w, "pipe.bin");
    expect(&w, 13, CAFACE_EIO, "pipe.bin", "is not a regular file");
    test_write(test_temp("data.bin"), data, 8);
    w = (onnx_writer){0};
    external(&w, "data.bin");
    expect(&w, 13, CAFACE_EFORMAT, "data.bin", "which has 8");
}

/* Twenty-odd nodes, each twice as long as the one before: of a constant while it
 * is read, of a map when a plan is made. Neither memory is taken. */
static void doubling_is_bounded(void **state)
{
    static const int64_t wide[4] = {1, 3, 64, 64};
    static const float one[1024] = {1.0f};
    onnx_writer w = {0};
    caface_error err = {CAFACE_OK, ""};
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    cafi_plan_options options = {.threads = 1};
    cafi_plan *plan = NULL;
    size_t before = test_peak();

    (void)state;
    onnx_input(&w, "x", 4, picture);
    onnx_floats(&w, "c0", 1, (int64_t[]){1024}, one);
    for (int i = 0; i < 17; i++) {
        char from[32], to[16];

        snprintf(from, sizeof from, "c%d,c%d", i, i);
        snprintf(to, sizeof to, "c%d", i + 1);
        onnx_begin(&w, "Concat", from, to);
        onnx_attr_int(&w, "axis", 0);
        onnx_end(&w);
    }
    onnx_node(&w, "Add", "x,c17", "y");
    onnx_output(&w, "y");
    expect(&w, 13, CAFACE_ELIMIT, "bytes of memory", "a file of");

    w = (onnx_writer){0};
    onnx_input(&w, "c0", 4, wide);
    for (int i = 0; i < 14; i++) {
        char from[32], to[16];

        snprintf(from, sizeof from, "c%d,c%d", i, i);
        snprintf(to, sizeof to, "c%d", i + 1);
        onnx_begin(&w, "Concat", from, to);
        onnx_attr_int(&w, "axis", 1);
        onnx_end(&w);
    }
    for (int i = 0; i < 3; i++) { /* all of them live until the sums */
        onnx_begin(&w, "MaxPool", "c14", (const char *const[]){"p", "q", "r"}[i]);
        onnx_attr_ints(&w, "kernel_shape", 2, (int64_t[]){2 * i + 3, 2 * i + 3});
        onnx_attr_ints(&w, "pads", 4, (int64_t[]){i + 1, i + 1, i + 1, i + 1});
        onnx_end(&w);
    }
    onnx_node(&w, "Mul", "p,q", "s");
    onnx_node(&w, "Mul", "s,r", "y");
    onnx_output(&w, "y");
    onnx_finish(&w, 13);
    EXPECT_OK(cafi_onnx_parse(&file, test_temp("m.onnx"), w.file.data, w.file.size, &err), err);
    EXPECT_OK(cafi_onnx_build_graph(&g, file, 0, 0, &err), err);
    EXPECT_OK(cafi_graph_output(g.graph, g.outputs[0], &err), err);
    EXPECT_FAIL(cafi_plan_new(&plan, g.graph, &options, &err), CAFACE_ELIMIT, err, "a row",
                "2147483648");
    cafi_graph_free(g.graph);
    cafi_onnx_close(file);
    onnx_free(&w);
    assert_true(test_peak() - before < (size_t)200 << 20);
}

/* A converted file's graph is as little to be trusted. */
static void converted_graphs_are_checked(void **state)
{
    static const char *const graphs[] = {
        "{}",
        "{\"version\":2}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[],\"feature\":0,\"taps\":[],\"input\":{}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[],\"feature\":0,\"taps\":[],\"input\":"
        "{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],\"scale\":[1,1,1]}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[{\"op\":\"relu\"}],\"feature\":0,\"taps\":[],"
        "\"input\":{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],\"scale\":[1,1,1]}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[{\"op\":\"clip\",\"inputs\":[0]}],"
        "\"feature\":0,\"taps\":[],\"input\":{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],"
        "\"scale\":[1,1,1]}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[{\"op\":\"constant\",\"tensor\":\"no\"}],"
        "\"feature\":0,\"taps\":[],\"input\":{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],"
        "\"scale\":[1,1,1]}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[{\"op\":\"input\",\"shape\":[-1,3,8,8]},"
        "{\"op\":\"transpose\",\"inputs\":[0],\"perm\":[0,9,9,1000000]}],\"feature\":1,"
        "\"taps\":[],\"input\":{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],"
        "\"scale\":[1,1,1]}}",
        "{\"version\":1,\"family\":\"x\",\"nodes\":[{\"op\":\"input\",\"shape\":[-1,3,8,8]},"
        "{\"op\":\"reshape\",\"inputs\":[0],\"shape\":[-1,192]}],\"feature\":1,"
        "\"taps\":[99],\"input\":{\"size\":[8,8],\"order\":\"rgb\",\"mean\":[0,0,0],"
        "\"scale\":[1,1,1]}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        const char *path = test_temp("g%zu.safetensors", i);
        cafi_buf text = {0};
        cafi_buf header = {0};
        cafi_json json = {.out = &header};
        cafi_network net;
        caface_error err = {CAFACE_OK, ""};
        uint64_t n = 0;

        cafi_json_begin_object(&json, NULL);
        cafi_json_begin_object(&json, "__metadata__");
        cafi_json_string(&json, "caface.graph", graphs[i]);
        cafi_json_end_object(&json);
        cafi_json_end_object(&json);
        n = header.size;
        cafi_buf_append(&text, &n, sizeof n);
        cafi_buf_append(&text, header.data, header.size);
        test_write(path, text.data, text.size);
        EXPECT_FAIL(cafi_network_open(&net, path, &err), CAFACE_EMODEL, err, path);
        cafi_buf_free(&text);
        cafi_buf_free(&header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(what_is_no_model_is_named),
        cmocka_unit_test(every_flipped_byte_ends_well),
        cmocka_unit_test(wiring_is_checked),
        cmocka_unit_test(operators_are_named),
        cmocka_unit_test(quantised_networks_are_named),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(external_data_stays_in_its_folder),
        cmocka_unit_test(converted_graphs_are_checked),
        cmocka_unit_test(doubling_is_bounded),
    };
    return cmocka_run_group_tests_name("hostile_onnx", tests, NULL, NULL);
}
