//! What one disk may confirm, and the word that it keeps.

use std::sync::Arc;

use holdfast_model::{BrokerId, Incarnation};
use holdfast_rpc::Identity;
use parking_lot::Mutex;
use uuid::Uuid;

use super::Document;
use crate::keys::binding::{self, Binding};
use crate::keyspace::Keyspace;
use crate::log_store::LogStore;
use crate::storage::Error;

/// The word of this disk. Its calls block.
#[derive(Debug)]
pub(crate) struct Ballot {
    identity: Identity,
    document: Option<Document>,
    keyspace: Arc<dyn Keyspace>,
    log: LogStore,
    /// Held while a word is given, so that two attempts cannot both get it.
    binding: Mutex<Option<Binding>>,
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

/// What a disk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The disk is unused and bound to the attempt.
    Bound(Incarnation),
    /// The disk holds something of a quorum.
    Formed,
    /// The disk is unused, and gave its word to another attempt.
    OtherAttempt,
    /// The disk knows no document, or another one.
    OtherDocument,
    /// The disk is unused; nothing was asked for.
    Unused,
}

/// A question, as it came from the wire.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who asks.
    pub(crate) initiator: BrokerId,
    /// Who is asked.
    pub(crate) target: BrokerId,
    /// The attempt; none only asks whether the disk is formed.
    pub(crate) attempt: Option<[u8; 16]>,
    /// The voters of the initiator's document.
    pub(crate) voters: Vec<BrokerId>,
}

impl Ballot {
    pub(crate) fn open(
        identity: Identity,
        document: Option<Document>,
        keyspace: Arc<dyn Keyspace>,
        log: LogStore,
    ) -> Result<Self, Error> {
        let binding = Mutex::new(binding::get(&*keyspace)?);
        Ok(Self {
            identity,
            document,
            keyspace,
            log,
            binding,
        })
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// Whether the disk holds nothing of any quorum.
    pub(crate) fn is_blank(&self) -> bool {
        self.log.is_blank()
    }

    /// Whether the disk gave its word to an attempt.
    pub(crate) fn is_bound(&self) -> bool {
        self.binding.lock().is_some()
    }

    /// Answers a question; a given word is synced before it is answered.
    pub(crate) fn confirm(&self, question: &Question) -> Result<Answer, Error> {
        let me = self.identity.replica;
        let answer = |verdict, detail: String| Ok(Answer { verdict, detail });
        if question.target != me.broker {
            return answer(
                Verdict::OtherDocument,
                format!("this is broker {}", me.broker),
            );
        }
        let mut bound = self.binding.lock();
        if !self.log.is_blank() {
            return answer(
                Verdict::Formed,
                "this disk belongs to a cluster already".to_owned(),
            );
        }
        let Some(attempt) = question.attempt else {
            return answer(Verdict::Unused, "this disk is unused".to_owned());
        };
        let Some(document) = &self.document else {
            let text = "this disk has no formation document, it waits for admission";
            return answer(Verdict::OtherDocument, text.to_owned());
        };
        let voters = document.voters().iter().map(|voter| voter.broker);
        if document.cluster_id() != self.identity.cluster
            || document.initiator() != question.initiator
            || !voters.eq(question.voters.iter().copied())
        {
            let text = "the formation documents differ; format the voters from the same one";
            return answer(Verdict::OtherDocument, text.to_owned());
        }
        let asked = Binding {
            cluster: *self.identity.cluster.0.as_bytes(),
            attempt,
            initiator: question.initiator.0,
        };
        match *bound {
            Some(given) if given == asked => {}
            Some(_other) => {
                let text = "this disk gave its word to an attempt of a disk that is gone; \
                            format all voters again";
                return answer(Verdict::OtherAttempt, text.to_owned());
            }
            None => {
                binding::save(&*self.keyspace, &asked)?;
                *bound = Some(asked);
            }
        }
        answer(Verdict::Bound(me.incarnation), String::new())
    }

    /// The attempt to which this disk is bound, or a new one, to which it is not bound yet.
    pub(crate) fn attempt(&self) -> [u8; 16] {
        let bound = *self.binding.lock();
        bound.map_or_else(|| *Uuid::new_v4().as_bytes(), |binding| binding.attempt)
    }
}
