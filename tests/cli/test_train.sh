#!/usr/bin/env bash
# caface train, from outside.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
tool=$2
"$tool" make "$work/store" || exit 1

train() {
    "$caface" train --data "$work/store" --centers "$work/store/centers.safetensors" --epochs 2 \
        --batch 9 --group 8 --lr 3e-3 --clusters 3 --quiet --save-every 2 "$@"
}
resumed() {
    train -o "$work/cut" --stop-after 4 && train -o "$work/cut" --resume &&
        cmp "$work/cut/last.safetensors" "$work/run/last.safetensors" &&
        cmp "$work/cut/log.csv" "$work/run/log.csv"
}
model_works() { "$caface" info --json "$1" | grep -q 'aggregator.fusion_net.conf_mlp.2.fc2.bias'; }
says() {
    local word=$1
    shift
    "$@" | grep -qF -- "$word"
}
started_from() {
    train -o "$work/next" --init "$work/run/last.safetensors" --lr 0 --weight-decay 0 &&
        "$tool" compare "$work/run/last.safetensors" "$work/next/last.safetensors" 1e9
}
one_thread() {
    train -o "$work/one" --threads 1 && cmp "$work/one/last.safetensors" "$work/run/last.safetensors"
}
plotted() {
    train -o "$work/plot" --plot "$work/curve.svg" && grep -q '<svg' "$work/curve.svg"
}

check "a run" train -o "$work/run"
check "its model is one" model_works "$work/run/last.safetensors"
check "best.safetensors too" model_works "$work/run/best.safetensors"
check "stopped and resumed: the same bytes" resumed
check "one thread: the same bytes" one_thread
check "--json" says '"epochs":2' train -o "$work/json" --json --optimizer sgd --schedule cosine --clip 1
check "scalar weights, one block" train -o "$work/scalar" --scalar --blocks 1 --accumulate 2
check "--init" started_from
if ! "$caface" train -o "$work/none" --data "$work/store" --centers x --plot "$work/x.png" 2>&1 | grep -q cairo; then
    check "--plot" plotted
fi
check "a folder that holds a run" fails 1 "--resume goes on" train -o "$work/run"
check "--resume with another seed" fails 1 "seed 43" train -o "$work/run" --resume --seed 43
check "--milestones of no numbers" fails 2 "--milestones" train -o "$work/x" --milestones 6,x
check "an odd group" fails 2 "even" train -o "$work/x" --group 7
check "a model of other sizes" fails 1 "12" train -o "$work/x" --init "${fixtures%/tests/fixtures}/data/sample/model.safetensors"
finish
