//! Reads a cluster's Secrets: which certificates are still good, and the way to the brokers.
//!
//! Secrets are not watched: that would take the right to list the Secrets of others. They are read
//! when something about them was written, and otherwise every few minutes.

use std::time::Duration;

use holdfast_api::MessageCluster;
use holdfast_model::ClusterId;
use holdfast_planner::Observed;
use holdfast_security::{UnixTime, wall_time};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::admin::Access;
use crate::cache::ClusterKey;
use crate::certificates::{AUTHORITY, Kept, Texts, authority, certified, first_to_end};
use crate::context::{Certificates, Context};
use crate::error::Error;
use crate::kinds::{MANAGED_BY, MANAGER};

/// How long what was read is believed.
const BELIEVED: Duration = Duration::from_mins(5);

/// The Secrets of a cluster, and the versions in which they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) kept: Kept,
    pub(crate) authority_version: Option<String>,
    pub(crate) brokers_version: Option<String>,
    pub(crate) people_version: Option<String>,
    /// Names of Secrets that stand where the operator's would, and are somebody else's.
    pub(crate) strangers: Vec<String>,
}

/// Says which brokers have certificates, and gives the way to ask them if there is one.
pub(super) async fn look(
    context: &Context,
    key: &ClusterKey,
    resource: &MessageCluster,
    observed: &mut Observed,
) -> Result<Option<Access>, Error> {
    let Some(identity) = &observed.identity else {
        return Ok(None);
    };
    let now = wall_time(context.clock.as_ref()).ok_or(holdfast_security::Error::NoTime)?;
    let age = |read: &Certificates| context.clock.monotonic().since(read.read_at);
    let remembered = context.remembered(key).certificates.filter(|read| {
        read.cluster_id == identity.cluster_id
            && age(read) < BELIEVED
            && read
                .access
                .as_ref()
                .is_some_and(|access| !access.is_old(now))
    });
    let certificates = if let Some(read) = remembered {
        read
    } else {
        let id = identity.cluster_id.parse::<ClusterId>();
        let id = id.map_err(|wrong: String| Error::unreadable("the identity", &wrong))?;
        let secrets = read(context, key, resource).await?;
        let read = Certificates {
            read_at: context.clock.monotonic(),
            cluster_id: identity.cluster_id.clone(),
            certified: certified(id, &secrets.kept, now),
            access: access(context, id, &secrets.kept, now),
            life: first_to_end(&secrets.kept),
        };
        context.remember(key, |memory| memory.certificates = Some(read.clone()));
        read
    };
    observed.certified = certificates.certified;
    Ok(certificates.access)
}

/// Without it nobody can be asked, but much can be done nevertheless: so its absence is no error.
fn access(context: &Context, id: ClusterId, kept: &Kept, now: UnixTime) -> Option<Access> {
    let trusted = kept.brokers.get(AUTHORITY)?;
    let access = authority(id, &kept.authority).and_then(|authority| {
        let outside = (&context.clock, &context.outside);
        let access = |authority| Access::new(id, &authority, trusted, outside, now);
        authority.map(access).transpose()
    });
    access.unwrap_or_else(|error| {
        tracing::warn!(%error, "the brokers cannot be asked");
        None
    })
}

/// Reads the Secrets.
pub(crate) async fn read(
    context: &Context,
    key: &ClusterKey,
    resource: &MessageCluster,
) -> Result<Secrets, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    let foreign = resource.spec.certificates.authority_secret.clone();
    let is_foreign = foreign.is_some();
    let authority_name = foreign.unwrap_or_else(|| format!("{}-ca", key.name));
    let (brokers_name, people_name) = (
        format!("{}-broker-tls", key.name),
        format!("{}-admin-tls", key.name),
    );
    let (authority, brokers, people) = tokio::try_join!(
        api.get_opt(&authority_name),
        api.get_opt(&brokers_name),
        api.get_opt(&people_name),
    )?;
    let version = |secret: &Option<Secret>| secret.as_ref()?.metadata.resource_version.clone();
    let strangers = [&brokers, &people]
        .into_iter()
        .flatten()
        .filter(|secret| !is_ours(secret));
    Ok(Secrets {
        strangers: strangers.map(ResourceExt::name_any).collect(),
        authority_version: version(&authority),
        brokers_version: version(&brokers),
        people_version: version(&people),
        kept: Kept {
            authority: texts(authority),
            is_foreign,
            brokers: texts(brokers),
            people: texts(people),
        },
    })
}

fn is_ours(secret: &Secret) -> bool {
    secret
        .labels()
        .get(MANAGED_BY)
        .is_some_and(|manager| manager == MANAGER)
}

/// What is no text is of no use and left out.
fn texts(secret: Option<Secret>) -> Texts {
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    data.into_iter()
        .filter_map(|(key, bytes)| Some((key, String::from_utf8(bytes.0).ok()?)))
        .collect()
}
