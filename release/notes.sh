#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, which must be that of Cargo.toml. Usage: notes.sh 0.1.0
set -euo pipefail
version=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
grep -qxF "version = \"$version\"" Cargo.toml ||
  { echo "Cargo.toml has another version than $version" >&2; exit 1; }
notes=$(awk -v heading="## [$version]" '
  /^## / { inside = index($0, heading " ") == 1; next }
  inside
' CHANGELOG.md)
[[ -n $notes ]] || { echo "CHANGELOG.md has no section \"## [$version] - DATE\"" >&2; exit 1; }
printf '%s\n' "$notes"
