# shellcheck shell=bash disable=SC2034
# What the command-line tests share: source it, `check` things, call `finish`.
#   $1 of the test: the program. work: a folder that is removed in the end.
set -u
caface=$1
fixtures=${CAFACE_FIXTURES:?}
work=$(mktemp -d /tmp/caface-cli-XXXXXX)
trap 'rm -rf "$work"' EXIT
tests=0
failures=0

# check NAME COMMAND...: passes when the command succeeds.
check() {
    local name=$1
    shift
    tests=$((tests + 1))
    if "$@" >"$work/.log" 2>&1; then
        echo "ok $tests - $name"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $name"
        sed 's/^/# /' "$work/.log"
    fi
}

# fails STATUS WORD COMMAND...: it exits with STATUS, says WORD on stderr in
# one line (usage errors take two) and prints nothing on stdout.
fails() {
    local want=$1 word=$2 got=0
    shift 2
    "$@" >"$work/.out" 2>"$work/.err" || got=$?
    if [ "$got" = "$want" ] && [ ! -s "$work/.out" ] && grep -qF -- "$word" "$work/.err" &&
        [ "$(wc -l <"$work/.err")" -le "$want" ]; then
        return 0
    fi
    echo "status $got, want $want; stderr, want: $word"
    cat "$work/.err"
    return 1
}

# exif_turned FILE.jpg ORIENTATION: the same picture, with an EXIF segment that says so.
exif_turned() {
    { printf '\377\330\377\341\000\042Exif\000\000II*\000\010\000\000\000\001\000\022\001\003\000\001\000\000\000%b\000\000\000\000\000\000\000' "\\x0$2" &&
        tail -c +3 "$1"; } >"$1.turned" && mv "$1.turned" "$1"
}

finish() {
    echo "1..$tests"
    [ "$failures" = 0 ]
}
