//! A setting as it is shown.

use std::borrow::Cow;

use holdfast_kernel::config::ConfigKind;
use holdfast_runtime::config::ValueKind;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Source {
    /// The topic's own settings.
    Topic,
    /// Settings of the whole cluster, changed at run time.
    Cluster,
    /// The broker's file, environment or flags.
    File,
    /// Nobody set it.
    Default,
}

impl Source {
    /// Kafka's number.
    pub(in super::super) fn number(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Cluster => 3,
            Self::File => 4,
            Self::Default => 5,
        }
    }
}

/// The type of a setting's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A topic's setting, or the broker's default for it.
    Topic(ConfigKind),
    /// Another setting of the broker.
    Broker(ValueKind),
}

impl Kind {
    /// Kafka's number.
    pub(in super::super) fn number(self) -> i8 {
        match self {
            Self::Topic(ConfigKind::Boolean) | Self::Broker(ValueKind::Boolean) => 1,
            Self::Topic(ConfigKind::String) | Self::Broker(ValueKind::Text) => 2,
            Self::Topic(ConfigKind::Int) => 3,
            Self::Topic(ConfigKind::Long) | Self::Broker(ValueKind::Number) => 5,
            Self::Topic(ConfigKind::Double) => 6,
            Self::Topic(ConfigKind::List) | Self::Broker(ValueKind::List) => 7,
        }
    }
}

/// One place that says something of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Synonym<'a> {
    /// What the setting is called there.
    pub(in super::super) name: &'static str,
    /// Its value there.
    pub(in super::super) value: Option<Cow<'a, str>>,
    /// The place.
    pub(in super::super) source: Source,
}

/// A setting with everything that says something of it, the strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Setting<'a> {
    /// Its name.
    pub(in super::super) name: &'static str,
    /// The type of its values.
    pub(in super::super) kind: Kind,
    /// Whether it cannot be changed at run time.
    pub(in super::super) read_only: bool,
    /// What it does.
    pub(in super::super) documentation: &'static str,
    /// Never empty: the default is the last.
    pub(in super::super) synonyms: Vec<Synonym<'a>>,
}

impl Setting<'_> {
    /// The value in force; none where it is unset.
    pub(in super::super) fn value(&self) -> Option<&str> {
        self.synonyms
            .first()
            .and_then(|synonym| synonym.value.as_deref())
    }

    /// Where that value comes from.
    pub(in super::super) fn source(&self) -> Source {
        self.synonyms
            .first()
            .map_or(Source::Default, |synonym| synonym.source)
    }
}
