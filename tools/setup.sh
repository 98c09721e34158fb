#!/usr/bin/env bash
# Sets up this machine: system libraries, .venv with the pinned packages, this package.
# Does nothing when all is installed; repairs an interrupted set-up. Prints to stderr only.
# With arguments it installs what some tests need instead: `browser` (Chromium, for the operator's page), `compiler` (gcc, for the C source of a policy), `arm64`
# (its compiler and QEMU). Where there is none to be had, these tests are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "setup: $*" >&2; }
fail() { say "$@"; exit 1; }

works() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }

# Wheels of ROS 2 exist for x86-64 only; elsewhere the Python of a sourced ROS installation is required.
has_ros() { [ "$(uname -m)" = x86_64 ] || "$1" -c 'import rclpy' >/dev/null 2>&1; }

find_python() {
    local name found="" names=${PYTHON:-python3.11 python3.12 python3.10 python3 /usr/bin/python3}
    for name in $names; do
        works "$name" || continue
        found=$name
        has_ros "$name" || continue
        "$name" -c 'import sys; print(sys.executable)'
        return
    done
    [ -z "$found" ] || fail "there are no ROS 2 wheels for $(uname -m), and rclpy is not importable in $found." \
        "Install ROS 2 with apt, source its setup.bash and try again; doc/install.md has the steps."
    fail "no Python 3.10, 3.11 or 3.12 found (tried: $names). Install one, or name it: make PYTHON=/path/to/python3.11"
}

# A library is installed if the dynamic linker finds it.
has_library() { [[ "$(/sbin/ldconfig -p)" == *"$1"* ]]; }

# sim/rendering.py renders with EGL on a GPU, else with OSMesa, else with Mesa's EGL.
can_draw() {
    [ -e /dev/nvidiactl ] || ! has_library libOSMesa.so || return 0
    has_library libEGL.so.1 && has_library libGL.so.1 && { [ -e /dev/nvidiactl ] || has_library libEGL_mesa.so; }
}

missing_packages() {
    can_draw || printf '%s\n' libosmesa6 libegl1 libgl1
    if ! "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    fi
}

install_packages() {
    local as_root=()
    command -v apt-get >/dev/null || fail "this machine has no apt-get. Install the equivalent of these packages with its package manager: $*"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "not root and no sudo. Ask an administrator to run: apt-get install $*"
        as_root=(sudo)
        [ -t 0 ] || as_root+=(-n)
        "${as_root[@]}" true || fail "sudo refused. Ask an administrator to run: apt-get install $*"
    fi
    say "installing system packages: $*"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update >&2 || say "apt-get update failed; trying with the present package lists"
    local package known=()
    for package in "$@"; do
        # Distributions of 2025 and later have no libosmesa6; Mesa's EGL replaces it there.
        [ "$package" = libosmesa6 ] && ! apt-cache show libosmesa6 >/dev/null 2>&1 || known+=("$package")
    done
    "${apt[@]}" install --yes --no-install-recommends "${known[@]}" >&2 || fail "apt-get install ${known[*]} failed; see above"
}

fingerprint() { { cat requirements.txt constraints.txt setup.py setup.cfg pyproject.toml tools/setup.sh; pwd; } | sha256sum; }

ready=.venv/ready
is_ready() { [ -f "$ready" ] && [ "$(cat "$ready")" = "$(fingerprint)" ] && works .venv/bin/python; }

has_one_of() { local name; for name in "$@"; do ! command -v "$name" >/dev/null || return 0; done; return 1; }

if [ $# -gt 0 ]; then
    for what in "$@"; do
        case $what in
            browser) has_one_of chromium chromium-browser google-chrome google-chrome-stable || (install_packages chromium) ||
                say "no browser: the tests of the operator's page in one are skipped" ;;
            compiler) has_one_of gcc cc clang || (install_packages gcc libc6-dev) || say "no C compiler: the tests of the C source are skipped" ;;
            arm64) { has_one_of qemu-aarch64 && has_one_of aarch64-linux-gnu-gcc; } ||
                (install_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user) || say "no QEMU: the tests of the C source on 64-bit ARM are skipped" ;;
            *) fail "unknown argument $what: browser, compiler or arm64" ;;
        esac
    done
    exit 0
fi

is_ready && exit 0
exec 9<requirements.txt
flock 9
is_ready && exit 0

python=$(find_python)
say "setting up with $python ($("$python" -V)); the first time takes some minutes"
mapfile -t packages < <(missing_packages "$python")
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"

# Without the stamp, a set-up was interrupted: pip cannot distinguish an incomplete package from a complete one. Scripts of a
# moved repository contain the path of another interpreter. Both cases start again; changed requirements alone only install the difference.
in_place() { head -n 1 .venv/bin/liquid-control 2>/dev/null | grep -qF "$PWD/.venv/bin/"; }
{ [ -f "$ready" ] && works .venv/bin/python && in_place; } || { rm -f "$ready"; "$python" -m venv --clear .venv; }
rm -f "$ready"
say "installing the pinned Python packages into .venv"
quiet=(); [ -t 2 ] || quiet=(-q)
pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input "${quiet[@]}" install)
"${pip[@]}" -c constraints.txt -r requirements.txt >&2
"${pip[@]}" --no-build-isolation --no-deps -e . >&2
fingerprint >"$ready"
say "ready"
