//! The rules that CEL can say, each with the sentence that both the API server and [`crate::validate`]
//! answer to who breaks it: it names the field and the way out.
//!
//! A rule with `oldSelf` judges changes only. Fields name the rules that are about them.

use kube::core::Rule;

mod cluster;
mod topic;

pub(crate) use cluster::*;
pub(crate) use topic::*;

/// A rule of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Law {
    /// What the API server evaluates.
    cel: &'static str,
    /// What it answers to who breaks the rule.
    pub(crate) says: &'static str,
    /// The field that is at fault, relative to where the rule stands; empty means right there,
    /// or metadata, which the API server does not let a rule point at.
    at: &'static str,
}

impl From<Law> for Rule {
    fn from(law: Law) -> Self {
        let rule = Self::new(law.cel).message(law.says);
        if law.at.is_empty() {
            rule
        } else {
            rule.field_path(law.at)
        }
    }
}
