#!/usr/bin/env bash
# Puts a folder into NAME.tar.gz, under that name: the same files give the same bytes. Usage: archive.sh NAME FOLDER
set -euo pipefail
name=$1 folder=$2
epoch=$(git log -1 --format=%ct)
tar --create --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=a+rX,u+w,go-w \
  --directory "$folder" --transform "flags=rSH;s,^\.,$name," . | gzip --no-name --best > "$name.tar.gz.part"
mv "$name.tar.gz.part" "$name.tar.gz"
