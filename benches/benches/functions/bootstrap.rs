//! The programs that are measured.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ebbtide_functions::Function;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// The function that does nothing.
const BARE: &str = "bare";

/// The program of the three functions.
const FUNCTIONS: &str = "ebbtide-functions";

/// A function's program, as Lambda starts it.
pub(crate) struct Bootstrap {
    /// The function's, and after a full stop which build it is, so that two can be compared.
    pub(crate) name: String,
    /// The function that it is started as; none for the one that does nothing.
    pub(crate) function: Option<Function>,
    pub(crate) path: PathBuf,
    /// Bytes of the program.
    pub(crate) size: u64,
    /// Bytes of a deployment package with nothing else in it.
    pub(crate) zipped: u64,
}

impl Bootstrap {
    /// The program of a directory, as each of its functions; none of a directory with another name.
    fn all_of(directory: &str, path: &Path) -> Result<Vec<Self>, String> {
        let (program, build) = directory.split_at(directory.find('.').unwrap_or(directory.len()));
        let functions = match program {
            BARE => vec![None],
            FUNCTIONS => Function::ALL.map(Some).to_vec(),
            _ => return Ok(Vec::new()),
        };
        let program = std::fs::read(path)
            .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
        let zipped = deflated(&program)
            .map_err(|error| format!("{} cannot be deflated: {error}.", path.display()))?;
        let started_as = |function: Option<Function>| Self {
            name: format!("{}{build}", function.map_or(BARE, Function::as_str)),
            function,
            path: path.to_owned(),
            size: bytes(&program),
            zipped,
        };
        Ok(functions.into_iter().map(started_as).collect())
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
            let name = entry.file_name();
            found.extend(Bootstrap::all_of(&name.to_string_lossy(), &path)?);
        }
    }
    in_order(found)
}

/// The bare one first: the others are compared with it.
fn in_order(mut bootstraps: Vec<Bootstrap>) -> Result<Vec<Bootstrap>, String> {
    bootstraps.sort_by_key(|bootstrap| (bootstrap.function.is_some(), bootstrap.name.clone()));
    let bare = |first: &Bootstrap| first.function.is_none();
    if bootstraps.first().is_some_and(bare) {
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
