//! Which process speaks for a disk.
//!
//! Every start of a process on a disk syncs a higher number first. A disk that was set back to an older copy,
//! or copied, starts with a number that was seen before, and lacks what it acknowledged and voted for since:
//! as a member of the quorum it could undo what is agreed, and a leader that believes what it said before
//! must not hear it say less. So a member that knows of a later start, or of another process with the same
//! number, neither answers such a disk nor believes its answers. What was registered is known from the image,
//! the rest from the messages since this process began.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::image::ClusterImage;
use holdfast_model::{ReplicaId, StartNumber};
use holdfast_rpc::Sender;
use parking_lot::Mutex;

/// Disks that are remembered: many times the brokers that a cluster may have.
const MOST: usize = 10_000;

/// The latest start of each disk, and the process that bears it. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts(Arc<Mutex<BTreeMap<ReplicaId, (StartNumber, u64)>>>);

/// A message from a disk that was started since, as far as is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "disk {replica} starts as number {start}, but {known} was seen before: it was rolled back or cloned"
)]
pub(crate) struct Repeated {
    replica: ReplicaId,
    start: StartNumber,
    known: StartNumber,
}

impl Starts {
    /// Looks at who sent a message.
    pub(crate) fn check(&self, sender: &Sender, image: &ClusterImage) -> Result<(), Repeated> {
        let registered = image.brokers.get(&sender.replica.broker);
        let registered = registered.filter(|one| one.incarnation == sender.replica.incarnation);
        if let Some(record) = registered {
            follows(sender, (record.start, record.process))?;
        }
        let mut seen = self.0.lock();
        if let Some(known) = seen.get(&sender.replica) {
            follows(sender, *known)?;
        }
        if seen.len() < MOST || seen.contains_key(&sender.replica) {
            seen.insert(sender.replica, (sender.start, sender.process));
        }
        Ok(())
    }
}

/// Whether a process may come after one that is known, or be it. A process of 0 did not say.
fn follows(sender: &Sender, (known, process): (StartNumber, u64)) -> Result<(), Repeated> {
    let is_another = ![0, sender.process].contains(&process) && sender.process != 0;
    if sender.start < known || (sender.start == known && is_another) {
        return Err(Repeated {
            replica: sender.replica,
            start: sender.start,
            known,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::image::{BrokerRecord, Change, Endpoint};
    use holdfast_model::{BrokerEpoch, BrokerId, Incarnation};

    use super::*;

    fn sender(start: u64, process: u64) -> Sender {
        Sender {
            replica: ReplicaId {
                broker: BrokerId(1),
                incarnation: Incarnation(7),
            },
            start: StartNumber(start),
            process,
            version: 1,
        }
    }

    fn registered(incarnation: u64, start: u64, process: u64) -> ClusterImage {
        let mut image = ClusterImage::default();
        image.apply(&Change::PutBroker(BrokerRecord {
            id: BrokerId(1),
            incarnation: Incarnation(incarnation),
            start: StartNumber(start),
            process,
            epoch: BrokerEpoch(0),
            rack: None,
            endpoints: Vec::new(),
            rpc: Endpoint {
                listener: "RPC".to_owned(),
                host: "h".to_owned(),
                port: 1,
            },
            fenced: false,
            stopping: false,
            version: String::new(),
            max_feature_level: 2,
        }));
        image
    }

    #[test]
    fn a_disk_that_was_set_back_is_told_from_one_that_starts_again() {
        let none = ClusterImage::default();
        let starts = Starts::default();
        assert_eq!(starts.check(&sender(1, 11), &none), Ok(()));
        assert_eq!(starts.check(&sender(1, 11), &none), Ok(()));
        assert_eq!(starts.check(&sender(2, 12), &none), Ok(()));
        // What was under way when it started again.
        assert!(starts.check(&sender(1, 11), &none).is_err());
        // The copy of the first start starts again.
        let refused = starts.check(&sender(2, 13), &none).unwrap_err();
        assert!(refused.to_string().contains("rolled back or cloned"));
        assert_eq!(starts.check(&sender(2, 12), &none), Ok(()));
        assert_eq!(starts.check(&sender(3, 14), &none), Ok(()));
    }

    #[test]
    fn a_member_that_just_began_knows_it_from_the_image() {
        let image = registered(7, 2, 12);
        for (start, process, is_right) in
            [(1, 11, false), (2, 13, false), (2, 12, true), (3, 14, true)]
        {
            let told = Starts::default().check(&sender(start, process), &image);
            assert_eq!(told.is_ok(), is_right, "start {start} of process {process}");
        }
        // Of another disk in this broker's place nothing is known by that.
        let other = registered(8, 5, 12);
        assert!(Starts::default().check(&sender(1, 11), &other).is_ok());
    }

    #[test]
    fn versions_that_do_not_say_which_process_they_are_pass() {
        let image = registered(7, 2, 12);
        let starts = Starts::default();
        assert!(starts.check(&sender(2, 0), &image).is_ok());
        assert!(starts.check(&sender(2, 12), &image).is_ok());
        assert!(starts.check(&sender(1, 0), &image).is_err());
    }
}
