//! Waiting for what must come, with an end to it.

use std::time::Duration;

use anyhow::anyhow;

/// How long anything may take, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(50);

/// Asks again and again until there is an answer instead of a reason why not.
///
/// # Errors
/// There is none in time; with what was waited for and the last reason.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Result<T, String>) -> anyhow::Result<T> {
    let mut last = String::new();
    let asking = async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(reason) => last = reason,
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    answer.map_err(|_elapsed| anyhow!("not within {PATIENCE:?}: {what}: {last}"))
}
