//! What the log of a coordinator's partition says.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::group::{Loader, Planted, Shard};
use holdfast_model::{ErrorCode, Offset};
use holdfast_wire::{batch, records};
use tokio::sync::Notify;

use super::task::Coordinator;
use super::{options, record};
use crate::disk_read;
use crate::partition::{ReadLimit, Reading};

/// Bytes of the log read at once.
const PIECE: usize = 1 << 20;

/// How often the high watermark is looked at while it is behind the end that this leader found.
const LOOK: Duration = Duration::from_millis(50);

/// The groups of a partition, and its log.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) shard: Shard,
    /// Bytes of its log.
    pub(super) bytes: u64,
    /// Records that this version does not know: they must stay where they are.
    pub(super) foreign: bool,
}

impl Coordinator {
    /// Reads the log up to where it ended when this leadership began. All of that is committed by
    /// then: nothing is answered from records that could yet be cut.
    pub(super) async fn load(&self) -> Result<Loaded, ErrorCode> {
        let offsets = self.leading()?;
        let end = offsets.log_end;
        self.wait_for(end).await?;
        let mut loader = Loader::default();
        let (mut foreign, mut bytes) = (false, 0);
        let mut next = self.leading()?.log_start;
        let start = next;
        while next < end {
            let batches = self.read(next).await?;
            if batches.is_empty() {
                tracing::error!(%next, %end, "the log of a coordinator ends early");
                return Err(ErrorCode::UnknownServerError);
            }
            for batch in &batches {
                bytes += batch.len() as u64;
                next = apply(batch, start, &mut loader, &mut foreign)?.max(next.next());
            }
            self.leading()?;
        }
        let options = options(&self.broker.config.groups);
        let shard = loader.finish(options, self.now(), Planted::None);
        tracing::info!(
            partition = self.partition.at().partition, epoch = %self.epoch, groups = shard.len(),
            records_from = %start, records_to = %end, "coordinates groups"
        );
        Ok(Loaded {
            shard,
            bytes,
            foreign,
        })
    }

    /// Waits until the high watermark has reached an offset.
    async fn wait_for(&self, end: Offset) -> Result<(), ErrorCode> {
        let wake = Arc::new(Notify::new());
        let _ticket = self.partition.fetchers().join(&wake);
        loop {
            let offsets = self.leading()?;
            if offsets.settled && offsets.high_watermark >= end {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(ErrorCode::NotCoordinator),
                () = wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn read(&self, from: Offset) -> Result<Vec<Bytes>, ErrorCode> {
        let limit = ReadLimit::HighWatermark;
        match self.partition.read(from, limit, PIECE, false)? {
            Reading::Tail(batches) => Ok(batches),
            Reading::Disk { up_to } => {
                disk_read::batches(&self.broker, &self.partition, from, up_to, PIECE).await
            }
        }
    }
}

/// Applies a batch, from the log's first offset on; the offset after it.
fn apply(
    bytes: &[u8],
    start: Offset,
    loader: &mut Loader,
    foreign: &mut bool,
) -> Result<Offset, ErrorCode> {
    let info = batch::to_info(bytes).map_err(batch::Error::code)?;
    let shown = records::for_each_record(bytes, |view| {
        if view.offset >= start {
            match record::decode(view.key, view.value) {
                Ok(record) => loader.apply(record),
                Err(error) => {
                    tracing::warn!(offset = %view.offset, %error, "a record is passed over and kept");
                    *foreign = true;
                }
            }
        }
        ControlFlow::Continue(())
    });
    shown.map_err(|error| error.code())?;
    Ok(info.end_offset())
}
