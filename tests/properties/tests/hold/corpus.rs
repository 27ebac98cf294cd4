//! Every property on what its fuzzer has found worth keeping, and the fuzzers as they are built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{corpus, holds};
use ebbtide_properties::ALL;

fn fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(path)
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
        let inputs = corpus(property.name);
        assert!(
            (10..100).contains(&inputs.len()),
            "{}: {}",
            property.name,
            inputs.len()
        );
        let longest = inputs.iter().map(Vec::len).max().unwrap();
        assert!(longest <= 2 * 1024, "{}: {longest} bytes", property.name);
    }
}

#[test]
fn every_property_has_a_fuzzer_and_a_corpus_and_nothing_else_has() {
    let names: BTreeSet<_> = ALL
        .iter()
        .map(|property| property.name.to_owned())
        .collect();
    let listed = |folder: &str| -> BTreeSet<_> {
        let files = fs::read_dir(fuzz(folder)).unwrap();
        files
            .map(|file| {
                let path = file.unwrap().path();
                path.file_stem().unwrap().to_str().unwrap().to_owned()
            })
            .collect()
    };
    assert_eq!(listed("fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for name in names {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
        let target = fs::read_to_string(fuzz("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("ebbtide_properties::{name}(data)")),
            "{name}"
        );
    }
}

#[test]
fn the_fuzzers_are_built_from_the_same_versions() {
    let versions = |lock: PathBuf| -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(lock).unwrap();
        let packages = text.split("[[package]]").skip(1);
        packages
            .map(|package| {
                let field = |name: &str| {
                    let line = package.lines().find(|line| line.starts_with(name)).unwrap();
                    line.split('"').nth(1).unwrap().to_owned()
                };
                (field("name = "), field("version = "))
            })
            .collect()
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
