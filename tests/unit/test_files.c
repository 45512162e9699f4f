/* Files as torch and numpy write them, and our own written and read back. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/safetensors.h"

static const bool is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

/* Checks the tensors of one file against its lines of expected.txt. */
static void check_fixture(const char *name, const char *expected)
{
    cafi_bundle *b = NULL;
    caface_error err;
    size_t length = strlen(name);
    size_t seen = 0;

    EXPECT_OK(cafi_bundle_open(&b, test_fixture("files/%s", name), &err), err);
    EXPECT_OK(cafi_bundle_verify(b, &err), err);
    for (const char *line = expected; *line; line = strchr(line, '\n') + 1) {
        size_t size = (size_t)(strchr(line, '\n') - line);
        cafi_buf got = {0};
        const cafi_tensor *t = NULL;

        if (strncmp(line, name, length) != 0 || line[length] != '\t')
            continue;
        t = cafi_bundle_at(b, seen++);
        assert_non_null(t);
        assert_ptr_equal(cafi_bundle_find(b, t->name), t);
        test_digest(&got, t);
        if (got.size != size - length - 1 || memcmp(got.data, line + length + 1, got.size) != 0)
            fail_msg("%s: got %s, want %.*s", name, got.data, (int)(size - length - 1),
                     line + length + 1);
        cafi_buf_free(&got);
    }
    assert_int_equal(seen, cafi_bundle_count(b));
    assert_true(seen > 0);
    cafi_bundle_close(b);
}

static void fixtures_hold_what_their_writers_say(void **state)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("files/expected.txt"), &size);
    char *expected = malloc(size + 1);
    char last[128] = "";
    int files = 0;

    (void)state;
    assert_non_null(expected);
    memcpy(expected, bytes, size);
    expected[size] = '\0';
    for (const char *line = expected; *line; line = strchr(line, '\n') + 1) {
        char name[128];

        assert_int_equal(sscanf(line, "%127[^\t]", name), 1);
        if (strcmp(name, last) == 0)
            continue;
        check_fixture(name, expected);
        snprintf(last, sizeof last, "%s", name);
        files++;
    }
    assert_int_equal(files, 35);
    free(expected);
    free(bytes);
}

static void every_shape_of_hyper_parameters_is_a_dict(void **state)
{
    static const char want[] =
        "{\"decoder_name\":\"catv9_g4_conf512_small\",\"lr\":0.001,\"epochs\":10,\"flag\":true,"
        "\"nothing\":null,\"style_index\":[3,5],\"nested\":{\"name\":\"gr\xc3\xbc\xc3\x9f"
        "e\",\"tuple\":[1,2.5]}}";
    static const char *const names[] = {"dict", "attributes", "namespace", "omegaconf"};

    (void)state;
    for (int i = 0; i < 5; i++) {
        const char *path = i < 4 ? test_fixture("files/lightning_%s.ckpt", names[i])
                                 : test_fixture("files/lightning_legacy.ckpt");
        cafi_bundle *b = NULL;
        cafi_buf text = {0};
        cafi_json json = {.out = &text};
        caface_error err;

        EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
        assert_int_equal(cafi_bundle_get_kind(b), CAFI_BUNDLE_LIGHTNING);
        cafi_json_value(&json, NULL, cafi_bundle_config(b));
        assert_string_equal(text.data, want);
        cafi_buf_free(&text);
        cafi_bundle_close(b);
    }
}

/* Tensors are views of the map, shared where the file shares them. */
static void nothing_is_copied(void **state)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("files/zip.pt"), &size);
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_bundle_open_memory(&b, bytes, size, "zip.pt", &err), err);
    for (size_t i = 0; i < cafi_bundle_count(b); i++) {
        const unsigned char *data = cafi_bundle_at(b, i)->data;

        assert_true(data >= bytes && data <= bytes + size);
    }
    assert_ptr_equal(cafi_bundle_find(b, "a.weight")->data, cafi_bundle_find(b, "a.shared")->data);
    assert_ptr_equal(cafi_bundle_find(b, "a.weight")->data + 24,
                     cafi_bundle_find(b, "a.rows")->data);
    assert_int_equal(cafi_bundle_find(b, "a.transposed")->stride[0], 1);
    assert_int_equal(cafi_bundle_find(b, "a.expanded")->stride[1], 0);
    assert_null(cafi_bundle_find(b, "a"));
    assert_null(cafi_bundle_at(b, cafi_bundle_count(b)));
    cafi_bundle_close(b);
    free(bytes);
}

static void fill_random(test_rng *rng, unsigned char *data, size_t n, int dtype)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(dtype == CAFI_BOOL_T ? test_next(rng) & 1 : test_next(rng));
}

static void check_same(const cafi_tensor *t, const unsigned char *data, int dtype, int ndim,
                       const size_t *shape)
{
    unsigned char back[4096];
    size_t n = cafi_tensor_count(t);

    assert_int_equal(t->dtype, dtype);
    assert_true(cafi_tensor_has_shape(t, ndim, shape));
    assert_true(cafi_tensor_is_contiguous(t) || (t->swapped && is_big_endian));
    cafi_tensor_read_raw(t, 0, n, back);
    assert_memory_equal(back, data, n * cafi_dtype_size(t->dtype));
}

static void arrays_come_back_bit_for_bit(void **state)
{
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (int dtype = 0; dtype < CAFI_DTYPE_COUNT; dtype++) {
        size_t shape[3] = {1 + test_below(&rng, 4), test_below(&rng, 5), 1 + test_below(&rng, 6)};
        unsigned char data[4 * 4 * 6 * 8];
        const char *path = test_temp("a%d.npy", dtype);
        const char *npz = test_temp("a%d.npz", dtype);
        cafi_npz_item items[2] = {
            {"first", (cafi_dtype)dtype, 3, {shape[0], shape[1], shape[2]}, data},
            {"sec/ond", (cafi_dtype)dtype, 0, {0}, data}};
        cafi_bundle *b = NULL;

        fill_random(&rng, data, sizeof data, dtype);
        if (dtype == CAFI_BF16) {
            EXPECT_FAIL(cafi_npy_save(path, CAFI_BF16, 3, shape, data, &err), CAFACE_EINVAL, err,
                        "BF16");
            continue;
        }
        EXPECT_OK(cafi_npy_save(path, (cafi_dtype)dtype, 3, shape, data, &err), err);
        EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
        assert_int_equal(cafi_bundle_count(b), 1);
        check_same(cafi_bundle_at(b, 0), data, dtype, 3, shape);
        cafi_bundle_close(b);
        EXPECT_OK(cafi_npz_save(npz, items, 2, &err), err);
        EXPECT_OK(cafi_bundle_open(&b, npz, &err), err);
        EXPECT_OK(cafi_bundle_verify(b, &err), err);
        check_same(cafi_bundle_find(b, "first"), data, dtype, 3, shape);
        check_same(cafi_bundle_find(b, "sec/ond"), data, dtype, 0, shape);
        cafi_bundle_close(b);
    }
}

static void rows_arrive_in_pieces(void **state)
{
    size_t row[2] = {3, 2};
    float data[50 * 6];
    size_t whole[3] = {50, 3, 2};
    test_rng rng = {test_seed()};
    cafi_npy_writer *w = NULL;
    cafi_bundle *b = NULL;
    caface_error err;
    const char *path = test_temp("rows.npy");

    (void)state;
    test_fill(&rng, data, 300, 1.0f);
    EXPECT_OK(cafi_npy_begin(&w, path, CAFI_F32, 2, row, &err), err);
    for (size_t at = 0; at < 50;) {
        size_t n = 1 + test_below(&rng, 50 - at);

        EXPECT_OK(cafi_npy_append(w, data + at * 6, n, &err), err);
        at += n;
    }
    EXPECT_OK(cafi_npy_commit(w, &err), err);
    EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
    assert_true(cafi_tensor_has_shape(cafi_bundle_find(b, "rows"), 3, whole));
    check_same(cafi_bundle_at(b, 0), (const unsigned char *)data, CAFI_F32, 3, whole);
    cafi_bundle_close(b);
    EXPECT_OK(cafi_npy_begin(&w, test_temp("none.npy"), CAFI_F32, 2, row, &err), err);
    cafi_npy_abort(w);
    EXPECT_FAIL(cafi_bundle_open(&b, test_temp("none.npy"), &err), CAFACE_EIO, err, "none.npy");
}

/* zip.pt -> safetensors -> safetensors: the same bits, names, order, and then
 * the same file. */
static void safetensors_keeps_every_bit(void **state)
{
    const char *first = test_temp("first.safetensors");
    const char *second = test_temp("second.safetensors");
    const cafi_tensor *tensors[64];
    cafi_bundle *a = NULL;
    cafi_bundle *b = NULL;
    cafi_value meta = {.kind = CAFI_NULL};
    size_t sizes[2];
    unsigned char *files[2];
    caface_error err;
    static const char text[] = "{\"s\":\"a \\\"b\\\"\",\"d\":{\"H\":8,\"x\":[1.5,null]}}";

    (void)state;
    EXPECT_OK(cafi_json_parse(&meta, text, sizeof text - 1, &err), err);
    EXPECT_OK(cafi_bundle_open(&a, test_fixture("files/zip.pt"), &err), err);
    for (size_t i = 0; i < cafi_bundle_count(a); i++)
        tensors[i] = cafi_bundle_at(a, i);
    EXPECT_OK(cafi_safetensors_save(first, tensors, cafi_bundle_count(a), &meta, &err), err);
    EXPECT_OK(cafi_bundle_open(&b, first, &err), err);
    assert_int_equal(cafi_bundle_count(a), cafi_bundle_count(b));
    for (size_t i = 0; i < cafi_bundle_count(a); i++) {
        cafi_buf x = {0};
        cafi_buf y = {0};

        test_digest(&x, cafi_bundle_at(a, i));
        test_digest(&y, cafi_bundle_at(b, i));
        assert_string_equal(x.data, y.data);
        assert_int_equal((uintptr_t)cafi_bundle_at(b, i)->data %
                             cafi_dtype_size(cafi_bundle_at(b, i)->dtype),
                         0);
        cafi_buf_free(&x);
        cafi_buf_free(&y);
        tensors[i] = cafi_bundle_at(b, i);
    }
    assert_string_equal(cafi_value_text(cafi_bundle_config(b), "s"), "a \"b\"");
    assert_int_equal(cafi_value_get(cafi_bundle_config(b), "d")->kind, CAFI_DICT);
    EXPECT_OK(
        cafi_safetensors_save(second, tensors, cafi_bundle_count(b), cafi_bundle_config(b), &err),
        err);
    files[0] = test_read(first, &sizes[0]);
    files[1] = test_read(second, &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(files[0], files[1], sizes[0]);
    tensors[1] = tensors[0];
    EXPECT_FAIL(cafi_safetensors_save(second, tensors, 2, NULL, &err), CAFACE_EINVAL, err, "twice");
    free(files[0]);
    free(files[1]);
    cafi_bundle_close(a);
    cafi_bundle_close(b);
    cafi_value_clear(&meta);
}

/* Names are found by hash: 20,000 look-ups in 20,000 tensors are instantaneous,
 * which the test's time limit under valgrind would show otherwise. */
static void many_tensors_are_found(void **state)
{
    enum { MANY = 20000 };
    static cafi_tensor tensors[MANY];
    static const cafi_tensor *list[MANY];
    static char names[MANY][32];
    static const unsigned char byte[1] = {1};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i);
        tensors[i] = (cafi_tensor){.name = names[i], .data = byte, .dtype = CAFI_U8};
        list[i] = &tensors[i];
    }
    EXPECT_OK(cafi_safetensors_save(test_temp("many"), list, MANY, NULL, &err), err);
    EXPECT_OK(cafi_bundle_open(&b, test_temp("many"), &err), err);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(cafi_bundle_find(b, names[i]), cafi_bundle_at(b, i));
    cafi_bundle_close(b);
}

/* What is passed over is named with its reason. */
static void parts_of_no_use_are_named(void **state)
{
    static const struct {
        const char *file, *name, *why;
    } want[] = {{"names_beside.npz", "names", "<U1"},
                {"names_beside.npz", "when", "<M8[D]"},
                {"f8_beside.safetensors", "f8", "F8_E4M3"},
                {"odd_types.pt", "complex", "ComplexFloatStorage"},
                {"odd_types_legacy.pt", "quantised", "_rebuild_qtensor"},
                {"torchscript.pt", "code", "compiled graph"},
                {"state_dicts_beside.pt", "ema", "state_dict has names that begin"}};

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cafi_bundle *b = NULL;
        caface_error err = {CAFACE_OK, ""};
        bool found = false;

        EXPECT_OK(cafi_bundle_open(&b, test_fixture("files/%s", want[i].file), &err), err);
        for (size_t k = 0; k < cafi_bundle_passed_count(b); k++) {
            const cafi_passed *p = cafi_bundle_passed_at(b, k);

            found |= strcmp(p->name, want[i].name) == 0 && strstr(p->why, want[i].why);
        }
        if (!found)
            fail_msg("%s does not say %s: %s", want[i].file, want[i].name, want[i].why);
        cafi_fail(&err, CAFACE_EMODEL, "w is missing");
        assert_int_equal(cafi_bundle_blame(b, CAFACE_EMODEL, &err), CAFACE_EMODEL);
        assert_non_null(strstr(err.message, "w is missing; "));
        assert_null(cafi_bundle_passed_at(b, cafi_bundle_passed_count(b)));
        cafi_bundle_close(b);
    }
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(test_temp("%s", name), "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void save(const char *path, const char *name, const float *values, size_t n)
{
    cafi_tensor t = {.name = name,
                     .data = (const unsigned char *)values,
                     .dtype = CAFI_F32,
                     .ndim = 1,
                     .shape = {n},
                     .stride = {1}};
    const cafi_tensor *list[] = {&t};
    caface_error err;

    EXPECT_OK(cafi_safetensors_save(path, list, 1, NULL, &err), err);
}

static void copy_fixture(const char *name)
{
    char bytes[4096];
    FILE *from = fopen(test_fixture("files/%s", name), "rb");
    FILE *to = fopen(test_temp("%s", name), "wb");

    assert_non_null(from);
    assert_non_null(to);
    for (size_t n = 0; (n = fread(bytes, 1, sizeof bytes, from)) > 0;)
        assert_int_equal(fwrite(bytes, 1, n, to), n);
    fclose(from);
    fclose(to);
}

/* A model in two files, and indices that are wrong. */
static void an_index_opens_its_files(void **state)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"{\"weight_map\": {\"x\": \"gone.safetensors\"}}", "gone.safetensors"},
        {"{\"weight_map\": {\"z\": \"s1.safetensors\"}}", "z is not in s1.safetensors"},
        {"{\"weight_map\": {\"x\": \"../s1.safetensors\"}}", "not a file next to it"},
        {"{\"weight_map\": {\"x\": \"bad.index.json\"}}", "bytes of text"},
        {"{\"weight_map\": [1]}", "no object"},
        {"{\"weight_map\": {\"x\": 3}}", "no text"},
        {"{\"weight_map\": ", "index"},
    };
    static const char *const shards[] = {"zip.pt", "zip_deflated.pt", "legacy.pt"};
    const float x[] = {1, 2, 3};
    const float y[] = {4, 5};
    float back[3];
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    save(test_temp("s1.safetensors"), "x", x, 3);
    save(test_temp("s2.safetensors"), "y", y, 2);
    write_text("m.index.json", "{\"metadata\": {\"total_size\": 20}, \"weight_map\": {\"y\": "
                               "\"s2.safetensors\", \"x\": \"s1.safetensors\"}}");
    EXPECT_OK(cafi_bundle_open(&b, test_temp("m.index.json"), &err), err);
    assert_int_equal(cafi_bundle_count(b), 2);
    cafi_tensor_read_f32(cafi_bundle_find(b, "x"), 0, 3, back);
    assert_memory_equal(back, x, sizeof x);
    cafi_tensor_read_f32(cafi_bundle_find(b, "y"), 0, 2, back);
    assert_memory_equal(back, y, sizeof y);
    cafi_bundle_close(b);
    /* torch's, in files with and without compression, one from before 1.6 */
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        copy_fixture(shards[i]);
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        cafi_bundle *alone = NULL;
        cafi_buf text = {0};

        EXPECT_OK(cafi_bundle_open(&alone, test_fixture("files/%s", shards[i]), &err), err);
        cafi_buf_printf(&text, "{\"weight_map\": {\"x\": \"s1.safetensors\"");
        for (size_t k = 0; k < cafi_bundle_count(alone); k++)
            cafi_buf_printf(&text, ", \"%s\": \"%s\"", cafi_bundle_at(alone, k)->name, shards[i]);
        cafi_buf_printf(&text, "}}");
        write_text("t.index.json", text.data);
        EXPECT_OK(cafi_bundle_open(&b, test_temp("t.index.json"), &err), err);
        EXPECT_OK(cafi_bundle_verify(b, &err), err);
        assert_int_equal(cafi_bundle_count(b), cafi_bundle_count(alone) + 1);
        for (size_t k = 0; k < cafi_bundle_count(alone); k++) {
            const cafi_tensor *t = cafi_bundle_at(alone, k);
            const cafi_tensor *u = cafi_bundle_find(b, t->name);
            size_t n = cafi_tensor_count(t) * cafi_dtype_size(t->dtype);
            unsigned char *both = malloc(2 * n + 1);

            assert_non_null(u);
            assert_non_null(both);
            cafi_tensor_read_raw(t, 0, cafi_tensor_count(t), both);
            cafi_tensor_read_raw(u, 0, cafi_tensor_count(t), both + n);
            assert_memory_equal(both, both + n, n);
            free(both);
        }
        cafi_bundle_close(b);
        cafi_bundle_close(alone);
        cafi_buf_free(&text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text("bad.index.json", bad[i].text);
        b = NULL;
        if (!cafi_bundle_open(&b, test_temp("bad.index.json"), &err))
            fail_msg("taken: %s", bad[i].text);
        if (!strstr(err.message, bad[i].sentence))
            fail_msg("%s: says %s", bad[i].text, err.message);
        assert_null(b);
    }
}

/* What a download that went wrong leaves is called by its name. */
static void what_is_no_model_is_named(void **state)
{
    static const struct {
        const char *text, *sentence;
    } files[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"},
        {"\n <!DOCTYPE html><html>", "web page"},
        {"<html lang=en>", "web page"},
        {"\xef\xbb\xbf<HTML>", "web page"},
        {"", "the file is empty"},
        {"\x1f\x8b\x08", "unpack it first"},
        {"Entry not found\n", "16 bytes of text, not the file itself: \"Entry not found\""},
        {"{\"error\": \"Repository \xc3\xa9\"}", "\"{\"error\": \"Repository \xc3\xa9\"}\""},
        {"\x89HDF\r\n\x1a\n", "export the network to ONNX"},
        {"<?xml version=\"1.0\"?>\n<net name=\"x\">", "OpenVINO"},
        {"<?xml version=\"1.0\"?><Error>", "web page"},
        {"7767517\n3 3\n", "ncnn"},
        {"\x80\x02K\x01.", "5 bytes that are no checkpoint"}, /* a pickled number */
        {"\x80\x02}.", "holds no arrays"},
        {"\x80\x02}", "3 bytes that are no checkpoint"},
        {"\x80\x02}x.", "pickle"},
        {"12345678901234567890123456789012345678901234567890123456789\xc3\xa9\xc3\xa9",
         "6789...\""},
        {"\x02 no text", "9 bytes that are no checkpoint"}};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_text("no_model", files[i].text);
        EXPECT_FAIL(cafi_bundle_open(&b, test_temp("no_model"), &err), CAFACE_EFORMAT, err,
                    files[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixtures_hold_what_their_writers_say),
        cmocka_unit_test(every_shape_of_hyper_parameters_is_a_dict),
        cmocka_unit_test(nothing_is_copied),
        cmocka_unit_test(arrays_come_back_bit_for_bit),
        cmocka_unit_test(rows_arrive_in_pieces),
        cmocka_unit_test(safetensors_keeps_every_bit),
        cmocka_unit_test(many_tensors_are_found),
        cmocka_unit_test(parts_of_no_use_are_named),
        cmocka_unit_test(an_index_opens_its_files),
        cmocka_unit_test(what_is_no_model_is_named),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
