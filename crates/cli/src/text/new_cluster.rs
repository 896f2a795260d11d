//! The id of a new cluster.

use holdfast_model::ClusterId;
use uuid::Uuid;

/// Draws an id whose text never looks like a flag: it is typed in commands.
pub(crate) fn draw() -> ClusterId {
    loop {
        let id = ClusterId(Uuid::new_v4());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}
