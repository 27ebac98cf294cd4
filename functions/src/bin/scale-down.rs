//! The Lambda function that drains the original task set.

use ebbtide_functions::{Function, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run(Function::ScaleDown).await
}
