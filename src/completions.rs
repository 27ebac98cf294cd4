//! `ebbtide completions`: what a shell completes.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output::print_bytes;

/// Prints a shell's completion script for commands and flags.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide completions bash > ~/.local/share/bash-completion/completions/ebbtide
  ebbtide completions zsh > \"${fpath[1]}/_ebbtide\"
  ebbtide completions fish > ~/.config/fish/completions/ebbtide.fish";

pub(crate) fn run(arguments: &Arguments, mut program: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "ebbtide", &mut script);
    print_bytes(&script);
    Exit::Done
}
