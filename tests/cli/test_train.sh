#!/usr/bin/env bash
# caface train, from outside.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
tool=$2
"$tool" make "$work/store" || exit 1

arguments=(--data "$work/store" --centers "$work/store/centers.safetensors" --epochs 2 --batch 9 --group 8 --lr 3e-3 --clusters 3
    --quiet --save-every 2)
train() { "$caface" train "${arguments[@]}" "$@"; }
resumed() {
    train -o "$work/cut" --stop-after 4 && train -o "$work/cut" --resume &&
        cmp "$work/cut/last.safetensors" "$work/run/last.safetensors" &&
        cmp "$work/cut/log.csv" "$work/run/log.csv"
}
# A run that is over does nothing and tells what its last row has.
over() { # COLUMN of the loss
    local said
    said=$(train -o "$work/run" --resume --json | grep -o '"loss":[-0-9.e]*' | cut -d: -f2)
    [ "$(printf %.9g "$said")" = "$(tail -n 1 "$work/run/log.csv" | cut -d, -f"$1")" ]
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

# The log's last validation is what `eval verify` says of the same model and pairs.
validated() {
    local name=$1 options=$2 verify=$3 logged measured
    # shellcheck disable=SC2086 # lists of options
    train -o "$work/$name" --validate "$work/store/probes" --chunk 3 --far 0.1 $options || return 1
    logged=$(tail -n 1 "$work/$name/log.csv" | cut -d, -f8)
    # shellcheck disable=SC2086
    measured=$("$caface" eval verify -f "$work/store/probes" -m "$work/$name/last.safetensors" \
        --method caface@3 --bootstrap 0 --json $verify | grep -o '"0.1":[0-9.e-]*' | head -n 1)
    echo "# $name: $logged, ${measured#*:}"
    [ -n "$logged" ] && awk -v a="$logged" -v b="${measured#*:}" \
        'BEGIN { exit !(a > 0 && a < 1 && (a - b) ^ 2 < 1e-12) }'
}
all_pairs() {
    local a b
    for ((a = 0; a < 28; a++)); do
        for ((b = a + 1; b < 28; b++)); do echo "$a $b $((a / 4 == b / 4))"; done
    done >"$work/all.txt"
    validated all "" "--pairs $work/all.txt"
}
ijb() {
    validated ijb "--meta $work/store --dataset IJBX" "--meta $work/store --dataset IJBX"
}
beside() {
    head -n 200 "$work/store/meta/ijbx_template_pair_label.txt" >"$work/store/probes/pairs.txt"
    validated beside "" "--pairs $work/store/probes/pairs.txt"
}
best_resumes() {
    local v=(--validate "$work/store/probes" --far 0.1)
    train -o "$work/best" "${v[@]}" && train -o "$work/best2" "${v[@]}" --stop-after 6 &&
        train -o "$work/best2" "${v[@]}" --resume &&
        cmp "$work/best/best.safetensors" "$work/best2/best.safetensors" &&
        cmp "$work/best/log.csv" "$work/best2/log.csv"
}
# A file that may not grow is a full disk: the message, and what was there stays.
full_disk() {
    train -o "$work/full" --stop-after 4 && cp "$work/full/checkpoint.safetensors" "$work/kept" || return 1
    (
        trap '' XFSZ
        ulimit -f 64
        train -o "$work/full" --resume 2>"$work/full.err"
    )
    [ $? = 1 ] && grep -q 'full/.*cannot be written' "$work/full.err" &&
        cmp "$work/kept" "$work/full/checkpoint.safetensors" &&
        [ -z "$(find "$work/full" -name '*.tmp-*')" ] && train -o "$work/full" --resume &&
        cmp "$work/full/last.safetensors" "$work/run/last.safetensors"
}
# 40 images in batches of 40: half the batch is 20.
half_divisor() {
    train -o "$work/half" --batch 40 && train -o "$work/twenty" --batch 40 --memory-divisor 20 &&
        cmp "$work/half/last.safetensors" "$work/twenty/last.safetensors"
}
# 40 images in batches of 9: five an epoch, of which two.
limited() {
    train -o "$work/two" --limit-batches 2 --log-every 1 --keep-all &&
        [ "$(wc -l <"$work/two/log.csv")" = 5 ] && train -o "$work/share" --limit-batches 0.4 --log-every 1 &&
        cmp "$work/two/last.safetensors" "$work/share/last.safetensors" &&
        cmp "$work/two/epoch-2.safetensors" "$work/two/last.safetensors" &&
        ! cmp -s "$work/two/epoch-1.safetensors" "$work/two/epoch-2.safetensors"
}
# Five updates an epoch: after 3, 5 (its end), 6, 9, 10.
within() {
    local with=(--validate "$work/store/probes" --validate-every 3 --far 0.1)
    train -o "$work/within" "${with[@]}" &&
        [ "$(awk -F, 'NR > 1 && $8 != "" { printf "%s ", $2 }' "$work/within/log.csv")" = "3 5 6 9 10 " ] &&
        train -o "$work/within2" "${with[@]}" --stop-after 4 &&
        train -o "$work/within2" "${with[@]}" --resume &&
        cmp "$work/within/log.csv" "$work/within2/log.csv" &&
        cmp "$work/within/best.safetensors" "$work/within2/best.safetensors"
}
tried() {
    train -o "$work/tried" --fast-dev-run --validate "$work/store/probes" --far 0.1 --json >"$work/tried.json" &&
        grep -q '"batches":1,' "$work/tried.json" && [ ! -e "$work/tried" ] && [ ! -e "$work/tried.fast-dev-run" ]
}
# From epoch 1 on the rate is that of the second epoch.
second_epoch() {
    train -o "$work/second" --init "$work/run/last.safetensors" --first-epoch 1 --milestones 1 --log-every 1 &&
        [ "$(tail -n +2 "$work/second/log.csv" | cut -d, -f1,3 | sort -u)" = "2,0.0003" ]
}
events() {
    train -o "$work/events" --tensorboard && cmp "$work/events/last.safetensors" "$work/run/last.safetensors" &&
        grep -q 'train/center_loss' "$work/events"/events.out.tfevents.*
}
# No option is read and then forgotten.
options_matter() {
    local o
    train -o "$work/sgd" --optimizer sgd || return 1
    for o in "--beta1 0.8" "--beta2 0.9" "--eps 1e-3" "--weight-decay 0.1" "--clip 0.01" "--clip-value 1e-4" \
        "--gamma 0.5 --milestones 1" "--schedule cosine" "--accumulate 2" "--center-weight 0.5" \
        "--memory-weight 9" "--memory-weight 0" "--memory-mean" "--memory-divisor 3" \
        "--scheme single" "--group 5" "--drop 0.5" "--optimizer adam" "--seed 7"; do
        # shellcheck disable=SC2086
        train -o "$work/m$o" $o || return 1
        ! cmp -s "$work/m$o/last.safetensors" "$work/run/last.safetensors" || { echo "# $o: no effect"; return 1; }
    done
    train -o "$work/momentum" --optimizer sgd --momentum 0.1 &&
        ! cmp -s "$work/momentum/last.safetensors" "$work/sgd/last.safetensors" &&
        train -o "$work/decay" --optimizer sgd --weight-decay 0.1 &&
        train -o "$work/decay_all" --optimizer sgd --weight-decay 0.1 --decay-all &&
        ! cmp -s "$work/decay/last.safetensors" "$work/decay_all/last.safetensors"
}

# The last centre number is one bit away.
other_centres() {
    cp -r "$work/store" "$work/moved" && printf '\x01' | dd of="$work/moved/centers.safetensors" bs=1 conv=notrunc status=none \
        seek=$(($(stat -c %s "$work/moved/centers.safetensors") - 4)) && train -o "$work/run" --resume --centers "$work/moved/centers.safetensors"
}

check "a run" train -o "$work/run"
check "its model is one" model_works "$work/run/last.safetensors"
check "best.safetensors too" model_works "$work/run/best.safetensors"
check "stopped and resumed: the same bytes" resumed
# Ctrl-C in a run that would last long: it says so, and how to go on.
interrupted() {
    local pid got=0
    rm -rf "$work/long"
    "$caface" train "${arguments[@]}" -o "$work/long" --epochs 100000 2>"$work/err" &
    pid=$!
    until [ -s "$work/long/log.csv" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
    kill -INT $pid
    wait $pid || got=$?
    [ $got -gt 128 ] && grep -q "stopped; the same command with --resume goes on from the last checkpoint in $work/long" "$work/err"
}
check "Ctrl-C tells how to go on" interrupted
check "resumed when it is over: the loss of the last row" over 4
check "one thread: the same bytes" one_thread
check "--json" says '"epochs":2' train -o "$work/json" --json --optimizer sgd --schedule cosine --clip 1
check "memory loss over half the batch, by number" half_divisor
check "--limit-batches, by number and share; --keep-all" limited
check "--validate-every, stopped and resumed" within
check "--fast-dev-run leaves nothing behind" tried
check "--first-epoch" second_epoch
check "--tensorboard" events
check "scalar weights, one block" train -o "$work/scalar" --scalar --blocks 1 --accumulate 2
check "--init" started_from
if ! "$caface" train -o "$work/none" --data "$work/store" --centers x --plot "$work/x.png" 2>&1 | grep -q cairo; then
    check "--plot" plotted
fi
check "validation on all pairs of templates: as eval verify" all_pairs
check "validation on an IJB set" ijb
check "validation on the set's own pairs.txt" beside
check "the best model, stopped and resumed" best_resumes
check "every option has an effect" options_matter
check "a full disk" full_disk
# Two runs in one folder: the second is refused while the first, stopped here, is alive.
two_at_once() {
    local pid got=0
    "$caface" train "${arguments[@]}" -o "$work/busy" --epochs 100000 & # no function: its shell would be stopped and killed
    pid=$!
    until [ -s "$work/busy/log.csv" ] || ! kill -0 $pid; do sleep 0.01; done
    kill -STOP $pid
    fails 1 "another run is at work" train -o "$work/busy" --resume --epochs 100000 || got=1
    kill -KILL $pid
    wait $pid
    return $got
}
check "two runs in one folder" two_at_once
check "--meta without --validate" fails 2 "validate" train -o "$work/x" --meta "$work/store" --dataset IJBX
check "--far that is no decade" fails 1 "FAR 0.05" train -o "$work/x1" --validate "$work/store/probes" --far 0.05
check "validation on what is no feature set" fails 1 "feature set" train -o "$work/x2" --validate "$work/store"
check "--resume with another validation" fails 1 "not validated" train -o "$work/run" --resume --validate "$work/store/probes"
check "a folder that holds a run" fails 1 "resume goes on" train -o "$work/run"
check "--resume with another seed" fails 1 "seed 43" train -o "$work/run" --resume --seed 43
check "--milestones of no numbers" fails 2 "--milestones" train -o "$work/x" --milestones 6,x
check "--limit-batches of a batch and a half" fails 2 "whole number of batches" train -o "$work/x" --limit-batches 1.5
check "--clip and --clip-value" fails 2 "exclude" train -o "$work/x" --clip 1 --clip-value 1
check "--decay-all of adamw" fails 2 "anyway" train -o "$work/x" --decay-all
check "one group a sample with a memory loss" fails 2 "no memory loss" \
    train -o "$work/x" --scheme single --memory-weight 1
check "--memory-mean and --memory-divisor" fails 2 "exclude" \
    train -o "$work/x" --memory-mean --memory-divisor 2
check "--validate-every without --validate" fails 2 "validate" train -o "$work/x" --validate-every 3
check "--init-optimizer of a model without" fails 1 "no checkpoint that has optimizer_states" \
    train -o "$work/x3" --init "$work/run/last.safetensors" --init-optimizer
check "a group of 2" fails 2 "--group" train -o "$work/x" --group 2
check "--init with other --blocks" fails 1 "3 clusters and 2 blocks, the options ask for 3 and 1" \
    train -o "$work/x" --init "$work/run/last.safetensors" --blocks 1
check "--init with --scalar" fails 1 "scalar asks for 1" \
    train -o "$work/x" --init "$work/run/last.safetensors" --scalar
check "--resume with other centres" fails 1 "centres" other_centres
check "a model of other sizes" fails 1 "12" train -o "$work/x" --clusters 4 \
    --init "${fixtures%/tests/fixtures}/data/sample/model.safetensors"
finish
