#!/usr/bin/env bash
# Unlucky and hostile surroundings: pipes where files are meant, names that a terminal would obey,
# files that change while they are read.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
data=${fixtures%/tests/fixtures}/data/sample
model=$fixtures/onnx/face_13.onnx
mkdir "$work/faces" && "$draw" "$work/faces" 2 3 112 || exit 1
mkfifo "$work/fifo" "$work/list.txt" "$work/x.onnx"

# Pipes and devices, which hang or never end.
soon() { timeout 60 "$@"; }
no_file() { fails 1 "is not a regular file" soon "$@"; }
check "info of a pipe" no_file "$caface" info "$work/fifo"
check "a model that is a pipe" no_file "$caface" encode --model "$work/x.onnx" -o "$work/o" "$work/faces"
check "a list that is a pipe" no_file "$caface" encode --model "$model" -o "$work/o" "$work/list.txt"
check "a state that is a pipe" no_file "$caface" fuse --model "$data/model.safetensors" --merge "$work/fifo" -o "$work/o.npy"
check "a state that is a device" no_file "$caface" fuse --model "$data/model.safetensors" --merge /dev/zero -o "$work/o.npy"
if grep -q "^gallery " <<<"$("$caface" --help | sed 's/^ *//')"; then
    check "a gallery that is a pipe" no_file "$caface" gallery list "$work/fifo"
    check "a gallery that is a device" no_file "$caface" gallery show /dev/zero Ann
    check "  and one to be made" fails 1 "it is there already" soon "$caface" gallery create "$work/fifo" --method average
fi
check "features that are a pipe" no_file "$caface" fuse --method average --features "$work/fifo" -o "$work/o.npy"

# What a terminal obeys: C0, C1, bidirectional marks.
nasty=$(printf 'a\033[31m\302\233b\342\200\256c\a')
clean() { # clean COMMAND...: nothing of that in what it prints
    "$@" >"$work/shown" 2>&1
    [ -s "$work/shown" ] && ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$work/shown"
}
mkdir "$work/$nasty" && cp "$work/faces"/* "$work/$nasty/" && echo x >"$work/$nasty/bad.png"
check "an unknown command" clean "$caface" "$nasty"
check "an unknown option" clean "$caface" info "--$nasty"
check "an argument too many" clean "$caface" info x "$nasty"
check "a file that is not there" clean "$caface" info "$work/$nasty/none"
check "a picture that is none" clean "$caface" encode --model "$model" -o "$work/$nasty/set" "$work/$nasty"
check "JSON is escaped" clean "$caface" encode --json --model "$model" -o "$work/$nasty/set2" "$work/$nasty"
check "a set's name" clean "$caface" info "$work/$nasty/set"

# A file that is cut short while it is mapped: the tool is stopped as soon as it is, which is long
# before it has read the 8 GB (of nothing) that the file says.
cut_short() {
    local pid got=0
    printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (16777216, 128), }" >"$work/big.npy"
    truncate -s $((128 + 8589934592)) "$work/big.npy" || return 0 # a file system without holes
    "$caface" fuse --method average --features "$work/big.npy" --threads 1 -q -o "$work/average.npy" 2>"$work/err" &
    pid=$!
    until grep -q big.npy "/proc/$pid/maps" 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done
    kill -STOP $pid
    truncate -s 4096 "$work/big.npy"
    kill -CONT $pid
    wait $pid || got=$?
    cat "$work/err"
    [ "$got" = 1 ] && grep -q 'big.npy: was cut short' "$work/err" && [ ! -e "$work/average.npy" ]
}
[ ! -d /proc/self ] || check "a file that is cut short" cut_short
finish
