#!/bin/sh
# Sees to it that this machine has what barewire needs: `image/setup.sh run [BOARD]` for a board's image and QEMU, `flash
# BOARD` for its image and OpenOCD where it has a flash, `test` for the tests as well, which take every board, `soak` for
# the long ones too, `bench` for the benchmark and its plot. Installs missing packages with apt-get, and Python tools into build/venv. Does nothing, fast, once done.
# POSIX sh: on a fresh machine there is no Python yet.
set -u
cd "$(dirname "$0")/.." || exit 2

refuse() {
    echo "barewire: $*" >&2
    exit 2
}

tests=
case "${1:-run}" in
test | soak | bench) tests=yes ;;
esac
missing=
need() { # need COMMAND PACKAGE...: the packages are missing where the command is
    command -v "$1" >/dev/null 2>&1 && return
    shift
    missing="$missing $*"
}

need python3 python3 python3-venv
board="image/boards/${2:-microvm}.toml"
if [ "${1:-run}" = flash ]; then
    grep -q '^openocd = ' "$board" 2>/dev/null || { [ -z "$missing" ] && exit 0; }      # image/flash.py says what to do
    need openocd openocd
fi
need gcc gcc libc6-dev
need ld binutils
need patch patch
if [ "$tests" ] || ! grep -q '^cross = "arm' "$board" 2>/dev/null; then
    need qemu-system-x86_64 qemu-system-x86
fi
if [ "$tests" ] || grep -q '^cross = "arm' "$board" 2>/dev/null; then
    need arm-none-eabi-gcc gcc-arm-none-eabi
    [ "${1:-run}" = flash ] || need qemu-system-arm qemu-system-arm
    [ -e /usr/include/newlib/string.h ] || missing="$missing libnewlib-arm-none-eabi"
fi
if [ ! -e /usr/include/stdio.h ]; then
    missing="$missing libc6-dev"
fi
if [ "$tests" ]; then
    need curl curl
    need ip iproute2
    need ping iputils-ping
    need chromium chromium
    need wrk wrk
    need ab apache2-utils
    need h2load nghttp2-client
    if [ ! -x build/venv/bin/python ] && command -v python3 >/dev/null && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        missing="$missing python3-venv"
    fi
fi

if [ "${1:-run}" = soak ]; then
    need nmap nmap
    need slowhttptest slowhttptest
fi

if [ -n "$missing" ]; then
    install="apt-get install -y --no-install-recommends$missing ca-certificates"
    command -v apt-get >/dev/null || refuse "missing:$missing (Debian's names), and there is no apt-get here: install them"
    root=
    if [ "$(id -u)" != 0 ]; then
        root=sudo
        { command -v sudo && { sudo -n true || [ -t 0 ]; }; } >/dev/null 2>&1 ||
            refuse "missing packages, and no right to install them; as root say: apt-get update && $install"
    fi
    echo "barewire: installing$missing" >&2
    mkdir -p build
    $root env DEBIAN_FRONTEND=noninteractive apt-get -q update >build/apt.log 2>&1
    $root env DEBIAN_FRONTEND=noninteractive $install >>build/apt.log 2>&1 ||
        refuse "apt-get failed, its words are in build/apt.log; what it was to do: $install"
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse "$(python3 --version) is too old: barewire needs Python 3.11 or later as python3"

[ "$tests" ] || exit 0
if ! { cmp -s image/requirements.txt build/venv/requirements.txt && build/venv/bin/python -c '' 2>/dev/null; }; then
    echo "barewire: installing Python tools into build/venv" >&2
    mkdir -p build
    rm -rf build/venv
    python3 -m venv build/venv >build/venv.log 2>&1 || refuse "python3 -m venv failed, its words are in build/venv.log"
    build/venv/bin/python -m pip install --disable-pip-version-check -q -r image/requirements.txt >>build/venv.log 2>&1 ||
        refuse "pip could not install image/requirements.txt, its words are in build/venv.log"
    cp image/requirements.txt build/venv/requirements.txt
fi

# more NAME WHAT: what image/requirements-NAME.txt names, which is WHAT. Without it something is left out, and says so.
more() {
    cmp -s "image/requirements-$1.txt" "build/venv/requirements-$1.txt" && return
    echo "barewire: installing $2 into build/venv" >&2
    if build/venv/bin/python -m pip install --disable-pip-version-check -q -r "image/requirements-$1.txt" >>build/venv.log 2>&1; then
        cp "image/requirements-$1.txt" "build/venv/requirements-$1.txt"
    else
        echo "barewire: pip could not install image/requirements-$1.txt, its words are in build/venv.log" >&2
    fi
}

case "$1" in
soak) more soak "the fuzzer" ;;         # made for some machines only
bench) more bench "what draws the plot" ;;
esac
