//! What is asked of the brokers' controller.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_planner::PermitPurpose;
use holdfast_rpc::proto::admin::{
    AcquirePermitRequest, AdmitDiskRequest, ChangeSettingsRequest, EndPermitRequest,
    RaiseFeatureLevelRequest,
};

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

    pub(super) async fn end_permit(&self, id: u64) -> Result<Done, Error> {
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
    use super::*;

    #[test]
    fn a_setting_without_a_value_is_removed() {
        let settings = [("a", Some("1")), ("b", None)]
            .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
        let request = changed(&settings.into());
        assert_eq!(request.set["a"], "1");
        assert_eq!(request.remove, ["b"]);
    }
}
