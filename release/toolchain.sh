#!/usr/bin/env bash
# Installs the Rust of Cargo.toml, for a target. Usage: toolchain.sh x86_64-unknown-linux-musl
set -euo pipefail
target=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
rustup toolchain install "$version" --profile minimal --target "$target"
rustup default "$version"
