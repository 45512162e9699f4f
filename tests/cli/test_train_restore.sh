#!/usr/bin/env bash
# caface train --fusion restore, from outside.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
tool=$2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none
"$tool" make "$work/store" || exit 1

arguments=(--fusion restore --data "$work/store" --steps 12 --faces 96 --warm-up 3 --quiet --save-every 2 --log-every 4)
train() { "$caface" train "${arguments[@]}" "$@"; }
resumed() {
    train -o "$work/cut" --stop-after 5 && train -o "$work/cut" --resume &&
        cmp "$work/cut/last.safetensors" "$work/run/last.safetensors" && cmp "$work/cut/log.csv" "$work/run/log.csv"
}
# A run that is over does nothing and tells what its last row has.
over() { # COLUMN of the loss
    local said
    said=$(train -o "$work/run" --resume --json | grep -o '"loss":[-0-9.e]*' | cut -d: -f2)
    [ "$(printf %.9g "$said")" = "$(tail -n 1 "$work/run/log.csv" | cut -d, -f"$1")" ]
}
one_thread() {
    train -o "$work/one" --threads 1 && cmp "$work/one/last.safetensors" "$work/run/last.safetensors"
}
forms() {
    local f
    for f in plain heads exchange; do
        train -o "$work/$f" --form $f && "$caface" info "$work/$f/last.safetensors" >"$work/info" && grep -q "$f" "$work/info" || return 1
    done
    cmp "$work/exchange/last.safetensors" "$work/run/last.safetensors"
}
fused() {
    "$caface" fuse --method restore --model "$work/run/last.safetensors" --input "$work/store/probes" -o "$work/t.npz" --quiet
}
# The log's last validation is what `eval verify` says of the same model and pairs.
validated() {
    local logged measured
    train -o "$work/v" --validate "$work/store/probes" --far 0.1 --validate-every 5 || return 1
    [ "$(awk -F, 'NR > 1 && $9 != "" { printf "%s ", $1 }' "$work/v/log.csv")" = "5 10 12 " ] || return 1
    logged=$(tail -n 1 "$work/v/log.csv" | cut -d, -f9)
    for ((a = 0; a < 28; a++)); do
        for ((b = a + 1; b < 28; b++)); do echo "$a $b $((a / 4 == b / 4))"; done
    done >"$work/all.txt"
    measured=$("$caface" eval verify -f "$work/store/probes" -m "$work/v/last.safetensors" --method restore@512 \
        --bootstrap 0 --json --pairs "$work/all.txt" | grep -o '"0.1":[0-9.e-]*' | head -n 1)
    echo "# $logged, ${measured#*:}"
    awk -v a="$logged" -v b="${measured#*:}" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-12) }' &&
        cmp "$work/v/last.safetensors" "$work/run/last.safetensors"
}
plotted() {
    train -o "$work/plot" --validate "$work/store/probes" --far 0.1 --plot "$work/curve.svg" && grep -q '<svg' "$work/curve.svg"
}
started_from() {
    train -o "$work/next" --init "$work/run/last.safetensors" --lr 0 --weight-decay 0 &&
        "$tool" compare "$work/run/last.safetensors" "$work/next/last.safetensors" 1e-6 all
}
# No option is read and then forgotten.
options_matter() {
    local o
    for o in "--dropout 0.1" "--average 0.5" "--entropy-weight 1" "--restore-weight 0.1" "--others-weight 3" "--no-intruders" \
        "--center-weight 0.5" "--centers $work/store/centers.safetensors" "--warm-up 6" "--lr 1e-3" "--clip 0.01" \
        "--weight-decay 1" "--optimizer sgd" "--beta1 0.8" "--beta2 0.9" "--eps 1e-3" "--seed 7" "--faces 128"; do
        # shellcheck disable=SC2086
        train -o "$work/m${o//[ \/]/_}" $o || return 1
        ! cmp -s "$work/m${o//[ \/]/_}/last.safetensors" "$work/run/last.safetensors" || { echo "# $o: no effect"; return 1; }
    done
}
# An ensemble teaches: stopped and resumed it is one run, its weight matters, and another teacher is another run.
taught() {
    "$caface" convert "$work/run/last.safetensors" "$work/next/last.safetensors" --ensemble 0.85 -o "$work/ensemble.safetensors" --quiet &&
        train -o "$work/taught" --teacher "$work/ensemble.safetensors" &&
        ! cmp -s "$work/taught/last.safetensors" "$work/run/last.safetensors" &&
        train -o "$work/taught2" --teacher "$work/ensemble.safetensors" --stop-after 5 &&
        train -o "$work/taught2" --teacher "$work/ensemble.safetensors" --resume --threads 1 &&
        cmp "$work/taught/last.safetensors" "$work/taught2/last.safetensors" &&
        train -o "$work/taught3" --teacher "$work/ensemble.safetensors" --teacher-weight 1 &&
        ! cmp -s "$work/taught/last.safetensors" "$work/taught3/last.safetensors" &&
        refused 'taught by' train -o "$work/taught" --teacher "$work/run/last.safetensors" --resume &&
        refused 'taught by' train -o "$work/taught" --resume
}
refused() {
    local word=$1
    shift
    "$@" 2>"$work/err"
    [ $? != 0 ] && grep -qF -- "$word" "$work/err" || { cat "$work/err"; return 1; }
}
bare() { # a store without clean features
    mkdir -p "$work/bare" && cp "$work/store"/{features.npy,styles.npy,index.tsv} "$work/bare/" &&
        refused 'prepare features --clean' train --data "$work/bare" -o "$work/none"
}
short() { # clean features of other pictures
    cp -r "$work/store" "$work/short" && cp "$work/store/probes/features.npy" "$work/short/clean.npy" &&
        refused 'clean.npy is' train --data "$work/short" -o "$work/none"
}
processes() {
    train -o "$work/sgd" --optimizer sgd --lr 0.05 --threads 1 &&
        mpirun -n 2 --oversubscribe "$caface" train "${arguments[@]}" --threads 1 -o "$work/sgd2" --optimizer sgd --lr 0.05 &&
        "$tool" compare "$work/sgd/last.safetensors" "$work/sgd2/last.safetensors" 2e-5 all
}

check "a run" train -o "$work/run"
check "stopped and resumed: the same bytes" resumed
check "resumed when it is over: the loss of the last row" over 3
check "one thread: the same bytes" one_thread
check "three forms, recognised" forms
check "the model fuses" fused
check "validated as eval verify has it, in between too" validated
check "drawn" plotted
check "started from a model" started_from
check "options matter" options_matter
check "options of the other fusion are refused" refused '--epochs has no meaning' train -o "$work/x" --epochs 3
check "nothing but its own targets" refused '--leave-out has no meaning' train -o "$work/x" --leave-out
check "taught by an ensemble" taught
check "a teacher's weight without a teacher" refused 'teacher_weight goes with teacher' train -o "$work/x" --teacher-weight 0.3
check "a teacher that is not there" refused 'nobody.safetensors' train -o "$work/x" --teacher "$work/nobody.safetensors"
check "a teacher of CAFace" refused '--teacher goes with' "$caface" train --data x --centers x -o "$work/x" --teacher x
check "parts that there are not" refused 'no part "b9"' train -o "$work/x" --freeze b9
check "and there" refused '--steps goes with' "$caface" train --data x --centers x -o "$work/x" --steps 3
check "chunks of a form that knows none" refused '--chunk has no meaning with --form heads' train -o "$work/x" --form heads --validate "$work/store" --chunk 4
check "another form at resume" refused 'exchange' train -o "$work/run" --resume --form heads
check "a run is not overwritten" refused 'holds a run already' train -o "$work/run"
check "no clean features" bare
check "clean features of other sizes" short
if [ "${3:-}" = mpi ] && command -v mpirun >/dev/null; then
    check "two processes give the weights of one" processes
fi
finish
