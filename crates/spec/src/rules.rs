//! Which rules hold.

use crate::rule::Rule;

/// All rules, or all but some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    left_out: u32,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self { left_out: 0 };

    /// All but these.
    pub fn without(rules: &[Rule]) -> Self {
        let bits = rules.iter().map(|rule| 1 << (*rule as u32));
        Self {
            left_out: bits.fold(0, |all, bit| all | bit),
        }
    }

    /// Whether a rule holds.
    pub fn have(self, rule: Rule) -> bool {
        !self.lacks(rule)
    }

    /// Whether a rule is left out.
    pub fn lacks(self, rule: Rule) -> bool {
        self.left_out & (1 << (rule as u32)) != 0
    }
}
