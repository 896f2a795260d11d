//! How steps are written.

use crate::digest::sha256_hex;
use crate::{Step, StepKind, Urgency};

/// A step without brokers that restart.
pub(super) fn step(
    kind: StepKind,
    target: impl Into<String>,
    towards: impl Into<String>,
    urgency: Urgency,
) -> Step {
    Step {
        kind,
        target: target.into(),
        towards: towards.into(),
        reason: String::new(),
        risk: "none".to_owned(),
        restarts: Vec::new(),
        urgency,
        waiting_for: None,
    }
}

impl Step {
    /// Says why.
    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Says what can be felt.
    pub(super) fn risking(mut self, risk: impl Into<String>) -> Self {
        self.risk = risk.into();
        self
    }

    /// Names the brokers that restart.
    pub(super) fn restarting(mut self, brokers: Vec<i32>) -> Self {
        self.restarts = brokers;
        self
    }
}

/// Brokers get certificates.
pub(super) fn certificates(brokers: &[i32]) -> Step {
    step(
        StepKind::IssueCertificates,
        named(brokers),
        "",
        Urgency::Upkeep,
    )
    .because("their certificates are missing or end soon")
}

/// The first 16 characters of the SHA-256 of some texts.
pub(super) fn short(texts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    sha256_hex(&bytes).chars().take(16).collect()
}

/// As `broker 1000` or `brokers 1000, 1001 and 9 more`.
pub(super) fn named(brokers: &[i32]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = brokers.iter().take(SHOWN).map(i32::to_string).collect();
    let word = if brokers.len() == 1 {
        "broker"
    } else {
        "brokers"
    };
    match brokers.len().saturating_sub(SHOWN) {
        0 => format!("{word} {}", shown.join(", ")),
        more => format!("{word} {} and {more} more", shown.join(", ")),
    }
}

/// A text that is no longer than a field of the status may be.
pub(super) fn bounded(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(3)).collect();
    format!("{kept}...")
}
