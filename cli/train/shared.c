#include "cli/train/train.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/status.h"
#include "eval/meta_files.h"
#include "files/output.h"

int train_check_validation(const train_options *o)
{
    if (!o->validate && (o->meta || o->dataset || o->pairs || o->templates || o->validate_every ||
                         cli_given(&o->common, "chunk") || cli_given(&o->common, "far")))
        return cli_usage("train", "--meta, --dataset, --pairs, --templates, --chunk, --far and "
                                  "--validate-every go with --validate");
    if (o->init_optimizer && !o->init)
        return cli_usage("train", "--init-optimizer goes with --init");
    if (o->first_epoch >= o->epochs)
        return cli_usage("train", "--first-epoch %zu of --epochs %zu, counted from 0",
                         o->first_epoch, o->epochs);
    if (o->fast_dev_run && (o->resume || o->plot))
        return cli_usage("train", "--fast-dev-run leaves nothing behind: no --resume, no --plot");
    if (!o->meta != !o->dataset)
        return cli_usage("train", "--meta DIR and --dataset NAME go together");
    if (o->meta && (o->pairs || o->templates))
        return cli_usage("train", "--meta names the lists: --pairs and --templates exclude it");
    return 0;
}

caface_status train_find_lists(train_lists *out, const train_options *o, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (train_lists){.source = {.set = o->validate,
                                    .templates = o->templates,
                                    .pairs = o->pairs,
                                    .chunk = o->chunk,
                                    .far = o->far}};
    if (!o->meta)
        return CAFACE_OK;
    if ((st = cafi_meta_find_one(&out->templates, o->meta, o->dataset, "_face_tid_mid.txt", err)) ||
        (st =
             cafi_meta_find_one(&out->pairs, o->meta, o->dataset, "_template_pair_label.txt", err)))
        return st;
    out->source.templates = out->templates;
    out->source.pairs = out->pairs;
    return CAFACE_OK;
}

void train_lists_free(train_lists *lists)
{
    free(lists->templates);
    free(lists->pairs);
}

caface_status train_pool_new(cafi_pool **out, const train_options *o, const cafi_comm *comm,
                             caface_error *err)
{
    size_t threads = o->common.threads;

    if (!threads && comm->size > 1)
        threads = cafi_cpu_count() > comm->size ? cafi_cpu_count() / comm->size : 1;
    return cafi_pool_new(out, threads, err);
}

caface_status train_choose_folder(train_folder *out, const train_options *o, const cafi_comm *comm,
                                  caface_error *err)
{
    cafi_buf folder = {0};
    cafi_buf path = {0};
    struct stat info;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&folder, "%s%s", o->output, o->fast_dev_run ? ".fast-dev-run" : "");
    cafi_buf_printf(&path, "%s/checkpoint.safetensors", folder.failed ? "" : folder.data);
    out->path = folder.data;
    if (folder.failed || path.failed)
        st = cafi_fail_memory(err, strlen(o->output));
    else if (!o->resume && stat(path.data, &info) == 0)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "%s: holds a run already; --resume goes on with it, another -o starts anew",
                       out->path);
    cafi_buf_free(&path);
    if (st || (st = cafi_output_folder(out->path, &out->made, err)))
        return st;
    return comm->rank ? CAFACE_OK : cafi_output_hold(&out->lock, out->path, err);
}

void train_folder_free(train_folder *folder)
{
    cafi_output_release(folder->lock);
    free(folder->path);
}
