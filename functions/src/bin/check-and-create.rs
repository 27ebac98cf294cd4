//! The Lambda function that adopts or creates the replacement task set.

use ebbtide_functions::{Function, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run(Function::CheckAndCreate).await
}
