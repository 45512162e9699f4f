/* Pickles made to do harm, alone and inside checkpoints. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "files/bundle.h"
#include "files/pickle.h"

#define TENSOR(key, count, offset, size, stride)                                                   \
    "ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'" key                \
    "'\nS'cpu'\nI" count "\ntQI" offset "\n(" size "t(" stride "tI00\nNtR"
#define WEIGHT(count, offset, size, stride) "}S'w'\n" TENSOR("0", count, offset, size, stride) "s."

/* A pickle as C text, which may hold NULs, and how it fails. */
typedef struct bad {
    const char *bytes;
    size_t size;
    caface_status status;
    const char *word;
} bad;
#define BAD(text, status, word)                                                                    \
    {                                                                                              \
        text, sizeof text - 1, status, word                                                        \
    }

static const bad machine_cases[] = {
    BAD("", CAFACE_EFORMAT, "without STOP"),
    BAD(".", CAFACE_EFORMAT, "without a result"),
    BAD("]]", CAFACE_EFORMAT, "without STOP"),
    BAD("]].", CAFACE_EFORMAT, "more than one"),
    BAD("](.", CAFACE_EFORMAT, "more than one"),
    BAD("0.", CAFACE_EFORMAT, "too short"),
    BAD("2.", CAFACE_EFORMAT, "too short"),
    BAD("a.", CAFACE_EFORMAT, "too short"),
    BAD("Na.", CAFACE_EFORMAT, "too short"),
    BAD("]Ns.", CAFACE_EFORMAT, "too short"),
    BAD("NNa.", CAFACE_EFORMAT, "no container"),
    BAD("}Na.", CAFACE_EFORMAT, "no container"),
    BAD("]NNs.", CAFACE_EFORMAT, "no container"),
    BAD("](Na.", CAFACE_EFORMAT, "too short"), /* below a MARK */
    BAD("](NR.", CAFACE_EFORMAT, "too short"),
    BAD("](0(0(0e.", CAFACE_EFORMAT, "no MARK"),
    BAD("t.", CAFACE_EFORMAT, "no MARK"),
    BAD("e.", CAFACE_EFORMAT, "no MARK"),
    BAD("u.", CAFACE_EFORMAT, "no MARK"),
    BAD("1.", CAFACE_EFORMAT, "no MARK"),
    BAD("o.", CAFACE_EFORMAT, "no MARK"),
    BAD("(e.", CAFACE_EFORMAT, "nothing to put them in"),
    BAD("(o.", CAFACE_EFORMAT, "without a class"),
    BAD("(No.", CAFACE_EFORMAT, "without a class"),
    BAD("(Nd.", CAFACE_EFORMAT, "no value"),
    BAD("}(Nu.", CAFACE_EFORMAT, "no value"),
    BAD("\x85.", CAFACE_EFORMAT, "too short"),
    BAD("N\x87.", CAFACE_EFORMAT, "too short"),
    BAD("cos\nsystem\nNR.", CAFACE_EFORMAT, "no tuple"),
    BAD("N)R.", CAFACE_EFORMAT, "no global"),
    BAD("NNb.", CAFACE_EFORMAT, "takes none"),
    BAD("NN\x93.", CAFACE_EFORMAT, "no text"),
    BAD("h\x05.", CAFACE_EFORMAT, "not seen before"),
    BAD("g7\n.", CAFACE_EFORMAT, "not seen before"),
    BAD("j\xff\xff\xff\xff.", CAFACE_EFORMAT, "not seen before"),
    BAD("q\x01.", CAFACE_EFORMAT, "too short"),
    BAD("Nr\xff\xff\xff\xff.", CAFACE_ELIMIT, "memo number 4294967295"),
    BAD("Np99999999\n.", CAFACE_ELIMIT, "memo number 99999999"),
    BAD("Np-1\n.", CAFACE_EFORMAT, "memo number"),
    BAD("Np\n.", CAFACE_EFORMAT, "memo number"),
    BAD("\x8b\xff\xff\xff\xff.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x8b\xff\xff\xff\x7f.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x8a\xff.", CAFACE_EFORMAT, "ends inside"),
    BAD("X\xff\xff\xff\xff.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x96\x00\x00\x00\x00\x00\x00\x00\x80.", CAFACE_EFORMAT, "ends inside"),
    BAD("\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", CAFACE_EFORMAT, "frame"),
    BAD("\x80\x06N.", CAFACE_EUNSUPPORTED, "protocol 6"),
    BAD("\x97.", CAFACE_EUNSUPPORTED, "buffer"),
    BAD("N\x98.", CAFACE_EUNSUPPORTED, "buffer"),
    BAD("\xff.", CAFACE_EFORMAT, "0xff is no opcode"),
    BAD("\x00.", CAFACE_EFORMAT, "0x00 is no opcode"),
    BAD("I12", CAFACE_EFORMAT, "inside a line"),
    BAD("I\n.", CAFACE_EFORMAT, "without digits"),
    BAD("I1x\n.", CAFACE_EFORMAT, "a number that is none"),
    BAD("I-\n.", CAFACE_EFORMAT, "a number that is none"),
    BAD("F1.5x\n.", CAFACE_EFORMAT, "a number that is none"),
    BAD("F[]\n.", CAFACE_EFORMAT, "a number that is none"),
    BAD("Sabc\n.", CAFACE_EFORMAT, "quotes"),
    BAD("S'\n.", CAFACE_EFORMAT, "quotes"),
    BAD("S'\\x1'\n.", CAFACE_EFORMAT, "escape"),
    BAD("V\\u12\n.", CAFACE_EFORMAT, "escape"),
    BAD("V\\U00110000\n.", CAFACE_EFORMAT, "escape"),
};

static void machine_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machine_cases / sizeof machine_cases[0]; i++) {
        const bad *c = &machine_cases[i];
        unsigned char *copy = malloc(c->size + 1);
        cafi_pickle p;
        caface_error err;

        assert_non_null(copy);
        memcpy(copy, c->bytes, c->size);
        EXPECT_FAIL(cafi_pickle_read(&p, copy, c->size, &err), c->status, err, "pickle byte",
                    c->word);
        free(copy);
    }
}

/* Odd but valid: what a pickle may say is read, and nothing is done. */
static void machine_accepts(void **state)
{
    static const char *const cases[] = {
        "]q\001h\001a.",                              /* a list that holds itself */
        "}p0\nS'x'\ng0\ns.",                          /* a dict that holds itself */
        "cos\nsystem\n(S'touch /tmp/x'\ntR.",         /* a call */
        "(S'touch /tmp/x'\nios\nsystem\n.",           /* INST */
        "(cos\nsystem\nS'touch /tmp/x'\no.",          /* OBJ */
        "c__builtin__\neval\n(S'1'\ntR)Nb.",          /* more after it, see below */
        "(lI1\naL12345678901234567890123456789L\na.", /* beyond int64 */
        "\x82\x07.",                                  /* an extension */
        "(((0000N.",                                  /* MARKs popped */
    };
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cafi_pickle p;
        caface_status st =
            cafi_pickle_read(&p, (const unsigned char *)cases[i], strlen(cases[i]), &err);

        if (i == 5 || i == 8) /* two results; a POP too many */
            assert_int_equal(st, CAFACE_EFORMAT);
        else
            EXPECT_OK(st, err);
        cafi_pickle_free(&p);
    }
}

static caface_status open_checkpoint(const void *pickle, size_t size, cafi_bundle **b,
                                     test_zip *zip, caface_error *err)
{
    test_checkpoint(zip, pickle, size);
    return cafi_bundle_open_memory(b, zip->out.data, zip->out.size, "bad.ckpt", err);
}

static const bad checkpoint_cases[] = {
    BAD(WEIGHT("12", "1", "I3\nI4\n", "I4\nI1\n"), CAFACE_EFORMAT, "reaches outside"),
    BAD(WEIGHT("12", "0", "I3\nI4\n", "I5\nI1\n"), CAFACE_EFORMAT, "reaches outside"),
    BAD(WEIGHT("12", "13", "I1\n", "I1\n"), CAFACE_EFORMAT, "outside its storage"),
    BAD(WEIGHT("12", "12", "", ""), CAFACE_EFORMAT, "reaches outside"),
    BAD(WEIGHT("12", "-1", "I1\n", "I1\n"), CAFACE_EFORMAT, "offset"),
    BAD(WEIGHT("12", "4611686018427387904", "I1\n", "I1\n"), CAFACE_EFORMAT, "outside its storage"),
    BAD(WEIGHT("12", "0", "I-3\n", "I1\n"), CAFACE_EFORMAT, "not a whole number"),
    BAD(WEIGHT("12", "0", "I3\n", "I-1\n"), CAFACE_EFORMAT, "not a whole number"),
    BAD(WEIGHT("12", "0", "I01\n", "I1\n"), CAFACE_EFORMAT, "not a whole number"),
    BAD(WEIGHT("12", "0", "I3\n", ""), CAFACE_EFORMAT, "do not go together"),
    BAD(WEIGHT("12", "0", "I2\n", "I9223372036854775807\n"), CAFACE_EFORMAT, "reaches outside"),
    BAD(WEIGHT("12", "0", "I9223372036854775807\nI4\n", "I0\nI0\n"), CAFACE_EFORMAT,
        "does not fit"),
    BAD(WEIGHT("12", "0", "I0\nI9223372036854775807\nI4\n", "I0\nI0\nI0\n"), CAFACE_EFORMAT,
        "does not fit"),
    BAD(WEIGHT("12", "0", "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n",
               "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n"),
        CAFACE_ELIMIT, "9 dimensions"),
    BAD(WEIGHT("13", "0", "I1\n", "I1\n"), CAFACE_EFORMAT, "48 bytes"),
    BAD(WEIGHT("11", "0", "I1\n", "I1\n"), CAFACE_EFORMAT, "48 bytes"),
    BAD(WEIGHT("-1", "0", "I1\n", "I1\n"), CAFACE_EFORMAT, "key or a size"),
    BAD(WEIGHT("4611686018427387907", "0", "I1\n", "I1\n"), CAFACE_EFORMAT, "48 bytes"),
    BAD("}S'w'\n" TENSOR("1", "12", "0", "I1\n", "I1\n") "s.", CAFACE_EFORMAT, "not in the file"),
    BAD("}S'w'\n" TENSOR("../../x", "12", "0", "I1\n", "I1\n") "s.", CAFACE_EFORMAT,
        "not in the file"),
    BAD("}S''\n" TENSOR("0", "12", "0", "I1\n", "I1\n") "s.", CAFACE_EFORMAT, "without a name"),
    BAD("}S'a\\x00b'\n" TENSOR("0", "12", "0", "I1\n", "I1\n") "s.", CAFACE_EFORMAT, "UTF-8"),
    BAD("}S'\\xff'\n" TENSOR("0", "12", "0", "I1\n", "I1\n") "s.", CAFACE_EFORMAT, "UTF-8"),
    BAD("}S'w'\n" TENSOR("0", "12", "0", "I1\n", "I1\n") "sS'w'\n" TENSOR("0", "12", "0", "I1\n",
                                                                          "I1\n") "s.",
        CAFACE_EFORMAT, "w occurs twice"),
    BAD("}S'w'\nctorch._utils\n_rebuild_tensor_v2\n)Rs.", CAFACE_EFORMAT, "incomplete"),
    BAD("}S'w'\nctorch._utils\n_rebuild_tensor_v2\n(NI0\n)ttR.", CAFACE_EFORMAT, "no MARK"),
    BAD("}S'w'\nctorch._utils\n_rebuild_tensor_v2\n(NI0\n))tRs.", CAFACE_EFORMAT,
        "without a storage"),
    BAD("}S'w'\nctorch._utils\n_rebuild_tensor_v2\n(NQI0\n))tRs.", CAFACE_EFORMAT,
        "names no storage"),
    BAD("}S'w'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\ncos\nsystem\nS'0'\nS'cpu'\n"
        "I12\ntQI0\n))tRs.",
        CAFACE_EUNSUPPORTED, "os.system"),
    BAD("}S'w'\nctorch._utils\n_rebuild_sparse_tensor\n)Rs.", CAFACE_EUNSUPPORTED,
        "_rebuild_sparse_tensor"),
    BAD("}q\x01S'w'\nh\x01s.", CAFACE_EFORMAT, "contains itself"),
    BAD("}S'state_dict'\n}q\x01S'w'\n]h\x01"
        "ass.",
        CAFACE_EFORMAT, "contains itself"),
    BAD("}(S'state_dict'\n}S'hyper_parameters'\n}q\x01S'x'\n]h\x01"
        "asu.",
        CAFACE_EFORMAT, "hyper_parameters: something in it contains itself"),
    BAD("cos\nsystem\n(S'true'\ntR.", CAFACE_EUNSUPPORTED, "os.system"),
};

static void checkpoints_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof checkpoint_cases / sizeof checkpoint_cases[0]; i++) {
        const bad *c = &checkpoint_cases[i];
        cafi_bundle *b = NULL;
        test_zip zip;
        caface_error err;

        if (!open_checkpoint(c->bytes, c->size, &b, &zip, &err))
            fail_msg("case %zu (%s) opens", i, c->word);
        EXPECT_FAIL(err.status, c->status, err, "bad.ckpt", c->word);
        test_zip_free(&zip);
    }
}

/* The template of the cases above, valid: a view with strides. */
static void the_template_itself_opens(void **state)
{
    static const char pickle[] = WEIGHT("12", "1", "I2\nI3\n", "I1\nI4\n");
    static const float want[6] = {1, 5, 9, 2, 6, 10};
    cafi_bundle *b = NULL;
    test_zip zip;
    caface_error err;
    float got[6];

    (void)state;
    EXPECT_OK(open_checkpoint(pickle, sizeof pickle - 1, &b, &zip, &err), err);
    cafi_tensor_read_f32(cafi_bundle_find(b, "w"), 0, 6, got);
    assert_memory_equal(got, want, sizeof want);
    cafi_bundle_close(b);
    test_zip_free(&zip);
}

/* Calls in the places a reader looks at: named, never made. */
static void nothing_is_executed(void **state)
{
    char pickle[1024];
    const char *marker = test_temp("marker");
    cafi_bundle *b = NULL;
    test_zip zip;
    caface_error err;
    int n = snprintf(pickle, sizeof pickle,
                     "}(S'state_dict'\n}S'w'\n%sscposix\nsystem\np1\n(S'touch %s'\ntR0"
                     "S'hyper_parameters'\n}(S'a'\ng1\n(S'touch %s'\ntRS'b'\nc__builtin__\nexec\n"
                     "(S'open(\"%s\", \"w\")'\ntRS'decoder_name'\nS'x'\nuu.",
                     TENSOR("0", "12", "0", "I1\n", "I1\n"), marker, marker, marker);

    (void)state;
    EXPECT_OK(open_checkpoint(pickle, (size_t)n, &b, &zip, &err), err);
    assert_int_equal(cafi_bundle_count(b), 1);
    assert_int_equal(cafi_value_get(cafi_bundle_config(b), "a")->kind, CAFI_OPAQUE);
    assert_string_equal(cafi_value_get(cafi_bundle_config(b), "a")->u.text.data, "posix.system");
    assert_string_equal(cafi_value_get(cafi_bundle_config(b), "b")->u.text.data,
                        "__builtin__.exec");
    assert_string_equal(cafi_value_text(cafi_bundle_config(b), "decoder_name"), "x");
    assert_int_not_equal(access(marker, F_OK), 0);
    cafi_bundle_close(b);
    test_zip_free(&zip);
}

/* Ten references to ten references to ...: 10^12 values in 300 bytes. */
static void expansion_is_bounded(void **state)
{
    static const char *const places[] = {"state_dict", "hyper_parameters"};

    (void)state;
    for (int place = 0; place < 2; place++) {
        cafi_buf pickle = {0};
        cafi_bundle *b = NULL;
        test_zip zip;
        caface_error err;

        cafi_buf_text(&pickle, "}(S'state_dict'\n}S'x'\n]s");
        if (place == 0) /* a later member of the same name wins */
            cafi_buf_text(&pickle, "S'state_dict'\n}S'x'\n");
        else
            cafi_buf_printf(&pickle, "S'%s'\n}S'x'\n", places[place]);
        cafi_buf_text(&pickle, "(I1\nlp0\n0");
        for (int level = 1; level <= 12; level++) {
            cafi_buf_text(&pickle, "(");
            for (int i = 0; i < 10; i++)
                cafi_buf_printf(&pickle, "g%d\n", level - 1);
            cafi_buf_printf(&pickle, "lp%d\n0", level);
        }
        cafi_buf_text(&pickle, "g12\nsu.");
        EXPECT_FAIL(open_checkpoint(pickle.data, pickle.size, &b, &zip, &err), CAFACE_ELIMIT, err,
                    "values");
        test_zip_free(&zip);
        cafi_buf_free(&pickle);
    }
}

/* One text of a megabyte, decoded for each of two hundred arrays. */
static void decoding_is_bounded(void **state)
{
    enum { SIZE = 1 << 20 };
    static const char array[] = "cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I1048576\nt"
                                "cnumpy\ndtype\n(S'u1'\ntRI00\ng0\ntbs";
    static const char header[] = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
    unsigned char length[2] = {sizeof header - 1, 0};
    cafi_buf file = {0};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    cafi_buf_append(&file, "\x93NUMPY\x01\x00", 8);
    cafi_buf_append(&file, length, 2);
    cafi_buf_text(&file, header);
    cafi_buf_text(&file, "c_codecs\nencode\n(V");
    for (int i = 0; i < SIZE; i++)
        cafi_buf_text(&file, "x");
    cafi_buf_text(&file, "\nS'latin1'\ntRp0\n0}");
    for (int i = 0; i < 200; i++) {
        cafi_buf_printf(&file, "I%d\n", i);
        cafi_buf_text(&file, array);
        if (i != 100)
            continue;
        cafi_buf_text(&file, ".");
        EXPECT_OK(cafi_bundle_open_memory(&b, file.data, file.size, "bad.npy", &err), err);
        assert_int_equal(cafi_bundle_count(b), 101);
        cafi_bundle_close(b);
        file.size--;
    }
    cafi_buf_text(&file, ".");
    EXPECT_FAIL(cafi_bundle_open_memory(&b, file.data, file.size, "bad.npy", &err), CAFACE_ELIMIT,
                err, "bad.npy", "bytes to decode");
    cafi_buf_free(&file);
}

static void depth_is_bounded(void **state)
{
    enum { DEEP = 200000 };

    (void)state;
    for (int place = 0; place < 2; place++) {
        cafi_buf pickle = {0};
        cafi_bundle *b = NULL;
        test_zip zip;
        caface_error err;

        cafi_buf_text(&pickle, place ? "}(S'state_dict'\n}S'hyper_parameters'\n}S'x'\n"
                                     : "}(S'state_dict'\n}S'x'\n");
        for (int i = 0; i < DEEP; i++)
            cafi_buf_text(&pickle, "]");
        for (int i = 1; i < DEEP; i++)
            cafi_buf_text(&pickle, "a");
        cafi_buf_text(&pickle, "su.");
        EXPECT_FAIL(open_checkpoint(pickle.data, pickle.size, &b, &zip, &err), CAFACE_ELIMIT, err,
                    "deeper than 64");
        test_zip_free(&zip);
        cafi_buf_free(&pickle);
    }
}

static void number_of_objects_is_bounded(void **state)
{
    size_t n = 2 * CAFI_PICKLE_MAX_STEPS + 16;
    char *pickle = malloc(n);
    cafi_pickle p;
    caface_error err;

    (void)state;
    assert_non_null(pickle);
    memset(pickle, ']', n);
    EXPECT_FAIL(cafi_pickle_read(&p, (unsigned char *)pickle, n, &err), CAFACE_ELIMIT, err,
                "2097152 objects");
    for (size_t i = 0; i < n; i += 2)
        memcpy(pickle + i, "N0", 2);
    EXPECT_FAIL(cafi_pickle_read(&p, (unsigned char *)pickle, n, &err), CAFACE_ELIMIT, err,
                "8388608 opcodes");
    free(pickle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_refuses),
        cmocka_unit_test(machine_accepts),
        cmocka_unit_test(checkpoints_are_refused),
        cmocka_unit_test(the_template_itself_opens),
        cmocka_unit_test(nothing_is_executed),
        cmocka_unit_test(expansion_is_bounded),
        cmocka_unit_test(decoding_is_bounded),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(number_of_objects_is_bounded),
    };
    return cmocka_run_group_tests_name("hostile_pickles", tests, NULL, NULL);
}
