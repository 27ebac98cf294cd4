//! The fuzzers' corpus, and inputs drawn from it.

use std::path::Path;
use std::{fs, panic};

use ebbtide_properties::Property;
use fastrand::Rng;

/// Bytes of an input, at most.
const LONGEST: usize = 4 * 1024;

/// The inputs that the fuzzers of a property have found worth keeping, by name.
pub(crate) fn corpus(property: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(folder.join(property)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a property on an input, and shows the input where it does not hold: as the fuzzer's
/// `cargo fuzz run` takes it once it is in a file.
pub(crate) fn holds(property: &Property, data: &[u8]) {
    let held = panic::catch_unwind(|| (property.holds)(data));
    let (name, data) = (property.name, data.escape_ascii());
    assert!(held.is_ok(), "{name}: does not hold for b\"{data}\"");
}

/// Inputs, one after the other: the same for the same corpus and seed.
pub(crate) struct Drawn {
    corpus: Vec<Vec<u8>>,
    lot: Rng,
}

impl Drawn {
    pub(crate) fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        let lot = Rng::with_seed(seed);
        Self { corpus, lot }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let lot = &mut self.lot;
        if lot.u8(..) < 32 {
            return (0..lot.usize(..256)).map(|_| lot.u8(..)).collect();
        }
        let mut data = lot.choice(&self.corpus).cloned().unwrap_or_default();
        for _ in 0..lot.usize(1..6) {
            let at = lot.usize(..=data.len());
            match lot.u8(..6) {
                0 => data.insert(at, lot.u8(..)),
                1 => data.truncate(at),
                2 if at < data.len() => data[at] = lot.u8(..),
                3 if at < data.len() => data[at] ^= 1 << lot.u8(..8),
                4 if at < data.len() => drop(data.drain(at..lot.usize(at..data.len()))),
                // A piece of another input, put in.
                _ => {
                    let other = lot.choice(&self.corpus).map_or(&[][..], Vec::as_slice);
                    let from = lot.usize(..=other.len());
                    let to = lot.usize(from..=other.len());
                    data.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        data.truncate(LONGEST);
        data
    }
}
