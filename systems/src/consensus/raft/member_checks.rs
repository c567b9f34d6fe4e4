//! The invariants of a cluster whose members change (dissertation, chapter 4).

use super::configuration::Configuration;
use super::message::{RaftFact, RaftMessage};
use super::node::Raft;
use crate::shared::replication::audit::Audit;
use sim_core::{Duration, Instant, NodeId, Observed, StateMachine, Verdict};

sim_core::rules! {
    /// No two configurations that may be acted on at once can decide without a server in common.
    pub const CONFIGURATIONS_OVERLAP: &str = "configurations_overlap";
    /// A leader changes the members only once an entry of its own term is committed: before, a change by an earlier
    /// leader that it does not know of may still be committed, and the two need not overlap (raft-dev, July 2015).
    pub const CHANGES_FOLLOW_OWN_COMMIT: &str = "changes_follow_own_commit";
    /// Whoever is elected has a vote.
    pub const LEADERS_ARE_MEMBERS: &str = "leaders_are_members";
    /// A server that gets a vote holds what had been committed a second before, so that it does not hold the others up.
    pub const VOTERS_ARE_CAUGHT_UP: &str = "voters_are_caught_up";
    /// A leader that watches its quorum is not replaced because somebody who does not hear it asks for votes.
    pub const LEADER_UNDISTURBED: &str = "leader_undisturbed";
}

/// What [`Audit::due`] looks back.
const LAG: Duration = Duration::secs(1);

/// The memory of these invariants over one run.
#[derive(Clone, Debug, Default)]
pub(super) struct MemberChecks {
    /// The leader that has changed its configuration in this step.
    reconfigured: Option<NodeId>,
    /// Who was asked for its vote in this step, and whether it has stopped leading.
    asked: Option<(NodeId, bool)>,
    configurations: u64,
    joint: u64,
    elections: u64,
    new_voters: u64,
    disturbances: u64,
}

impl MemberChecks {
    /// A node has announced something; `leads` says whether it leads.
    pub fn on_fact(&mut self, node: NodeId, fact: RaftFact, leads: bool) {
        match fact {
            RaftFact::SteppedDown { .. } => {
                if let Some((asked, yields)) = &mut self.asked {
                    *yields |= *asked == node;
                }
            }
            RaftFact::Configured { joint, .. } => {
                self.configurations += 1;
                self.joint += u64::from(joint);
                if leads {
                    self.reconfigured = Some(node);
                }
            }
            _ => {}
        }
    }

    /// Something else has happened.
    #[inline]
    pub fn watch<M: StateMachine>(&mut self, what: &Observed<'_, Raft<M>>) {
        if let Observed::Delivered {
            to, message: RaftMessage::RequestVote { pre: false, transfer: false, .. }, ..
        } = what
        {
            self.asked = Some((*to, false));
        }
    }

    /// A node has been elected.
    pub fn check_leader<M: StateMachine>(&mut self, audit: &mut Audit, at: Instant, leader: &Raft<M>) {
        self.elections += 1;
        if !leader.may_campaign() {
            audit.fail(at, LEADERS_ARE_MEMBERS, leader.me, || {
                format!("{} leads without a vote; the members are {}", leader.me, leader.log().configuration())
            });
        }
    }

    /// A step is over.
    #[inline]
    pub fn after_step<'a, M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        nodes: &impl Fn(NodeId) -> Option<&'a Raft<M>>,
    ) {
        if let Some(node) = self.reconfigured.take()
            && let Some(leader) = nodes(node)
        {
            self.check_configurations(audit, at, leader, nodes);
        }
        if let Some((node, yields)) = self.asked.take()
            && let Some(asked) = nodes(node)
            && asked.config.check_quorum
            && (yields || asked.lead.is_some())
        {
            self.disturbances += 1;
            if yields {
                audit.fail(at, LEADER_UNDISTURBED, node, || {
                    format!("{node} was heard by its quorum and yet gave way to somebody who asked for its vote")
                });
            }
        }
    }

    /// A leader acts under another configuration now.
    fn check_configurations<'a, M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        leader: &Raft<M>,
        nodes: &impl Fn(NodeId) -> Option<&'a Raft<M>>,
    ) {
        let node = leader.me;
        if let Some(lead) = &leader.lead
            && leader.commit() < lead.first
        {
            let (commit, first) = (leader.commit(), lead.first);
            audit.fail(at, CHANGES_FOLLOW_OWN_COMMIT, node, || {
                format!(
                    "{node} changes the members in term {} with entries committed up to {commit}; its first of that \
                     term is \
                     {first}: it can not know of every change that may yet be committed",
                    leader.term()
                )
            });
        }
        let all: Vec<(u64, &Configuration)> = leader.log().configurations_from(leader.commit()).collect();
        for (i, (first, a)) in all.iter().enumerate() {
            for (second, b) in all[i + 1..].iter().filter(|(_, b)| !a.overlaps(b)) {
                audit.fail(at, CONFIGURATIONS_OVERLAP, node, || {
                    format!(
                        "{node} goes on to {b} (entry {second}) while {a} (entry {first}) may be all that others know: \
                         both can decide without each other"
                    )
                });
            }
        }
        // Its last round took less than an election timeout, and was over less than that ago.
        if leader.config.election_min.times(2) > LAG {
            return;
        }
        let [.., (_, before), (_, now)] = all.as_slice() else { return };
        let due = audit.due();
        for new in now.electorate().minus(before.electorate()).iter() {
            let Some(server) = nodes(new) else { continue };
            self.new_voters += 1;
            let holds = server.log().last();
            if holds < due {
                audit.fail(at, VOTERS_ARE_CAUGHT_UP, node, || {
                    format!("{node} gives {new} a vote, whose log ends at {holds}; {due} was committed a second ago")
                });
            }
        }
    }

    /// What these rules say. Of what never happened they say nothing: most clusters never change.
    pub fn verdicts(&self, audit: &Audit) -> Vec<Verdict> {
        let (configurations, joint, new) = (self.configurations, self.joint, self.new_voters);
        let (elections, asked) = (self.elections, self.disturbances);
        let rows = [
            (
                CONFIGURATIONS_OVERLAP,
                configurations,
                format!("{configurations} times another one, {joint} times joint"),
            ),
            (CHANGES_FOLLOW_OWN_COMMIT, configurations, format!("{configurations} times another configuration")),
            (LEADERS_ARE_MEMBERS, configurations.min(elections), format!("{elections} elections")),
            (VOTERS_ARE_CAUGHT_UP, new, format!("{new} new voters")),
            (LEADER_UNDISTURBED, asked, format!("{asked} leaders asked for their votes")),
        ];
        let broken = |name: &str| audit.violation().is_some_and(|violation| violation.rule == name);
        let seen = rows.into_iter().filter(|(rule, seen, _)| *seen > 0 || broken(rule));
        seen.map(|(rule, seen, detail)| audit.rule(rule, seen, detail)).collect()
    }
}
