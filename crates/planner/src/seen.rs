//! From Kubernetes' own objects to what is observed: the operator's caches and `holdfast plan` read
//! them in the same way.

mod believed;
mod child;
mod claim;
mod names;
mod node;
mod pod;
mod state;
mod storage_class;

use serde_json::Value;

use crate::Identity;
pub use believed::believe;
pub use child::{service, set};
pub use claim::{claim, node_of_volume};
pub use names::{broker_of, cluster_of};
pub use node::SeenNode;
pub use pod::pod;
pub use state::{State, how_to_get, state};
pub use storage_class::storage_class;

/// The annotation by which a person takes the responsibility for restarts without a permit.
pub const BREAK_GLASS: &str = "holdfast.io/break-glass";

/// The identity that a ConfigMap holds.
///
/// # Errors
/// It was not written by an operator, or by one that is newer.
pub fn identity(map: &Value) -> Result<Identity, String> {
    let text = map["data"]["identity.json"].as_str();
    let text = text.ok_or("it has no identity.json")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}
