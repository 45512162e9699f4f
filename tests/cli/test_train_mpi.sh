#!/usr/bin/env bash
# caface train on several processes, in a build with MPI.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
tool=$2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none

if ! command -v mpirun >/dev/null; then
    echo '1..0 # SKIP no mpirun'
    exit 0
fi
"$tool" make "$work/store" || exit 1
train() {
    "$caface" train --data "$work/store" --centers "$work/store/centers.safetensors" \
        --epochs 3 --batch 9 --group 8 --lr 3e-3 --threads 1 --clusters 3 --quiet --save-every 2 "$@"
}
processes() {
    local n=$1
    shift
    mpirun -n "$n" --oversubscribe "$caface" train --data "$work/store" \
        --centers "$work/store/centers.safetensors" --epochs 3 --batch 9 --group 8 --lr 3e-3 \
        --threads 1 --clusters 3 --quiet --save-every 2 "$@"
}
same() { "$tool" compare "$work/one/last.safetensors" "$work/$1/last.safetensors" "$2"; }
resumed() {
    processes 2 -o "$work/cut" --stop-after 4 && processes 2 -o "$work/cut" --resume &&
        cmp "$work/cut/last.safetensors" "$work/whole/last.safetensors" &&
        cmp "$work/cut/log.csv" "$work/whole/log.csv"
}
validated() {
    processes 2 -o "$work/v2" --sync-batchnorm --validate "$work/store/probes" --far 0.1 &&
        train -o "$work/v1" --validate "$work/store/probes" --far 0.1 &&
        awk -F, 'NR == FNR { a[FNR] = $8 + 0; next } (a[FNR] - $8) ^ 2 > 1e-3 { bad = 1 } END { exit bad || FNR < 4 }' \
            "$work/v1/log.csv" "$work/v2/log.csv"
}
fails_together() { ! timeout 600 mpirun -n 2 --oversubscribe "$caface" train --data "$work/none" --centers x -o "$work/y"; }

# SGD does not turn rounding into steps, so every tensor can be held to it; a memory
# loss that was divided by a process's part of the batch would show.
sgd=(--optimizer sgd --lr 0.05 --memory-weight 100 --sync-batchnorm)
exactly() {
    processes "$1" -o "$work/sgd$1" "${sgd[@]}" &&
        "$tool" compare "$work/sgd/last.safetensors" "$work/sgd$1/last.safetensors" 2e-5 all
}
one_of_one() {
    processes 1 -o "$work/mpi1" && cmp "$work/mpi1/last.safetensors" "$work/one/last.safetensors" &&
        cmp "$work/mpi1/log.csv" "$work/one/log.csv"
}

check "one process" train -o "$work/one"
check "two, synchronised" processes 2 -o "$work/two" --sync-batchnorm
check "two give the weights of one" same two 1e-3
check "four, synchronised: the last batch has 4 samples" processes 4 -o "$work/four" --sync-batchnorm
check "four give the weights of one" same four 1e-3
check "one started by mpirun: the same bytes" one_of_one
check "one, SGD" train -o "$work/sgd" "${sgd[@]}"
check "two, SGD: every tensor" exactly 2
check "four, SGD: every tensor" exactly 4
check "two, BatchNorm of each one's own" processes 2 -o "$work/whole"
check "stopped and resumed on two: the same bytes" resumed
check "validation by the first of two" validated
check "a failure ends all" fails_together
finish
