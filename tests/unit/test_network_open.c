/* How a file is recognised as a backbone: what stands in front of its tensors'
 * names, what lies beside them, and what is expected of the picture. */
#include "check.h"
#include "formula.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "graph/reference.h"
#include "models/side_file.h"
#include "models/state_dict.h"

#define N(array) (sizeof(array) / sizeof *(array))

static const cafi_tensor **joined;
static size_t joined_count;

/* The tensors of a and b (which may be NULL) in one list. */
static void join(const formula_dict *a, const formula_dict *b)
{
    free((void *)joined);
    joined_count = a->count + (b ? b->count : 0);
    joined = malloc((joined_count + 8) * sizeof *joined);
    assert_non_null(joined);
    memcpy((void *)joined, a->pointers, a->count * sizeof *joined);
    if (b)
        memcpy((void *)(joined + a->count), b->pointers, b->count * sizeof *joined);
}

static void join_more(const formula_dict *c)
{
    joined = realloc((void *)joined, (joined_count + c->count + 8) * sizeof *joined);
    assert_non_null(joined);
    memcpy((void *)(joined + joined_count), c->pointers, c->count * sizeof *joined);
    joined_count += c->count;
}

static void add(const cafi_tensor *t)
{
    joined[joined_count++] = t;
}

static void read_ir(formula_dict *dict, const char *prefix, uint64_t salt)
{
    formula_read(dict, test_fixture("backbone/ir_18/state_dict_keys.txt"), prefix, salt);
}

static void read_iresnet(formula_dict *dict, const char *prefix)
{
    formula_read(dict, test_fixture("backbone/iresnet18/state_dict_keys.txt"), prefix, 0);
}

/* Opens what was joined; hash [17] is that of the network. */
static void open_joined(const char *key, char *hash, const char *family)
{
    caface_error err = {0};
    cafi_network net = {0};

    EXPECT_OK(cafi_state_dict_network_at(&net, joined, joined_count, key, &err), err);
    assert_string_equal(net.family, family);
    memcpy(hash, net.hash, sizeof net.hash);
    cafi_network_clear(&net);
}

static void refuse_joined(const char *key, const char *part)
{
    caface_error err = {0};
    cafi_network net = {0};

    EXPECT_FAIL(cafi_state_dict_network_at(&net, joined, joined_count, key, &err), CAFACE_EMODEL,
                err, part);
    assert_null(net.graph);
}

/* One hash under whatever name, for both layouts. */
static void test_any_prefix(void **state)
{
    static const char *const prefixes[] = {
        "",       "model.",           "module.",          "module.backbone.encoder.",
        "net.",   "model.net.",       "_orig_mod.model.", "state_dict_backbone.",
        "params", "student.whatever."};
    char first[2][17] = {"", ""};
    char hash[17];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        formula_dict dict;
        char prefix[64];

        snprintf(prefix, sizeof prefix, "%s%s", prefixes[i],
                 strcmp(prefixes[i], "params") == 0 ? ".0." : "");
        read_ir(&dict, prefix, 0);
        join(&dict, NULL);
        open_joined(NULL, i ? hash : first[0], "ir_18");
        if (i)
            assert_string_equal(hash, first[0]);
        formula_free(&dict);
        read_iresnet(&dict, prefix);
        join(&dict, NULL);
        open_joined(NULL, i ? hash : first[1], "iresnet18");
        if (i)
            assert_string_equal(hash, first[1]);
        formula_free(&dict);
    }
}

/* One hash whatever type holds the same numbers, in whatever order they lie. */
static void test_any_type(void **state)
{
    formula_dict dict;
    char as_float[17], hash[17];
    double *doubles[1024];
    cafi_tensor *wide = NULL;

    (void)state;
    read_ir(&dict, "", 0);
    join(&dict, NULL);
    open_joined(NULL, as_float, "ir_18");
    assert_true(joined_count <= 1024);
    wide = calloc(joined_count, sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < joined_count; i++) {
        const cafi_tensor *t = joined[i];
        size_t n = cafi_tensor_count(t);
        float *values = calloc(n ? n : 1, sizeof *values);

        doubles[i] = calloc(2 * n + 1, sizeof **doubles);
        assert_non_null(values);
        assert_non_null(doubles[i]);
        wide[i] = *t;
        if (t->dtype == CAFI_F32) {
            cafi_tensor_read_f32(t, 0, n, values);
            for (size_t k = 0; k < n; k++) /* each second one is nobody's */
                doubles[i][2 * k] = (double)values[k];
            wide[i].data = (const unsigned char *)doubles[i];
            wide[i].dtype = CAFI_F64;
            for (int d = 0; d < t->ndim; d++)
                wide[i].stride[d] *= 2;
        }
        joined[i] = &wide[i];
        free(values);
    }
    open_joined(NULL, hash, "ir_18");
    assert_string_equal(hash, as_float);
    for (size_t i = 0; i < joined_count; i++)
        free(doubles[i]);
    free(wide);
    formula_free(&dict);
}

/* A name beside the network does no harm; one among its own does. */
static void test_beside(void **state)
{
    static const char *const beside[] = {"model.ema_decay", "model.head.kernel", "step",
                                         "aggregator.x.weight", "model.centers"};
    static const char *const among[] = {"model.body.8.res_layer.0.weight",
                                        "model.output_layer.5.weight",
                                        "model.body.0.res_layer.6.weight"};
    float value[4] = {0.999f, 0, 0, 0};
    cafi_tensor t = {.data = (const unsigned char *)value,
                     .dtype = CAFI_F32,
                     .ndim = 1,
                     .shape = {4},
                     .stride = {1}};
    char alone[17];
    char hash[17];
    formula_dict dict;

    (void)state;
    read_ir(&dict, "model.", 0);
    join(&dict, NULL);
    open_joined(NULL, alone, "ir_18");
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        join(&dict, NULL);
        t.name = beside[i];
        add(&t);
        open_joined(NULL, hash, "ir_18");
        assert_string_equal(hash, alone);
    }
    for (size_t i = 0; i < sizeof among / sizeof *among; i++) {
        join(&dict, NULL);
        t.name = among[i];
        add(&t);
        refuse_joined(NULL, i ? among[i] : "unknown number of blocks");
    }
    formula_free(&dict);
}

/* Of two networks with other weights the user chooses; a copy is no second one. */
static void test_two(void **state)
{
    formula_dict a;
    formula_dict b;
    formula_dict copy;
    formula_dict third;
    char one[17];
    char two[17];

    (void)state;
    read_ir(&a, "student.", 1);
    read_ir(&b, "ema.module.", 2);
    read_ir(&copy, "teacher.", 1);
    join(&a, &b);
    refuse_joined(NULL, "--weights-key");
    refuse_joined(NULL, "student.");
    refuse_joined(NULL, "ema.module.");
    refuse_joined("e", "no backbone under that name");
    open_joined("student", one, "ir_18");
    open_joined("ema", two, "ir_18");
    assert_string_not_equal(one, two);
    open_joined("ema.module.", one, "ir_18");
    assert_string_equal(one, two);
    join(&a, &copy);
    open_joined(NULL, one, "ir_18");
    open_joined("teacher", two, "ir_18");
    assert_string_equal(one, two);
    /* all of them are named, and copies of one count once */
    read_ir(&third, "swa.", 3);
    join(&a, &copy);
    join_more(&b);
    join_more(&third);
    refuse_joined(NULL, "3 backbones");
    refuse_joined(NULL, "\"student.\" (ir_18), \"ema.module.\" (ir_18), \"swa.\" (ir_18);");
    formula_free(&third);
    formula_free(&a);
    formula_free(&b);
    formula_free(&copy);
}

/* What does not fit is told by the nearest family and the first difference. */
static void test_nearest(void **state)
{
    formula_dict dict;

    (void)state;
    read_iresnet(&dict, "net.");
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.layer2.0.conv2.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "iresnet18: tensor net.layer2.0.conv2.weight is missing");
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.layer1.0.conv1.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "nearest is iresnet");
    /* a shape: family, tensor, both shapes */
    join(&dict, NULL);
    formula_find(&dict, "net.layer2.0.conv1.weight")->shape[0] = 64;
    refuse_joined(NULL, "iresnet18: tensor net.layer2.0.conv1.weight: file has [64,64,3,3], "
                        "model needs [128,64,3,3]");
    formula_find(&dict, "net.layer2.0.conv1.weight")->shape[0] = 128;
    /* of the two names that tell a family the one that is not there is named */
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.prelu.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "prelu.weight");
    joined_count = 0;
    refuse_joined(NULL, "known are");
    formula_free(&dict);
}

/* MagFace's wrapper is known by its names: x / 255, blue first. */
static void test_magface(void **state)
{
    static const char *const prefixes[] = {"features.module.", "module.features.", "net.features."};
    formula_dict dict;
    caface_error err = {0};

    (void)state;
    for (size_t i = 0; i < N(prefixes); i++) {
        cafi_network net = {0};
        bool its = i < 2;

        read_iresnet(&dict, prefixes[i]);
        EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
        assert_int_equal(net.input.bgr, its);
        assert_float_equal(net.input.mean[1], its ? 0 : 127.5f, 0);
        assert_float_equal(net.input.scale[1], its ? 1 / 255.0f : 1 / 127.5f, 0);
        cafi_network_clear(&net);
        formula_free(&dict);
    }
}

/* The older IR block lacks the BatchNorm behind its first convolution: with one
 * that changes nothing the two families are the same network. */
static void test_older_blocks(void **state)
{
    enum { PIXELS = 3 * 112 * 112, C = 512 };
    static float x[PIXELS];
    static float features[2][C];
    const float *in[] = {x};
    formula_dict dict;
    caface_error err = {0};
    test_rng rng = {3};
    static char names[512][96];

    (void)state;
    for (size_t i = 0; i < PIXELS; i++)
        x[i] = (float)(test_next(&rng) % 256) / 127.5f - 1;
    read_ir(&dict, "model.", 0);
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++) { /* the BatchNorm that is left out */
        float *values = (float *)(uintptr_t)joined[i]->data;
        const char *part = strstr(joined[i]->name, ".res_layer.2.");
        size_t n = cafi_tensor_count(joined[i]);

        for (size_t k = 0; part && k < n; k++)
            values[k] = strstr(part, "weight") ? 1 : strstr(part, "var") ? 1 - 1e-5f : 0;
    }
    for (int round = 0; round < 2; round++) {
        cafi_network net = {0};
        float *out[] = {features[round]};
        size_t kept = 0;

        EXPECT_OK(cafi_state_dict_network(&net, joined, joined_count, &err), err);
        assert_string_equal(net.family, round ? "evolve_ir_18" : "ir_18");
        assert_int_equal(net.input.bgr, !round);
        EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
        EXPECT_OK(cafi_reference_run(net.graph, 1, in, out, &err), err);
        cafi_network_clear(&net);
        for (size_t i = 0; !round && i < joined_count; i++) {
            cafi_tensor *t = (cafi_tensor *)(uintptr_t)joined[i];
            char *part = NULL;

            if (strstr(t->name, ".res_layer.2."))
                continue;
            assert_true(kept < N(names));
            snprintf(names[kept], sizeof names[0], "%s", t->name);
            if ((part = strstr(names[kept], ".res_layer.")) && part[11] > '2')
                part[11]--; /* what stood behind moves up */
            t->name = names[kept];
            joined[kept++] = t;
        }
        joined_count = round ? joined_count : kept;
    }
    for (size_t i = 0; i < C; i++)
        assert_float_equal(features[0][i], features[1][i],
                           1e-4 * (1 + fabs((double)features[0][i])));
    formula_free(&dict);
}

/* ---- the file beside the weights ------------------------------------------ */

static void write_side(const char *name, const char *text)
{
    FILE *f = fopen(test_temp("%s", name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static caface_status side(cafi_network *net, caface_error *err)
{
    *net = (cafi_network){.input = {.height = 112, .width = 112, .bgr = true}};
    for (int c = 0; c < 3; c++) {
        net->input.mean[c] = 127.5f;
        net->input.scale[c] = 1 / 127.5f;
    }
    return cafi_side_file_apply(net, test_temp("model.pt"), err);
}

static void test_side_file(void **state)
{
    caface_error err = {0};
    cafi_network net;

    (void)state;
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr); /* nothing there */
    write_side("config.json", "{\"hidden\": 3}");
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr); /* somebody else's */
    write_side("config.json",
               "{\"conf\": {\"color_space\": \"RGB\", \"input_size\": [3, 112, 112]}}");
    EXPECT_OK(side(&net, &err), err);
    assert_false(net.input.bgr);
    assert_float_equal(net.input.mean[0], 127.5f, 0);
    assert_string_equal(net.input_from, "order from config.json");
    remove(test_temp("config.json"));
    write_side("model.yaml", "input_size: [3, 112, 112]\ncolor_space: 'BGR' # blue first\n"
                             "mean: [0.5, 0.25, 0]\nstd:\n  - 0.5\n  - 1\n  - 0.25\n");
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr);
    assert_float_equal(net.input.mean[1], 63.75f, 1e-4);
    assert_float_equal(net.input.scale[2], 4 / 255.0f, 1e-8);
    /* brackets over several lines */
    write_side("model.yaml", "color_space: RGB\r\nmean: [\r\n  0.5, # red\r\n  0.25,\r\n 0\r\n]\r\n"
                             "std: [0.5,\r\n  1, 0.25]\r\nname: x\r\n");
    EXPECT_OK(side(&net, &err), err);
    assert_false(net.input.bgr);
    assert_float_equal(net.input.mean[1], 63.75f, 1e-4);
    assert_float_equal(net.input.scale[2], 4 / 255.0f, 1e-8);
    write_side("model.yaml", "color_space: RGB\nmean: [0.5, 0.5,\n 0.5\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    write_side("model.yaml", "color_space: GRAY\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "GRAY");
    write_side("model.yaml", "color_space: RGB\ninput_size: [3, 160, 160]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "160x160");
    write_side("model.yaml", "color_space: RGB\nmean: [0.5, 0.5]\nstd: [1, 1, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    write_side("model.yaml", "color_space: RGB\nmean: [0, 0, 0]\nstd: [1, 0, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "above 0");
    write_side("model.yaml", "color_space: RGB\nmean: [0, x, 0]\nstd: [1, 1, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    remove(test_temp("model.yaml"));
}

/* Legal spellings of one and the same: order BGR, values less 1/2, over 1/4. */
static void test_side_spellings(void **state)
{
    static const char *const texts[] = {
        "{color_space: BGR, mean: [.5, .5, .5], std: [0.25,0.25,0.25]}",
        "\"color_space\" : \"BGR\"\n'mean': 0.5\nstd: 25e-2\n",
        "\xef\xbb\xbf---\ncolor_space : !!str BGR\nmean: &half [!!float '0.5', 0.5, 0.5] # "
        "x\nstd:\n"
        "- .25\n- .25\n\n# and\n- .25\n...\n",
        "model:\n  - {mean: [0, 0, 0]}\n  - color_space: bgr\n    mean: [\n0.5,\n0.5,0.5]\n    "
        "std: .25\n"
        "other:\n  mean: [7]\n",
        "color_space: BGR\rmean: 127.5\rstd: [63.75, 63.75, 63.75]\r", /* of bytes */
        "note: |\n  color_space is below\ncolor_space: BGR\nmean: .5\nstd: .25",
        "{\"mean\":[0.5,0.5,0.5],\"std\":[0.25,0.25,0.25],\n\"color_space\":\"BGR\"}",
    };
    caface_error err = {0};
    cafi_network net;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_side("model.yaml", texts[i]);
        EXPECT_OK(side(&net, &err), err);
        if (!strstr(net.input_from, "order and scale from model.yaml"))
            fail_msg("%s: %s", texts[i], net.input_from);
        assert_true(net.input.bgr);
        for (int c = 0; c < 3; c++) {
            assert_float_equal(net.input.mean[c], 127.5f, 0);
            assert_float_equal(net.input.scale[c], 4 / 255.0f, 1e-8);
        }
    }
    remove(test_temp("model.yaml"));
}

/* What cannot be read of a color_space that is there is refused, and two that differ. */
static void test_side_doubt(void **state)
{
    static const char *const texts[][2] = {
        {"color_space:RGB\n", "not as"},
        {"? color_space\n: RGB\n", "not as"},
        {"o: &o RGB\ncolor_space: *o\n", "not read"},
        {"color_space: >-\n  RGB\n", "not read"},
        {"color_space:\n  RGB\n", "not read"},
        {"color_space: [RGB]\n", "not read"},
        {"color_space:", "not read"},
        {"teacher:\n  color_space: RGB\nstudent:\n  color_space: BGR\n", "both RGB and BGR"},
        {"color_space: RGB\nmean: .5\nstd: 255\n", "for bytes"},
        {"color_space: RGB\nmean: .5\n", "three numbers"},
        {"color_space: RGB\nmean: 1/2\nstd: .5\n", "three numbers"},
    };
    caface_error err = {0};
    cafi_network net;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_side("model.yaml", texts[i][0]);
        EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, texts[i][1]);
    }
    write_side("config.json", "{\"a\": [{\"color_space\": \"BGR\", \"mean\": 0, \"std\": 1}]}");
    write_side("model.yaml", "color_space: RGB\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "config.json beside it says BGR");
    write_side("model.yaml", "color_space: BGR\n"); /* agrees, and names no scale */
    EXPECT_OK(side(&net, &err), err);
    assert_float_equal(net.input.scale[1], 1 / 255.0f, 0);
    assert_string_equal(net.input_from, "model.yaml and config.json beside it");
    write_side("model.yaml", "# color_space: RGB\ncolor_spa");
    EXPECT_OK(side(&net, &err), err);
    assert_string_equal(net.input_from, "order and scale from config.json");
    remove(test_temp("config.json"));
    EXPECT_OK(side(&net, &err), err);
    assert_string_equal(net.input_from, "; model.yaml beside it names no color_space");
    write_side("config.json", "{\"color_space\": [\"RGB\"]}");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "not read");
    write_side("config.json", "{\"conf\": {\"color_space\": \"RG");
    EXPECT_FAIL(side(&net, &err), CAFACE_EFORMAT, err, "config.json");
    remove(test_temp("config.json"));
    remove(test_temp("model.yaml"));
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)joined);
    return 0;
}

/* ---- the styles of a checkpoint's fusion ----------------------------------- */

/* style_index beside the tensors chooses the taps; a list that is none, or with stages that the
 * network has not, leaves the family's. */
static void test_style_index(void **state)
{
    static const struct {
        const char *config, *tap;
        size_t count;
    } all[] = {{"{\"style_index\": [5, 2, 1]}", "layer1.1", 3},
               {"{\"style_index\": \"4\"}", "layer2.1:spatial", 1},
               {"{\"style_index\": [0, 3]}", "layer2.1", 2},
               {"{\"style_index\": \"3,3\"}", "layer2.1", 2},
               {"{\"style_index\": {}}", "layer2.1", 2}};
    formula_dict dict;
    char path[512], name[CAFI_TAP_NAME];

    (void)state;
    read_iresnet(&dict, "model.");
    snprintf(path, sizeof path, "%s", test_temp("styles.safetensors"));
    for (size_t i = 0; i < N(all); i++) {
        cafi_value config = {.kind = CAFI_NULL};
        caface_error err = {0};
        cafi_network net = {0};

        EXPECT_OK(cafi_json_parse(&config, all[i].config, strlen(all[i].config), &err), err);
        EXPECT_OK(cafi_safetensors_save(path, dict.pointers, dict.count, &config, &err), err);
        EXPECT_OK(cafi_network_open(&net, path, &err), err);
        assert_int_equal(net.tap_count, all[i].count);
        assert_string_equal(cafi_network_tap_name(&net, 0, name), all[i].tap);
        cafi_network_clear(&net);
        cafi_value_clear(&config);
    }
    formula_free(&dict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_prefix),     cmocka_unit_test(test_any_type),
        cmocka_unit_test(test_beside),         cmocka_unit_test(test_two),
        cmocka_unit_test(test_nearest),        cmocka_unit_test(test_magface),
        cmocka_unit_test(test_older_blocks),   cmocka_unit_test(test_side_file),
        cmocka_unit_test(test_side_spellings), cmocka_unit_test(test_side_doubt),
        cmocka_unit_test(test_style_index),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
