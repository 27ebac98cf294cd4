//! Every property on what its fuzzer has found worth keeping, and the fuzzers as they are built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{corpus, holds};
use ebbtide_properties::ALL;

fn fuzz(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    folder.join(path)
}

#[test]
fn every_property_holds_for_its_corpus() {
    for property in ALL {
        let inputs = corpus(property.name);
        for data in &inputs {
            holds(&property, data);
        }
        println!("{}: {} inputs replayed", property.name, inputs.len());
    }
}

#[test]
fn every_corpus_is_small_and_not_empty() {
    for property in ALL {
        let (name, inputs) = (property.name, corpus(property.name));
        let count = inputs.len();
        assert!((10..100).contains(&count), "{name}: {count}");
        let longest = inputs.iter().map(Vec::len).max().unwrap();
        assert!(longest <= 2 * 1024, "{name}: {longest} bytes");
    }
}

#[test]
fn every_property_has_a_fuzzer_and_a_corpus_and_nothing_else_has() {
    let names = ALL.iter().map(|property| property.name.to_owned());
    let names: BTreeSet<_> = names.collect();
    let listed = |folder: &str| -> BTreeSet<_> {
        let files = fs::read_dir(fuzz(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        files.map(|file| stem(file.unwrap().path())).collect()
    };
    assert_eq!(listed("fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for name in names {
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{name}");
        let target = fs::read_to_string(fuzz(&path)).unwrap();
        let call = format!("ebbtide_properties::{name}(data)");
        assert!(target.contains(&call), "{name}");
    }
}

#[test]
fn the_fuzzers_are_built_from_the_same_versions() {
    let versions = |lock: PathBuf| -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(lock).unwrap();
        let packages = text.split("[[package]]").skip(1).map(|package| {
            let field = |name: &str| {
                let line = package.lines().find(|line| line.starts_with(name)).unwrap();
                line.split('"').nth(1).unwrap().to_owned()
            };
            (field("name = "), field("version = "))
        });
        packages.collect()
    };
    let ours = versions(fuzz("../Cargo.lock"));
    let theirs = versions(fuzz("Cargo.lock"));
    assert!(theirs.len() > 100, "{theirs:?}");
    for (name, version) in &theirs {
        let known = ours.iter().any(|(known, _)| known == name);
        assert!(
            !known || ours.contains(&(name.clone(), version.clone())),
            "{name} {version}: cp Cargo.lock fuzz/ && cargo metadata --manifest-path fuzz/Cargo.toml"
        );
    }
}
