//! What became of a wish to create, change or delete topics, for a program and for a person.

use serde::Serialize;

/// What became of the wish to create a topic.
#[derive(Debug, Serialize)]
pub(super) struct Creation {
    pub(super) name: String,
    /// Its identity, if it was created now.
    pub(super) id: Option<String>,
    pub(super) outcome: Fate,
}

/// Whether a topic is there now.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It was created.
    Created,
    /// It is not there, and nothing would keep it from being created.
    WouldBeCreated,
    /// It was there before.
    ExistsAlready,
}

impl Creation {
    pub(super) fn text(&self) -> String {
        let Self { name, id, outcome } = self;
        match outcome {
            Fate::Created => format!("created {name} ({})", id.as_deref().unwrap_or("-")),
            Fate::WouldBeCreated => format!("{name} could be created"),
            Fate::ExistsAlready => format!("{name} exists already"),
        }
    }
}

/// What was changed of a topic.
#[derive(Debug, Serialize)]
pub(super) struct Alteration {
    pub(super) name: String,
    pub(super) dry_run: bool,
    /// The settings that were set or unset.
    pub(super) settings: Vec<String>,
    /// The new number of partitions, if that was to be changed.
    pub(super) partitions: Option<i32>,
}

/// What became of the wish to delete a topic.
#[derive(Debug, Serialize)]
pub(super) struct Deletion {
    pub(super) name: String,
    /// Whether it was there.
    pub(super) deleted: bool,
}

impl Deletion {
    pub(super) fn text(&self) -> String {
        let name = &self.name;
        if self.deleted {
            format!("deleted {name}")
        } else {
            format!("{name} does not exist")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn a_program_reads_what_became_of_a_topic() {
        let creation = |id: Option<&str>, outcome| Creation {
            name: "t".to_owned(),
            id: id.map(str::to_owned),
            outcome,
        };
        let created = creation(Some("x"), Fate::Created);
        assert_eq!(created.text(), "created t (x)");
        assert_eq!(
            to_value(&created).unwrap(),
            json!({ "name": "t", "id": "x", "outcome": "created" })
        );
        for (outcome, word) in [
            (Fate::WouldBeCreated, "would_be_created"),
            (Fate::ExistsAlready, "exists_already"),
        ] {
            assert_eq!(
                to_value(creation(None, outcome)).unwrap(),
                json!({ "name": "t", "id": null, "outcome": word })
            );
        }
    }

    #[test]
    fn a_topic_that_was_not_there_was_not_deleted() {
        let absent = Deletion {
            name: "t".to_owned(),
            deleted: false,
        };
        assert_eq!(absent.text(), "t does not exist");
        assert_eq!(
            to_value(&absent).unwrap(),
            json!({ "name": "t", "deleted": false })
        );
    }
}
