#!/bin/sh
# Feeds broken input to the decoder for a number of seconds (60), under AddressSanitizer, with libFuzzer choosing the input.
#
# What it finds lies in .build/fuzz as crash-*; run `.build/fuzz/fuzz FILE` to see it again. The corpus stays there and makes
# the next run start where this one ended.
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
out="$PWD/.build/fuzz"
mkdir -p "$out/corpus" "$out/CSimdjson"
printf 'module CSimdjson { header "%s" export * }\n' "$PWD/Sources/CSimdjson/include/CSimdjson.h" \
    >"$out/CSimdjson/module.modulemap"

toolchain="$(dirname "$(readlink -f "$(command -v swiftc)")")"
clangxx="$toolchain/clang++"
[ -x "$clangxx" ] || clangxx=clang++
"$clangxx" -std=c++17 -O1 -g -fsanitize=address,fuzzer-no-link -ISources/CSimdjson/include \
    -c Sources/CSimdjson/shim.cpp -o "$out/shim.o"

compile() { # module, then files
    module="$1"
    shift
    swiftc -O -g -swift-version 6 -wmo -parse-as-library -package-name selfsame -sanitize=address,fuzzer \
        -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
        -enable-upcoming-feature MemberImportVisibility -enable-upcoming-feature NonisolatedNonsendingByDefault \
        -enable-upcoming-feature InferIsolatedConformances -enable-upcoming-feature ImmutableWeakCaptures \
        -I "$out" -I "$out/CSimdjson" -I Sources/CZlib -module-name "$module" "$@"
}
compile IdentityEngine -emit-module -emit-module-path "$out/IdentityEngine.swiftmodule" \
    -c Sources/IdentityEngine/*.swift -o "$out/engine.o"
compile MixpanelWire -emit-module -emit-module-path "$out/MixpanelWire.swiftmodule" \
    -c Sources/MixpanelWire/*.swift -o "$out/wire.o"
tests=Tests/MixpanelWireTests
# gold warns of each of AddressSanitizer's symbols; only real errors are shown.
# The compiler leaves the module beside the program only where it is told to.
if ! compile Fuzz -emit-module -emit-module-path "$out/Fuzz.swiftmodule" -emit-executable Tests/Fuzz/FuzzTarget.swift \
    "$tests/DecodeInvariants.swift" "$tests/StrictJSON.swift" \
    "$out/engine.o" "$out/wire.o" "$out/shim.o" -lsimdjson -lz -lstdc++ -o "$out/fuzz" >"$out/link.log" 2>&1; then
    grep -v 'Cannot export local symbol' "$out/link.log" >&2
    exit 1
fi

# The bodies of the golden requests are the first corpus: after an empty line, behind a byte that chooses the reading.
for request in "$tests"/Fixtures/*/request.txt; do
    name="$(basename "$(dirname "$request")")"
    { printf ' '; sed '1,/^$/d' "$request"; } >"$out/corpus/$name"
    { printf '@'; sed '1,/^$/d' "$request"; } >"$out/corpus/$name-json"
done
cd "$out"
ASAN_OPTIONS=detect_leaks=0 exec ./fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=1 -dict="$OLDPWD/Tests/Fuzz/dictionary.txt" corpus
