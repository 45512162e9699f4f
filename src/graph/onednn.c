#define _GNU_SOURCE
#include "graph/onednn.h"

#include <dlfcn.h>
#include <dnnl_debug.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/dnnl_compat.h"

/* For tests; set before any thread runs. */
static const char *spoiled;

struct cafi_dnn {
    dnnl_engine_t engine;
};

struct cafi_dnn_op {
    dnnl_engine_t engine; /* borrowed */
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights, bias, scales;
    void *weights_data, *bias_data, *scales_data;
    size_t weights_size, scratch_size;
    const char *impl;
};

struct cafi_dnn_run {
    const cafi_dnn_op *op;
    dnnl_stream_t stream;
    dnnl_memory_t src, dst, scratch;
    void *out;
    size_t out_size;
    dnnl_exec_arg_t args[6];
    int arg_count;
};

/* oneDNN's OpenMP runtime, found by name so that nothing here depends on a
 * compiler's -fopenmp (clang's runtime beside libgomp would mean two pools).
 * Looked up once: a search through all libraries takes longer than a layer. */
static pthread_once_t found = PTHREAD_ONCE_INIT;
static void (*set_max)(int);
static int (*get_max)(void);

static void find_runtime(void)
{
    void *set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    void *get = dlsym(RTLD_DEFAULT, "omp_get_max_threads");

    memcpy(&set_max, &set, sizeof set);
    memcpy(&get_max, &get, sizeof get);
}

static void set_threads(int n)
{
    if (set_max)
        set_max(n);
}

int cafi_dnn_enter(void)
{
    int before = 1;

    pthread_once(&found, find_runtime);
    if (get_max)
        before = get_max();
    set_threads(1);
    return before;
}

void cafi_dnn_leave(int before)
{
    set_threads(before);
}

size_t cafi_layout_lanes(cafi_layout layout, size_t channels)
{
    switch (layout) {
    case CAFI_LAYOUT_C8:
        return 8;
    case CAFI_LAYOUT_C16:
        return 16;
    case CAFI_LAYOUT_LAST:
        return channels;
    default:
        return 1;
    }
}

static caface_status dnn_fail(caface_error *err, const char *name, const char *what,
                              dnnl_status_t status)
{
    if (status == dnnl_out_of_memory)
        return cafi_fail(err, CAFACE_ENOMEM, "%s: oneDNN is out of memory (%s)", name, what);
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: oneDNN refuses to %s (status %d)", name, what,
                     (int)status);
}

caface_status cafi_dnn_new(cafi_dnn **out, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (st)
        return st;
    dnnl_status_t status = dnnl_engine_create(&(*out)->engine, dnnl_cpu, 0);
    if (status) {
        free(*out);
        *out = NULL;
        return dnn_fail(err, "engine", "start", status);
    }
    return CAFACE_OK;
}

void cafi_dnn_free(cafi_dnn *dnn)
{
    if (!dnn)
        return;
    dnnl_engine_destroy(dnn->engine);
    free(dnn);
}

static dnnl_data_type_t type_of(cafi_elem elem)
{
    return elem == CAFI_ELEM_F32 ? dnnl_f32 : elem == CAFI_ELEM_BF16 ? dnnl_bf16 : dnnl_s8;
}

static dnnl_format_tag_t tag_of(cafi_layout layout)
{
    switch (layout) {
    case CAFI_LAYOUT_C8:
        return dnnl_nChw8c;
    case CAFI_LAYOUT_C16:
        return dnnl_nChw16c;
    case CAFI_LAYOUT_LAST:
        return dnnl_nhwc;
    default:
        return dnnl_nchw;
    }
}

/* The descriptions of one spec; freed together. */
typedef struct spec_mds {
    cafi_md src, weights, plain_weights, bias, dst;
} spec_mds;

static void free_mds(spec_mds *m)
{
    cafi_md_free(m->src);
    cafi_md_free(m->weights);
    cafi_md_free(m->plain_weights);
    cafi_md_free(m->bias);
    cafi_md_free(m->dst);
}

static bool is_map(const cafi_dnn_spec *s)
{
    return s->convolution || s->in_height * s->in_width > 1;
}

/* Weights: g o i h w for convolutions in groups, else o i h w, or o i. */
static int weight_dims(const cafi_dnn_spec *s, dnnl_dim_t *dims)
{
    dnnl_dim_t g = s->convolution ? s->window.groups : 1;
    int n = 0;

    if (g > 1)
        dims[n++] = g;
    dims[n++] = (dnnl_dim_t)s->out_channels / g;
    dims[n++] = (dnnl_dim_t)s->in_channels / g;
    if (s->convolution) {
        dims[n++] = s->window.kernel[0];
        dims[n++] = s->window.kernel[1];
    } else if (is_map(s)) {
        dims[n++] = (dnnl_dim_t)s->in_height;
        dims[n++] = (dnnl_dim_t)s->in_width;
    }
    return n;
}

/* What oneDNN sees of a map. */
static cafi_layout map_layout(const cafi_dnn_spec *s, cafi_layout outside)
{
    return s->blocked ? CAFI_LAYOUT_C16 : outside;
}

static dnnl_status_t make_mds(const cafi_dnn_spec *s, spec_mds *m)
{
    dnnl_dim_t b = (dnnl_dim_t)s->batch;
    dnnl_dim_t src[] = {b, (dnnl_dim_t)s->in_channels, (dnnl_dim_t)s->in_height,
                        (dnnl_dim_t)s->in_width};
    dnnl_dim_t dst[] = {b, (dnnl_dim_t)s->out_channels, (dnnl_dim_t)s->out_height,
                        (dnnl_dim_t)s->out_width};
    dnnl_dim_t bias[] = {(dnnl_dim_t)s->out_channels};
    dnnl_dim_t w[5];
    int n = weight_dims(s, w);
    dnnl_data_type_t wt = type_of(s->src);
    dnnl_data_type_t pt = s->src == CAFI_ELEM_S8 ? dnnl_s8 : dnnl_f32;

    dnnl_status_t status = dnnl_success;

    (void)((status = is_map(s) ? cafi_md_new(&m->src, 4, src, type_of(s->src),
                                             tag_of(map_layout(s, s->src_layout)))
                               : cafi_md_new(&m->src, 2, src, type_of(s->src), dnnl_ab)) ||
           (status = s->convolution ? cafi_md_new(&m->dst, 4, dst, type_of(s->dst),
                                                  tag_of(map_layout(s, s->dst_layout)))
                                    : cafi_md_new(&m->dst, 2, dst, type_of(s->dst), dnnl_ab)) ||
           (status = cafi_md_new(&m->weights, n, w, wt, dnnl_format_tag_any)) ||
           (status = cafi_md_new(&m->plain_weights, n, w, pt,
                                 n == 2   ? dnnl_ab
                                 : n == 4 ? dnnl_abcd
                                          : dnnl_abcde)) ||
           (status = cafi_md_new(&m->bias, 1, bias, dnnl_f32, dnnl_a)));
    return status;
}

/* On x86-64 oneDNN has fast code for everything that is asked of it here, and its reference code,
 * hundreds of times slower, is a fault. On other processors it may be all there is. */
#if defined(__x86_64__)
static const bool may_be_reference = false;
#else
static const bool may_be_reference = true;
#endif

static const char *impl_of(dnnl_primitive_desc_t desc)
{
    const char *name = NULL;

    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name) ? NULL
                                                                                       : name;
}

/* Of depthwise convolutions of f32 maps whose channels are last the second
 * implementation is the faster one: its rows stay in the cache (YuNet 10 to 15 %). */
static void prefer_rows(cafi_dnn_op *op, const cafi_dnn_spec *s, const cafi_dnn_shape *shape,
                        const cafi_dnn_finish *finish)
{
    dnnl_primitive_desc_t other = NULL;
    const char *name = impl_of(op->desc);

    if (s->skip || s->window.groups == 1 || s->src != CAFI_ELEM_F32 ||
        s->src_layout != CAFI_LAYOUT_LAST || !name || !strstr(name, "brdgmm") ||
        cafi_dnn_describe(&other, op->engine, shape, finish, 1))
        return;
    name = impl_of(other);
    if (name && strncmp(name, "jit_dw", 6) == 0) {
        dnnl_primitive_desc_destroy(op->desc);
        op->desc = other;
    } else {
        dnnl_primitive_desc_destroy(other);
    }
}

static caface_status describe(cafi_dnn_op *op, const cafi_dnn_spec *s, const spec_mds *m,
                              caface_error *err)
{
    cafi_dnn_shape shape = {.convolution = s->convolution,
                            .winograd = s->winograd,
                            .src = m->src,
                            .weights = m->weights,
                            .bias = m->bias,
                            .dst = m->dst};
    cafi_dnn_finish finish = {.sum = s->sum,
                              .clip = s->clip,
                              .lo = s->lo,
                              .hi = s->hi,
                              .scales = s->scales,
                              .channels = (dnnl_dim_t)s->out_channels};
    dnnl_status_t status = dnnl_success;

    for (int i = 0; s->convolution && i < 2; i++) {
        dnnl_dim_t in = (dnnl_dim_t)(i ? s->in_width : s->in_height);
        dnnl_dim_t out = (dnnl_dim_t)(i ? s->out_width : s->out_height);
        dnnl_dim_t reach = (s->window.kernel[i] - 1) * s->window.dilation[i] + 1;

        shape.strides[i] = s->window.stride[i];
        shape.dilates[i] = s->window.dilation[i] - 1;
        shape.before[i] = s->window.pad[i];
        /* What the last window reaches, which may be less than the padding. */
        shape.after[i] = (out - 1) * s->window.stride[i] + reach - in - s->window.pad[i];
    }
    status = cafi_dnn_describe(&op->desc, op->engine, &shape, &finish, s->skip);
    if (status)
        return dnn_fail(err, s->name, "plan", status);
    prefer_rows(op, s, &shape, &finish);
    op->impl = impl_of(op->desc);
    if (!op->impl || (!s->skip && !may_be_reference && strstr(op->impl, "ref")))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: oneDNN has only its reference code for it",
                         s->name);
    return CAFACE_OK;
}

static caface_status new_memory(const cafi_dnn_op *op, cafi_md_view md, dnnl_memory_t *memory,
                                void **data, size_t *bytes, caface_error *err)
{
    size_t size = cafi_md_size(md);
    size_t floats = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_add_size(size, 3, &floats))
        return cafi_fail_memory(err, size);
    st = cafi_alloc_f32((float **)data, 1, floats / 4, err);
    if (st)
        return st;
    if (bytes)
        *bytes = size;
    dnnl_status_t status = dnnl_memory_create(memory, md, op->engine, *data);
    return status ? dnn_fail(err, "memory", "map", status) : CAFACE_OK;
}

/* oneDNN's reorder of the weights. */
static caface_status reorder_weights(cafi_dnn_op *op, const cafi_dnn_spec *s, const spec_mds *m,
                                     cafi_md_view wanted, const void *weights, caface_error *err)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t source = NULL;
    dnnl_stream_t stream = NULL;
    void *plain = NULL;
    dnnl_status_t status = dnnl_success;

    /* oneDNN takes a pointer to writable memory and only reads it. */
    memcpy(&plain, &weights, sizeof plain);
    status = dnnl_memory_create(&source, m->plain_weights, op->engine, plain);
    if (!status)
        status = cafi_dnn_describe_reorder(&desc, op->engine, m->plain_weights, wanted);
    if (!status)
        status = dnnl_primitive_create(&reorder, desc);
    if (!status)
        status = dnnl_stream_create(&stream, op->engine, dnnl_stream_default_flags);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, op->weights}};
    if (!status)
        status = dnnl_primitive_execute(reorder, stream, 2, args);
    if (!status)
        status = dnnl_stream_wait(stream);
    if (stream)
        dnnl_stream_destroy(stream);
    if (reorder)
        dnnl_primitive_destroy(reorder);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    if (source)
        dnnl_memory_destroy(source);
    return status ? dnn_fail(err, s->name, "pack weights", status) : CAFACE_OK;
}

/* The weights in the order the primitive wants them, once. A Winograd's are
 * made here: oneDNN's own way is plain code that takes most of the time of
 * opening a model. */
static caface_status pack(cafi_dnn_op *op, const cafi_dnn_spec *s, const spec_mds *m,
                          const void *weights, caface_error *err)
{
    cafi_md_view wanted = dnnl_primitive_desc_query_md(op->desc, dnnl_query_weights_md, 0);
    cafi_winograd_args winograd = {0};
    caface_status st =
        new_memory(op, wanted, &op->weights, &op->weights_data, &op->weights_size, err);

    if (st || !cafi_md_winograd(wanted, &winograd))
        return st ? st : reorder_weights(op, s, m, wanted, weights, err);
    winograd.weights = weights;
    winograd.packed = op->weights_data;
    cafi_graph_kernels_get()->winograd(&winograd);
    return CAFACE_OK;
}

static caface_status fill_bias(cafi_dnn_op *op, const cafi_dnn_spec *s, const spec_mds *m,
                               caface_error *err)
{
    float *bias = NULL;
    caface_status st = new_memory(op, m->bias, &op->bias, &op->bias_data, NULL, err);

    if (st)
        return st;
    bias = op->bias_data;
    for (size_t o = 0; o < s->out_channels; o++)
        bias[o] = s->scales && cafi_dnn_bias_is_scaled() ? s->bias[o] / s->scales[o] : s->bias[o];
    if (!s->scales || !cafi_dnn_scales_are_arguments())
        return CAFACE_OK;
    st = new_memory(op, m->bias, &op->scales, &op->scales_data, NULL, err);
    if (!st)
        memcpy(op->scales_data, s->scales, s->out_channels * sizeof(float));
    return st;
}

caface_status cafi_dnn_probe(cafi_dnn *dnn, const cafi_dnn_spec *spec, caface_error *err)
{
    cafi_dnn_op op = {.engine = dnn->engine};
    spec_mds mds = {0};
    dnnl_status_t status = make_mds(spec, &mds);
    caface_status st =
        status ? dnn_fail(err, spec->name, "describe", status) : describe(&op, spec, &mds, err);

    free_mds(&mds);
    if (op.desc)
        dnnl_primitive_desc_destroy(op.desc);
    return st;
}

caface_status cafi_dnn_op_new(cafi_dnn_op **out, cafi_dnn *dnn, const cafi_dnn_spec *spec,
                              const void *weights, caface_error *err)
{
    cafi_dnn_op *op = NULL;
    spec_mds mds = {0};
    dnnl_status_t status = dnnl_success;
    caface_status st = CAFI_NEW(&op, 1, err);

    *out = NULL;
    if (st)
        return st;
    op->engine = dnn->engine;
    if ((status = make_mds(spec, &mds)))
        st = dnn_fail(err, spec->name, "describe", status);
    if (!st)
        st = describe(op, spec, &mds, err);
    if (!st)
        st = pack(op, spec, &mds, weights, err);
    if (!st)
        st = fill_bias(op, spec, &mds, err);
    if (!st) {
        if ((status = dnnl_primitive_create(&op->primitive, op->desc)))
            st = dnn_fail(err, spec->name, "build", status);
        else
            op->scratch_size =
                cafi_md_size(dnnl_primitive_desc_query_md(op->desc, dnnl_query_scratchpad_md, 0));
    }
    free_mds(&mds);
    if (st) {
        cafi_dnn_op_free(op);
        return st;
    }
    *out = op;
    return CAFACE_OK;
}

void cafi_dnn_op_free(cafi_dnn_op *op)
{
    if (!op)
        return;
    if (op->primitive)
        dnnl_primitive_destroy(op->primitive);
    if (op->desc)
        dnnl_primitive_desc_destroy(op->desc);
    if (op->weights)
        dnnl_memory_destroy(op->weights);
    if (op->bias)
        dnnl_memory_destroy(op->bias);
    if (op->scales)
        dnnl_memory_destroy(op->scales);
    free(op->weights_data);
    free(op->bias_data);
    free(op->scales_data);
    free(op);
}

size_t cafi_dnn_op_scratch(const cafi_dnn_op *op)
{
    return op->scratch_size;
}

size_t cafi_dnn_op_weights(const cafi_dnn_op *op)
{
    return op->weights_size;
}

const char *cafi_dnn_op_impl(const cafi_dnn_op *op)
{
    return op->impl;
}

static void add_arg(cafi_dnn_run *run, int what, dnnl_memory_t memory)
{
    run->args[run->arg_count++] = (dnnl_exec_arg_t){what, memory};
}

caface_status cafi_dnn_run_new(cafi_dnn_run **out, const cafi_dnn_op *op, void *src, void *dst,
                               void *scratch, caface_error *err)
{
    cafi_dnn_run *run = NULL;
    dnnl_status_t status = dnnl_success;
    caface_status st = CAFI_NEW(&run, 1, err);

    *out = NULL;
    if (st)
        return st;
    run->op = op;
    run->out = dst;
    run->out_size = cafi_md_size(dnnl_primitive_desc_query_md(op->desc, dnnl_query_dst_md, 0));
    status = dnnl_stream_create(&run->stream, op->engine, dnnl_stream_default_flags);
    if (!status)
        status = dnnl_memory_create(&run->src,
                                    dnnl_primitive_desc_query_md(op->desc, dnnl_query_src_md, 0),
                                    op->engine, src);
    if (!status)
        status = dnnl_memory_create(&run->dst,
                                    dnnl_primitive_desc_query_md(op->desc, dnnl_query_dst_md, 0),
                                    op->engine, dst);
    if (!status)
        status = dnnl_memory_create(
            &run->scratch, dnnl_primitive_desc_query_md(op->desc, dnnl_query_scratchpad_md, 0),
            op->engine, scratch);
    if (status) {
        cafi_dnn_run_free(run);
        return dnn_fail(err, "memory", "map", status);
    }
    add_arg(run, DNNL_ARG_SRC, run->src);
    add_arg(run, DNNL_ARG_WEIGHTS, op->weights);
    add_arg(run, DNNL_ARG_BIAS, op->bias);
    add_arg(run, DNNL_ARG_DST, run->dst);
    add_arg(run, DNNL_ARG_SCRATCHPAD, run->scratch);
    if (op->scales)
        add_arg(run, CAFI_DNN_ARG_SCALES | DNNL_ARG_WEIGHTS, op->scales);
    *out = run;
    return CAFACE_OK;
}

void cafi_dnn_run_free(cafi_dnn_run *run)
{
    if (!run)
        return;
    if (run->src)
        dnnl_memory_destroy(run->src);
    if (run->dst)
        dnnl_memory_destroy(run->dst);
    if (run->scratch)
        dnnl_memory_destroy(run->scratch);
    if (run->stream)
        dnnl_stream_destroy(run->stream);
    free(run);
}

void cafi_dnn_spoil(const char *impl)
{
    spoiled = impl;
}

bool cafi_dnn_run_execute(cafi_dnn_run *run)
{
    bool fine =
        !dnnl_primitive_execute(run->op->primitive, run->stream, run->arg_count, run->args) &&
        !dnnl_stream_wait(run->stream);

    if (spoiled && strstr(run->op->impl, spoiled))
        memset((unsigned char *)run->out + run->out_size / 2, 0, run->out_size / 2);
    return fine;
}

const char *cafi_dnn_version(void)
{
    static _Thread_local char text[32];
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const char *cafi_dnn_isa(void)
{
    const char *text = dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());

    return strncmp(text, "cpu_isa_", 8) == 0 ? text + 8 : text;
}

/* The sets of x86-64 are bits, of which a better one has all those of a lesser;
 * elsewhere none of these is known. */
static bool has_isa(unsigned wanted)
{
#if defined(__x86_64__)
    return ((unsigned)dnnl_get_effective_cpu_isa() & wanted) == wanted;
#else
    (void)wanted;
    return false;
#endif
}

bool cafi_dnn_has_bf16(void)
{
    return has_isa(dnnl_cpu_isa_avx512_core_bf16);
}

bool cafi_dnn_has_int8(void)
{
    return has_isa(dnnl_cpu_isa_avx512_core_vnni);
}
