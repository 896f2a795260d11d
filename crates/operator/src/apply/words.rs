//! How acts are called: in metrics, in Events and in the status.

use holdfast_planner::Act;

use crate::events::Happening;

/// One word, for metrics and logs.
pub(super) fn name(act: &Act) -> &'static str {
    match act {
        Act::CreateIdentity(_) => "CreateIdentity",
        Act::UpdateIdentity(_) => "UpdateIdentity",
        Act::IssueCertificates { .. } => "IssueCertificates",
        Act::Apply(_) => "Apply",
        Act::DeleteChild { .. } => "DeleteChild",
        Act::DeleteSetKeepPods { .. } => "DeleteSetKeepPods",
        Act::GrowClaim { .. } => "GrowClaim",
        Act::Admit { .. } => "Admit",
        Act::AcquirePermit { .. } => "AcquirePermit",
        Act::EndPermit { .. } => "EndPermit",
        Act::DeletePod { .. } => "DeletePod",
        Act::RemoveLostPod { .. } => "RemoveLostPod",
        Act::ChangeSettings(_) => "ChangeSettings",
        Act::RaiseFeatureLevel(_) => "RaiseFeatureLevel",
    }
}

/// The Event of an act that was done.
pub(super) fn happening(act: &Act) -> Happening {
    let (reason, note) = match act {
        Act::CreateIdentity(identity) => (
            "IdentityCreated",
            format!("cluster {} begins", identity.cluster_id),
        ),
        Act::UpdateIdentity(identity) if identity.formed => (
            "IdentityUpdated",
            format!("cluster {} is formed", identity.cluster_id),
        ),
        Act::UpdateIdentity(_) => ("IdentityUpdated", "new zones are written down".to_owned()),
        Act::IssueCertificates { brokers } => (
            "CertificatesIssued",
            format!("for {}", named(brokers.iter())),
        ),
        Act::Apply(object) => (
            "Applied",
            format!("{} {}", object.key.kind, object.key.name),
        ),
        Act::DeleteChild { key, .. } => ("Deleted", format!("{} {}", key.kind, key.name)),
        Act::DeleteSetKeepPods { .. } => ("SetRecreated", recorded(act)),
        Act::GrowClaim { .. } => ("VolumeGrows", recorded(act)),
        Act::Admit { .. } => ("DiskAdmitted", recorded(act)),
        Act::AcquirePermit { .. } => ("PermitAcquired", recorded(act)),
        Act::EndPermit { .. } => ("PermitEnded", recorded(act)),
        Act::DeletePod { .. } => ("BrokerStopped", recorded(act)),
        Act::RemoveLostPod { .. } => ("LostPodRemoved", recorded(act)),
        Act::ChangeSettings(_) => ("SettingsChanged", recorded(act)),
        Act::RaiseFeatureLevel(_) => ("FeatureLevelRaised", recorded(act)),
    };
    Happening {
        reason,
        note,
        is_warning: false,
    }
}

fn recorded(act: &Act) -> String {
    let (act, why) = record(act).unwrap_or_default();
    format!("{act}: {why}")
}

/// What the status remembers of an act that touches brokers, and why it was done.
pub(super) fn record(act: &Act) -> Option<(String, String)> {
    let (act, why) = match act {
        Act::CreateIdentity(_)
        | Act::UpdateIdentity(_)
        | Act::IssueCertificates { .. }
        | Act::Apply(_)
        | Act::DeleteChild { .. } => return None,
        Act::DeleteSetKeepPods { name, .. } => (
            format!("made StatefulSet {name} again, without its pods"),
            "its claims are larger now".to_owned(),
        ),
        Act::GrowClaim { name, size, .. } => (
            format!("asked for {size} for volume {name}"),
            "the resource asks for it".to_owned(),
        ),
        Act::Admit {
            broker,
            incarnation,
            ..
        } => (
            format!("let the disk {incarnation} of broker {broker} in"),
            "the broker is new to the cluster".to_owned(),
        ),
        Act::AcquirePermit {
            brokers, reason, ..
        } => (
            format!("got a permit for {}", named(brokers.iter())),
            reason.clone(),
        ),
        Act::EndPermit { id } => (
            format!("gave permit {id} back"),
            "it is not needed any more".to_owned(),
        ),
        Act::DeletePod { broker, why, .. } => (format!("stopped broker {broker}"), why.clone()),
        Act::RemoveLostPod { name, broker, .. } => (
            format!("removed what was left of pod {name} of broker {broker}"),
            "its node is gone for certain".to_owned(),
        ),
        Act::ChangeSettings(settings) => {
            let keys: Vec<&str> = settings.keys().map(String::as_str).collect();
            let keys: String = keys.join(", ").chars().take(400).collect();
            (
                format!("changed settings: {keys}"),
                "the resource asks for it".to_owned(),
            )
        }
        Act::RaiseFeatureLevel(level) => (
            format!("raised the feature level to {level}"),
            "every broker knows it".to_owned(),
        ),
    };
    let bounded = |text: String| text.chars().take(512).collect();
    Some((bounded(act), bounded(why)))
}

fn named<'a>(brokers: impl Iterator<Item = &'a i32>) -> String {
    let ids: Vec<String> = brokers.map(ToString::to_string).collect();
    match ids.as_slice() {
        [id] => format!("broker {id}"),
        ids => format!("brokers {}", ids.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_planner::PermitPurpose;

    use super::*;

    #[test]
    fn an_act_on_a_broker_is_remembered_with_its_right() {
        let act = Act::DeletePod {
            name: "orders-a-1000".to_owned(),
            uid: "u1".to_owned(),
            unchanged_since: None,
            broker: 1000,
            why: "permit 7".to_owned(),
        };
        let (what, why) = record(&act).unwrap();
        assert_eq!(
            (what.as_str(), why.as_str()),
            ("stopped broker 1000", "permit 7")
        );
        assert_eq!(happening(&act).note, "stopped broker 1000: permit 7");
        assert_eq!(record(&Act::IssueCertificates { brokers: vec![1] }), None);
    }

    #[test]
    fn brokers_are_named_one_by_one() {
        let act = Act::AcquirePermit {
            brokers: [1000, 1001].into(),
            purpose: PermitPurpose::Restart,
            reason: "version 2".to_owned(),
            allow_unavailable: std::collections::BTreeSet::new(),
        };
        assert_eq!(
            happening(&act).note,
            "got a permit for brokers 1000, 1001: version 2"
        );
        assert_eq!(
            (name(&act), happening(&act).reason),
            ("AcquirePermit", "PermitAcquired")
        );
    }
}
