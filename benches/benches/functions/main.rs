//! What the functions cost to start, to invoke and to hold: their bootstraps, under a Lambda Runtime
//! API and an AWS on loopback ports, beside a function that does nothing.
//!
//! `make bench-functions` builds them as they are shipped, by cargo-lambda, and prints the table. It
//! fails where sizes or memory have grown, and never because of a time: times are those of the machine
//! it runs on, so that only their ratios within one run say anything.

mod aws;
mod bootstrap;
mod process;
mod runtime_api;
mod table;
mod work;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use ebbtide_functions::Function;
use process::Measured;
use table::Row;

/// Processes of each function where `--rounds` does not say otherwise.
const ROUNDS: usize = 25;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; `false` where a size or the memory has grown.
fn run() -> Result<bool, String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let bootstraps = bootstrap::found_in(&arguments.bootstraps)?;
    let works = work::of_a_deployment()?;
    let authority = aws::Authority::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("No runtime: {error}."))?;

    let mut measured: Vec<Vec<Measured>> = bootstraps.iter().map(|_| Vec::new()).collect();
    for round in 1..=arguments.rounds {
        if std::io::stderr().is_terminal() {
            eprint!("\rround {round} of {}", arguments.rounds);
        }
        // Interleaved: what slows the machine for a while slows all of them.
        for (bootstrap, measured) in bootstraps.iter().zip(&mut measured) {
            // The bare function gets the event of a drain's step, and answers with it.
            let function = bootstrap.function.unwrap_or(Function::ScaleDown);
            let work = works.iter().find(|work| work.function == function);
            let work = work.ok_or_else(|| format!("There is no work for {}.", bootstrap.name))?;
            let measuring = process::measure(bootstrap, work, &authority);
            measured.push(runtime.block_on(measuring)?);
        }
    }
    eprintln!();

    let rows: Vec<Row> = bootstraps
        .iter()
        .zip(&measured)
        .map(|(bootstrap, measured)| Row::of(bootstrap, measured))
        .collect();
    print!("{}", table::text(&rows, arguments.rounds));
    Ok(table::is_held(&rows))
}

/// What the command line asks for.
struct Arguments {
    rounds: usize,
    /// A directory with `NAME/bootstrap` in it. Another build is put in as `ebbtide-functions.other`.
    bootstraps: PathBuf,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            rounds: ROUNDS,
            bootstraps: concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lambda").into(),
        };
        while let Some(argument) = given.next() {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--rounds" => {
                    let rounds = given.next().unwrap_or_default();
                    arguments.rounds = rounds
                        .parse()
                        .ok()
                        .filter(|rounds| *rounds > 0)
                        .ok_or_else(|| {
                            format!("--rounds {rounds:?}: a number above 0 is wanted.")
                        })?;
                }
                "--bootstraps" => {
                    let directory = given.next().ok_or("--bootstraps wants a directory.")?;
                    arguments.bootstraps = directory.into();
                }
                other => {
                    return Err(format!(
                        "{other:?} is no argument: --rounds NUMBER and --bootstraps DIRECTORY are."
                    ));
                }
            }
        }
        Ok(arguments)
    }
}
