//! Whom a coordinator takes for the leader of each shard that is a group of replicas.

use super::options::{Config, Duty};
use sim_core::{LocalInstant, NodeId};
use std::rc::Rc;

/// The leaders of the shards, as far as a coordinator knows.
#[derive(Clone, Debug)]
pub struct Leaders {
    config: Rc<Config>,
    /// For each shard.
    shards: Vec<Believed>,
}

#[derive(Clone, Copy, Debug)]
struct Believed {
    leader: NodeId,
    /// When the leader was heard of last.
    heard: LocalInstant,
    /// When what was open was last said again because of a redirect.
    followed: Option<LocalInstant>,
}

impl Leaders {
    /// At first, the first replica of each.
    pub(super) fn new(config: &Rc<Config>) -> Self {
        let first = (0..config.shards()).filter_map(|shard| config.nodes_of(shard).next());
        let believe = |leader| Believed { leader, heard: LocalInstant(0), followed: None };
        Self { config: Rc::clone(config), shards: first.map(believe).collect() }
    }

    /// Where it sends what a shard is to hear.
    pub(super) fn of(&self, shard: u32) -> NodeId {
        self.shards[shard as usize].leader
    }

    /// A node of a shard has said something.
    pub(super) fn hears(&mut self, from: NodeId, now: LocalInstant) {
        if let Duty::Shard(shard) = self.config.duty(from)
            && self.of(shard) == from
        {
            self.shards[shard as usize].heard = now;
        }
    }

    /// A replica says that it does not lead, and perhaps who does. Whether what is open is to be said again at once.
    ///
    /// Each open message is answered by a redirect of its own, and two replicas with old news may name each other:
    /// would every redirect have everything said again, the messages would double each round. So it is said again
    /// once in `retry`, and the rest is left to the time-out.
    pub(super) fn redirected(&mut self, shard: u32, from: NodeId, hint: Option<NodeId>, now: LocalInstant) -> bool {
        if self.of(shard) != from {
            return false;
        }
        let Some(hint) = hint.filter(|hint| *hint != from) else {
            self.turn(shard);
            return false;
        };
        let believed = &mut self.shards[shard as usize];
        believed.leader = hint;
        let repeats = believed.followed.is_none_or(|at| now.since(at) >= self.config.retry);
        if repeats {
            believed.followed = Some(now);
        }
        repeats
    }

    /// A leader that was not heard of for a while may be down: it is another one's turn.
    pub(super) fn turn_if_silent(&mut self, shard: u32, now: LocalInstant) {
        let believed = &mut self.shards[shard as usize];
        if now.since(believed.heard) > self.config.retry.times(2) {
            believed.heard = now;
            self.turn(shard);
        }
    }

    fn turn(&mut self, shard: u32) {
        let first = self.config.coordinators + shard * self.config.copies;
        let of = self.of(shard).0 - first;
        self.shards[shard as usize].leader = NodeId(first + (of + 1) % self.config.copies);
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{CommitOptions, Sharding};
    use super::*;
    use sim_core::{Duration, Shape, System};

    fn leaders() -> Leaders {
        let roles = super::super::CommitSystem::ROLES;
        let shape = Shape::of_roles(&[(roles[0], 3), (roles[1], 3)]);
        let options = CommitOptions { shard: Sharding::Raft, replicas: 3, ..CommitOptions::default() };
        Leaders::new(&Rc::new(options.validate(&shape).expect("makes sense")))
    }

    #[test]
    fn two_replicas_that_name_each_other_cause_one_repetition_in_a_retry() {
        let mut leaders = leaders();
        let (one, other, retry) = (NodeId(3), NodeId(4), leaders.config.retry);
        let round = |leaders: &mut Leaders, now| {
            let redirects = (0..100).map(|at| if at % 2 == 0 { (one, other) } else { (other, one) });
            redirects.filter(|(from, hint)| leaders.redirected(0, *from, Some(*hint), now)).count()
        };
        assert_eq!(round(&mut leaders, LocalInstant(0)), 1);
        assert_eq!(round(&mut leaders, LocalInstant(0) + retry.times(1)), 1);
        assert_eq!(round(&mut leaders, LocalInstant(0) + retry.times(1) + Duration(1)), 0);
    }
}
