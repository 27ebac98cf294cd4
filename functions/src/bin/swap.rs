//! The Lambda function that moves the production listener.

use ebbtide_functions::{Function, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run(Function::Swap).await
}
