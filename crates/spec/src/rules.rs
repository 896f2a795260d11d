//! Which rules hold.

use crate::rule::Rule;

/// All rules, or all but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self { without: None };

    /// All but one.
    pub const fn without(rule: Rule) -> Self {
        Self {
            without: Some(rule),
        }
    }

    /// Whether a rule holds.
    pub fn have(self, rule: Rule) -> bool {
        !self.lacks(rule)
    }

    /// Whether a rule is left out.
    pub fn lacks(self, rule: Rule) -> bool {
        self.without == Some(rule)
    }
}
