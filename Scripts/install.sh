#!/usr/bin/env bash
# Installs the Debian packages that are missing: Scripts/install.sh run|test|bench.
# Asks for nothing where everything is there, and says what to install where it cannot.
set -euo pipefail

common=(g++ make libsimdjson-dev libsqlite3-dev libssl-dev zlib1g-dev)
case "${1:-run}" in
run) wanted=("${common[@]}" curl) ;;
test) wanted=("${common[@]}" curl python3 python3-venv strace chromium nodejs nginx-light) ;;
bench) wanted=("${common[@]}" curl python3 wrk) ;;
*) echo "usage: Scripts/install.sh run|test|bench" >&2; exit 2 ;;
esac

if ! command -v swift >/dev/null; then
    echo "Swift 6.3 or later is needed: https://www.swift.org/install/linux" >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian. Install the equivalents of: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
# A Python that did not come from Debian brings its own venv module.
if python3 -c 'import venv, ensurepip' 2>/dev/null; then
    missing=("${missing[@]/python3-venv/}")
    missing=("${missing[@]/python3/}")
fi
# A Node that did not come from Debian serves as well, where it is new enough.
if command -v node >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)'; then
    missing=("${missing[@]/nodejs/}")
fi
missing=($(printf '%s\n' "${missing[@]:-}" | sed '/^$/d'))
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Install these as root, then run again: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
