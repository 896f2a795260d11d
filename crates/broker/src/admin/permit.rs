//! The restart permit, as it is asked for and shown.

use holdfast_kernel::controller::{Command, Outcome, PermitRequest, below_permit_level};
use holdfast_kernel::image::{
    MAX_PERMIT_BROKERS, MAX_PERMIT_HOLDER, MAX_PERMIT_REASON, MAX_PERMIT_TOPICS, PermitEnd,
    PermitId, PermitPurpose, PermitRecord, PermitStage,
};
use holdfast_model::BrokerId;
use holdfast_rpc::Status;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, EndPermitReply, EndPermitRequest, EndedPermit,
    Permit, PermitBroker, PermitStage as ShownStage,
};

use super::{AdminApi, odd};

/// After how long an unused permit runs out if nothing is said.
const TTL_MS: u64 = 600_000;

/// The longest that a permit may be unused: a day.
const LONGEST_TTL_MS: u64 = 86_400_000;

/// A permit as it is shown.
pub(super) fn shown(record: &PermitRecord) -> Permit {
    let stage = match record.stage {
        PermitStage::Draining => ShownStage::Draining,
        PermitStage::Granted => ShownStage::Granted,
        PermitStage::Ending => ShownStage::Ending,
    };
    let brokers = record.brokers.iter().map(|named| PermitBroker {
        broker: named.broker.0,
        incarnation: named.incarnation.to_string(),
        epoch: named.epoch.0,
    });
    Permit {
        id: record.id.0,
        holder: record.holder.clone(),
        reason: record.reason.clone(),
        park: record.purpose == PermitPurpose::Park,
        brokers: brokers.collect(),
        stage: stage.into(),
        allow_unavailable: record.allow_unavailable.iter().cloned().collect(),
        forced: record.forced.clone(),
        ttl_ms: record.ttl_ms,
    }
}

/// An ended permit as it is shown.
pub(super) fn ended(end: &PermitEnd) -> EndedPermit {
    let because = end.because.join("; ");
    EndedPermit {
        permit: Some(shown(&end.permit)),
        outcome: if because.is_empty() {
            end.end.to_string()
        } else {
            format!("{}: {because}", end.end)
        },
    }
}

/// Reads what was asked; it came from a socket.
fn read(request: AcquirePermitRequest) -> Result<PermitRequest, Status> {
    let refuse = |text: &str| Err(Status::invalid_argument(text.to_owned()));
    if request.holder.is_empty() || request.holder.len() > MAX_PERMIT_HOLDER {
        return refuse("a holder is needed, of 128 bytes at most");
    }
    if request.reason.len() > MAX_PERMIT_REASON {
        return refuse("the reason has more than 512 bytes");
    }
    if request.brokers.is_empty() || request.brokers.len() > MAX_PERMIT_BROKERS {
        return refuse("1 to 100 brokers are needed");
    }
    if request.allow_unavailable.len() > MAX_PERMIT_TOPICS {
        return refuse("more than 1000 topics");
    }
    let ttl_ms = if request.ttl_ms == 0 {
        TTL_MS
    } else {
        request.ttl_ms
    };
    Ok(PermitRequest {
        holder: request.holder,
        reason: request.reason,
        purpose: if request.park {
            PermitPurpose::Park
        } else {
            PermitPurpose::Restart
        },
        brokers: request.brokers.into_iter().map(BrokerId).collect(),
        allow_unavailable: request.allow_unavailable.into_iter().collect(),
        ttl_ms: ttl_ms.min(LONGEST_TTL_MS),
        force: request.force,
    })
}

impl AdminApi {
    pub(super) async fn acquire(
        &self,
        request: AcquirePermitRequest,
    ) -> Result<AcquirePermitReply, Status> {
        let command = Command::AcquirePermit(read(request)?);
        match self.state.decide(command).await {
            Outcome::Permit(record) => Ok(AcquirePermitReply {
                permit: Some(shown(&record)),
                obstacles: Vec::new(),
            }),
            Outcome::PermitRefused(obstacles) => Ok(AcquirePermitReply {
                permit: None,
                obstacles: obstacles.iter().map(ToString::to_string).collect(),
            }),
            Outcome::Failed(failure) => Err(self.refusal_or(&failure, below_permit_level)),
            other => Err(odd(&other)),
        }
    }

    pub(super) async fn end(&self, request: EndPermitRequest) -> Result<EndPermitReply, Status> {
        let command = Command::EndPermit {
            id: PermitId(request.id),
            holder: request.holder,
            force: request.force,
        };
        match self.state.decide(command).await {
            Outcome::Permit(record) => Ok(EndPermitReply {
                permit: Some(shown(&record)),
            }),
            Outcome::PermitEnded(_) => Ok(EndPermitReply { permit: None }),
            Outcome::Failed(failure) => Err(self.refusal_or(&failure, below_permit_level)),
            other => Err(odd(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_bounded() {
        let good = AcquirePermitRequest {
            holder: "alice".to_owned(),
            brokers: vec![1, 2],
            ..AcquirePermitRequest::default()
        };
        let request = read(good.clone()).unwrap();
        assert_eq!((request.ttl_ms, request.brokers.len()), (TTL_MS, 2));
        let for_ever = AcquirePermitRequest {
            ttl_ms: u64::MAX,
            ..good.clone()
        };
        assert_eq!(read(for_ever).unwrap().ttl_ms, LONGEST_TTL_MS);
        let wrong = [
            AcquirePermitRequest {
                holder: String::new(),
                ..good.clone()
            },
            AcquirePermitRequest {
                holder: "x".repeat(129),
                ..good.clone()
            },
            AcquirePermitRequest {
                brokers: Vec::new(),
                ..good.clone()
            },
            AcquirePermitRequest {
                brokers: vec![1; 101],
                ..good.clone()
            },
            AcquirePermitRequest {
                reason: "x".repeat(513),
                ..good
            },
        ];
        for request in wrong {
            read(request).unwrap_err();
        }
    }
}
