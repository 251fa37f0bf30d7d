# Sourced by scripts/demo and scripts/test from the repository's root; not run by itself.
#
# environment EXTRAS: makes .venv, or uses the one that is there, installs chainrule into it in editable form with the
# given extras, and sets $python to its interpreter. What is installed already is left alone: a stamp in .venv tells for
# which metadata, place and extras it was done.

unset PYTHONPATH PYTHONHOME

fail() {
    echo "$0: $1" >&2
    exit 1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

base_interpreter() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$new_enough" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null) || found="none"
    fail "expected Python 3.11 or newer as python3, found $found; install one, or set PYTHON=/path/to/python"
}

venv_interpreter() {
    if [ -d .venv/Scripts ]; then echo "$PWD/.venv/Scripts/python"; else echo "$PWD/.venv/bin/python"; fi
}

environment() {
    python=$(venv_interpreter)
    if ! "$python" -c "import pip; $new_enough" >/dev/null 2>&1; then
        base=$(base_interpreter) || exit 1
        echo "making .venv with $("$base" --version)"
        "$base" -m venv --clear .venv || fail "could not make .venv (on Debian and Ubuntu: apt install python3-venv)"
        python=$(venv_interpreter)
    fi
    stamp=.venv/installed-$(echo "$1" | tr ',' '-')
    wanted=$("$python" - "$PWD" <<'PY'
import hashlib, pathlib, sys

files = (pathlib.Path("pyproject.toml"), pathlib.Path("src/chainrule/_version.py"))
print(hashlib.sha256(b"".join([*(file.read_bytes() for file in files), sys.argv[1].encode(), sys.version.encode()])).hexdigest())
PY
    ) || exit 1
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
        echo "installing chainrule[$1] into .venv (the first time takes a minute or two)"
        "$python" -m pip install --quiet --disable-pip-version-check --editable ".[$1]" ||
            fail "could not install chainrule[$1] and what it needs; is a package index within reach?"
        echo "$wanted" >"$stamp"
    fi
}
