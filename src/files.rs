//! Files that a command reads and writes.

mod place;
mod typed;
mod unique;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use unique::Unique;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read {from}")]
    Read {
        from: String,
        #[source]
        source: io::Error,
    },
    #[error("{flag}: cannot write {path}")]
    Write {
        flag: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{one} and {other} are both {path}")]
    Twice {
        one: &'static str,
        other: &'static str,
        path: String,
    },
    #[error(
        "{flag} is for one service, and {from} has several: write each one's taskDefinition into it"
    )]
    HasServices { flag: &'static str, from: String },
    #[error(
        "{flag} {path}: standard output already has the answer; give another file name (./- for a file named -)"
    )]
    Stdout { flag: &'static str, path: String },
    #[error("{from} is not {what}: {why}")]
    Parse {
        from: String,
        /// What it should be.
        what: &'static str,
        /// What is wrong, and where.
        why: String,
    },
}

/// JSON that a person has written, and its text, to say where in it something stands.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) value: Value,
    text: String,
}

impl Written {
    /// `line 3 column 14`, of a field such as `drain.within`.
    pub(crate) fn place(&self, field: &str) -> Option<String> {
        place::of(&self.text, field)
    }
}

/// Where a command reads from: a file, or standard input as `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

impl Source {
    /// The file, where it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::File(path) => Some(path),
        }
    }
}

impl From<OsString> for Source {
    fn from(argument: OsString) -> Self {
        if argument == "-" {
            Self::Stdin
        } else {
            Self::File(argument.into())
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// What is there as JSON in which no key is given twice; so many bytes of it at most.
    pub(crate) fn written(&self, what: &'static str, most: u64) -> Result<Written, FileError> {
        let text = self.text(most)?;
        let read = parsed::<Unique>(&text).and_then(|_| parsed(&text));
        let value = read.map_err(|error| self.is_not(what, syntax(&error)))?;
        Ok(Written { value, text })
    }

    /// The same, of a kind.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        what: &'static str,
        most: u64,
    ) -> Result<T, FileError> {
        let Written { value, text } = self.written(what, most)?;
        typed::read(value).map_err(|(path, wrong)| {
            let place = place::of(&text, &path).map(|place| format!("{place}: "));
            self.is_not(what, place.unwrap_or_default() + &wrong)
        })
    }

    /// A value of a kind, of which a part, at that path, was given here.
    pub(crate) fn part<T: DeserializeOwned>(
        &self,
        (what, path): (&'static str, &str),
        value: Value,
    ) -> Result<T, FileError> {
        typed::read(value).map_err(|(_, wrong)| self.is_not(what, format!("{path}: {wrong}")))
    }

    /// What this program has written itself, for the flag `of`.
    pub(crate) fn saved<T: DeserializeOwned>(
        &self,
        (what, of): (&'static str, &str),
        most: u64,
    ) -> Result<T, FileError> {
        let text = self.text(most)?;
        // serde takes a list for a struct.
        if text.trim_start().starts_with('[') {
            return Err(self.is_not(what, "it is a list; allowed: an object".to_owned()));
        }
        parsed(&text).map_err(|error| {
            let why = match error.classify() {
                Category::Data => format!(
                    "{}: not a world of this version; write the file again with {of}",
                    place::in_words(error.line(), error.column())
                ),
                Category::Io | Category::Syntax | Category::Eof => syntax(&error),
            };
            self.is_not(what, why)
        })
    }

    fn is_not(&self, what: &'static str, why: String) -> FileError {
        let from = self.to_string();
        FileError::Parse { from, what, why }
    }

    fn text(&self, most: u64) -> Result<String, FileError> {
        let read = match self {
            Self::Stdin => bounded(&mut io::stdin().lock(), most),
            Self::File(path) => open(path, most).and_then(|mut file| bounded(&mut file, most)),
        };
        read.and_then(as_text).map_err(|source| FileError::Read {
            from: self.to_string(),
            source,
        })
    }
}

/// The JSON of a text, and nothing behind it.
fn parsed<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text)
}

/// What is wrong with JSON, in words.
fn syntax(error: &serde_json::Error) -> String {
    if error.is_eof() {
        let place = place::in_words(error.line(), error.column());
        return format!("it ends before the JSON is complete, at {place}");
    }
    error.to_string()
}

fn open(path: &Path, most: u64) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    // A shell's own, as of <(…), has a writer. Any other may wait for one for ever.
    if is_fifo(&metadata) && !path.starts_with("/dev") {
        return Err(io::Error::other(
            "it is a FIFO: give a file, or - to read standard input",
        ));
    }
    if metadata.is_file() && metadata.len() > most {
        return Err(longer(most));
    }
    File::open(path)
}

#[cfg(unix)]
fn is_fifo(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_fifo(_: &Metadata) -> bool {
    false
}

/// All of it, if that is so many bytes at most, however long it is.
fn bounded(from: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(longer(most));
    }
    Ok(bytes)
}

fn longer(most: u64) -> io::Error {
    let long = format!("it is longer than {most} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, long)
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    let why = match bytes[..] {
        [0xef, 0xbb, 0xbf, ..] => "it begins with a byte-order mark: save it as UTF-8 without one",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16: save it as UTF-8",
        _ if bytes.iter().all(u8::is_ascii_whitespace) => "it is empty",
        _ => {
            return String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                io::Error::other(format!("it is not UTF-8 at byte {}", at + 1))
            });
        }
    };
    Err(io::Error::other(why))
}

/// A file that a flag names, to be written at the end of a command.
pub(crate) type Output<'a> = (&'static str, Option<&'a Path>);

/// Refuses, before anything runs, outputs that cannot be written, on an input, or two on one file.
pub(crate) fn check_outputs(
    inputs: &[Option<&Path>],
    outputs: &[Output<'_>],
) -> Result<(), FileError> {
    let inputs = inputs.iter().flatten();
    let inputs = inputs.filter_map(|path| Some(("the input", Same::of(&fs::metadata(path).ok()?))));
    let mut files: Vec<(&'static str, Same)> = inputs.collect();
    let stdin = opened(&io::stdin()).filter(Metadata::is_file);
    files.extend(stdin.map(|stdin| ("the input", Same::of(&stdin))));
    let stdout = opened(&io::stdout()).map(|stdout| Same::of(&stdout));
    for &(flag, path) in outputs {
        let Some(path) = path else { continue };
        if path.as_os_str() == "-" {
            let path = "-".to_owned();
            return Err(FileError::Stdout { flag, path });
        }
        let is_stdout = |there: Metadata| Some(Same::of(&there)) == stdout;
        if path != Path::new("/dev/null") && fs::metadata(path).is_ok_and(is_stdout) {
            let path = path.display().to_string();
            return Err(FileError::Stdout { flag, path });
        }
        let file = probe(path).map_err(|source| cannot_write((flag, path), source))?;
        let Some(file) = file else { continue };
        if let Some(&(one, _)) = files.iter().find(|(_, other)| *other == file) {
            return Err(FileError::Twice {
                one,
                other: flag,
                path: path.display().to_string(),
            });
        }
        files.push((flag, file));
    }
    Ok(())
}

/// What is behind a stream of this process.
fn opened(stream: &impl AsFd) -> Option<Metadata> {
    let stream = stream.as_fd().try_clone_to_owned().ok()?;
    File::from(stream).metadata().ok()
}

/// By what a file is known, whatever it is called.
#[derive(PartialEq, Eq)]
enum Same {
    /// One that is there, whose links are one file: its device and its inode.
    Node(u64, u64),
    New(PathBuf),
}

impl Same {
    fn of(metadata: &Metadata) -> Self {
        Self::Node(metadata.dev(), metadata.ino())
    }
}

/// Opens a file for writing and changes nothing in it; nothing where it is a device or a FIFO, which takes what is
/// written.
fn probe(path: &Path) -> io::Result<Option<Same>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            File::options().append(true).open(path)?;
            Ok(Some(Same::of(&metadata)))
        }
        Ok(metadata) if metadata.is_dir() => Err(io::Error::other("it is a directory")),
        Ok(_) => Ok(None),
        Err(_) => {
            // A link to nothing is followed, as it is when the file is written.
            File::options().append(true).create(true).open(path)?;
            let name = path.canonicalize()?;
            fs::remove_file(&name)?;
            Ok(Some(Same::New(name)))
        }
    }
}

/// Writes what a flag asks for, if it is given.
pub(crate) fn write((flag, path): Output<'_>, text: &str) -> Result<(), FileError> {
    let Some(path) = path else { return Ok(()) };
    fs::write(path, text).map_err(|source| cannot_write((flag, path), source))
}

fn cannot_write((flag, path): (&'static str, &Path), source: io::Error) -> FileError {
    FileError::Write {
        flag,
        path: path.display().to_string(),
        source,
    }
}
