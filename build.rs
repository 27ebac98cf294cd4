//! What `ebbtide --version` says: a release names the commit that it is built from.

use std::path::Path;
use std::process::Command;

/// What a release is built from: a commit beside them is said to be changed where one of them is.
const SOURCES: [&str; 8] = [
    ".git/HEAD",
    ".git/logs/HEAD",
    "Cargo.lock",
    "src",
    "controller/src",
    "functions/src",
    "simulator/src",
    "statemachine",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let number = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // A development build with it would be built anew, with all of its tests, after each commit.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let from = if is_release {
        for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
            println!("cargo::rerun-if-changed={source}");
        }
        commit(Path::new("."))
    } else {
        Some("development build".to_owned())
    };
    let from = from.map_or_else(String::new, |from| format!(" ({from})"));
    println!("cargo::rustc-env=EBBTIDE_VERSION={number}{from}");
}

/// The commit of a checkout, with `-dirty` where files differ from it; nothing without Git, or where the folder is
/// no checkout, though one may be around it.
pub(crate) fn commit(folder: &Path) -> Option<String> {
    if !folder.join(".git").exists() {
        return None;
    }
    let mut git = Command::new("git");
    git.current_dir(folder);
    git.args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]);
    let described = git.output().ok().filter(|output| output.status.success())?;
    let commit = String::from_utf8(described.stdout).ok()?;
    Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
}
