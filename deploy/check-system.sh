#!/bin/sh
# Names everything that the system lacks, all at once, with the command that installs it.
missing=""
python=""
for name in python3.11 python3.12 python3; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    missing="$missing python3"
    echo "Python 3.11 or 3.12 is not there." >&2
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing="$missing python3-venv"
    echo "The venv module of $python is not there." >&2
fi
if ! { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q libgomp.so.1; then
    missing="$missing libgomp1"
    echo "LightGBM needs the system library libgomp.so.1, which is not there." >&2
fi
if [ -n "$missing" ]; then
    echo "Install what is missing with: apt-get install -y$missing" >&2
    exit 1
fi
echo "$python"
