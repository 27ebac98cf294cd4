//! The program of the three Lambda functions; the handler of a function says which one it is.

use std::env;

use ebbtide_functions::{Function, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let handler = env::var("_HANDLER").unwrap_or_default();
    // Lambda logs what `main` fails with as it is debugged: as text, it is a sentence.
    let function = handler.parse::<Function>();
    run(function.map_err(|unknown| unknown.to_string())?).await
}
