//! A folder for sockets and configurations, which goes with the laboratory.

use std::path::PathBuf;

use crate::failure::Failure;

pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    is_kept: bool,
}

impl Folder {
    pub(crate) fn new() -> Result<Self, Failure> {
        let name = format!("ebbtide-lab-{}-{}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self {
            path,
            is_kept: false,
        })
    }

    /// It stays, and the caller prints where it is.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
