#!/bin/sh
# Renews constraints.txt: what a fresh install of pyproject.toml gives today.
set -eu
python=$(sh deploy/check-system.sh)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
grep '^torch==' constraints.txt >"$folder/torch.txt" # renewed by hand: a newer one may come with CUDA packages alone
"$folder/bin/pip" install -q --disable-pip-version-check -c "$folder/torch.txt" -e '.[retail,dev]'
"$folder/bin/pip" freeze --exclude-editable | sed 's/+cpu$//; s/ @ .*//' | grep == >constraints.txt
