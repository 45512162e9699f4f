#!/usr/bin/env bash
# caface check, --version --verbose, and what is remembered of a model that was right.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
model=$fixtures/onnx/wide_13.onnx
unset CAFACE_SELF_CHECK
export XDG_CACHE_HOME=$work/cache
known=$work/cache/caface/verified

bench() { "$caface" bench encode --model "$model" --seconds 0.01 --batch 1; }
wrong() { CAFACE_TEST_WRONG='' "$@"; }

check "a network is right: one line" eval '"$caface" check "$model" >"$work/line" && [ "$(wc -l <"$work/line")" = 1 ] && grep -q "wide_13.onnx: right (onnx: fp32, batch 1, fp32, batch 8" "$work/line"'
check "  with the distance to the plain definition" grep -qE 'least cosine to the plain definition (1\.000000|0\.99)' "$work/line"
check "  which --quick leaves out" eval '! "$caface" check --quick "$model" | grep -q cosine'
check "  nothing is remembered of it" [ ! -e "$known" ]
check "--json has every layer" eval '"$caface" check --json "$model" >"$work/json" && grep -q "\"verdict\":\"right\"" "$work/json" && grep -q "\"implementation\":\"" "$work/json"'
check "what is no network" fails 1 "no backbone" "$caface" check "$CAFACE_DATA/sample/model.safetensors"
check "two models, one of them no network" eval '! "$caface" check /nowhere "$model" >"$work/two" 2>/dev/null && grep -q right "$work/two"'

check "wrong numbers: status 1 and a sentence" wrong fails 1 "wrong numbers on this processor" "$caface" check "$model"
check "  in --json, too" eval '! wrong "$caface" check --json "$model" 2>/dev/null >"$work/json" && grep -q "\"verdict\":\"wrong\",\"reason\":\"" "$work/json"'
check "  no command opens the model" wrong fails 1 "wrong numbers on this processor" bench
check "  and nothing is remembered" [ ! -e "$known" ]
check "a first opening is remembered" eval 'bench && [ "$(wc -l <"$known")" = 1 ]'
check "  a second looks no more" wrong bench
check "  CAFACE_SELF_CHECK=always does" eval 'export CAFACE_SELF_CHECK=always; wrong fails 1 "wrong numbers" bench'
check "  another instruction set is a first time" eval 'export CAFACE_ISA=plain; wrong fails 1 "wrong numbers" bench'
rm -rf "$work/cache"
check "CAFACE_SELF_CHECK=never looks at nothing" eval 'export CAFACE_SELF_CHECK=never; wrong bench && [ ! -e "$known" ]'
check "--no-self-check is the same" eval 'wrong "$caface" bench encode --no-self-check --model "$model" --seconds 0.01 --batch 1 && [ ! -e "$known" ]'
check "a cache that cannot be written changes nothing" eval 'XDG_CACHE_HOME=/proc/nowhere bench'
check "  nor one that is a folder" eval 'mkdir -p "$known" && bench'
check "--version --verbose names the libraries" eval '"$caface" --version --verbose >"$work/v" && grep -q "^oneDNN *[23]\." "$work/v" && grep -qE "^kernels *(plain|avx2|avx512|neon)$" "$work/v" && grep -q "^zlib *1\." "$work/v"'
check "  and takes nothing else" fails 2 "takes only --verbose" "$caface" --version --verbos
check "an instruction set that is not known" fails 2 "CAFACE_ISA=avx3: known are plain, neon, avx2, avx512" env CAFACE_ISA=avx3 "$caface" --version
check "  and a self-check that is not" fails 2 "CAFACE_SELF_CHECK=off: known are never, once, always" env CAFACE_SELF_CHECK=off "$caface" --version

finish
