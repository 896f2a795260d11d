//! Settings of all brokers, and the feature level.

use holdfast_kernel::controller::{
    AlterConfig, Command, ConfigOperation, ConfigResource, Outcome, brokers_behind,
};
use holdfast_rpc::Status;
use holdfast_rpc::proto::admin::{
    ChangeSettingsReply, ChangeSettingsRequest, RaiseFeatureLevelReply,
};

use super::{AdminApi, odd, refusal};

/// Settings changed at once.
const SETTINGS: usize = 200;

impl AdminApi {
    pub(super) async fn change(
        &self,
        asked: ChangeSettingsRequest,
    ) -> Result<ChangeSettingsReply, Status> {
        if asked.set.len() + asked.remove.len() > SETTINGS {
            return Err(Status::invalid_argument("more than 200 settings"));
        }
        let set = asked.set.into_iter();
        let set = set.map(|(key, value)| (key, ConfigOperation::Set(value)));
        let remove = asked.remove.into_iter();
        let remove = remove.map(|key| (key, ConfigOperation::Delete));
        let command = Command::AlterConfigs {
            alterations: vec![AlterConfig {
                resource: ConfigResource::Cluster,
                replace_all: false,
                operations: set.chain(remove).collect(),
            }],
            validate_only: false,
        };
        match self.state.decide(command).await {
            Outcome::ConfigsAltered(results) => match results.into_iter().find_map(Result::err) {
                None => Ok(ChangeSettingsReply {}),
                Some(failure) => Err(refusal(&failure)),
            },
            Outcome::Failed(failure) => Err(refusal(&failure)),
            other => Err(odd(&other)),
        }
    }

    pub(super) async fn raise(&self, level: u32) -> Result<RaiseFeatureLevelReply, Status> {
        match self
            .state
            .decide(Command::RaiseFeatureLevel { level })
            .await
        {
            Outcome::FeatureLevel(level) => Ok(RaiseFeatureLevelReply { level }),
            Outcome::Failed(failure) => {
                Err(self.refusal_or(&failure, |image| brokers_behind(image, level)))
            }
            other => Err(odd(&other)),
        }
    }
}
