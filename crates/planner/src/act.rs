//! What the operator can do. Nothing else is possible to it, and nothing here destroys data.

use std::collections::{BTreeMap, BTreeSet};

use crate::Identity;

/// Names a child object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind, as StatefulSet.
    pub kind: String,
    /// Its name; it is in the namespace of the resource.
    pub name: String,
}

/// A child object as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Which one.
    pub key: ObjectKey,
    /// All of it that is ours, as it is applied.
    pub value: serde_json::Value,
}

/// Why brokers are to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PermitPurpose {
    /// They come back at once.
    Restart,
    /// They stay away for a while.
    Park,
}

/// One thing to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Write a new cluster's identity. It must fail if there is one.
    CreateIdentity(Identity),
    /// Write what became of the identity, on the version that was observed.
    UpdateIdentity(Identity),
    /// Make or renew the authority and the certificates, so that each of these brokers has one.
    IssueCertificates {
        /// The brokers.
        brokers: Vec<i32>,
    },
    /// Apply a child on the server's side.
    Apply(Box<Object>),
    /// Delete a child that is no longer wanted (a Service, a NetworkPolicy; never a claim).
    DeleteChild {
        /// Which one.
        key: ObjectKey,
        /// The one that was seen.
        uid: String,
    },
    /// Delete a StatefulSet and leave its pods, so that it can be made again with larger claims.
    DeleteSetKeepPods {
        /// Which one.
        name: String,
        /// The one that was seen.
        uid: String,
    },
    /// Ask for a larger volume.
    GrowClaim {
        /// The claim.
        name: String,
        /// The one that was seen.
        uid: String,
        /// Its new size, as 200Gi.
        size: String,
    },
    /// Let a new broker's disk into the cluster.
    Admit {
        /// The broker.
        broker: i32,
        /// Its disk.
        incarnation: String,
        /// Where it listens for other brokers.
        host: String,
        /// The port there.
        port: u16,
    },
    /// Ask the controller whether brokers may be stopped.
    AcquirePermit {
        /// The brokers.
        brokers: BTreeSet<i32>,
        /// For how long.
        purpose: PermitPurpose,
        /// Why, for the record.
        reason: String,
        /// Topics that may be unavailable meanwhile.
        allow_unavailable: BTreeSet<String>,
    },
    /// Give the permit back.
    EndPermit {
        /// Its number.
        id: u64,
    },
    /// Stop a broker: its set makes the pod again.
    DeletePod {
        /// The pod.
        name: String,
        /// The one that was seen.
        uid: String,
        /// The state in which it must still be, where no permit gives the right to stop it, but what was
        /// seen of it. The cache may be behind.
        unchanged_since: Option<String>,
        /// Its broker.
        broker: i32,
        /// By what right, for the record.
        why: String,
    },
    /// Remove what is left of a pod whose node is gone for certain.
    RemoveLostPod {
        /// The pod.
        name: String,
        /// The one that was seen.
        uid: String,
        /// Its broker.
        broker: i32,
    },
    /// Change settings of the running brokers; none removes a setting.
    ChangeSettings(BTreeMap<String, Option<String>>),
    /// Allow the new formats; the older version cannot return after that.
    RaiseFeatureLevel(u32),
}
