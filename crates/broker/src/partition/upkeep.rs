//! What happens to a partition as time passes: lag, retention; and what the writer completed.

use std::collections::{BTreeMap, HashMap};

use holdfast_kernel::log::retention;
use holdfast_model::{BrokerId, ErrorCode, Monotonic, Offset, TopicPartition};
use holdfast_store::{Completed, Op, OpKind, Outcome};

use super::role::{Answers, Role};
use super::{Partition, State};

/// How long a leader remembers an idempotent producer that is silent: Kafka's
/// `producer.id.expiration.ms`.
const PRODUCER_EXPIRY_MS: i64 = 24 * 60 * 60 * 1000;

impl Partition {
    /// The writer synced these steps of this partition.
    pub fn committed<'a>(&self, completed: impl Iterator<Item = &'a Completed>) {
        let (mut end, mut cut) = (None, false);
        for step in completed.filter(|step| step.outcome == Outcome::Done) {
            match step.kind {
                OpKind::Append => end = end.max(Some(step.end)),
                OpKind::TruncateTo | OpKind::ResetTo => cut = true,
                OpKind::AdvanceLogStart => self.log_start_synced(Offset(step.token as i64)),
                OpKind::CreatePartition
                | OpKind::Mend
                | OpKind::PutMeta
                | OpKind::PutCheckpoint
                | OpKind::PutHighWatermark
                | OpKind::PutLeaderEpoch
                | OpKind::DeletePartition
                | OpKind::Barrier => {}
            }
        }
        if let Some(end) = end {
            self.synced(end);
        }
        // Last: once the log is read back, appends of a newer epoch may come, and an end that the
        // old log had must not count as theirs.
        if cut {
            self.environment.work.rebuild.add(self.at);
        }
    }

    fn synced(&self, end: Offset) {
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            match &mut state.role {
                Role::Leader(leader) => {
                    let moved = leader.on_synced(end);
                    let (epoch, synced_end) = (leader.epoch(), leader.log().synced_end());
                    let done = state.synced.reached(epoch, synced_end);
                    answers.extend(done.into_iter().map(|waiter| (waiter, ErrorCode::None)));
                    if moved {
                        self.after_advance(&mut state, &mut answers);
                    }
                }
                Role::Follower(follower) => {
                    if follower.on_synced(end).is_some() {
                        self.send_ack(&state);
                    }
                }
                // A leader that comes back counts what was synced meanwhile with its next view.
                role @ (Role::Idle(_) | Role::Offline { .. }) => {
                    let log = role.log_mut();
                    log.synced(end.min(log.log_end()));
                }
            }
        }
        Self::finish(answers);
    }

    fn log_start_synced(&self, start: Offset) {
        let mut state = self.state.lock();
        state.role.log_mut().start_synced(start);
        self.send_ack(&state);
        drop(state);
        // DeleteRecords waits for the low watermark.
        self.fetchers.wake();
    }

    /// Looks for members of the ISR that lag, and whether this leader's own disk does. `heard` says when
    /// each other broker last answered.
    pub fn tick(&self, now: Monotonic, heard: &BTreeMap<BrokerId, Monotonic>) {
        let mut state = self.state.lock();
        let Some(leader) = state.role.leader_mut() else {
            return;
        };
        leader.on_heard(heard);
        if leader.should_resign(now) {
            self.environment.work.resign.add(self.at);
        }
        let pending = leader.pending().is_some();
        let lagging = leader.view().isr.iter().any(|member| {
            *member != self.environment.replica
                && leader.follower(member.broker).is_none_or(|progress| {
                    now.since(progress.last_caught_up) > self.environment.lag_max
                })
        });
        if pending || lagging {
            self.environment.work.isr.add(self.at);
        }
    }

    /// Drops expired segments, if this replica leads. `now_ms` is none while the wall clock is not
    /// to be trusted.
    pub fn retain(&self, now_ms: Option<i64>) {
        let config = self.config();
        let mut state = self.state.lock();
        let Some(leader) = state.role.leader() else {
            return;
        };
        let start = retention::expired_start(
            leader.log().segments(),
            &config,
            leader.high_watermark(),
            now_ms,
        );
        if let Some(start) = start.filter(|start| *start > leader.log().log_start()) {
            tracing::debug!(partition = %self.at, %start, "segments expire");
            self.advance_start(&mut state, start);
        }
    }

    /// Forgets idempotent producers that have been silent for long. A follower waits twice as long,
    /// so that nobody who becomes leader knows less than the leader before did.
    pub fn expire_producers(&self, now_ms: i64) {
        let mut state = self.state.lock();
        let patience = match &state.role {
            Role::Leader(_) => PRODUCER_EXPIRY_MS,
            Role::Follower(_) | Role::Idle(_) | Role::Offline { .. } => 2 * PRODUCER_EXPIRY_MS,
        };
        let older_than = now_ms.saturating_sub(patience);
        state.role.log_mut().expire_producers(older_than);
    }

    /// DeleteRecords: moves the log start of a leader to an offset at or below the high watermark;
    /// -1 means the high watermark.
    ///
    /// # Errors
    /// Kafka's codes.
    pub fn delete_records(&self, to: Offset) -> Result<Offset, ErrorCode> {
        let mut state = self.state.lock();
        let leader = state.role.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let high_watermark = leader.high_watermark();
        let start = if to.0 == -1 { high_watermark } else { to };
        if start.0 < 0 || start > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if start > leader.log().log_start() {
            self.advance_start(&mut state, start);
        }
        Ok(start)
    }

    /// The oldest log start of the ISR, if this replica leads.
    pub fn low_watermark(&self) -> Option<Offset> {
        self.state
            .lock()
            .role
            .leader()
            .map(holdfast_kernel::replica::Leader::low_watermark)
    }

    fn advance_start(&self, state: &mut State, start: Offset) {
        let op = Op::AdvanceLogStart {
            partition: self.at,
            offset: start,
        };
        if self.submit_control(start.0.unsigned_abs(), op).is_ok() {
            state.role.log_mut().advance_start(start);
            self.queue_senders(state);
        }
    }
}

/// Groups a commit group's steps by partition, keeping their order within each.
pub fn by_partition(group: &[Completed]) -> Vec<(TopicPartition, Vec<&Completed>)> {
    let mut groups: Vec<(TopicPartition, Vec<&Completed>)> = Vec::new();
    let mut places = HashMap::new();
    for step in group {
        let place = *places.entry(step.partition).or_insert_with(|| {
            groups.push((step.partition, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(step);
    }
    groups
}
