//! Showing and changing settings.

use holdfast_wire::messages::describe_configs_request::DescribeConfigsResource;
use holdfast_wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use holdfast_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use holdfast_wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::{Admin, single, text};
use crate::{Connection, Error};

/// What has settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic, by its name.
    Topic(String),
    /// A broker, by its number; it is asked itself.
    Broker(i32),
    /// All brokers: what holds for each that does not say otherwise.
    Cluster,
}

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value; `None` for a secret one or none at all.
    pub value: Option<String>,
    /// Whether nobody set it.
    pub is_default: bool,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Whether its value is kept secret.
    pub sensitive: bool,
    /// The broker's words on it; empty if there are none.
    pub documentation: String,
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets a value.
    Set(String, String),
    /// Goes back to the default.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Takes out of a list.
    Subtract(String, String),
}

/// `DescribeConfigs` names the source of a value by number: this is the built-in default.
const DEFAULT_SOURCE: i8 = 5;

impl Resource {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            // Kafka's way to say all brokers is a broker without a name.
            Self::Broker(_) | Self::Cluster => 4,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Topic(name) => name.clone(),
            Self::Broker(id) => id.to_string(),
            Self::Cluster => String::new(),
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => f.write_str(name),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::Cluster => f.write_str("the cluster"),
        }
    }
}

impl ConfigChange {
    fn row(&self) -> AlterableConfig {
        let (name, operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Delete(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value.map(|value| text(value)))
    }
}

impl Admin {
    /// Every setting of a topic or a broker.
    ///
    /// # Errors
    /// The cluster's answer for the resource.
    pub async fn describe_configs(&self, resource: &Resource) -> Result<Vec<ConfigEntry>, Error> {
        let row = DescribeConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configuration_keys(None);
        let body = DescribeConfigsRequest::default()
            .with_resources(vec![row])
            .with_include_documentation(true);
        let what = format!("describe configs of {resource}");
        self.client
            .retry(|| async {
                let connection = self.broker_for(resource).await?;
                let row = single(connection.call(&body).await?.results, &what)?;
                Error::check(row.error_code, row.error_message.as_deref(), || {
                    what.clone()
                })?;
                let entry = |c: DescribeConfigsResourceResult| ConfigEntry {
                    name: c.name.to_string(),
                    value: c.value.map(|value| value.to_string()),
                    is_default: c.config_source == DEFAULT_SOURCE,
                    read_only: c.read_only,
                    sensitive: c.is_sensitive,
                    documentation: c.documentation.map(|d| d.to_string()).unwrap_or_default(),
                };
                Ok(row.configs.into_iter().map(entry).collect())
            })
            .await
    }

    /// Changes settings of a topic or a broker, all or none; `validate_only` only says whether
    /// that would work.
    ///
    /// # Errors
    /// The cluster's answer for the resource.
    pub async fn alter_configs(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), Error> {
        let row = AlterConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configs(changes.iter().map(ConfigChange::row).collect());
        let body = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![row])
            .with_validate_only(validate_only);
        let what = format!("alter configs of {resource}");
        self.client
            .retry(|| async {
                let connection = self.broker_for(resource).await?;
                let row = single(connection.call(&body).await?.responses, &what)?;
                Error::check(row.error_code, row.error_message.as_deref(), || {
                    what.clone()
                })
            })
            .await
    }

    async fn broker_for(&self, resource: &Resource) -> Result<std::sync::Arc<Connection>, Error> {
        match resource {
            Resource::Topic(_) | Resource::Cluster => self.client.any_broker().await,
            Resource::Broker(id) => {
                if !self.client.cluster().brokers.contains_key(id) {
                    self.client.refresh().await?;
                }
                self.client.broker(*id).await
            }
        }
    }
}
