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
finish
