//! The programs that are measured.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// The function that does nothing.
pub(crate) const BARE: &str = "bare";

/// A function's program, as Lambda starts it.
pub(crate) struct Bootstrap {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Bytes of the program.
    pub(crate) size: u64,
    /// Bytes of a deployment package with nothing else in it.
    pub(crate) zipped: u64,
}

impl Bootstrap {
    fn of(name: String, path: PathBuf) -> Result<Self, String> {
        let program = std::fs::read(&path)
            .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
        let zipped = deflated(&program)
            .map_err(|error| format!("{} cannot be deflated: {error}.", path.display()))?;
        Ok(Self {
            name,
            path,
            size: bytes(&program),
            zipped,
        })
    }

    pub(crate) fn is_bare(&self) -> bool {
        self.function() == BARE
    }

    /// The function that it is: `swap` of `swap.before`, so that two of one function can be compared.
    pub(crate) fn function(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// Those of a directory: `NAME/bootstrap`, as cargo-lambda leaves them.
pub(crate) fn found_in(directory: &Path) -> Result<Vec<Bootstrap>, String> {
    let unreadable = |error: io::Error| {
        format!(
            "{}: {error}. `make bench-functions` builds what is measured.",
            directory.display()
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().join("bootstrap");
        if path.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(Bootstrap::of(name, path)?);
        }
    }
    in_order(found)
}

/// The bare one first: the others are compared with it.
fn in_order(mut bootstraps: Vec<Bootstrap>) -> Result<Vec<Bootstrap>, String> {
    bootstraps.sort_by_key(|bootstrap| (!bootstrap.is_bare(), bootstrap.name.clone()));
    if bootstraps.first().is_some_and(Bootstrap::is_bare) {
        Ok(bootstraps)
    } else {
        Err(format!(
            "There is no {BARE}/bootstrap to compare with: `make bench-functions` builds it with the others."
        ))
    }
}

/// The size of a program deflated as far as it goes: a zip file with nothing else in it is some hundred
/// bytes more.
fn deflated(program: &[u8]) -> io::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(program)?;
    Ok(bytes(&encoder.finish()?))
}

fn bytes(content: &[u8]) -> u64 {
    u64::try_from(content.len()).unwrap_or(u64::MAX)
}
