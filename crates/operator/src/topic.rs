//! One reconcile of a MessageTopic: the brokers' controller brings the topic to what it says.

mod ownership;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use holdfast_api::{
    ConditionStatus, DeletionPolicy, MessageTopic, MessageTopicStatus, condition_types, validate,
};
use holdfast_rpc::proto::admin::{DeleteTopicRequest, EnsureTopicRequest, Topic};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use serde_json::json;

use crate::admin::Door;
use crate::cache::ClusterKey;
use crate::context::{Context, Guarded};
use crate::error::Error;
use crate::kinds::MANAGER;
use crate::{invalid, status};
pub(crate) use ownership::{TopicRow, row};
use verdict::Verdict;

/// What keeps a resource until its topic is deleted. Only one that says so has it.
const FINALIZER: &str = "holdfast.io/topic";

/// Between two looks at a topic that is as it should be: somebody may have changed it by hand.
const SETTLED: Duration = Duration::from_mins(5);

/// Until the next attempt, where the cluster is on its way.
const COMING: Duration = Duration::from_secs(5);

/// Until the next attempt, where the cluster was not looked at since the operator began.
const SOON: Duration = Duration::from_secs(1);

/// Until the next attempt, where a person must act.
const STALLED: Duration = Duration::from_mins(1);

/// Looks at a topic and brings it to what its resource says.
///
/// # Errors
/// The API server's. What the brokers say is no error: it is in the status.
pub(crate) async fn reconcile(
    resource: Arc<Guarded<MessageTopic>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let resource = match &resource.0 {
        Ok(resource) => resource,
        Err(invalid) => {
            let (metadata, error) = (&invalid.metadata, &invalid.error);
            invalid::report(&context, "MessageTopic", metadata, error).await?;
            return Ok(Action::await_change());
        }
    };
    context.leadership.check()?;
    let namespace = resource.metadata.namespace.clone().unwrap_or_default();
    let one = One {
        context: &context,
        resource,
        cluster: ClusterKey::new(namespace, resource.spec.cluster.clone()),
    };
    if resource.metadata.deletion_timestamp.is_some() {
        return one.delete().await;
    }
    if one.cluster_exists() && !context.remembered(&one.cluster).was_looked_at {
        return Ok(Action::requeue(SOON));
    }
    let (verdict, topic) = match one.ensure().await? {
        Ok(topic) => (Verdict::ready(), Some(topic)),
        Err(verdict) => (verdict, None),
    };
    // A topic that was made does not change because brokers are not heard for a moment.
    if !(verdict.is_coming() && one.was_ready()) {
        one.say(&verdict, topic).await?;
    }
    Ok(Action::requeue(verdict.pause()))
}

/// One topic, and where it belongs.
struct One<'a> {
    context: &'a Context,
    resource: &'a MessageTopic,
    cluster: ClusterKey,
}

impl One<'_> {
    fn api(&self) -> Api<MessageTopic> {
        Api::namespaced(self.context.client.clone(), &self.cluster.namespace)
    }

    /// The topic as it is now, or why it is not as it should be.
    async fn ensure(&self) -> Result<Result<Topic, Verdict>, Error> {
        if let Err(problems) = validate::validate_topic(self.resource) {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Ok(Err(Verdict::stalled("Invalid", problems.join("; "))));
        }
        let rivals = self.context.caches.topics.of(&self.cluster);
        let row = ownership::row_of(self.resource);
        if let Some(owner) = ownership::older_rival(&row, &rivals) {
            return Ok(Err(Verdict::stalled(
                "Duplicate",
                format!("the older MessageTopic {owner} is about the same topic: remove one"),
            )));
        }
        self.keep_finalizer(self.resource.spec.deletion_policy == DeletionPolicy::Delete)
            .await?;
        if !self.cluster_exists() {
            let (name, namespace) = (&self.cluster.name, &self.cluster.namespace);
            return Ok(Err(Verdict::stalled(
                "NoCluster",
                format!("there is no MessageCluster {name} in namespace {namespace}"),
            )));
        }
        let Some(door) = self.door() else {
            return Ok(Err(Verdict::no_controller(&self.cluster.name)));
        };
        self.context.leadership.check()?;
        let spec = &self.resource.spec;
        let wish = EnsureTopicRequest {
            name: self.resource.topic_name().to_owned(),
            partitions: spec.partitions,
            replicas: spec.replicas,
            settings: spec.settings.clone().into_iter().collect(),
        };
        Ok(match door.ask(|broker| broker.ensure_topic(wish)).await {
            Ok(reply) => verdict::as_asked(reply.topic, spec.partitions),
            Err(error) => Err(Verdict::of(&error)),
        })
    }

    /// Whether the status says that the topic is as this very wish asks.
    fn was_ready(&self) -> bool {
        let status = self.resource.status.as_ref();
        let conditions = status.iter().flat_map(|status| &status.conditions);
        let mut ready = conditions.filter(|c| c.kind == condition_types::READY);
        ready.any(|condition| {
            condition.status == ConditionStatus::True
                && condition.observed_generation == self.resource.metadata.generation
        })
    }

    fn cluster_exists(&self) -> bool {
        let key = ObjectRef::new(&self.cluster.name).within(&self.cluster.namespace);
        self.context.clusters.get(&key).is_some()
    }

    /// The broker that the last look at the cluster found.
    fn door(&self) -> Option<Door> {
        self.context
            .remembered(&self.cluster)
            .door
            .map(|(_address, door)| door)
    }

    /// Deletes the topic, if the resource says so, and then lets the resource go.
    async fn delete(&self) -> Result<Action, Error> {
        let name = self.resource.topic_name().to_owned();
        let rivals = self.context.caches.topics.of(&self.cluster);
        let is_claimed = ownership::is_claimed(&ownership::row_of(self.resource), &rivals);
        let is_wanted = self.resource.spec.deletion_policy == DeletionPolicy::Delete;
        if is_wanted && self.has_finalizer() && !is_claimed && self.cluster_exists() {
            let Some(door) = self.door() else {
                self.say(&Verdict::no_controller(&self.cluster.name), None)
                    .await?;
                return Ok(Action::requeue(COMING));
            };
            self.context.leadership.check()?;
            let wish = DeleteTopicRequest { name };
            if let Err(error) = door.ask(|broker| broker.delete_topic(wish)).await {
                let verdict = Verdict::of(&error);
                let pause = verdict.pause();
                self.say(&verdict, None).await?;
                return Ok(Action::requeue(pause));
            }
        }
        self.keep_finalizer(false).await?;
        Ok(Action::await_change())
    }

    fn has_finalizer(&self) -> bool {
        let finalizers = self.resource.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|name| name == FINALIZER)
    }

    /// Adds the finalizer or takes it away, in the version that was seen.
    async fn keep_finalizer(&self, wanted: bool) -> Result<(), Error> {
        let metadata = &self.resource.metadata;
        let Some(finalizers) = ownership::finalizers(metadata.finalizers.as_deref(), wanted) else {
            return Ok(());
        };
        self.context.leadership.check()?;
        let patch = json!({ "metadata": {
            "resourceVersion": metadata.resource_version,
            "finalizers": finalizers,
        } });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let name = metadata.name.as_deref().unwrap_or_default();
        match self
            .api()
            .patch_metadata(name, &params, &Patch::Merge(&patch))
            .await
        {
            Err(error) if !wanted && crate::error::is_not_found(&error) => Ok(()),
            other => Ok(other.map(|_patched| ())?),
        }
    }

    async fn say(&self, verdict: &Verdict, topic: Option<Topic>) -> Result<(), Error> {
        let previous = self.resource.status.clone().unwrap_or_default();
        let generation = self.resource.metadata.generation;
        let new = verdict.conditions(&self.context.now_text(), generation);
        let mut after = MessageTopicStatus {
            observed_generation: generation,
            conditions: status::with_times(new, &previous.conditions),
            ..previous
        };
        if let Some(topic) = topic {
            after.topic_id = Some(topic.id);
            after.partitions = Some(topic.partitions);
            after.replicas = Some(topic.replicas);
        }
        let before = self.resource.status.as_ref();
        status::write(self.context, &self.api(), self.resource, before, &after).await
    }
}
