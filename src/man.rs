//! `ebbtide man`: manual pages.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::exit::{Exit, Outcome};
use crate::output::print_bytes;

/// Writes the manual pages of all commands into a folder, or prints the one of `ebbtide`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder, which is created if it does not exist.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide man ~/.local/share/man/man1 && man ebbtide-deploy
  ebbtide man | man -l -";

pub(crate) fn run(arguments: &Arguments, program: Command) -> Outcome {
    let folder = arguments.folder.as_deref();
    if let Some(folder) = folder.filter(|folder| folder.as_os_str() != "-") {
        let written = pages(folder, program);
        return match written {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(format!("cannot write {}: {error}", folder.display()).into()),
        };
    }
    let mut page = Vec::new();
    Man::new(program).render(&mut page)?;
    print_bytes(&page);
    Ok(Exit::Done)
}

fn pages(folder: &Path, program: Command) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(program, folder)
}
