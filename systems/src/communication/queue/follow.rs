//! What a broker does in the partitions that it follows: fetches, cuts its log where the leader's epochs say so,
//! appends.

use super::broker::Broker;
use super::bugs::QueueBug;
use super::log::Offset;
use super::message::{Fetched, QueueMessage, QueueRecord, Refusal};
use super::metadata::Partition;
use super::node::{AGAIN, Fx};
use super::options::Flush;
use super::replica::{Replica, Side};
use crate::shared::number::Counts;
use sim_core::{Duration, NodeId};
use std::rc::Rc;

impl Broker {
    /// Fetches wherever it follows and none is under way.
    pub(super) fn fetch_all(&mut self, fx: &mut Fx<'_>) {
        let all: Vec<Partition> = self.replicas.keys().copied().collect();
        for partition in all {
            self.fetch(partition, fx);
        }
        self.arm_fetches(fx);
    }

    /// When a fetch is to be tried again.
    pub(super) fn arm_fetches(&self, fx: &mut Fx<'_>) {
        let due = self.replicas.values().filter_map(|replica| match &replica.side {
            Side::Follows(follow) => Some(follow.number.map_or(follow.rests, |(_, until)| until)),
            _ => None,
        });
        if let Some(due) = due.min() {
            fx.arm(AGAIN, Duration(due.0.saturating_sub(fx.now().0).max(1)));
        }
    }

    pub(super) fn fetch(&mut self, partition: Partition, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let Some(registration) = self.registration() else { return };
        let number = self.last_fetch.advance();
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let (offset, leader_epoch, last_epoch) = (replica.end(&config), replica.epoch, replica.log.last_epoch());
        let waits = offset < replica.log.end();
        let Side::Follows(follow) = &mut replica.side else { return };
        if follow.number.is_some_and(|(_, until)| until > now) || follow.rests > now {
            return;
        }
        if waits {
            // What it has is not on its disk yet: it asks once it is.
            follow.rests = now + config.retry_backoff;
            return;
        }
        follow.number = Some((number, now + config.request_timeout));
        let replica = Some(registration);
        fx.send(follow.leader, QueueMessage::Fetch { number, partition, offset, replica, leader_epoch, last_epoch });
    }

    pub(super) fn on_fetched(&mut self, from: NodeId, fetched: &Fetched, fx: &mut Fx<'_>) {
        let partition = fetched.partition;
        let (now, config) = (fx.now(), Rc::clone(&self.config));
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let Side::Follows(follow) = &mut replica.side else { return };
        if follow.leader != from || follow.number.is_none_or(|(number, _)| number != fetched.number) {
            return;
        }
        follow.number = None;
        match (fetched.refused, fetched.diverging) {
            (Some(Refusal::OutOfRange), _) => {
                // The leader has nothing so old any more: it begins anew where the leader's log begins.
                replica.log.begin_at(fetched.start);
                (replica.watermark, replica.durable) = (fetched.start, fetched.start);
                fx.append(QueueRecord::Anew { partition, start: fetched.start });
            }
            (Some(_), _) => follow.rests = now + config.retry_backoff,
            (None, Some((epoch, ends))) => {
                let early = config.has(QueueBug::WatermarkBeforeTruncation) && !follow.owes;
                follow.owes = early;
                if early {
                    replica.watermark = replica.watermark.max(fetched.watermark.min(replica.log.end()));
                } else {
                    let to = cut_at(replica, epoch, ends);
                    self.cut(partition, to, fx);
                }
            }
            (None, None) => self.on_batches(fetched, fx),
        }
        self.fetch(partition, fx);
        self.arm_fetches(fx);
    }

    fn on_batches(&mut self, fetched: &Fetched, fx: &mut Fx<'_>) {
        let partition = fetched.partition;
        let Some(replica) = self.replicas.get_mut(&partition) else { return };
        let mut appended = false;
        for batch in &fetched.batches {
            if batch.base < replica.log.end() {
                continue;
            }
            let write = fx.append(QueueRecord::Append { partition, batch: Rc::clone(batch) });
            replica.log.append(write, Rc::clone(batch));
            appended = true;
        }
        replica.watermark = replica.watermark.max(fetched.watermark.min(replica.log.end()));
        if fetched.start > replica.log.start() && fetched.start <= replica.watermark {
            replica.log.retain_from(fetched.start);
            fx.append(QueueRecord::Start { partition, start: fetched.start });
        }
        if appended && self.config.flush == Flush::Every {
            fx.sync();
        }
    }
}

/// Where a log ends that has the leader's batches up to this epoch, which end there (KIP-279).
fn cut_at(replica: &Replica, epoch: u32, ends: Offset) -> Offset {
    let (_, own) = replica.log.end_of(epoch);
    own.min(ends).min(replica.log.end())
}
