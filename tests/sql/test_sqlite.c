/* The extension of SQLite, loaded into a database of the C library, against `caface fuse`. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "caface/features.h"
#include "files/bundle.h"
#include "program.h"

enum { C = 128, S = 192, TEMPLATES = 222, FACES = 3552 };

static sqlite3 *db;
static char heads[512];
static const char *extension, *rows; /* arguments: the module, sql_rows */

/* The answer to a statement: its first column of the first row, as text; the message after "error:
 * " when there is one. Valid until the next. */
static const char *ask(const char *fmt, ...)
{
    static char answer[4096];
    sqlite3_stmt *statement = NULL;
    va_list args;
    char *text = NULL;
    int rc = 0;

    va_start(args, fmt);
    text = sqlite3_vmprintf(fmt, args);
    va_end(args);
    rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(statement, 0);

        snprintf(answer, sizeof answer, "%s", value ? value : "NULL");
    } else if (rc == SQLITE_DONE) {
        answer[0] = '\0';
    } else {
        snprintf(answer, sizeof answer, "error: %s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(statement);
    sqlite3_free(text);
    return answer;
}

#define EXPECT(want, ...) assert_string_equal(ask(__VA_ARGS__), want)

static void expect_error(const char *word, const char *statement)
{
    const char *answer = ask("%s", statement);

    if (strncmp(answer, "error: ", 7) || !strstr(answer, word))
        fail_msg("%s\n  gives: %s\n  want an error with: %s", statement, answer, word);
}

static void choose(const char *model)
{
    assert_true(strlen(ask("SELECT caface_set('model', %Q)", model)) == 64);
}

static void fill(void)
{
    caface_features *set = NULL;
    float *feat = malloc(sizeof(float) * FACES * C), *style = malloc(sizeof(float) * FACES * S * 2);
    int64_t *ids = malloc(sizeof *ids * FACES);
    sqlite3_stmt *insert = NULL;
    caface_error err;

    EXPECT_OK(caface_features_open(&set, test_data("sample/probes"), &err), err);
    EXPECT_OK(caface_features_read(set, 0, FACES, feat, style, NULL, &err), err);
    EXPECT_OK(caface_features_integers(set, caface_features_column(set, "template"), ids, &err),
              err);
    EXPECT("", "CREATE TABLE faces (n INTEGER PRIMARY KEY, template, feature, style)");
    EXPECT("", "BEGIN");
    assert_int_equal(
        sqlite3_prepare_v2(db, "INSERT INTO faces VALUES (?, ?, ?, ?)", -1, &insert, NULL),
        SQLITE_OK);
    for (int i = 0; i < FACES; i++) {
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_int64(insert, 2, ids[i]);
        sqlite3_bind_blob(insert, 3, feat + (size_t)i * C, C * sizeof *feat, SQLITE_STATIC);
        sqlite3_bind_blob(insert, 4, style + (size_t)i * S * 2, S * 2 * sizeof *style,
                          SQLITE_STATIC);
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    EXPECT("", "COMMIT");
    free(feat);
    free(style);
    free(ids);
    caface_features_close(set);
}

/* The sample's model in the form heads: exchange's without its exchange. */
static void write_heads(void)
{
    char from[512];
    test_program p;

    snprintf(from, sizeof from, "%s", test_data("sample/restore.safetensors"));
    snprintf(heads, sizeof heads, "%s", test_temp("heads.safetensors"));
    p = test_run(rows, NULL, (const char *const[]){"sum", from, heads, NULL});
    assert_int_equal(p.status, 0);
    test_program_free(&p);
}

static int set_up(void **state)
{
    char *message = NULL;

    (void)state;
    write_heads();
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    fill();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return 0;
}

/* Templates of a query, in the order of their ids, against the tool's: the largest difference. */
static double compare(const char *model, const char *method, const char *query)
{
    cafi_bundle *bundle = NULL;
    const cafi_tensor *t = NULL;
    float *want = NULL;
    double worst = 0.0;
    char out[512];
    sqlite3_stmt *statement = NULL;
    size_t n = 0;
    caface_error err;

    snprintf(out, sizeof out, "%s", test_temp("t.npz"));
    EXPECT_TOOL(0, "", "fuse", "--model", model, "--input", test_data("sample/probes"), "-o", out,
                "--method", method);
    EXPECT_OK(cafi_bundle_open(&bundle, out, &err), err);
    t = cafi_bundle_find(bundle, "templates");
    want = malloc(sizeof *want * TEMPLATES * C);
    cafi_tensor_read_f32(t, 0, TEMPLATES * C, want);
    choose(model);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    for (; sqlite3_step(statement) == SQLITE_ROW; n++) {
        const float *got = sqlite3_column_blob(statement, 0);

        assert_int_equal(sqlite3_column_bytes(statement, 0), C * sizeof *got);
        for (size_t c = 0; n < TEMPLATES && c < C; c++)
            worst = fmax(worst, fabs((double)got[c] - (double)want[n * C + c]));
    }
    assert_int_equal(n, TEMPLATES);
    sqlite3_finalize(statement);
    free(want);
    cafi_bundle_close(bundle);
    return worst;
}

#define FUSE "SELECT caface_template(caface_fuse(feature, style)) FROM "
#define GROUP " GROUP BY template ORDER BY template"

static void templates_are_the_tools(void **state)
{
    char model[512];

    (void)state;
    /* sums: the same bits in any order */
    assert_true(compare(heads, "restore", FUSE "faces" GROUP) == 0.0);
    assert_true(compare(heads, "restore",
                        FUSE "(SELECT * FROM faces ORDER BY n * 7919 % 3552)" GROUP) == 0.0);
    snprintf(model, sizeof model, "%s", test_fixture("restore/plain_128/model.npz"));
    assert_true(compare(model, "restore", FUSE "faces" GROUP) == 0.0);
    /* the others: in the order of a subquery */
    snprintf(model, sizeof model, "%s", test_data("sample/model.safetensors"));
    assert_true(compare(model, "caface", FUSE "(SELECT * FROM faces ORDER BY template, n)" GROUP) <=
                1e-6);
    snprintf(model, sizeof model, "%s", test_data("sample/restore.safetensors"));
    assert_true(
        compare(model, "restore", FUSE "(SELECT * FROM faces ORDER BY template, n)" GROUP) <= 1e-6);
    assert_true(compare(heads, "average",
                        "SELECT caface_template(caface_average(feature)) FROM faces" GROUP) <=
                1e-6);
    assert_true(compare(heads, "norm:7",
                        "SELECT caface_template(caface_norm(feature, 7)) FROM faces" GROUP) <=
                1e-6);
}

static void states_merge(void **state)
{
    (void)state;
    choose(heads);
    EXPECT("", "CREATE TEMP TABLE states AS SELECT template, caface_fuse(feature, style) AS state "
               "FROM faces GROUP BY template");
    EXPECT("1", "SELECT (SELECT caface_merge(state) FROM states) = (SELECT caface_fuse(feature, "
                "style) FROM faces)");
    EXPECT("3552", "SELECT caface_count(caface_merge(state)) FROM states");
    EXPECT("restore", "SELECT caface_method(state) FROM states");
    EXPECT("1", "SELECT caface_evidence(state) > 0 FROM states");
    EXPECT("1.0", "SELECT round(caface_cosine(feature, feature), 9) FROM faces");
}

static void what_is_wrong_is_an_error(void **state)
{
    (void)state;
    choose(heads);
    EXPECT("2",
           "SELECT caface_count(caface_fuse(CASE WHEN n <> 1 THEN feature END, CASE WHEN n <> 2 "
           "THEN style END)) FROM faces WHERE n < 4");
    EXPECT("NULL", "SELECT caface_fuse(NULL, style) FROM faces");
    EXPECT("NULL", "SELECT caface_template(NULL)");
    expect_error("508 bytes; 128 numbers are 512",
                 "SELECT caface_fuse(substr(feature, 5), style) FROM faces");
    expect_error("a BLOB", "SELECT caface_fuse('text', style) FROM faces");
    expect_error(
        "NaN",
        "SELECT caface_fuse(CAST(x'0000c07f' || substr(feature, 5) AS BLOB), style) FROM faces");
    expect_error("a BLOB", "SELECT caface_fuse(7, style) FROM faces");
    expect_error("no saved set", "SELECT caface_template(x'12')");
    expect_error("cut off",
                 "SELECT caface_template(CAST(substr(state, 1, 999) AS BLOB)) FROM states");
    expect_error("restore", "SELECT caface_merge(s) FROM (SELECT state AS s FROM states UNION ALL "
                            "SELECT caface_average(feature) FROM faces)");
    expect_error("power", "SELECT caface_norm(feature, n) FROM faces");
    expect_error("caface_set takes", "SELECT caface_set('chunk', 5000)");
    expect_error("nowhere", "SELECT caface_set('model', '/nowhere')");
    /* not from somebody else's view */
    EXPECT("", "CREATE VIEW trap AS SELECT caface_set('model', '/etc/passwd') AS a");
    expect_error("unsafe use", "SELECT a FROM trap");
    choose(test_data("sample/restore.safetensors"));
    expect_error("the model given is", "SELECT caface_template(state) FROM states");
    EXPECT("NULL", "SELECT caface_set('model', '')");
    expect_error("no model", "SELECT caface_fuse(feature, style) FROM faces");
    expect_error("the model is needed", "SELECT caface_template(state) FROM states");
    expect_error("f32 or f16", "SELECT caface_average(feature) FROM faces");
    EXPECT("128", "SELECT caface_set('width', 128)");
    EXPECT("3552", "SELECT caface_count(caface_average(feature)) FROM faces");
    EXPECT("0", "SELECT caface_set('width', 0)");
}

/* Each byte of the header and random ones behind it, the checksum made anew; and cuts. */
static void changed_states_are_no_crash(void **state)
{
    test_rng rng = {.state = test_seed()};
    sqlite3_stmt *statement = NULL, *merge = NULL;
    unsigned char *good = NULL, *bad = NULL;
    int size = 0, refused = 0;

    (void)state;
    choose(heads);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT state FROM states", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    size = sqlite3_column_bytes(statement, 0);
    good = malloc((size_t)size);
    bad = malloc((size_t)size);
    memcpy(good, sqlite3_column_blob(statement, 0), (size_t)size);
    sqlite3_finalize(statement);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT caface_template(caface_merge(s)) FROM (SELECT ?1 AS s UNION ALL "
                           "SELECT state FROM states WHERE template < 1003)",
                           -1, &merge, NULL),
        SQLITE_OK);
    for (int i = 0; i < 3000; i++) {
        size_t n = (size_t)size - CAFI_SHA256_SIZE;
        size_t at = i < 1500 ? (size_t)i % 200 : test_below(&rng, n);

        memcpy(bad, good, (size_t)size);
        bad[at] ^= (unsigned char)(1 + test_below(&rng, 255));
        if (i % 7 == 0)
            n = 1 + test_below(&rng, n);
        cafi_sha256_of(bad, n, bad + n);
        sqlite3_bind_blob(merge, 1, bad, (int)n + CAFI_SHA256_SIZE, SQLITE_STATIC);
        refused += sqlite3_step(merge) != SQLITE_ROW;
        sqlite3_reset(merge);
    }
    print_message("# refused %d of 3000\n", refused);
    assert_true(refused > 1000);
    sqlite3_finalize(merge);
    free(good);
    free(bad);
}

/* Of a long statement the most memory is that of its first faces. */
static void a_million_rows_take_no_memory(void **state)
{
    const char *query = "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < "
                        "%d) SELECT caface_count(caface_fuse(feature, style)) FROM k, faces";
    size_t before = 0;

    (void)state;
    choose(heads);
    EXPECT("7104", query, 2);
    before = test_peak();
    EXPECT("1001664", query, 282);
    assert_true(test_peak() - before < (size_t)4 << 20);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_the_tools),
        cmocka_unit_test(states_merge),
        cmocka_unit_test(what_is_wrong_is_an_error),
        cmocka_unit_test(changed_states_are_no_crash),
        cmocka_unit_test(a_million_rows_take_no_memory),
    };

    if (argc != 3)
        return 2;
    extension = argv[1];
    rows = argv[2];
    return cmocka_run_group_tests_name("sqlite", tests, set_up, tear_down);
}
