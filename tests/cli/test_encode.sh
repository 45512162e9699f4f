#!/usr/bin/env bash
# caface encode, from outside, with a small random network and drawn pictures.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
model=$fixtures/onnx/face_13.onnx
faces=$work/faces

mkdir -p "$faces/ann" "$faces/bob" "$faces/none"
"$draw" "$faces/ann" 5 1 && "$draw" "$faces/bob" 6 2 || exit 1
touch "$faces/none/readme.txt" "$faces/.hidden.png"

encode() { "$caface" encode --model "$model" "$@"; }
quiet() { encode --quiet "$@"; }
same_set() { diff -r "$1" "$2"; }
shape() { "$caface" info --json "$1" | grep -qF -- "$2"; }
line() { [ "$(sed -n "$2p" "$1/index.tsv")" = "$3" ]; }
tab=$'\t'

check "a folder of folders" quiet -o "$work/set" "$faces"
check "  features of every picture" shape "$work/set" '"name":"features","dtype":"F32","shape":[11,16]'
check "  styles of both taps" shape "$work/set" '"name":"styles","dtype":"F32","shape":[11,20,2]'
check "  the index's header" line "$work/set" 1 "source${tab}template${tab}label"
check "  sorted rows, labels of the folders" line "$work/set" 2 "$faces/ann/00.png${tab}0${tab}ann"
check "  one template a folder" line "$work/set" 7 "$faces/bob/00.png${tab}1${tab}bob"
check "  and how pictures became the input" grep -q '"input":"rgb mean [0-9. ]* scale [0-9. ]*"' "$work/set/set.json"
check "  what made it" grep -q '"backbone":"[0-9a-f]\{16\}".*"precision":"fp32","flip":false,"complete":true' "$work/set/set.json"

# The way from pictures to a nearest-template check, as the README has it.
halves() { "$(dirname "$0")/../../tools/halves" "$@"; }
check "templates cut in two" eval 'halves "$work/set" "$work/halves" | grep -qx "2 gallery entries, 2 probes"'
check "  by turns" eval '[ "$(cut -d " " -f 2 "$work/halves/templates.txt" | tr -d "\n")" = 01010232323 ]'
check "  are what eval identify reads" "$caface" eval identify -q -f "$work/set" --templates "$work/halves/templates.txt" \
    -g "$work/halves/gallery.csv" -p "$work/halves/probe.csv" --method average --bootstrap 0
check "  and need templates" eval '! halves "$work/nothing" "$work/h2" 2>/dev/null'

# The same numbers however pictures are grouped, and for any number of threads.
rows() { quiet --threads "$1" --batch 8 -o "$work/t$1" "$faces" && cmp "$work/set/features.npy" "$work/t$1/features.npy" && cmp "$work/set/styles.npy" "$work/t$1/styles.npy"; }
check "one thread: the same bits" rows 1
check "three threads: the same bits" rows 3
printf '# a list\n\n%s\tx\n%s\n' ann/00.png "$faces/bob/01.jpg" >"$faces/list.txt"
check "a list" quiet -o "$work/list" "$faces/list.txt"
check "  paths are relative to the list" line "$work/list" 2 "$faces/ann/00.png${tab}0${tab}x"
check "  a label is not needed" line "$work/list" 3 "$faces/bob/01.jpg${tab}1${tab}"
printf '1\tann/00.png\t7\n0\t%s\t3\t1\t2\t90\t95\n' "$faces/bob/01.jpg" >"$faces/train.lst"
check "InsightFace's train.lst: paths and classes" quiet -o "$work/lst" "$faces/train.lst"
check "  relative to the list" line "$work/lst" 2 "$faces/ann/00.png${tab}0${tab}7"
check "  with boxes or without" line "$work/lst" 3 "$faces/bob/01.jpg${tab}1${tab}3"
printf '%s\0%s\0' "$faces/ann/00.png" "$faces/bob/01.jpg" >"$work/zeros.txt"
check "a list cut by zero bytes is refused, not read up to the first" eval '! quiet -o "$work/zeros" "$work/zeros.txt" 2>"$work/err" && grep -q "line 1 is no UTF-8 text of one path" "$work/err"'
printf '\357\273\277%s\r\n%s' "$faces/ann/00.png" "$faces/bob/01.jpg" >"$work/marked.txt"
check "a list of Windows' editor" quiet -o "$work/marked" "$work/marked.txt"
check "  both are there" line "$work/marked" 3 "$faces/bob/01.jpg"
mkdir "$work/beside" && cp "$faces/ann/00.png" "$work/beside/" && touch "$work/beside/a.xyz" "$work/beside/b.xyz" "$work/beside/notes"
check "what a folder holds beside pictures is counted" eval '"$caface" encode --model "$model" --no-self-check --json -o "$work/m" "$work/beside" | grep -qF "\"passed_over\":{\".xyz\":2,\"\":1}"'
program=$(realpath "$caface") network=$(realpath "$model")
here() { (cd "$faces/ann" && "$program" encode --quiet --model "$network" --no-self-check -o "$work/here" .) && line "$work/here" 2 "./00.png${tab}0${tab}ann"; }
check "the folder that one is in is called by its name" here
check "info knows the parts of a set" eval '"$caface" info "$work/set/index.tsv" | grep -q "the index of a feature set" && "$caface" info "$work/set/set.json" | grep -q "what features say of themselves"'
check "info knows lists of pictures" eval '"$caface" info "$faces/list.txt" | grep -qF "a list of 3 lines: pictures, one a line" && "$caface" info "$faces/train.lst" | grep -q "LIST.lst"'
check "single files have no label" quiet -o "$work/single" "$faces/ann/00.png"
check "  and no columns for one" line "$work/single" 1 source
first_row() { cmp <(tail -c +129 "$work/single/features.npy" | head -c 64) <(tail -c +129 "$work/set/features.npy" | head -c 64); }
check "  and the same bits alone" first_row

# --flip: a picture and its mirror image have the same average.
mean_differs() { ! cmp -s "$work/set/features.npy" "$work/flip/features.npy"; }
check "--flip" quiet --flip -o "$work/flip" "$faces"
check "  changes features" mean_differs
check "  is written down" grep -q '"flip":true' "$work/flip/set.json"
check "--tap takes other nodes" quiet --tap /stage1/stage1.0/Add --tap /stage4/stage4.0/Add -o "$work/tap" "$faces"
check "  with their channels" shape "$work/tap" '"shape":[11,18,2]'
check "--styles takes stages by number, channels and places" quiet --styles 6,3,5 -o "$work/styles" "$faces"
check "  channels first" grep -q '"taps":\["[^":]*","[^":]*","[^"]*:spatial"\]' "$work/styles/set.json"
# Values that no file makes right are 2 before any is opened; what this file has not is 1.
for bad in 9 0 3,3 '3,' 3,x ''; do
    check "  --styles '$bad' is status 2" fails 2 "--styles $bad" "$caface" encode --model "$work/nowhere" --styles "$bad" -o "$work/no" "$faces"
done
check "  in convert too" fails 2 "--styles 9" "$caface" convert "$work/nowhere" --styles 9 -o "$work/no.safetensors"
check "  in prepare too" fails 2 "--styles 9" "$caface" prepare features "$work/nowhere" --model "$model" --styles 9 -o "$work/no"
check "  in train too" fails 2 "--styles 9" "$caface" train --data "$work/nowhere" --styles 9 -o "$work/no"
check "  so is a precision of prepare" fails 2 "--precision fp7" "$caface" prepare probes "$work/nowhere" --model "$model" --precision fp7 -o "$work/no"
check "  and of eval" fails 2 "--precision fp7" "$caface" eval verify --images "$work/nowhere" --model "$model" --precision fp7 --meta "$work" --dataset X
check "  a tap that this network has not is status 1" fails 1 "$model: tap nothing" "$caface" encode --model "$model" --tap nothing -o "$work/no" "$faces"
check "  they go with a converted model" eval '"$caface" convert "$model" --styles 3,5,6 -o "$work/s.safetensors" -q && "$caface" encode -q --model "$work/s.safetensors" -o "$work/convs" "$faces" && cmp "$work/styles/styles.npy" "$work/convs/styles.npy"'
check "  not beside --tap" fails 2 "give one" "$caface" encode --model "$model" --styles 3 --tap x -o "$work/x" "$faces"
check "--input-order changes features" quiet --input-order bgr -o "$work/bgr" "$faces"
check "  indeed" eval "! cmp -s $work/set/features.npy $work/bgr/features.npy"
check "--json" grep -q '"images":11,"faces":11,"resumed":0,"failed":\[\],"refused":0,"complete":true' <(encode --json -o "$work/json" "$faces")
check "a converted model gives the same" eval '"$caface" convert "$model" -o "$work/m.safetensors" -q && "$caface" encode -q --model "$work/m.safetensors" -o "$work/conv" "$faces" && cmp "$work/set/features.npy" "$work/conv/features.npy"'
check "convert keeps --input-order" eval '"$caface" convert "$model" --input-order bgr -o "$work/b.safetensors" -q && "$caface" encode -q --model "$work/b.safetensors" -o "$work/convb" "$faces" && cmp "$work/bgr/features.npy" "$work/convb/features.npy"'
check "info lists candidates for --tap" grep -q '/stage2/stage2.1/Add' <("$caface" info "$model")
check "bf16, or a clear refusal" eval 'encode -q --precision bf16 -o "$work/bf16" "$faces" || fails 1 "bf16" "$caface" encode --model "$model" --precision bf16 -o "$work/bf16b" "$faces"'
check "--low-memory" quiet --low-memory -o "$work/low" "$faces"

# Pictures that cannot be used are passed over, named, and make the status 3.
mkdir "$faces/sick"
: >"$faces/sick/empty.jpg"
echo hello >"$faces/sick/text.jpg"
head -c 900 "$faces/ann/00.png" >"$faces/sick/cut.png"
head -c 900 "$faces/ann/01.jpg" >"$faces/sick/cut.jpg"
"$draw" "$faces/sick" 1 3 64 || exit 1
sick() {
    local got=0
    encode --json -o "$work/sick" "$faces" >"$work/sick.json" 2>"$work/sick.err" || got=$?
    [ "$got" = 3 ] && [ "$(wc -l <"$work/sick.err")" = 5 ] && cmp "$work/set/features.npy" "$work/sick/features.npy"
}
check "five bad pictures: status 3, the others encoded" sick
for word in 'empty.jpg: an empty file' 'text.jpg: no picture' 'cut.png: damaged PNG' 'cut.jpg: damaged JPEG' '00.png: 64x64 pixels; this model takes aligned crops of 112x112'; do
    check "  says: $word" grep -qF "sick/$word" "$work/sick.err"
done
missing_one() {
    local got=0
    encode -q -o "$work/one" "$faces/nowhere.jpg" "$faces/ann/00.png" 2>"$work/one.err" || got=$?
    [ "$got" = 3 ] && grep -qF 'nowhere.jpg: No such file' "$work/one.err"
}
check "of several files one that is not there is passed over" missing_one
mkdir "$work/mixed"
cp "$faces/ann/00.png" "$work/mixed/a.png"
cp "$faces/ann/01.jpg" "$work/mixed/nosuffix"
head -c $(($(stat -c %s "$faces/ann/01.jpg") * 2 / 3)) "$faces/ann/01.jpg" >"$work/mixed/cut.jpg"
ln -s nowhere "$work/mixed/dangling.jpg"
touch "$work/mixed/clip.mp4" "$work/mixed/readme.txt" "$work/mixed/notes"
mixed() {
    local got=0
    encode --json -o "$work/mix" "$work/mixed" >"$work/mix.json" 2>/dev/null || got=$?
    [ "$got" = 3 ] && grep -qF '"images":4,"faces":2,' "$work/mix.json"
}
check "a mixed folder: a dangling link and a cut picture end nothing" mixed
check "  what is no picture is counted" grep -qF '"passed_over":{".mp4":1,"":1,".txt":1}' "$work/mix.json"
check "  --allow-damaged takes the cut one" eval 'encode --json --allow-damaged -o "$work/mixd" "$work/mixed" 2>/dev/null | grep -qF "\"faces\":3,"'
check "  and lists them as JSON" grep -qF "\"failed\":[{\"path\":\"$faces/sick/00.png\",\"error\":\"64x64" "$work/sick.json"
all_sick() {
    local got=0
    encode -o "$work/x" "$faces/sick" 2>"$work/sick.err" || got=$?
    [ "$got" = 1 ] && tail -n 1 "$work/sick.err" | grep -qF "none of the 5 pictures could be used"
}
check "nothing but bad pictures" all_sick
rm -r "$faces/sick"

check "no model" fails 2 "--model M is needed" "$caface" encode "$faces"
check "a model that is not there" fails 1 "none.onnx: No such file" "$caface" encode --model "$work/none.onnx" -o "$work/x" "$faces"
check "a model that is none" fails 1 "$faces/ann/01.jpg: " "$caface" encode --model "$faces/ann/01.jpg" -o "$work/x" "$faces"
check "an empty folder" fails 1 "none: no pictures" "$caface" encode --model "$model" -o "$work/x" "$faces/none"
check "a path that is not there" fails 1 "nowhere: No such file" "$caface" encode --model "$model" -o "$work/x" "$faces/nowhere"
check "a tap that is not there" fails 1 "no such node" "$caface" encode --model "$model" --tap nowhere -o "$work/x" "$faces"
check "a precision that is none" fails 2 "fp32, bf16 or int8" "$caface" encode --model "$model" --precision fp8 -o "$work/x" "$faces"
check "int8 without calibration" fails 1 "" "$caface" encode --model "$model" --precision int8 -o "$work/x" "$faces"
check "an output folder that cannot be" fails 1 "$work/no/x" "$caface" encode --model "$model" -o "$work/no/x" "$faces"
check "an output that is a device" fails 1 "/dev/full" "$caface" encode --model "$model" -o /dev/full "$faces"
check "failures leave nothing behind" eval '[ ! -e "$work/x" ] && [ -z "$(find "$work" -name "*.tmp-*")" ]'

# Stopping and going on. A list with repeats keeps it busy; it is made longer until Ctrl-C comes
# before the end, whatever the machine.
stopped() {
    local pid got rows
    for ((rows = 100; rows <= 1000000; rows *= 2)); do
        for ((i = 0; i < rows; i++)); do
            printf '%s/ann/0%d.png\tann\n%s/bob/0%d.jpg\tbob\n' "$faces" $((i % 3 * 2)) "$faces" $((i % 3 * 2 + 1))
        done >"$work/long.txt"
        rm -rf "$work/stop"
        "$caface" encode --model "$model" --threads 1 -o "$work/stop" "$work/long.txt" >"$work/stop.out" 2>"$work/stop.err" &
        pid=$!
        # Ctrl-C as soon as it has written something.
        until [ "$(cat "$work"/stop.tmp-*/features.npy* 2>/dev/null | wc -c)" -gt 0 ] || ! kill -0 $pid 2>/dev/null; do
            sleep 0.005
        done
        kill -INT $pid 2>/dev/null
        got=0
        wait $pid || got=$?
        [ "$got" = 0 ] || break
    done
    echo "status $got, $rows lines"
    cat "$work/stop.out" "$work/stop.err" "$work/stop/set.json"
    [ "$got" = 130 ] && grep -q " of [0-9]* of $((2 * rows)) pictures" "$work/stop.out" && grep -q -- '--resume' "$work/stop.err" && grep -q '"complete":false' "$work/stop/set.json" &&
        "$caface" info "$work/stop" >/dev/null
}
resumed() {
    "$caface" encode --model "$model" --resume -q -o "$work/stop" "$work/long.txt" &&
        "$caface" encode --model "$model" -q -o "$work/whole" "$work/long.txt" && same_set "$work/whole" "$work/stop"
}
# kill -9 once it has written rows: what is left is carried on with --resume, and is gone without.
killed() {
    local pid got rows
    for ((rows = 200; rows <= 1000000; rows *= 2)); do
        for ((i = 0; i < rows; i++)); do
            printf '%s/ann/0%d.png\tann\n%s/bob/0%d.jpg\tbob\n' "$faces" $((i % 3 * 2)) "$faces" $((i % 3 * 2 + 1))
        done >"$work/kill.txt"
        rm -rf "$work/kill" "$work"/kill.tmp-*
        "$caface" encode --model "$model" --threads 1 -q -o "$work/kill" "$work/kill.txt" &
        pid=$!
        until [ "$(cat "$work"/kill.tmp-*/index.tsv* 2>/dev/null | wc -l)" -gt 64 ] || ! kill -0 $pid 2>/dev/null; do
            sleep 0.005
        done
        kill -KILL $pid 2>/dev/null
        got=0
        wait $pid || got=$?
        [ "$got" = 0 ] || break
    done
    echo "status $got, $rows lines"
    [ "$got" = 137 ] && [ ! -e "$work/kill" ] && [ -n "$(echo "$work"/kill.tmp-*/set.json)" ]
}
carried_on() {
    local json
    cp -a "$(echo "$work"/kill.tmp-*)" "$work/left.tmp-abcdef" || return 1
    json=$("$caface" encode --model "$model" --resume --json -o "$work/kill" "$work/kill.txt") || return 1
    echo "$json"
    [ "$(grep -o '"resumed":[0-9]*' <<<"$json" | cut -d: -f2)" -ge 64 ] &&
        "$caface" encode --model "$model" -q -o "$work/whole" "$work/kill.txt" &&
        same_set "$work/whole" "$work/kill" && [ -z "$(find "$work" -name 'kill.tmp-*')" ]
}
swept() {
    "$caface" encode --model "$model" -q -o "$work/left" "$faces/bob" && [ -z "$(find "$work" -name 'left.tmp-*')" ]
}
set -m # so that background jobs can be interrupted
check "Ctrl-C leaves a valid set" stopped
check "--resume makes it the same, byte for byte" resumed
check "a killed run leaves its rows" killed
check "--resume carries a killed run on" carried_on
check "the next run sweeps what was left" swept
check "--resume of a finished set changes nothing" resumed
check "--resume with other options is refused" fails 1 "flip is false" "$caface" encode --model "$model" --resume --flip -q -o "$work/stop" "$work/long.txt"
check "--resume with another input convention is refused" fails 1 "input is rgb" "$caface" encode --model "$model" --resume --input-order bgr -q -o "$work/stop" "$work/long.txt"
check "--resume with another model is refused" fails 1 "backbone is" "$caface" encode --model "$fixtures/onnx/face_norm_16.onnx" --resume -q -o "$work/stop" "$work/long.txt"
changed() {
    cp -r "$faces" "$work/moving" && "$caface" encode --model "$model" -q -o "$work/moved" "$work/moving" || return 1
    touch -d '+10 seconds' "$work/moving/ann/00.png"
    fails 1 "ann/00.png was changed after it was encoded" "$caface" encode --model "$model" --resume -q -o "$work/moved" "$work/moving"
}
check "--resume with a changed picture is refused" changed
check "--resume with other pictures is refused" fails 1 "not among the pictures" "$caface" encode --model "$model" --resume -q -o "$work/stop" "$faces/bob"
finish
