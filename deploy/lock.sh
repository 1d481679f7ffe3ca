#!/bin/sh
# Renews constraints.txt: what a fresh install of pyproject.toml gives today.
set -eu
python=$(sh deploy/check-system.sh)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/pip" install -q --disable-pip-version-check -e '.[retail,dev]'
"$folder/bin/pip" freeze --exclude-editable | sed 's/+cpu$//; s/ @ .*//' | grep == >constraints.txt
