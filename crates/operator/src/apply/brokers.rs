//! What is asked of the brokers' controller.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_planner::{PermitPurpose, PodView};
use holdfast_rpc::proto::admin::{
    AcquirePermitRequest, AdmitDiskRequest, ChangeSettingsRequest, EndPermitRequest,
    RaiseFeatureLevelRequest,
};
use k8s_openapi::api::core::v1::Pod;
use kube::core::ObjectMeta;

use super::{Done, Scene};
use crate::admin::Door;
use crate::error::Error;
use crate::events::Happening;

impl Scene<'_> {
    fn door(&self) -> Result<&Door, Error> {
        self.look.door.as_ref().ok_or(Error::NoBroker)
    }

    /// Who asks for permits: the same for every operator, so that another goes on with what one began.
    fn holder(&self) -> String {
        format!("operator/{}/{}", self.key.namespace, self.key.name)
    }

    pub(super) async fn admit(
        &self,
        broker: i32,
        incarnation: &str,
        host: &str,
        port: u16,
    ) -> Result<Done, Error> {
        let wish = AdmitDiskRequest {
            broker,
            incarnation: incarnation.to_owned(),
            host: host.to_owned(),
            port: port.into(),
            ..AdmitDiskRequest::default()
        };
        let reply = self.door()?.ask(|broker| broker.admit_disk(wish)).await?;
        Ok(if reply.newly_admitted {
            Done::All
        } else {
            Done::Nothing
        })
    }

    pub(super) async fn acquire_permit(
        &self,
        brokers: &BTreeSet<i32>,
        purpose: PermitPurpose,
        reason: &str,
        allow_unavailable: &BTreeSet<String>,
    ) -> Result<Done, Error> {
        let wish = AcquirePermitRequest {
            holder: self.holder(),
            reason: reason.to_owned(),
            brokers: brokers.iter().copied().collect(),
            park: purpose == PermitPurpose::Park,
            allow_unavailable: allow_unavailable.iter().cloned().collect(),
            ttl_ms: 0,
            force: false,
        };
        let reply = self
            .door()?
            .ask(|broker| broker.acquire_permit(wish))
            .await?;
        let observed = self.look.observed.cluster.as_ref();
        if let Some(permit) = reply.permit {
            self.context.remember(self.key, |memory| {
                memory.refused = None;
                memory.permit = Some(permit.id);
            });
            let known = observed.and_then(|cluster| cluster.permit.as_ref());
            let is_new = known.is_none_or(|known| known.id != permit.id);
            return Ok(if is_new { Done::All } else { Done::Nothing });
        }
        let refused = (brokers.clone(), reply.obstacles);
        let before = self.context.remembered(self.key).refused;
        let is_news = before.as_ref() != Some(&refused);
        let note = format!("no permit for {brokers:?}: {}", refused.1.join("; "));
        self.context
            .remember(self.key, |memory| memory.refused = Some(refused));
        Ok(if is_news {
            Done::Refused(Happening {
                reason: "PermitRefused",
                note,
                is_warning: true,
            })
        } else {
            Done::Nothing
        })
    }

    /// Gives the permit back, if none of its pods was told to end. The cache may not show that yet, and
    /// whoever gets the next permit would stop a second one.
    pub(super) async fn end_permit(&self, id: u64) -> Result<Done, Error> {
        let observed = &self.look.observed;
        let permit = observed.cluster.as_ref().and_then(|c| c.permit.as_ref());
        let brokers = permit.iter().flat_map(|permit| permit.brokers.keys());
        for pod in brokers.filter_map(|broker| observed.pods.get(broker)) {
            let there = self.api::<Pod>().get_metadata_opt(&pod.name).await?;
            if !there.is_some_and(|there| is_as_seen(&there.metadata, pod)) {
                return Err(Error::Stale(format!("pod {}", pod.name)));
            }
        }
        self.context.leadership.check()?;
        let wish = EndPermitRequest {
            id,
            holder: self.holder(),
            force: false,
        };
        self.door()?.ask(|broker| broker.end_permit(wish)).await?;
        Ok(Done::All)
    }

    pub(super) async fn change_settings(
        &self,
        settings: &BTreeMap<String, Option<String>>,
    ) -> Result<Done, Error> {
        let wish = changed(settings);
        self.door()?
            .ask(|broker| broker.change_settings(wish))
            .await?;
        Ok(Done::All)
    }

    pub(super) async fn raise_feature_level(&self, level: u32) -> Result<Done, Error> {
        let wish = RaiseFeatureLevelRequest { level };
        self.door()?
            .ask(|broker| broker.raise_feature_level(wish))
            .await?;
        Ok(Done::All)
    }
}

fn is_as_seen(there: &ObjectMeta, pod: &PodView) -> bool {
    there.uid.as_deref() == Some(pod.uid.as_str())
        && there.deletion_timestamp.is_some() == pod.deleting
}

fn changed(settings: &BTreeMap<String, Option<String>>) -> ChangeSettingsRequest {
    let mut request = ChangeSettingsRequest::default();
    for (key, value) in settings {
        match value {
            Some(value) => {
                request.set.insert(key.clone(), value.clone());
            }
            None => request.remove.push(key.clone()),
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn a_permit_is_not_given_back_while_a_pod_that_the_cache_shows_untouched_is_being_deleted() {
        let seen = PodView {
            uid: "u1".to_owned(),
            ..PodView::default()
        };
        let there = ObjectMeta {
            uid: Some("u1".to_owned()),
            ..ObjectMeta::default()
        };
        assert!(is_as_seen(&there, &seen));
        let deleted = ObjectMeta {
            deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)),
            ..there.clone()
        };
        assert!(!is_as_seen(&deleted, &seen));
        let another = ObjectMeta {
            uid: Some("u2".to_owned()),
            ..there
        };
        assert!(!is_as_seen(&another, &seen));
    }

    #[test]
    fn a_setting_without_a_value_is_removed() {
        let settings = [("a", Some("1")), ("b", None)]
            .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
        let request = changed(&settings.into());
        assert_eq!(request.set["a"], "1");
        assert_eq!(request.remove, ["b"]);
    }
}
