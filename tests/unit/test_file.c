/* caface/file.h: what a file is, in numbers, in words and as JSON. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/encoder.h"
#include "caface/file.h"
#include "caface/set.h"
#include "files/json.h"
#include "files/recordio.h"
#include "restore_model.h"

static caface_file *open_file(const char *path)
{
    caface_file *f = NULL;
    caface_error err;

    EXPECT_OK(caface_file_open(&f, path, &err), err);
    return f;
}

static void refuse(const char *path, caface_status want, const char *word)
{
    caface_file *f = (caface_file *)8;
    caface_error err;

    EXPECT_FAIL(caface_file_open(&f, path, &err), want, err, path, word);
    assert_null(f);
}

/* Numbers and bytes against those of the tensors, which have names that differ. */
static void check_totals(const caface_file *f)
{
    static const struct {
        const char *type;
        size_t size;
    } types[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1},
                 {"U64", 8}, {"U32", 4}, {"U16", 2}};
    uint64_t numbers = 0, bytes = 0;
    caface_tensor_info t, before;
    caface_file_info info;
    size_t n = 0;

    caface_file_get_info(f, &info);
    for (; caface_file_tensor(f, n, &t); n++) {
        uint64_t count = 1;
        size_t size = 0;

        for (size_t d = 0; d < t.dims; d++)
            count *= t.shape[d];
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            size = strcmp(types[i].type, t.type) == 0 ? types[i].size : size;
        assert_int_not_equal(size, 0);
        numbers += count;
        bytes += count * size;
        assert_non_null(strstr(caface_file_text(f), t.name));
    }
    memset(&before, 0x5a, sizeof before);
    t = before;
    assert_int_equal(caface_file_tensor(f, n, &t), 0);
    assert_memory_equal(&t, &before, sizeof t);
    assert_int_equal(n, info.tensors);
    assert_int_equal(numbers, info.numbers);
    assert_int_equal(bytes, info.bytes);
}

/* The JSON says the same; it is the caller's to clear. */
static cafi_value check_json(const caface_file *f)
{
    const char *text = caface_file_json(f);
    caface_file_info info;
    caface_error err;
    cafi_value json;
    int64_t n = -1;

    caface_file_get_info(f, &info);
    assert_null(strchr(text, '\n'));
    EXPECT_OK(cafi_json_parse(&json, text, strlen(text), &err), err);
    assert_string_equal(cafi_value_text(&json, "kind"), info.kind);
    assert_int_equal(cafi_value_get(&json, "tensors")->u.list.count, info.tensors);
    assert_true(cafi_value_int(&json, "numbers", &n));
    assert_int_equal(n, info.numbers);
    assert_true(cafi_value_int(&json, "bytes", &n));
    assert_int_equal(n, info.bytes);
    assert_int_equal(cafi_value_get(&json, "fusion") != NULL, info.has_fusion != 0);
    assert_int_equal(cafi_value_get(&json, "backbone") != NULL, info.backbone != NULL);
    assert_int_equal(cafi_value_get(&json, "not_read") != NULL, info.not_read != 0);
    return json;
}

static void test_kinds(void **state)
{
    static const struct {
        const char *file, *kind;
    } files[] = {{"zip.pt", "torch"},
                 {"legacy.pt", "torch"},
                 {"lightning_dict.ckpt", "lightning"},
                 {"torchscript.pt", "torchscript"},
                 {"small.safetensors", "safetensors"},
                 {"version1.npy", "npy"},
                 {"compressed.npz", "npz"}};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        caface_file *f = open_file(test_fixture("files/%s", files[i].file));
        caface_file_info info;
        caface_model_info model;
        cafi_value json = check_json(f);

        caface_file_get_info(f, &info);
        assert_string_equal(info.kind, files[i].kind);
        assert_int_not_equal(info.tensors, 0);
        assert_int_equal(info.has_fusion, 0);
        assert_null(info.fusion_error);
        assert_null(info.backbone);
        assert_null(info.backbone_hash);
        assert_null(info.backbone_input);
        assert_null(info.backbone_error);
        assert_int_equal(caface_file_fusion(f, &model), 0);
        check_totals(f);
        cafi_value_clear(&json);
        caface_file_close(f);
    }
}

/* What is no model is said in a sentence, which the JSON has, too. */
static void expect_other(const char *path, const char *kind, const char *says)
{
    caface_file *f = open_file(path);
    cafi_value json = check_json(f);
    caface_file_info info;

    caface_file_get_info(f, &info);
    assert_string_equal(info.kind, kind);
    assert_int_equal(info.tensors, 0);
    assert_null(info.backbone_error);
    if (!strstr(caface_file_text(f), says))
        fail_msg("not \"%s\": %s", says, caface_file_text(f));
    assert_non_null(strstr(cafi_value_text(&json, "about"), says));
    cafi_value_clear(&json);
    caface_file_close(f);
}

static void test_lists(void **state)
{
    static const struct {
        const char *text, *says;
    } lists[] = {
        {"1 2 1\n3 4 0\n", "a list of 2 lines: pairs of templates"},
        {"10\t300\nJoe\t1\t2\nJoe\t1\tAnn\t2\n", "3 lines: pairs of pictures, by person"},
        {"Joe_A 1 2\nJoe_A 1 Ann 3\n", "pairs of pictures, by person"},
        {"img/1.jpg 1 2\nimg/my 2.jpg 1 3 7\n", "pictures of templates"},
        {"TEMPLATE_ID,SUBJECT_ID,FILENAME\n1,2,a\n3,4,b\n", "templates and subjects"},
        {"a/1.jpg b/2.jpg 0\na/1.jpg b/3.jpg 1\n", "pairs of pictures with labels"},
        {"0,a b.jpg,c.jpg\n-1,a b.jpg,d.jpg\n", "pairs of pictures with labels"},
        {"a b.jpg c d.jpg 1\ne.jpg f.jpg 0\n", "pairs of pictures with labels"},
        {"name,imagenum1,imagenum2\nAnn Lee,1,4\nBo,1,2\n", "pairs of pictures, by person"},
        {"Ann Lee 1 4\nJ. Bo 1 2\nJ. Bo 1 Ann Lee 3\n", "pairs of pictures, by person"},
        {"Ann Lee_1.jpg 1\nAnn Lee_2.jpg 1\nBo_1.jpg 0\nAl_2.jpg 0\n", "two lines each"},
        {"my pics/1.jpg 7 8 9\n1 2 3.jpg 7 9 9\n4 5 8 9 9\n", "pictures of templates"},
        {"a 1 2 3 4 5 6 7 8 9 10 .5\n3 4 1 2 3 4 5 6 7 8 9 10 .5\n", "landmarks of pictures"},
        {"0\t0\n1\t40\n2\t1840\n", "where the records of a set lie"},
        {"Joe_1.jpg 1\nAnn_1.jpg 1\n", "in two lines each"},
        {"1.jpg 1 2 3 4 5 6 7 8 9 10 0.99\n", "a list of 1 line: landmarks"},
        {"1\tp/0.jpg\t0\n1\tp/1.jpg\t1\n", "list of a record set"},
        {"7\t3.000000\tp/a.jpg\n", "list of a record set"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        test_write(test_temp("list"), lists[i].text, strlen(lists[i].text));
        expect_other(test_temp("list"), "list", lists[i].says);
    }
    test_write(test_temp("list"), "some prose\nof three lines\nis no list\n", 37);
    refuse(test_temp("list"), CAFACE_EFORMAT, "bytes of text");
}

static void test_other_kinds(void **state)
{
    const float row[3] = {1, 2, 2};
    caface_set_options options;
    caface_set *set = NULL;
    cafi_record_writer *writer = NULL;
    caface_error err;
    char prefix[512], path[520];

    (void)state;
    expect_other(test_fixture("media/a.bmp"), "picture", "BMP, 7x5 pixels");
    expect_other(test_fixture("media/turned.webp"), "picture", "WebP, 5x7 pixels");
    expect_other(test_fixture("eval/pairs_4.bin"), "pair-set",
                 "2 pairs of pictures, 1 of one person");
    snprintf(prefix, sizeof prefix, "%s", test_temp("r"));
    snprintf(path, sizeof path, "%s.rec", prefix);
    EXPECT_OK(cafi_record_begin(&writer, prefix, &err), err);
    for (uint64_t key = 0; key < 3; key++)
        EXPECT_OK(cafi_record_append(writer, key, 1, "p", "\xff\xd8\xff\xe0 and so on", 15, &err),
                  err);
    EXPECT_OK(cafi_record_commit(writer, &err), err);
    expect_other(path, "record-set", "a record set (RecordIO) of 3 pictures");
    assert_int_equal(truncate(path, 100), 0);
    expect_other(path, "record-set", "damaged one");
    caface_set_options_init(&options);
    options.method = CAFACE_METHOD_AVERAGE;
    options.width = 3;
    EXPECT_OK(caface_set_new(&set, NULL, &options, &err), err);
    EXPECT_OK(caface_set_push(set, row, NULL, 1, &err), err);
    snprintf(path, sizeof path, "%s", test_temp("one.state"));
    EXPECT_OK(caface_set_save(set, path, &err), err);
    caface_set_free(set);
    expect_other(path, "saved-set", "a saved set of 1 face, average, 3 numbers a feature");
    assert_int_equal(truncate(path, 20), 0);
    refuse(path, CAFACE_EFORMAT, "damaged or cut off");
    expect_other(test_fixture("media"), "folder", "a folder of ");
    expect_other(test_fixture("onnx"), "folder", "a folder with a model: `caface info ");
}

static void test_fusion(void **state)
{
    const char *path = test_data("sample/model.safetensors");
    caface_file *f = open_file(path);
    cafi_value json = check_json(f);
    caface_model *model = NULL;
    caface_model_info got, want;
    caface_file_info info;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_model_open(&model, path, &err), err);
    caface_model_get_info(model, &want);
    caface_file_get_info(f, &info);
    assert_true(info.has_fusion);
    assert_null(info.fusion_error);
    assert_int_equal(caface_file_fusion(f, &got), 1);
    assert_string_equal(got.hash, want.hash);
    assert_int_equal(got.C, want.C);
    assert_int_equal(got.M, want.M);
    assert_int_equal(got.method, CAFACE_METHOD_CAFACE);
    assert_string_equal(cafi_value_text(cafi_value_get(&json, "fusion"), "hash"), want.hash);
    assert_non_null(strstr(caface_file_text(f), want.hash));
    check_totals(f);
    cafi_value_clear(&json);
    caface_model_free(model);
    caface_file_close(f);
}

/* A network with a tensor of another shape than the others ask for: said, not refused. */
static void test_broken_fusion(void **state)
{
    test_rng rng = {test_seed()};
    restore_model m = restore_model_new(&rng, restore_sizes_random(&rng));
    test_tensor *t = restore_model_find(&m, 0, "b2.weight");
    char path[256];
    caface_model_info model;
    caface_file_info info;
    caface_file *f = NULL;
    cafi_value json;

    (void)state;
    snprintf(path, sizeof path, "%s", test_temp("broken.safetensors"));
    t->shape[0]--;
    test_model_save(&m.tensors, path, 0);
    f = open_file(path);
    json = check_json(f);
    caface_file_get_info(f, &info);
    assert_true(info.has_fusion);
    assert_non_null(info.fusion_error);
    assert_non_null(strstr(info.fusion_error, "b2.weight"));
    assert_null(strstr(info.fusion_error, path));
    assert_string_equal(cafi_value_text(cafi_value_get(&json, "fusion"), "error"),
                        info.fusion_error);
    assert_non_null(strstr(caface_file_text(f), info.fusion_error));
    assert_int_equal(caface_file_fusion(f, &model), 0);
    cafi_value_clear(&json);
    caface_file_close(f);
    t->shape[0]++;
    restore_model_free(&m);
}

static void test_backbone(void **state)
{
    const char *path = test_fixture("detect/face_112.onnx");
    caface_file *f = open_file(path);
    cafi_value json = check_json(f);
    caface_encoder *encoder = NULL;
    caface_encoder_info want;
    caface_file_info info;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_encoder_open(&encoder, path, NULL, &err), err);
    caface_encoder_get_info(encoder, &want);
    caface_file_get_info(f, &info);
    assert_string_equal(info.kind, "onnx");
    assert_string_equal(info.backbone, want.family);
    assert_string_equal(info.backbone_hash, want.hash);
    assert_string_equal(info.backbone_input, want.input);
    assert_int_equal(info.C, want.C);
    assert_int_equal(info.S, want.S);
    assert_int_equal(info.height, want.height);
    assert_int_equal(info.width, want.width);
    assert_null(info.backbone_error);
    assert_string_equal(cafi_value_text(cafi_value_get(&json, "backbone"), "hash"), want.hash);
    check_totals(f);
    cafi_value_clear(&json);
    caface_encoder_free(encoder);
    caface_file_close(f);
}

static void test_detector(void **state)
{
    caface_file *f = open_file(test_fixture("detect/scrfd_any.onnx"));
    cafi_value json = check_json(f);
    caface_file_info info;

    (void)state;
    caface_file_get_info(f, &info);
    assert_string_equal(info.kind, "onnx");
    assert_null(info.backbone);
    assert_non_null(strstr(info.backbone_error, "detector"));
    assert_string_equal(cafi_value_text(&json, "backbone_error"), info.backbone_error);
    check_totals(f);
    cafi_value_clear(&json);
    caface_file_close(f);
}

/* A safetensors file of one tensor of U8 [1] under this name, as JSON writes it. */
static caface_file *open_named(const char *name)
{
    char path[256];
    unsigned char bytes[256] = {0};
    int n = snprintf((char *)bytes + 8, sizeof bytes - 8,
                     "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);

    bytes[0] = (unsigned char)n;
    snprintf(path, sizeof path, "%s", test_temp("named.safetensors"));
    test_write(path, bytes, 8 + (size_t)n + 1);
    return open_file(path);
}

/* What begins like a backbone and is none is said to be none, and why. */
static void test_broken_backbone(void **state)
{
    caface_file *f = open_named("net.input_layer.0.weight");
    cafi_value json = check_json(f);
    caface_file_info info;

    (void)state;
    caface_file_get_info(f, &info);
    assert_null(info.backbone);
    assert_non_null(strstr(info.backbone_error, "unknown number of blocks"));
    assert_null(strstr(info.backbone_error, ".safetensors"));
    assert_string_equal(cafi_value_text(&json, "backbone_error"), info.backbone_error);
    assert_non_null(strstr(caface_file_text(f), "no backbone: "));
    cafi_value_clear(&json);
    caface_file_close(f);
}

static void test_feature_set(void **state)
{
    caface_file *f = open_file(test_data("sample/probes"));
    cafi_value json = check_json(f);
    caface_tensor_info t;
    caface_file_info info;

    (void)state;
    caface_file_get_info(f, &info);
    assert_string_equal(info.kind, "feature-set");
    assert_true(caface_file_tensor(f, 0, &t));
    assert_int_equal(t.dims, 2);
    check_totals(f);
    cafi_value_clear(&json);
    caface_file_close(f);
}

/* Parts that are passed over are counted and named. */
static void test_not_read(void **state)
{
    caface_file *f = open_file(test_fixture("files/names_beside.npz"));
    cafi_value json = check_json(f);
    caface_file_info info;
    const cafi_value *list = cafi_value_get(&json, "not_read");

    (void)state;
    caface_file_get_info(f, &info);
    assert_int_not_equal(info.not_read, 0);
    assert_int_equal(list->u.list.count, info.not_read);
    for (size_t i = 0; i < info.not_read; i++)
        assert_non_null(
            strstr(caface_file_text(f), cafi_value_text(&list->u.list.items[i], "name")));
    cafi_value_clear(&json);
    caface_file_close(f);
}

static void test_refused(void **state)
{
    caface_file *f = NULL;
    caface_error err;
    char path[256];

    (void)state;
    EXPECT_FAIL(caface_file_open(NULL, "x", &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_file_open(&f, NULL, &err), CAFACE_EINVAL, err, "null");
    refuse("/nowhere/at all", CAFACE_EIO, "");
    refuse(test_fixture("files/expected.txt"), CAFACE_EFORMAT, "");
    snprintf(path, sizeof path, "%s", test_temp("cut.safetensors"));
    test_write(path, "\x10\0\0\0\0\0\0\0{\"a\"", 12);
    refuse(path, CAFACE_EFORMAT, "");
    snprintf(path, sizeof path, "%s", test_temp("empty"));
    test_write(path, "", 0);
    refuse(path, CAFACE_EFORMAT, "");
    snprintf(path, sizeof path, "%s", test_temp("cut.onnx"));
    test_write(path, "\x08\x07\x3a\xff", 4);
    refuse(path, CAFACE_EFORMAT, "");
    caface_file_close(NULL);
    caface_file_open(&f, "/nowhere", NULL);
    assert_null(f);
}

/* A program of an earlier version, and of a later one. */
static void test_versions(void **state)
{
    caface_file *f = open_file(test_data("sample/model.safetensors"));
    struct {
        caface_file_info info;
        unsigned char behind[16];
    } i;

    (void)state;
    memset(&i, 0x5a, sizeof i);
    caface_file_get_info_sized(f, &i.info, offsetof(caface_file_info, numbers));
    assert_int_not_equal(i.info.tensors, 0);
    for (const unsigned char *p = (const unsigned char *)&i.info.numbers;
         p < i.behind + sizeof i.behind; p++)
        assert_int_equal(*p, 0x5a);
    caface_file_get_info_sized(f, &i.info, sizeof i);
    assert_int_equal(i.behind[0], 0);
    assert_int_equal(i.behind[15], 0);
    caface_file_close(f);
}

/* A name that a terminal would obey is shown without what it obeys, and kept as JSON. */
static void test_names(void **state)
{
    caface_file *f = open_named("a\\u001b[2J\\nb");
    caface_tensor_info t;

    (void)state;
    assert_true(caface_file_tensor(f, 0, &t));
    assert_string_equal(t.name, "a\x1b[2J\nb");
    assert_null(strchr(caface_file_text(f), 0x1b));
    assert_non_null(strstr(caface_file_text(f), "a?[2J?b"));
    assert_non_null(strstr(caface_file_json(f), "a\\u001b[2J\\nb"));
    caface_file_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),         cmocka_unit_test(test_lists),
        cmocka_unit_test(test_other_kinds),   cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_broken_fusion), cmocka_unit_test(test_backbone),
        cmocka_unit_test(test_detector),      cmocka_unit_test(test_broken_backbone),
        cmocka_unit_test(test_feature_set),   cmocka_unit_test(test_not_read),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_versions),
        cmocka_unit_test(test_names)};

    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
