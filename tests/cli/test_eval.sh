#!/usr/bin/env bash
# caface eval, from outside, on the committed sample of probes: two sets of 16
# rows for each of 111 identities. The first set of each is the gallery here.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
sample=${CAFACE_DATA:?}/sample
set=$sample/probes
model=$sample/model.safetensors

awk -F'\t' 'NR > 1 && !($2 in label) { label[$2] = $3; n++; id[n] = $2 }
    END { for (i = 1; i <= n; i += 2) for (k = 2; k <= n; k += 2)
        print id[i], id[k], (label[id[i]] == label[id[k]]) }' "$set/index.tsv" >"$work/P.txt"
awk -F'\t' 'NR > 1 && !($2 in seen) { seen[$2] = 1; n++
    print $2 "," $3 > (n % 2 ? "'"$work"'/gallery_G1.csv" : "'"$work"'/probe.csv") }' "$set/index.tsv"
awk -F'\t' 'NR > 1 { print $1, $2, NR, $3 }' "$set/index.tsv" >"$work/T.txt"

verify() { "$caface" eval verify --features "$set" --pairs "$work/P.txt" "$@"; }
identify() {
    "$caface" eval identify --features "$set" --gallery "$work/gallery_G1.csv" \
        --probe "$work/probe.csv" "$@"
}
# number FILE KEY: the first number behind "KEY": in a JSON file
number() { sed -n "s/.*\"$2\":\([0-9.e+-]*\).*/\1/p" "$1" | head -1; }
counts() {
    verify --method average --json --bootstrap 20 >"$work/v.json" &&
        [ "$(number "$work/v.json" pairs)" = 12321 ] && [ "$(number "$work/v.json" genuine)" = 111 ] &&
        [ "$(number "$work/v.json" impostor)" = 12210 ] &&
        [ "$(number "$work/v.json" dropped)" = 0 ] && [ "$(number "$work/v.json" subjects)" = 111 ] &&
        grep -q '"unsupported":\["1e-06","1e-05","0.0001"\]' "$work/v.json"
}
# Threads change nothing; another seed changes intervals only.
deterministic() {
    local plain='s/"seconds":[^}]*//'
    local drawn='s/"interval":{[^}]*}//g; s/"[a-z]*_interval":\[[^]]*\]//g'
    verify -m "$model" --method average,caface --chunk 4,0 --json --threads 1 | sed "$plain" >"$work/a"
    verify -m "$model" --method average,caface --chunk 4,0 --json --threads 3 | sed "$plain" >"$work/b"
    verify -m "$model" --method average,caface --chunk 4,0 --json --seed 2 | sed "$plain" >"$work/c"
    [ -s "$work/a" ] && cmp "$work/a" "$work/b" && ! cmp -s "$work/a" "$work/c" &&
        cmp <(sed "$drawn" "$work/a") <(sed "$drawn" "$work/c")
}
rows() {
    verify -m "$model" --method average,norm:7,caface --chunk 4,0 --bootstrap 0 --csv "$work/t.csv" \
        --markdown "$work/t.md" --scores "$work/s.npy" >"$work/t.txt" &&
        [ "$(cut -d, -f1 "$work/t.csv" | tr '\n' ' ')" = "method average norm:7 caface@4 caface@0 " ] &&
        [ "$(grep -c '^|' "$work/t.md")" = 6 ] && grep -q '^caface@4 ' "$work/t.txt" &&
        [ "$(stat -c %s "$work/s.npy")" = $((128 + 4 * 12321 * 4)) ]
}
same_lists() {
    verify --method average --bootstrap 0 --csv "$work/1.csv" &&
        verify --method average --bootstrap 0 --csv "$work/2.csv" --templates "$work/T.txt" &&
        cmp "$work/1.csv" "$work/2.csv"
}
meta() {
    mkdir -p "$work/ijb/meta" && cp "$work/T.txt" "$work/ijb/meta/ijbx_face_tid_mid.txt" &&
        cp "$work/P.txt" "$work/ijb/meta/ijbx_template_pair_label.txt" &&
        cp "$work/gallery_G1.csv" "$work/ijb/meta/ijbx_1N_gallery_G1.csv" &&
        cp "$work/gallery_G1.csv" "$work/ijb/meta/ijbx_1N_gallery_G2.csv" &&
        cp "$work/probe.csv" "$work/ijb/meta/ijbx_1N_probe_mixed.csv" &&
        "$caface" eval verify -f "$set" --meta "$work/ijb" --dataset IJBX --method average \
            --bootstrap 0 --csv "$work/3.csv" && cmp "$work/1.csv" "$work/3.csv" &&
        "$caface" eval identify -f "$set" --meta "$work/ijb/meta" --dataset ijbx --method average \
            --bootstrap 0 --json | grep -q '"gallery":"G2"'
}
# IJB-B calls its galleries S1 and S2; the figures are those of the same lists by any name.
ijbb_names() {
    mkdir -p "$work/ijbb" && cp "$work/T.txt" "$work/ijbb/ijbb_face_tid_mid.txt" &&
        cp "$work/gallery_G1.csv" "$work/ijbb/ijbb_1N_gallery_S1.csv" &&
        head -60 "$work/gallery_G1.csv" >"$work/ijbb/ijbb_1N_gallery_S2.csv" &&
        cp "$work/probe.csv" "$work/ijbb/ijbb_1N_probe_mixed.csv" &&
        "$caface" eval identify -f "$set" --meta "$work/ijbb" --dataset IJBB --method average \
            --bootstrap 0 --csv "$work/b1.csv" >"$work/b1.txt" &&
        "$caface" eval identify -f "$set" -g "$work/ijbb/ijbb_1N_gallery_S1.csv" \
            -g "$work/ijbb/ijbb_1N_gallery_S2.csv" -p "$work/probe.csv" --method average --bootstrap 0 \
            --csv "$work/b2.csv" && cmp "$work/b1.csv" "$work/b2.csv" && grep -q S2 "$work/b1.txt"
}
# Fusing one side by one method and the other by another gives the same scores from either side.
two_methods() {
    awk '{ print $2, $1, $3 }' "$work/P.txt" >"$work/turned.txt" &&
        verify -m "$model" --method caface@0 --gallery-method average --bootstrap 0 --scores "$work/ca.npy" &&
        "$caface" eval verify --features "$set" --pairs "$work/turned.txt" -m "$model" --method average \
            --gallery-method caface@0 --bootstrap 0 --scores "$work/ac.npy" && cmp "$work/ca.npy" "$work/ac.npy" &&
        verify -m "$model" --method caface@0 --bootstrap 0 --scores "$work/cc.npy" &&
        ! cmp -s "$work/ca.npy" "$work/cc.npy" &&
        verify --method average --gallery-method average --bootstrap 0 --scores "$work/aa.npy" &&
        verify --method average --bootstrap 0 --scores "$work/a.npy" && cmp "$work/aa.npy" "$work/a.npy"
}
both_sides() {
    { cat "$work/P.txt" && awk 'NR == 1 { print $2, $1, $3 }' "$work/P.txt"; } >"$work/both.txt"
    "$caface" eval verify --features "$set" --pairs "$work/both.txt" --method average --gallery-method unit
}
compare_rows() {
    verify -m "$model" --method average,caface@4 --compare caface,average --bootstrap 50 --json \
        >"$work/c.json" && grep -q '"compare":{"a":"caface@4","b":"average","difference":' "$work/c.json"
}
# Fusion by the model finds more than the average does.
ranks() {
    identify -m "$model" --method average,caface@4 --bootstrap 0 --csv "$work/i.csv" >/dev/null &&
        awk -F, 'NR == 2 { a = $15 } NR == 3 { c = $15 } END { exit !(a > 0.7 && c > a) }' "$work/i.csv"
}
plots() {
    if "$caface" eval verify -f "$set" --pairs "$work/P.txt" --method average --roc "$work/r.svg"; then
        identify --method average --cmc "$work/cmc.pdf" && [ -s "$work/r.svg" ] && [ -s "$work/cmc.pdf" ]
    else
        "$caface" eval verify -f "$set" --pairs "$work/P.txt" --method average --roc "$work/r.svg" 2>&1 |
            grep -q cairo
    fi
}
# Lines in another shape: the same result.
foreign() {
    sed 's/ /\t/; s/$/\r/' "$work/P.txt" | head -c -2 >"$work/Q.txt"
    "$caface" eval verify -f "$set" --pairs "$work/Q.txt" --method average --bootstrap 0 --csv "$work/4.csv" &&
        cmp "$work/1.csv" "$work/4.csv"
}
bad_pairs() {
    (head -2 "$work/P.txt" && printf '%s' "$2") >"$work/bad.txt"
    fails 1 "$1" "$caface" eval verify -f "$set" --pairs "$work/bad.txt" --method average
}
nothing_left() {
    ! "$caface" eval verify -f "$set" --pairs "$work/bad.txt" --method average --scores "$work/none.npy" \
        --csv "$work/none.csv" 2>/dev/null && [ ! -e "$work/none.npy" ] && [ ! -e "$work/none.csv" ]
}

check "counts, subjects, what is not supported" counts
check "the same for any number of threads; the seed draws intervals" deterministic
check "a row for every method and chunk; CSV, Markdown, scores" rows
check "T.txt and index.tsv say the same" same_lists
check "the InsightFace layout, from the folder or the one above" meta
check "CRLF, tabs, no last newline" foreign
check "two rows compared" compare_rows
check "identification: the model finds more than the average" ranks
check "curves" plots
piped_pairs() {
    verify --method average --scores "$work/plain.npy" >/dev/null &&
        "$caface" eval verify --features "$set" --pairs <(cat "$work/P.txt") --method average --scores "$work/piped.npy" >/dev/null &&
        cmp "$work/plain.npy" "$work/piped.npy"
}
check "pairs through a pipe: the same scores" piped_pairs
check "an unknown template is named by line" bad_pairs "line 3: template 7777" "1000 7777 0"
check "a missing label is named by line" bad_pairs "line 3 has 2 fields" "1000 1001"
check "a bad label is named by line" bad_pairs "line 3: label 2" "1000 1001 2"
check "a failure leaves no file" nothing_left
restore=${CAFACE_FIXTURES:?}/restore
restore_rows() {
    verify -m "$model" -m "$restore/plain_128/model.npz" --method average,caface@4,restore \
        --json >"$work/rest.json" &&
        grep -q '"name":"restore","method":"restore","chunk":null' "$work/rest.json" &&
        verify -m "$restore/exchange_128/model.npz" --method restore --chunk 4,0 --json >"$work/rest.json" &&
        grep -q '"name":"restore@4","method":"restore","chunk":4' "$work/rest.json"
}
robust() {
    "$caface" eval robust -f "$set" -m "$model" -m "$restore/plain_128/model.npz" -g "$work/gallery_G1.csv" \
        -p "$work/probe.csv" --method average,restore --gallery-method average --bootstrap 50 --json "$@"
}
robust_rows() {
    robust >"$work/robust.json" && robust >"$work/robust2.json" && cmp "$work/robust.json" "$work/robust2.json" &&
        [ "$(grep -o '"condition"' "$work/robust.json" | wc -l)" = 24 ] &&
        grep -q '"cannot_tell_below":{"restore":' "$work/robust.json" &&
        [ "$(number "$work/robust.json" probes)" = 111 ] && robust --seed 5 >"$work/robust3.json" &&
        ! cmp -s "$work/robust.json" "$work/robust3.json"
}
check "restore beside caface; chunks of an exchange" restore_rows
check "eval robust: every method under every condition, the same for one seed" robust_rows
check "chunks of a sum" fails 2 "a sum over faces" verify -m "$restore/plain_128/model.npz" --method restore@4
check "restore without its model" fails 2 "needs --model" verify -m "$model" --method restore
check "caface without a model" fails 2 "needs --model" verify --method caface
check "chunks that no method uses" fails 2 "--chunk 4: no method uses it" verify --method average --chunk 4
check "chunks without a model" fails 2 "needs --model" verify --chunk 4
check "a chunk beside caface@8" fails 2 "no method uses it" verify -m "$model" --method caface@8 --chunk 4
check "a power that no method uses" fails 2 "--norm-power 2: no method uses it" verify --method norm:7 --norm-power 2
check "IJB-B's galleries" ijbb_names
rm -f "$work/ijbb/ijbb_1N_gallery_S2.csv"
check "a gallery that is not there: what is" fails 1 "gallery_S2.csv; $work/ijbb holds ijbb_1N_gallery_S1.csv" \
    "$caface" eval identify -f "$set" --meta "$work/ijbb" --dataset IJBB --method average
check "verify --gallery-method" two_methods
check "verify --gallery-method, a template on both sides" fails 1 "stands first in some pairs" both_sides
check "several chunks for galleries" fails 2 "one chunk size is needed" identify -m "$model" --gallery-method caface --chunk 4,8
check "an unknown method" fails 2 "magic" verify --method magic
# A name or a suffix that is wrong is a wrong call in every command, whatever its files are like.
for how in "verify --method norm:x" "verify --method caface@4.5" "verify --method best:magic" "verify --method average," \
    "verify --gallery-method magic" "identify --method magic" "identify --gallery-method average@3" \
    "verify --method average --roc $work/r.jpg" "identify --method average --cmc $work/c" "identify --method average --det $work/d.gif"; do
    # shellcheck disable=SC2086
    check "status 2: $how" fails 2 "try: caface eval" $how
done
check "status 2: eval robust --method magic" fails 2 "magic" robust --method magic
check "status 2: eval robust --plot x.jpeg" fails 2 "ends in" robust --plot "$work/x.jpeg"
plot() { "$caface" plot similarity -m "$model" -i "$sample/long" -g "$sample/gallery" --label 51 "$@"; }
check "status 2: plot similarity --method magic" fails 2 "magic" plot --method magic -o "$work/p.png"
check "status 2: plot similarity -o p.bmp" fails 2 "ends in" plot -o "$work/p.bmp"
# A suffix of another format than the one that is written would mislead.
check "status 2: --scores s.csv" fails 2 "end in .npy" verify --method average --scores "$work/s.csv"
check "status 2: --csv t.md" fails 2 "end in .csv" verify --method average --csv "$work/t.md"
check "status 2: convert -o x.pt" fails 2 "end in .safetensors" "$caface" convert "$model" -o "$work/x.pt"
check "status 2: fuse --weights w.npz" fails 2 "end in .npy" "$caface" fuse -m "$model" -i "$sample/long" --weights "$work/w.npz"
check "status 2: fuse -o t.txt" fails 2 "end in .npy" "$caface" fuse -m "$model" -i "$sample/long" -o "$work/t.txt"
check "a suffix that says nothing is left alone" "$caface" convert "$model" -o "$work/model.v2"
check "status 2: train --plot t.bmp" fails 2 "ends in" "$caface" train --data nothing --centers nothing -o "$work/run" --plot t.bmp
magic() { "$caface" gallery "$1" "$work/none" "${@:2}" --method magic; }
for how in create rebuild; do check "status 2: gallery $how --method magic" fails 2 "magic" magic $how; done
for how in search calibrate; do check "status 2: gallery $how --method magic" fails 2 "magic" magic $how -i "$set"; done
check "status 2: gallery search --method media" fails 2 "no media" "$caface" gallery search "$work/none" -i "$set" --method media
# A template without a valid row: named by line, its pairs score 0 and are counted.
empty_template() {
    local first lines
    first=$(awk -F'\t' 'NR == 2 { print $2 }' "$set/index.tsv")
    lines=$(awk -F'\t' -v t="$first" 'NR > 1 && $2 == t' "$set/index.tsv" | wc -l)
    cp -r "$set" "$work/empty" && chmod -R u+w "$work/empty" || return 1
    local offset size rows
    rows=$(($(wc -l <"$set/index.tsv") - 1))
    size=$((($(stat -c %s "$set/features.npy") - 128) / rows))
    for ((i = 0; i < lines; i++)); do
        offset=$((128 + i * size))
        printf '\377\377\377\377' | dd of="$work/empty/features.npy" bs=1 seek=$offset conv=notrunc status=none
    done
    "$caface" eval verify -f "$work/empty" --pairs "$work/P.txt" --method average --bootstrap 0 --json \
        >"$work/e.json" 2>"$work/e.txt" && grep -q "\"dropped\":$lines,.*\"empty_templates\":1,\"empty_pairs\":111," "$work/e.json" &&
        grep -q "line 2: template $first has no valid row, each of its $lines holds NaN" "$work/e.txt" &&
        "$caface" eval identify -f "$work/empty" -g "$work/gallery_G1.csv" -p "$work/probe.csv" --method average \
            --bootstrap 0 2>"$work/e.txt" | grep -q '^without a valid row: 1 of the templates' && [ "$(wc -l <"$work/e.txt")" = 1 ]
}
check "a template without a valid row" empty_template
# Names of the methods, and a list of subjects that the pairs contradict.
aliases() { verify --method media-average --bootstrap 0 --json | grep -q '"name":"media","method":"media"'; }
contradicted() {
    awk '{ print $1, $2, $3, "everybody" }' "$work/T.txt" >"$work/E.txt"
    verify --method average --templates "$work/E.txt" --json | grep -q '"contradictions":12210,' &&
        verify --method average --templates "$work/E.txt" | grep -q '^12210 pairs contradict' &&
        verify --method average --json | grep -q '"contradictions":0,'
}
# Without enough subjects some resamples, here all, have no impostor.
no_interval() {
    verify --method average --bootstrap 1 --templates "$work/E.txt" --seed 3 >"$work/t.txt" && ! grep -q nan "$work/t.txt"
}
# The difference of every figure of identification, its interval over the same resamples.
compare_ranks() {
    identify -m "$model" --method average,caface@4 --compare caface average --bootstrap 50 --json --csv "$work/d.csv" \
        >"$work/d.json" && grep -q '"compare":\[{"a":"caface@4","b":"average","gallery":"G1","difference":{"rank1":' "$work/d.json" &&
        awk -F, 'NR == 2 { a = $3 } NR == 3 { c = $3 } NR == 4 { d = $3; low = $4; high = $5; name = $1 }
            END { e = c - a - d; exit !(name == "caface@4 - average" && e < 1e-8 && e > -1e-8 && low <= d && d <= high) }' "$work/d.csv"
}
# A row less itself is 0 in every resample: the resamples are the same.
compare_self() {
    identify --method average --compare average average --bootstrap 50 --csv "$work/d.csv" >/dev/null &&
        awk -F, 'NR == 3 { exit !($3 == 0 && $4 == 0 && $5 == 0) }' "$work/d.csv" &&
        verify --method average --compare average,average --bootstrap 50 --csv "$work/d.csv" >/dev/null &&
        awk -F, 'NR == 3 { for (i = 2; i < 26; i += 4) if ($i != 0 || $(i + 1) != 0 || $(i + 2) != 0) exit 1 }' "$work/d.csv"
}
check "media-average is media" aliases
check "pairs that contradict the subjects are counted" contradicted
check "no interval is no number" no_interval
check "identification: two rows compared" compare_ranks
check "a row compared with itself" compare_self
check "compare takes two rows" fails 2 "two rows" verify --method average --compare average
check "compare needs the bootstrap" fails 2 "bootstrap" identify --method average --compare average average --bootstrap 0
check "no pairs" fails 2 "--pairs" "$caface" eval verify -f "$set"
check "compare with something that is no row" fails 2 "caface@8 is no row" \
    verify -m "$model" --method average,caface@4 --compare caface@8,average
head -3 "$work/T.txt" >"$work/T3.txt"
check "rows and templates that differ in number" fails 1 "lists 3 rows" \
    "$caface" eval verify -f "$set" --pairs "$work/P.txt" --method average --templates "$work/T3.txt"

# Detectors' scores: with all of them equal the average; 1 and 0 leave rows out.
scored_set() {
    rm -rf "${work:?}/$1" && cp -r "$set" "$work/$1" &&
        awk -F'\t' -v OFS='\t' -v kind="$1" 'NR == 1 { print $0, "score"; next }
            { n[$2]++; print $0, kind == "equal" ? 0.5 : kind == "some" ? n[$2] <= 4 : n[$2] == 3 ? "" : 1 }' \
            "$set/index.tsv" >"$work/$1/index.tsv"
}
scored() {
    scored_set equal && scored_set some && scored_set gap &&
        "$caface" eval verify -f "$work/equal" --pairs "$work/P.txt" --method average,average+score,norm:7+score,unit+score \
            --bootstrap 0 --csv "$work/eq.csv" --json >"$work/eq.json" &&
        [ "$(sed -n 2p "$work/eq.csv" | cut -d, -f2-)" = "$(sed -n 3p "$work/eq.csv" | cut -d, -f2-)" ] &&
        [ "$(cut -d, -f1 "$work/eq.csv" | tr '\n' ' ')" = "method average average+score norm:7+score unit+score " ] &&
        grep -q '"name":"average+score","method":"average","chunk":null,"detector_score":true,"best_of":false' "$work/eq.json" &&
        "$caface" eval identify -f "$work/some" -g "$work/gallery_G1.csv" -p "$work/probe.csv" \
            --method unit+score,average+score --bootstrap 0 --csv "$work/so.csv" &&
        awk 'BEGIN { t = 100000 } { n[$2]++; print $1, n[$2] <= 4 ? $2 : t++, $3, $4 }' "$work/T.txt" >"$work/few.txt" &&
        "$caface" eval identify -f "$set" --templates "$work/few.txt" -g "$work/gallery_G1.csv" -p "$work/probe.csv" \
            --method unit,average --bootstrap 0 --csv "$work/fe.csv" &&
        [ "$(cut -d, -f2- "$work/so.csv")" = "$(cut -d, -f2- "$work/fe.csv")" ]
}
# The scores of IJB's lists, the last number of a line, do what those of the index do.
listed_scores() {
    awk -F'\t' 'NR > 1 { n[$2]++; print $1, 30, 50, 80, 50, 55, 70, 35, 90, 75, 90, n[$2] <= 4 }' "$set/index.tsv" >"$work/L.txt" &&
        "$caface" eval identify -f "$set" --templates "$work/T.txt" --landmarks "$work/L.txt" -g "$work/gallery_G1.csv" \
            -p "$work/probe.csv" --method unit+score,average+score --bootstrap 0 --csv "$work/li.csv" &&
        cmp "$work/so.csv" "$work/li.csv" &&
        mkdir -p "$work/ijb5" && cp "$work"/ijb/meta/* "$work/ijb5" && cp "$work/L.txt" "$work/ijb5/ijbx_name_5pts_score.txt" &&
        "$caface" eval identify -f "$set" --meta "$work/ijb5" --dataset ijbx --method unit+score,average+score --bootstrap 0 \
            --json | grep -q '"name":"unit+score"'
}
# Of galleries of one picture the best is that picture; of 16 it is another answer than the average.
best_of() {
    awk 'NR == FNR { split($0, f, ","); gallery[f[1]] = 1; next }
        { print $1, ($2 in gallery) && n[$2]++ ? 100000 + FNR : $2, $3, $4 }' "$work/gallery_G1.csv" "$work/T.txt" >"$work/one.txt" &&
        verify --method best,average,best:norm:7,norm:7 --templates "$work/one.txt" --bootstrap 0 --csv "$work/be.csv" &&
        [ "$(cut -d, -f1 "$work/be.csv" | tr '\n' ' ')" = "method best:average average best:norm:7 norm:7 " ] &&
        near_rows 2 3 "$work/be.csv" && near_rows 4 5 "$work/be.csv" &&
        identify --method best,average --templates "$work/one.txt" --bootstrap 0 --csv "$work/bi.csv" &&
        near_rows 2 3 "$work/bi.csv" &&
        verify --method best,average --compare best average --bootstrap 20 --csv "$work/b16.csv" &&
        ! near_rows 2 3 "$work/b16.csv" &&
        identify -m "$model" --method best:caface@4,caface@4 --bootstrap 20 --json >"$work/b16.json" &&
        grep -q '"name":"best:caface@4","method":"caface","chunk":4,"detector_score":false,"best_of":true' "$work/b16.json"
}
# near_rows A B FILE: the figures of two lines of a CSV, thresholds to rounding
near_rows() {
    awk -F, -v a="$1" -v b="$2" 'NR == a { for (i = 2; i <= NF; i++) f[i] = $i; n = NF }
        NR == b { for (i = 2; i <= n; i++) { d = f[i] - $i; if (d > 1e-6 || d < -1e-6) bad = 1 } } END { exit bad }' "$3"
}
check "detectors' scores weigh faces" scored
check "detectors' scores of a list" listed_scores
check "the best picture" best_of
check "no scores, no weighing by them" fails 1 "no column score" verify --method media+score
check "a face without a score is named" fails 1 "row 2 has no detector's score" \
    "$caface" eval verify -f "$work/gap" --pairs "$work/P.txt" --method average+score
check "a network reads styles, not scores" fails 2 "scores are for" verify -m "$model" --method caface+score
check "best makes no template for galleries" fails 2 "best makes no template" verify --method average --gallery-method best
check "landmarks that nothing reads" fails 2 "nothing uses it" verify --method average --landmarks "$work/L.txt"
fused_by_scores() {
        "$caface" fuse -i "$work/equal" --method average+score -o "$work/fs.npz" --json | grep -q '"detector_score":true' &&
        "$caface" fuse -i "$work/equal" --method average -o "$work/fa.npz" && cmp "$work/fs.npz" "$work/fa.npz" &&
        "$caface" fuse -i "$work/some" --method average+score -o "$work/fs.npz" && ! cmp -s "$work/fs.npz" "$work/fa.npz"
}
check "fuse weighs by scores, too" fused_by_scores
check "a state knows no scores" fails 2 "knows no scores" "$caface" fuse -i "$work/equal" --single --method unit+score --save-state "$work/s.state"
finish
