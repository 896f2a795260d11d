//! Who speaks: the envelope of every message.

use bytes::Bytes;
use holdfast_model::{
    BrokerId, ClusterId, Incarnation, RecoveryGeneration, ReplicaId, StartNumber,
};
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::proto::Envelope;

/// The version of the messages written today.
pub const MESSAGE_VERSION: u32 = 1;

/// The metadata key that carries the envelope of a raw stream.
const STREAM_KEY: &str = "holdfast-envelope-bin";

/// This process, as it introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its broker id and the life of its disk.
    pub replica: ReplicaId,
    /// Its start on that disk.
    pub start: StartNumber,
    /// How often its cluster was recovered.
    pub recovery: RecoveryGeneration,
    /// A number that this process drew; 0 if it has none.
    pub process: u64,
}

/// Who sent a message, as an envelope of the right cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Broker id and disk.
    pub replica: ReplicaId,
    /// The process start.
    pub start: StartNumber,
    /// The number that the process drew; 0 if it did not say.
    pub process: u64,
    /// The version of its messages.
    pub version: u32,
}

impl Identity {
    /// The envelope of a message from this process.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            version: MESSAGE_VERSION,
            cluster_id: Bytes::copy_from_slice(self.cluster.0.as_bytes()),
            broker: self.replica.broker.0,
            incarnation: self.replica.incarnation.0,
            start: self.start.0,
            recovery: self.recovery.0,
            process: self.process,
        }
    }

    /// Looks at the envelope of a received message.
    ///
    /// # Errors
    /// `invalid_argument` without an envelope or with version 0, `failed_precondition` from another
    /// cluster or another recovery generation. Later versions pass: they only add fields.
    pub fn check(&self, envelope: Option<&Envelope>) -> Result<Sender, Status> {
        let Some(envelope) = envelope else {
            return Err(Status::invalid_argument("message without envelope"));
        };
        if envelope.version == 0 {
            return Err(Status::invalid_argument("message version 0"));
        }
        if envelope.cluster_id.as_ref() != self.cluster.0.as_bytes() {
            return Err(Status::failed_precondition(format!(
                "message of another cluster, this is {}",
                self.cluster
            )));
        }
        let replica = ReplicaId {
            broker: BrokerId(envelope.broker),
            incarnation: Incarnation(envelope.incarnation),
        };
        let theirs = RecoveryGeneration(envelope.recovery);
        if theirs != self.recovery {
            return Err(Status::failed_precondition(foreign(
                (self.replica, self.recovery),
                (replica, theirs),
            )));
        }
        Ok(Sender {
            replica,
            start: StartNumber(envelope.start),
            process: envelope.process,
            version: envelope.version,
        })
    }

    /// Whether a peer's refusal says that this disk is foreign: the cluster was recovered without it.
    pub fn is_told_foreign(&self, refusal: &str) -> bool {
        refusal.starts_with(&foreign_disk(self.replica))
    }

    /// Adds the envelope to the metadata with which a raw stream is opened.
    pub fn introduce(&self, metadata: &mut MetadataMap) {
        let bytes = prost::Message::encode_to_vec(&self.envelope());
        metadata.insert_bin(STREAM_KEY, MetadataValue::from_bytes(&bytes));
    }

    /// Looks at the metadata of a raw stream that a peer opened or answered.
    ///
    /// # Errors
    /// As [`Identity::check`].
    pub fn check_stream(&self, metadata: &MetadataMap) -> Result<Sender, Status> {
        let bytes = metadata
            .get_bin(STREAM_KEY)
            .and_then(|value| value.to_bytes().ok());
        let envelope = bytes.and_then(|bytes| <Envelope as prost::Message>::decode(bytes).ok());
        self.check(envelope.as_ref())
    }
}

/// How the refusal of an older generation's disk begins.
fn foreign_disk(replica: ReplicaId) -> String {
    format!("disk {replica} is foreign:")
}

/// What a disk tells one of another generation. Only the newer one knows what happened.
fn foreign(
    (here, ours): (ReplicaId, RecoveryGeneration),
    (there, theirs): (ReplicaId, RecoveryGeneration),
) -> String {
    if theirs > ours {
        return format!(
            "disk {there} has recovery generation {theirs}, but disk {here} has {ours}"
        );
    }
    let begin = foreign_disk(there);
    format!(
        "{begin} its cluster was recovered without it, disk {here} has recovery generation {ours}; \
         format it anew with --cluster-id and --recovery-generation {ours}, then admit it with \
         `holdfast cluster admit`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: u128) -> Identity {
        Identity {
            cluster: ClusterId(uuid::Uuid::from_u128(cluster)),
            replica: ReplicaId {
                broker: BrokerId(3),
                incarnation: Incarnation(7),
            },
            start: StartNumber(2),
            recovery: RecoveryGeneration(0),
            process: 5,
        }
    }

    #[test]
    fn only_messages_of_the_same_cluster_pass() {
        let here = identity(1);
        let sender = here
            .check(Some(&identity(1).envelope()))
            .expect("same cluster");
        assert_eq!(sender.replica, here.replica);
        assert_eq!(sender.start, StartNumber(2));
        let foreign = here
            .check(Some(&identity(2).envelope()))
            .expect_err("another cluster");
        assert_eq!(foreign.code(), tonic::Code::FailedPrecondition);
        let none = here.check(None).expect_err("no envelope");
        assert_eq!(none.code(), tonic::Code::InvalidArgument);
        let zero = Envelope {
            version: 0,
            ..here.envelope()
        };
        assert_eq!(
            here.check(Some(&zero)).expect_err("v0").code(),
            tonic::Code::InvalidArgument
        );
        let later = Envelope {
            version: 9,
            ..here.envelope()
        };
        assert_eq!(here.check(Some(&later)).expect("later version").version, 9);
    }

    #[test]
    fn another_recovery_generation_is_refused_in_both_directions_and_the_older_is_told_why() {
        let old = identity(1);
        let new = Identity {
            recovery: RecoveryGeneration(1),
            replica: ReplicaId {
                broker: BrokerId(4),
                incarnation: Incarnation(9),
            },
            ..old
        };
        let refused = new.check(Some(&old.envelope())).expect_err("foreign");
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        let text = refused.message();
        assert!(
            text.starts_with("disk 3@0000000000000007 is foreign"),
            "{text}"
        );
        assert!(text.contains("--recovery-generation 1"), "{text}");
        assert!(old.is_told_foreign(text) && !new.is_told_foreign(text));
        // The older cannot know whether the newer is right: it tells nobody to go.
        let refused = old.check(Some(&new.envelope())).expect_err("foreign");
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(!new.is_told_foreign(refused.message()));
        assert!(!old.is_told_foreign(refused.message()));
        assert!(new.check(Some(&new.envelope())).is_ok());
    }

    #[test]
    fn a_stream_carries_the_envelope_in_its_metadata() {
        let mut metadata = MetadataMap::new();
        assert!(identity(1).check_stream(&metadata).is_err());
        identity(1).introduce(&mut metadata);
        assert!(identity(1).check_stream(&metadata).is_ok());
        assert!(identity(2).check_stream(&metadata).is_err());
    }
}
