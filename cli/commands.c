/* The program's commands, in the order the overview lists them. */
#include "cli/command.h"

extern const cli_command cli_bench_encode;
extern const cli_command cli_calibrate;
extern const cli_command cli_check;
extern const cli_command cli_compare;
extern const cli_command cli_convert;
extern const cli_command cli_demo;
extern const cli_command cli_eval_identify;
extern const cli_command cli_eval_robust;
extern const cli_command cli_eval_pairs;
extern const cli_command cli_eval_verify;
extern const cli_command cli_encode;
extern const cli_command cli_detect;
extern const cli_command cli_fuse;
extern const cli_command cli_gallery_create;
extern const cli_command cli_gallery_add;
extern const cli_command cli_gallery_remove;
extern const cli_command cli_gallery_rename;
extern const cli_command cli_gallery_merge;
extern const cli_command cli_gallery_list;
extern const cli_command cli_gallery_show;
extern const cli_command cli_gallery_search;
extern const cli_command cli_gallery_calibrate;
extern const cli_command cli_gallery_rebuild;
extern const cli_command cli_gallery_export;
extern const cli_command cli_gallery_import;
extern const cli_command cli_info;
extern const cli_command cli_plot_similarity;
extern const cli_command cli_prepare_centers;
extern const cli_command cli_prepare_extract;
extern const cli_command cli_prepare_features;
extern const cli_command cli_prepare_pack;
extern const cli_command cli_prepare_probes;
extern const cli_command cli_train;

/* clang-format off */
const cli_command *const cli_commands[] = {
    &cli_encode,
    &cli_fuse,
    &cli_info,
    &cli_detect,
    &cli_compare,
    &cli_gallery_create,
    &cli_gallery_add,
    &cli_gallery_remove,
    &cli_gallery_rename,
    &cli_gallery_merge,
    &cli_gallery_list,
    &cli_gallery_show,
    &cli_gallery_search,
    &cli_gallery_calibrate,
    &cli_gallery_rebuild,
    &cli_gallery_export,
    &cli_gallery_import,
    &cli_convert,
    &cli_check,
    &cli_calibrate,
    &cli_eval_verify,
    &cli_eval_identify,
    &cli_eval_robust,
    &cli_eval_pairs,
    &cli_plot_similarity,
    &cli_prepare_extract,
    &cli_prepare_pack,
    &cli_prepare_features,
    &cli_prepare_centers,
    &cli_prepare_probes,
    &cli_train,
    &cli_demo,
    &cli_bench_encode,
    NULL,
};
/* clang-format on */
