//! What sentinels promise each other: one vote each in an epoch, one leader of them, one primary of its making; and in
//! the end all of them send clients to the same primary.

use super::{Monitored, SentinelMessage, Vote};
use crate::control::failover::message::{FailoverFact, FailoverMessage};
use crate::control::failover::node::Failover;
use crate::shared::replication::audit::Audit;
use sim_core::sorted::SortedMap;
use sim_core::{Instant, NodeId, NodeSet, Observed, Verdict};

sim_core::rules! {
    /// No two sentinels lead the sentinels in one epoch.
    pub const ONE_LEADER_OF_SENTINELS: &str = "one_leader_of_sentinels";
    /// A sentinel votes for one sentinel in an epoch, not for another one after a restart either.
    pub const SENTINEL_VOTES_ONCE: &str = "sentinel_votes_once";
    /// The configuration of an epoch names one primary, whoever publishes it, and no sentinel goes back to an older
    /// one.
    pub const CONFIGURATIONS_AGREE: &str = "configurations_agree";
}

/// What sentinels have said.
#[derive(Clone, Debug, Default)]
pub struct SentinelRules {
    /// Who led in each epoch.
    leaders: SortedMap<u64, NodeId>,
    /// Whom each has voted for in each epoch.
    votes: SortedMap<(u64, NodeId), NodeId>,
    /// The primary of each configuration.
    primaries: SortedMap<u64, NodeId>,
    /// The newest configuration that each has published.
    published: SortedMap<NodeId, u64>,
    hellos: u64,
}

impl SentinelRules {
    /// Something happened.
    pub fn watch(&mut self, audit: &mut Audit, at: Instant, what: &Observed<'_, Failover>) {
        match what {
            Observed::Noted { node, fact: FailoverFact::SentinelElected { epoch, votes } } => {
                self.elected(audit, at, *node, *epoch, *votes);
            }
            Observed::Sent { from, message: FailoverMessage::Sentinel(message), .. } => match *message {
                SentinelMessage::Down { vote: Some(Vote { epoch, leader }), .. } => {
                    self.voted(audit, at, *from, epoch, leader);
                }
                SentinelMessage::Hello { by, config, .. } if by == *from => self.publishes(audit, at, by, config),
                _ => {}
            },
            _ => {}
        }
    }

    fn elected(&mut self, audit: &mut Audit, at: Instant, node: NodeId, epoch: u64, votes: NodeSet) {
        let other = *self.leaders.entry(epoch).or_insert(node);
        if other != node {
            audit.fail(at, ONE_LEADER_OF_SENTINELS, node, || {
                format!("{node} leads the sentinels in epoch {epoch} with the votes of {votes}, and {other} did")
            });
        }
        if votes.has(node) {
            self.voted(audit, at, node, epoch, node);
        }
    }

    fn voted(&mut self, audit: &mut Audit, at: Instant, node: NodeId, epoch: u64, leader: NodeId) {
        let other = *self.votes.entry((epoch, node)).or_insert(leader);
        if other != leader {
            audit.fail(at, SENTINEL_VOTES_ONCE, node, || {
                format!("{node} voted for {leader} in epoch {epoch}, and has told somebody that it voted for {other}")
            });
        }
    }

    fn publishes(&mut self, audit: &mut Audit, at: Instant, node: NodeId, config: Monitored) {
        self.hellos += 1;
        let Monitored { epoch, primary } = config;
        let other = *self.primaries.entry(epoch).or_insert(primary);
        if other != primary {
            audit.fail(at, CONFIGURATIONS_AGREE, node, || {
                format!("{node} says that {primary} is the primary as of epoch {epoch}, and another that {other} is")
            });
        }
        let newest = self.published.entry(node).or_insert(epoch);
        if epoch < *newest {
            let newest = *newest;
            audit.fail(at, CONFIGURATIONS_AGREE, node, || {
                format!("{node} publishes the configuration of epoch {epoch}, and has published that of epoch {newest}")
            });
        } else {
            *newest = epoch;
        }
    }

    /// What the rules say.
    pub fn verdicts(&self, audit: &Audit) -> Vec<Verdict> {
        let (leaders, votes, hellos) = (self.leaders.len() as u64, self.votes.len() as u64, self.hellos);
        let rows = [
            (ONE_LEADER_OF_SENTINELS, leaders, format!("{leaders} epochs with a leader")),
            (SENTINEL_VOTES_ONCE, votes, format!("{votes} votes")),
            (CONFIGURATIONS_AGREE, hellos, format!("{hellos} hello messages")),
        ];
        // Where nothing happens nobody votes.
        let seen = rows.into_iter().filter(|(_, seen, _)| *seen > 0);
        seen.map(|(rule, seen, detail)| audit.rule(rule, seen, detail)).collect()
    }

    /// What is wrong at the end with whom sentinels send clients to, if `primary` leads.
    pub fn disagreement(live: &[&Failover], primary: NodeId) -> Option<(NodeId, String)> {
        let told = |node: &&Failover| node.sentinel.as_ref().map(|sentinel| (node.me, sentinel.configuration()));
        let configurations: Vec<(NodeId, Monitored)> = live.iter().filter_map(told).collect();
        let newest = configurations.iter().map(|(_, config)| config.epoch).max()?;
        let wrong = configurations.iter().find(|(_, config)| config.epoch != newest || config.primary != primary);
        wrong.map(|(node, config)| {
            let Monitored { epoch, primary: named } = config;
            (*node, format!("{node} sends clients to {named}, as of epoch {epoch} of {newest}, and {primary} leads"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule that a history breaks, told by what sentinels say and announce.
    fn broken(history: &[(u32, FailoverMessage)], elected: &[(u32, u64)]) -> Option<String> {
        let (mut rules, mut audit) = (SentinelRules::default(), Audit::new(6));
        for (from, message) in history {
            let what =
                Observed::Sent { from: NodeId(*from), to: NodeId(0), message, arrives: Instant::ZERO, number: 1 };
            rules.watch(&mut audit, Instant::ZERO, &what);
        }
        for (node, epoch) in elected {
            let fact = FailoverFact::SentinelElected { epoch: *epoch, votes: NodeSet::EMPTY };
            rules.watch(&mut audit, Instant::ZERO, &Observed::Noted { node: NodeId(*node), fact });
        }
        audit.violation().map(|violation| violation.rule.clone())
    }

    fn vote(epoch: u64, leader: u32) -> FailoverMessage {
        let vote = Some(Vote { epoch, leader: NodeId(leader) });
        FailoverMessage::Sentinel(SentinelMessage::Down { down: true, vote })
    }

    fn hello(by: u32, epoch: u64, primary: u32) -> FailoverMessage {
        let config = Monitored { epoch, primary: NodeId(primary) };
        FailoverMessage::Sentinel(SentinelMessage::Hello { by: NodeId(by), epoch, config })
    }

    #[test]
    fn a_second_vote_in_an_epoch_is_seen() {
        assert_eq!(broken(&[(3, vote(2, 4)), (3, vote(2, 4)), (3, vote(3, 5)), (4, vote(2, 5))], &[]), None);
        assert_eq!(broken(&[(3, vote(2, 4)), (3, vote(2, 5))], &[]).as_deref(), Some(SENTINEL_VOTES_ONCE));
    }

    #[test]
    fn a_second_leader_in_an_epoch_is_seen() {
        assert_eq!(broken(&[], &[(3, 2), (4, 3)]), None);
        assert_eq!(broken(&[], &[(3, 2), (4, 2)]).as_deref(), Some(ONE_LEADER_OF_SENTINELS));
    }

    #[test]
    fn two_configurations_of_an_epoch_and_one_that_is_older_are_seen() {
        assert_eq!(broken(&[(3, hello(3, 1, 0)), (3, hello(3, 2, 1)), (4, hello(4, 1, 0))], &[]), None);
        let two = broken(&[(3, hello(3, 2, 1)), (4, hello(4, 2, 2))], &[]);
        assert_eq!(two.as_deref(), Some(CONFIGURATIONS_AGREE));
        let older = broken(&[(3, hello(3, 2, 1)), (3, hello(3, 1, 0))], &[]);
        assert_eq!(older.as_deref(), Some(CONFIGURATIONS_AGREE));
        // What a node passes on is old news.
        assert_eq!(broken(&[(3, hello(3, 2, 1)), (0, hello(3, 1, 0))], &[]), None);
    }
}
