//! Snapshots on the metadata database. The old one stays whole until the new one is complete.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_kernel::image::{ClusterImage, PERMIT_FEATURE_LEVEL};
use holdfast_rpc::limits::SNAPSHOT_BYTES;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::keys::snapshot::{self, CHUNK_BYTES, Head};
use crate::keyspace::Keyspace;
use crate::node::SnapshotMeta;
use crate::record;
use crate::storage::{Error, check_level};

/// Under which "key" a snapshot's bytes are framed: the same on every broker, as they travel.
pub(crate) const FRAME: &[u8] = b"image";

/// The newest format of a snapshot that this build reads.
const FORMAT: u8 = 2;

/// The format of a snapshot of an image. Like that of changes it keeps a program that knows feature
/// level 1 alone from going on at a higher one.
fn format(image: &ClusterImage) -> u8 {
    if image.feature_level < PERMIT_FEATURE_LEVEL {
        1
    } else {
        FORMAT
    }
}

/// Writes, publishes and reads snapshots. Its calls block.
#[derive(Debug)]
pub(crate) struct SnapshotStore {
    keyspace: Arc<dyn Keyspace>,
    /// One snapshot is written at a time.
    head: Mutex<Option<Head>>,
}

#[derive(Serialize)]
struct BodyRef<'a> {
    image: &'a ClusterImage,
}

#[derive(Deserialize)]
struct Body {
    image: ClusterImage,
}

/// The image in its written form, checksum included.
pub(crate) fn encode(image: &ClusterImage) -> Result<Bytes, Error> {
    let payload = record::named(&BodyRef { image })?;
    let bytes = record::seal_as(format(image), FRAME, &payload);
    if bytes.len() > SNAPSHOT_BYTES {
        let text = format!(
            "snapshot of {} bytes, at most {SNAPSHOT_BYTES}",
            bytes.len()
        );
        return Err(Error::Unwritable(text));
    }
    Ok(bytes.into())
}

/// The image of a snapshot, of a level that this version knows.
pub(crate) fn decode(bytes: &[u8]) -> Result<ClusterImage, Error> {
    let payload = record::open_up_to(FORMAT, "snapshot", FRAME, bytes)?;
    let body: Body = record::read("snapshot", payload)?;
    check_level(&body.image)?;
    Ok(body.image)
}

impl SnapshotStore {
    /// Opens the store and removes what an interrupted snapshot left behind.
    pub(crate) fn open(keyspace: Arc<dyn Keyspace>) -> Result<Self, Error> {
        let head = snapshot::head(&*keyspace)?;
        let generation = head.as_ref().map_or(0, |head| head.generation);
        keyspace.write(vec![snapshot::delete_above(generation)])?;
        Ok(Self {
            keyspace,
            head: Mutex::new(head),
        })
    }

    /// The current snapshot of a disk, without changing anything on it.
    pub(crate) fn read(
        keyspace: &Arc<dyn Keyspace>,
    ) -> Result<Option<(SnapshotMeta, Bytes)>, Error> {
        let store = Self {
            keyspace: Arc::clone(keyspace),
            head: Mutex::new(snapshot::head(&**keyspace)?),
        };
        store.load()
    }

    /// Stores a snapshot, then makes it the current one, unless a newer one is there.
    pub(crate) fn save(&self, meta: SnapshotMeta, data: &[u8]) -> Result<(), Error> {
        let mut current = self.head.lock();
        if let Some(head) = &*current
            && head.meta.last_log_id > meta.last_log_id
        {
            return Ok(());
        }
        let generation = current.as_ref().map_or(0, |head| head.generation) + 1;
        for (chunk, part) in (0u32..).zip(data.chunks(CHUNK_BYTES)) {
            self.keyspace
                .write(vec![snapshot::put_chunk(generation, chunk, part)])?;
        }
        let head = Head {
            generation,
            bytes: data.len() as u64,
            meta,
        };
        self.keyspace.write(snapshot::publish(&head)?)?;
        *current = Some(head);
        Ok(())
    }

    /// The current snapshot.
    pub(crate) fn load(&self) -> Result<Option<(SnapshotMeta, Bytes)>, Error> {
        // Held while reading, so that no newer snapshot removes the chunks.
        let current = self.head.lock();
        let Some(head) = &*current else {
            return Ok(None);
        };
        let length = usize::try_from(head.bytes).unwrap_or(usize::MAX);
        if length > SNAPSHOT_BYTES {
            return Err(Error::damaged(
                "snapshot head",
                format!("claims {length} bytes"),
            ));
        }
        let mut data = Vec::with_capacity(length);
        for chunk in 0..length.div_ceil(CHUNK_BYTES) {
            snapshot::read_chunk(&*self.keyspace, head.generation, chunk as u32, &mut data)?;
        }
        if data.len() != length {
            let detail = format!("{} bytes instead of {length}", data.len());
            return Err(Error::damaged("snapshot", detail));
        }
        Ok(Some((head.meta.clone(), data.into())))
    }
}
