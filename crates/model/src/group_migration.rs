//! `group.consumer.migration.policy`.

use std::str::FromStr;

use serde::Serialize;

/// Which groups may go from one protocol to the other while they have members. Kafka's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// To the consumer protocol, when its first member comes.
    Upgrade,
    /// To the classic protocol, when the last member of the consumer protocol is gone.
    Downgrade,
    /// None: a group changes when it has no members.
    Disabled,
}

impl MigrationPolicy {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Bidirectional,
        Self::Upgrade,
        Self::Downgrade,
        Self::Disabled,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bidirectional => "bidirectional",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Disabled => "disabled",
        }
    }

    /// Whether a group may go to the consumer protocol.
    pub const fn upgrades(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    /// Whether a group may go back to the classic protocol.
    pub const fn downgrades(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

impl FromStr for MigrationPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut known = Self::ALL.iter().copied();
        let found = known.find(|known| known.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|known| known.name()).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
    }
}
