#!/usr/bin/env bash
# caface info and caface convert, from outside.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
f=$fixtures/files
ckpt=$f/lightning_omegaconf.ckpt

converts() { "$caface" convert "$@" -o "$work/out.safetensors"; }
has() { "$caface" info --json "$1" | grep -qF -- "$2"; }
lacks() { ! has "$@"; }
twice() {
    "$caface" convert "$1" -o "$work/one" && "$caface" convert "$work/one" -o "$work/two" &&
        cmp "$work/one" "$work/two"
}
# Names, types and shapes stay what they are, in their order.
same_tensors() {
    "$caface" convert "$1" -o "$work/same" &&
        cmp <("$caface" info --json "$1" | sed 's/.*"tensors":\(.*\),"config":.*/\1/') \
            <("$caface" info --json "$work/same" | sed 's/.*"tensors":\(.*\),"config":.*/\1/')
}
nothing_left() { [ ! -e "$work/x" ] && [ -z "$(find "$work" -name '*.tmp-*')" ]; }

for file in zip.pt legacy.pt dict_protocol0.npy compressed.npz small.safetensors; do
    check "convert $file twice: the same file" twice "$f/$file"
    check "convert $file keeps names, types, shapes" same_tensors "$f/$file"
done
check "info names the kind" has "$ckpt" '"kind":"lightning"'
check "info --json has the configuration" has "$ckpt" '"style_index":[3,5]'
check "info prints a table" grep -q 'a.transposed  *F32 *\[6,4\]' <("$caface" info "$f/zip.pt")
check "info of a damaged file" fails 1 "$f/expected.txt: " "$caface" info "$f/expected.txt"
check "info of nothing" fails 2 "at least 1" "$caface" info
check "convert a checkpoint" converts "$ckpt"
check "hyper_parameters are kept" has "$work/out.safetensors" '"hyper_parameters":{"decoder_name":"catv9_g4_conf512_small","lr":0.001'
check "decoder_name is at hand" has "$work/out.safetensors" '},"decoder_name":"catv9_g4_conf512_small"'
check "no fusion network, no heads" lacks "$work/out.safetensors" '"fusion"'
check "a fusion network's heads are stored" converts "$fixtures/fusion/catv9_g4_conf512_small/aggregator.ckpt"
check "  as H = 8" has "$work/out.safetensors" '"fusion":{"H":8}'
check "  with its integers" has "$work/out.safetensors" 'num_batches_tracked","dtype":"I64","shape":[]}'
check "  and tensors that share storage" has "$work/out.safetensors" 'style_maker.cfcs.0"'
check "two files become one" converts "$f/nested.pt" "$f/small.safetensors"
check "  with the first's tensors" has "$work/out.safetensors" '"model.x"'
check "  and the second's" has "$work/out.safetensors" '"name":"h","dtype":"F16"'
check "equal tensors may occur twice" converts "$f/zip.pt" "$f/legacy.pt"
"$caface" convert "$f/zip.pt" -o "$work/a" --quiet
# The last byte is the last element of the booleans, which is true.
cp "$work/a" "$work/b" && printf '\0' | dd of="$work/b" bs=1 seek=$(($(stat -c %s "$work/b") - 1)) conv=notrunc 2>/dev/null
check "differing ones may not" fails 1 "$work/a and $work/b both have" "$caface" convert "$work/a" "$work/b" -o "$work/x"
check "no output named" fails 2 "-o OUT.safetensors" "$caface" convert "$f/zip.pt"
check "a folder that is not there" fails 1 "cannot be written" "$caface" convert "$f/zip.pt" -o "$work/no/x"
[ -w /dev/full ] && check "a full disk" fails 1 "No space left" "$caface" convert "$f/zip.pt" -o /dev/full
check "failures leave nothing behind" nothing_left

# Two backbones in one file: a network of two prefixes, one with another number in it. The key
# takes one of them, with its own hash; no key of theirs takes none.
renamed() { # IN PREFIX OUT
    local n header
    n=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    header=$(head -c $((8 + n)) "$1" | tail -c +9 |
        sed -E 's/"__metadata__":\{("([^"\\]|\\.)*":"([^"\\]|\\.)*",?)*\},?//; s/"([^"]+)":\{"dtype"/"'"$2"'\1":{"dtype"/g; s/ +$//')
    while [ $((${#header} % 8)) -ne 0 ]; do header+=' '; done
    {
        # shellcheck disable=SC2059
        printf "$(printf '\\x%02x\\x%02x\\x%02x' $((${#header} & 255)) $((${#header} >> 8 & 255)) $((${#header} >> 16)))\0\0\0\0\0"
        printf %s "$header" && tail -c +$((9 + n)) "$1"
    } >"$3"
}
names() { "$caface" info --json "$1" | grep -o '"name":"[^"]*","dtype"' | sed 's/"name":\("[^"]*"\).*/\1/'; }
hash_of() { "$caface" info "$1" | sed -n 's/^  hash *//p'; }
two_backbones() {
    "$caface" convert "$mobile" -o "$work/mf" && renamed "$work/mf" student. "$work/s.safetensors" &&
        renamed "$work/mf" ema. "$work/e.safetensors" &&
        printf '\0\0\0\77' | dd of="$work/e.safetensors" bs=1 seek=$(($(stat -c %s "$work/e.safetensors") - 4000)) conv=notrunc 2>/dev/null &&
        {
            printf '{"weight_map":{'
            for file in s e; do names "$work/$file.safetensors" | sed "s/.*/&:\"$file.safetensors\"/"; done | paste -sd,
            printf '}}'
        } >"$work/both.index.json"
}
taken() { # KEY FILE
    "$caface" convert "$work/both.index.json" --weights-key "$1" -o "$work/taken" && [ -n "$(hash_of "$2")" ] &&
        [ "$(hash_of "$work/taken")" = "$(hash_of "$2")" ] && [ "$(names "$work/taken")" = "$(names "$2")" ]
}
mobile=${CAFACE_SHARED:-}/weights/mobilefacenet/mobilefacenet.pt
if [ -e "$mobile" ]; then
    check "two backbones in one file" two_backbones
    check "  the student" taken student "$work/s.safetensors"
    check "  its average" taken ema. "$work/e.safetensors"
    check "  they differ" test "$(hash_of "$work/s.safetensors")" != "$(hash_of "$work/e.safetensors")"
    check "  a key of neither" fails 1 "no backbone" "$caface" convert "$work/both.index.json" --weights-key nonsense -o "$work/x"
    check "  leaves nothing behind" nothing_left
    check "  encode lists them" fails 1 "student." "$caface" encode --model "$work/both.index.json" -o "$work/x" "$fixtures/detect/white.png"
    check "  and both" fails 1 "ema." "$caface" encode --model "$work/both.index.json" -o "$work/x" "$fixtures/detect/white.png"
else
    check "two backbones in one file: skipped, no ../shared" true
fi
finish
