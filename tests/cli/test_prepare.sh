#!/usr/bin/env bash
# caface prepare, from outside.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
reader=$(dirname "$0")/../support/read_recordio.py
faces=$work/faces
mkdir -p "$faces/anna" "$faces/bert"

# The bytes of pictures are copied, so bytes that begin like one will do. Some hold
# RecordIO's magic number, at multiples of 4 and not.
picture() {
    printf '\377\330\377\340%s' "$2" >"$faces/$1"
    printf '%b' "$3" >>"$faces/$1"
}
picture anna/1.jpg 0123456789 '\n#\327\316\n#\327\316xy'
picture anna/2.jpg 0123456 '\n#\327\316'
picture bert/1.jpg 01234567 '\n#\327\316end'
picture bert/2.jpg 0123456789 ''

pack_round() {
    "$caface" prepare pack "$faces" -o "$work/set" &&
        "$caface" prepare extract "$work/set.rec" -o "$work/again" && diff -r "$faces" "$work/again"
}
# Another program reads the same bodies and labels.
independent() {
    "$reader" "$work/set" >"$work/seen" && [ "$(wc -l <"$work/seen")" = 4 ] || return 1
    while read -r _ label path hash; do
        [ "$(sha256sum <"$faces/$path" | cut -d' ' -f1)" = "$hash" ] || return 1
        case $path in anna/*) [ "$label" = 0.0 ] ;; *) [ "$label" = 1.0 ] ;; esac || return 1
    done <"$work/seen"
}
# Without list and index, by label and key.
bare() {
    mkdir -p "$work/bare" && cp "$work/set.rec" "$work/bare/train.rec" &&
        "$caface" prepare extract "$work/bare" -o "$work/bare_out" &&
        cmp "$faces/anna/2.jpg" "$work/bare_out/0/1.jpg" &&
        cmp "$faces/bert/1.jpg" "$work/bare_out/1/2.jpg"
}
# A list whose path leads out of the folder is refused, the rest is extracted.
escapes() {
    mkdir -p "$work/bad" && cp "$work/set.rec" "$work/set.idx" "$work/bad/" &&
        sed 's|anna/1.jpg|../out.jpg|' "$work/set.lst" >"$work/bad/set.lst"
    "$caface" prepare extract "$work/bad/set.rec" -o "$work/bad_out" 2>"$work/bad.err"
    [ $? = 3 ] && [ ! -e "$work/out.jpg" ] && grep -q 'out.jpg' "$work/bad.err" &&
        [ "$(find "$work/bad_out" -type f | wc -l)" = 3 ]
}
# Two records of one name: neither is written over the other without a word.
doubled() {
    mkdir -p "$work/two" && cp "$work/set.rec" "$work/set.idx" "$work/two/" &&
        sed 's|anna/2.jpg|anna/1.jpg|' "$work/set.lst" >"$work/two/set.lst"
    "$caface" prepare extract "$work/two/set.rec" -o "$work/two_out" 2>"$work/two.err"
    [ $? = 3 ] && grep -q 'anna/1.jpg: two records' "$work/two.err" &&
        cmp "$faces/anna/1.jpg" "$work/two_out/anna/1.jpg"
}
# The list of another set, by the labels that records carry: here InsightFace's form, whose first line is record 1.
strange_list() {
    mkdir -p "$work/strange" && cp "$work/set.rec" "$work/set.idx" "$work/strange/" &&
        awk -F'\t' '{ printf "1\t%s\t%d\n", $3, $2 }' "$work/set.lst" >"$work/strange/set.lst"
    fails 1 "it is the list of another set" "$caface" prepare extract "$work/strange/set.rec" -o "$work/strange_out"
}
# A name that no file can have concerns its record alone.
too_long() {
    local name
    name=$(printf 'n%.0s' $(seq 300))
    mkdir -p "$work/long" && cp "$work/set.rec" "$work/set.idx" "$work/long/" &&
        sed "s|anna/2.jpg|anna/$name.jpg|" "$work/set.lst" >"$work/long/set.lst"
    "$caface" prepare extract "$work/long/set.rec" -o "$work/long_out" 2>"$work/long.err"
    [ $? = 3 ] && grep -q 'a name of 309 bytes' "$work/long.err" &&
        [ "$(find "$work/long_out" -type f | wc -l)" = 3 ]
}
shared() {
    "$caface" prepare extract "$CAFACE_SHARED/recordio/train.rec" -o "$work/shared" &&
        [ "$(find "$work/shared" -name '*.jpg' | wc -l)" = 8 ] &&
        cmp -s <(head -c 3 "$work/shared/man/man_1.jpg") <(printf '\377\330\377')
}

if "$caface" prepare pack --help | grep -q 'Not in this build'; then
    echo '1..0 # SKIP no pictures in this build'
    exit 0
fi
check "pack, extract: the same files" pack_round
if [ -x /usr/bin/python3 ]; then
    check "an independent reader sees the same" independent
fi
check "extract without list and index" bare
check "a path that leads out of the folder" escapes
check "two records of one name" doubled
check "the list of another set is refused" strange_list
check "a name too long for a file" too_long
if [ -e "${CAFACE_SHARED:-}/recordio/train.rec" ]; then
    check "a record set of MXNet's" shared
fi
check "extract of no record set" fails 1 "$work/nothing" "$caface" prepare extract "$work/nothing.rec" -o "$work/x"
check "extract without -o" fails 2 "-o DIR" "$caface" prepare extract "$work/set.rec"
check "features of what are no pictures" fails 1 "" "$caface" prepare features "$faces" --quiet --model "$work/none" -o "$work/f"
check "train without data" fails 2 "--data SET" "$caface" train
check "train on nothing" fails 1 "neither" "$caface" train --data "$faces" --centers "$work/none" -o "$work/run"
finish
