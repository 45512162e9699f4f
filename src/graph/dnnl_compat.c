#include "graph/dnnl_compat.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* oneDNN's prototypes name arrays of DNNL_MAX_NDIMS; shorter ones are meant,
 * and compilers complain: copy them. */
typedef struct full_dims {
    dnnl_dims_t dims;
} full_dims;

static full_dims fill(int n, const dnnl_dim_t *dims)
{
    full_dims full = {{0}};

    memcpy(full.dims, dims, (size_t)n * sizeof *dims);
    return full;
}

/* A clip without an upper end. Winograd's code knows it by this name alone. */
static bool is_relu(const cafi_dnn_finish *finish)
{
    return finish->lo == 0.0f && finish->hi >= FLT_MAX;
}

#if DNNL_VERSION_MAJOR >= 3

dnnl_status_t cafi_md_new(cafi_md *out, int ndim, const dnnl_dim_t *dims, dnnl_data_type_t type,
                          dnnl_format_tag_t tag)
{
    full_dims full = fill(ndim, dims);

    *out = NULL;
    return dnnl_memory_desc_create_with_tag(out, ndim, full.dims, type, tag);
}

void cafi_md_free(cafi_md md)
{
    if (md)
        dnnl_memory_desc_destroy(md);
}

bool cafi_md_winograd(cafi_md_view md, cafi_winograd_args *out)
{
    (void)md;
    (void)out;
    return false;
}

bool cafi_dnn_bias_is_scaled(void)
{
    return false;
}

bool cafi_dnn_scales_are_arguments(void)
{
    return true;
}

static dnnl_status_t append(dnnl_post_ops_t ops, dnnl_primitive_attr_t attr,
                            const cafi_dnn_finish *finish)
{
    dnnl_status_t st = dnnl_success;

    if (finish->sum)
        st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
    if (!st && finish->clip)
        st = is_relu(finish)
                 ? dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f)
                 : dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_clip, finish->lo, finish->hi);
    if (!st && finish->scales)
        st = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, 1);
    return st;
}

static dnnl_status_t first(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                           const cafi_dnn_shape *s, const_dnnl_primitive_attr_t attr)
{
    full_dims strides = fill(2, s->strides);
    full_dims dilates = fill(2, s->dilates);
    full_dims before = fill(2, s->before);
    full_dims after = fill(2, s->after);

    if (!s->convolution)
        return dnnl_inner_product_forward_primitive_desc_create(
            out, engine, dnnl_forward_inference, s->src, s->weights, s->bias, s->dst, attr);
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_inference,
        s->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct, s->src, s->weights,
        s->bias, s->dst, strides.dims, dilates.dims, before.dims, after.dims, attr);
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                              const cafi_dnn_shape *s, const_dnnl_primitive_attr_t attr,
                              size_t skip)
{
    dnnl_status_t st = first(out, engine, s, attr);

    while (!st && skip--)
        st = dnnl_primitive_desc_next_impl(*out);
    return st;
}

#else

dnnl_status_t cafi_md_new(cafi_md *out, int ndim, const dnnl_dim_t *dims, dnnl_data_type_t type,
                          dnnl_format_tag_t tag)
{
    full_dims full = fill(ndim, dims);
    dnnl_status_t status = dnnl_success;

    if (CAFI_NEW(out, 1, NULL))
        return dnnl_out_of_memory;
    if ((status = dnnl_memory_desc_init_by_tag(*out, ndim, full.dims, type, tag))) {
        free(*out);
        *out = NULL;
    }
    return status;
}

void cafi_md_free(cafi_md md)
{
    free(md);
}

bool cafi_md_winograd(cafi_md_view md, cafi_winograd_args *out)
{
    const dnnl_wino_desc_t *w = &md->format_desc.wino_desc;

    if (md->format_kind != dnnl_format_kind_wino || w->wino_format != dnnl_wino_wei_OBaaIBOIio ||
        w->r != 3 || w->alpha != 6 || w->oc_block != CAFI_WINOGRAD_LANES)
        return false;
    *out = (cafi_winograd_args){.out_channels = (size_t)w->oc,
                                .out_run = (size_t)w->oc2_block,
                                .in_channels = (size_t)w->ic,
                                .in_run = (size_t)w->ic2_block,
                                .in_block = (size_t)w->ic_block};
    /* Channels that were filled up to whole blocks are left to oneDNN. */
    return md->dims[0] == w->oc && md->dims[1] == w->ic;
}

bool cafi_dnn_bias_is_scaled(void)
{
    return true;
}

bool cafi_dnn_scales_are_arguments(void)
{
    return false;
}

static dnnl_status_t append(dnnl_post_ops_t ops, dnnl_primitive_attr_t attr,
                            const cafi_dnn_finish *finish)
{
    dnnl_status_t st = dnnl_success;

    if (finish->sum)
        st = dnnl_post_ops_append_sum(ops, 1.0f);
    if (!st && finish->clip)
        st = is_relu(finish)
                 ? dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f)
                 : dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_clip, finish->lo,
                                                finish->hi);
    if (!st && finish->scales)
        st = dnnl_primitive_attr_set_output_scales(attr, finish->channels, 1 << 1, finish->scales);
    return st;
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                              const cafi_dnn_shape *s, const_dnnl_primitive_attr_t attr,
                              size_t skip)
{
    full_dims strides = fill(2, s->strides);
    full_dims dilates = fill(2, s->dilates);
    full_dims before = fill(2, s->before);
    full_dims after = fill(2, s->after);
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t product;
    dnnl_primitive_desc_iterator_t all = NULL;
    dnnl_status_t st = dnnl_success;

    if (s->convolution)
        st = dnnl_dilated_convolution_forward_desc_init(
            &conv, dnnl_forward_inference,
            s->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct, s->src, s->weights,
            s->bias, s->dst, strides.dims, dilates.dims, before.dims, after.dims);
    else
        st = dnnl_inner_product_forward_desc_init(&product, dnnl_forward_inference, s->src,
                                                  s->weights, s->bias, s->dst);
    if (st)
        return st;
    st = dnnl_primitive_desc_iterator_create(&all, s->convolution ? (const void *)&conv : &product,
                                             attr, engine, NULL);
    while (!st && skip--)
        st = dnnl_primitive_desc_iterator_next(all);
    if (!st && !(*out = dnnl_primitive_desc_iterator_fetch(all)))
        st = dnnl_out_of_memory;
    if (all)
        dnnl_primitive_desc_iterator_destroy(all);
    return st;
}

#endif

size_t cafi_md_size(cafi_md_view md)
{
    return dnnl_memory_desc_get_size(md);
}

dnnl_status_t cafi_dnn_describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                const cafi_dnn_shape *shape, const cafi_dnn_finish *finish,
                                size_t skip)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);

    if (!st)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!st)
        st = dnnl_post_ops_create(&ops);
    if (!st)
        st = append(ops, attr, finish);
    if (!st)
        st = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (!st)
        st = describe(out, engine, shape, attr, skip);
    if (ops)
        dnnl_post_ops_destroy(ops);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return st;
}

dnnl_status_t cafi_dnn_describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                        cafi_md_view from, cafi_md_view to)
{
    return dnnl_reorder_primitive_desc_create(out, from, engine, to, engine, NULL);
}
