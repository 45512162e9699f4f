#include "onnx_case.h"

#include <stdlib.h>

#include "check.h"
#include "graph/reference.h"
#include "onnx/graph.h"

/* Runs the model on x = 0, 1, 2, ... for `batch` rows; the first output. */
static size_t run(onnx_writer *w, int opset, size_t batch, float *out)
{
    caface_error err = {CAFACE_OK, ""};
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    float *x = NULL;
    size_t n = 0;

    onnx_finish(w, opset);
    EXPECT_OK(cafi_onnx_parse(&file, "m.onnx", w->file.data, w->file.size, &err), err);
    EXPECT_OK(cafi_onnx_build_graph(&g, file, 0, 0, &err), err);
    n = batch * g.channels * g.height * g.width;
    x = malloc(n * sizeof(float));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)i;
    EXPECT_OK(cafi_graph_output(g.graph, g.outputs[0], &err), err);
    assert_true(cafi_shape_count(&cafi_graph_node(g.graph, g.outputs[0])->shape, batch, &n));
    assert_true(n <= MOST);
    EXPECT_OK(cafi_reference_run(g.graph, batch, (const float *const *)&x, &out, &err), err);
    free(x);
    cafi_graph_free(g.graph);
    cafi_onnx_close(file);
    onnx_free(w);
    return n;
}

void expect(onnx_writer *w, int opset, size_t batch, size_t n, const float *want, const char *what)
{
    float got[MOST];

    assert_int_equal(run(w, opset, batch, got), n);
    EXPECT_NEAR_F32(got, want, n, 1e-5, "%s", what);
}

/* The sentence that says why the file is refused holds this. */
void refuse(onnx_writer *w, int opset, const char *why)
{
    caface_error err = {CAFACE_OK, ""};
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;

    onnx_finish(w, opset);
    EXPECT_OK(cafi_onnx_parse(&file, "m.onnx", w->file.data, w->file.size, &err), err);
    EXPECT_FAIL(cafi_onnx_build_graph(&g, file, 0, 0, &err), CAFACE_EUNSUPPORTED, err, why);
    cafi_onnx_close(file);
    onnx_free(w);
}

onnx_writer begin(int64_t n, int64_t c, int64_t h, int64_t w)
{
    onnx_writer m = {0};

    onnx_input(&m, "x", 4, (int64_t[]){n, c, h, w});
    onnx_output(&m, "y");
    return m;
}
