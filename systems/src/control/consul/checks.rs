//! What must hold, and what is measured.

use super::gossip::{self, PoolChecks};
use super::node::Machine;
use super::options::Config;
use super::records::{self, QUORUM_IS_KEPT, Records};
use super::server::{LANE, Member};
use crate::consensus::raft::RaftProtocol;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::holders;
use crate::shared::in_the_end;
use crate::shared::replication::{CouncilChecks, Protocol};
use sim_core::metric::{MetricKind, Unit};
use sim_core::{Instant, Node, NodeId, Observed, Observer, Rule, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// The servers' Raft keeps the rules of any other.
    pub const SERVERS_AGREE: &str = "servers_agree";
}

/// All rules.
pub(super) const ALL_RULES: &[&[Rule]] = &[gossip::RULES, records::RULES, RULES];

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new(
        "first_told",
        "until the first is told",
        Unit::Time,
        "from a death until somebody is told of it, mean",
    ),
    MetricKind::new("all_told", "until all are told", Unit::Time, "from a death until everybody has been told, mean"),
    MetricKind::new(
        "first_probe",
        "until a first probe",
        Unit::Time,
        "from a death until somebody probes the dead, mean",
    ),
    MetricKind::new("deaths", "deaths", Unit::Number, "members that went down, or left"),
    MetricKind::new(
        "wrongly_suspected",
        "wrong suspicions",
        Unit::Number,
        "views in which one that was well was suspect",
    ),
    MetricKind::new("wrongly_dead", "wrong deaths", Unit::Number, "views in which one that was well was dead"),
    MetricKind::new("wrong_accusations", "wrong accusations", Unit::Number, "probes of one that was well that failed"),
    MetricKind::new(
        "wrong_per_period",
        "false accusations a probed period",
        Unit::Number,
        "wrong accusations for each period in which a member was probed",
    ),
    MetricKind::new("objections", "objections", Unit::Number, "how often a member objected to what was said of it"),
    MetricKind::new("messages_per_period", "messages a member and period", Unit::Number, "what the pool sends"),
    MetricKind::new("gossip_bytes", "bytes a member and second", Unit::Number, "what the pool sends"),
    MetricKind::new(
        "sessions_lost",
        "sessions lost",
        Unit::Number,
        "sessions that ended though their application lived",
    ),
    MetricKind::new("sessions_expired", "sessions expired", Unit::Number, "sessions that nobody had renewed in time"),
    holders::TAKEN,
    holders::OVERLAP,
    holders::LATE,
    holders::LATE_TAKEN,
    MetricKind::new("stale_default_reads", "stale default reads", Unit::Number, "reads of a leader that was none"),
    MetricKind::new("stale_reads", "stale reads", Unit::Number, "reads in stale mode that saw less than was known"),
    MetricKind::new("checks_failed", "checks that failed", Unit::Number, "how often a service became critical"),
    MetricKind::new("services_deregistered", "services deregistered", Unit::Number, "that were critical for long"),
    MetricKind::new("repairs", "repairs", Unit::Number, "differences that anti-entropy has repaired"),
    MetricKind::new("servers_cleaned_up", "servers cleaned up", Unit::Number, "that have lost their votes"),
    MetricKind::new("calls_served", "calls served", Unit::Number, "calls of services that were answered")
        .more_is_better(),
    MetricKind::new("calls_failed", "calls that failed", Unit::Number, "where the catalog said that it runs"),
    MetricKind::new("event_spread", "until all know an event", Unit::Time, "from when it was said, mean"),
];

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct ConsulChecks {
    pub(super) config: Rc<Config>,
    pub(super) pool: PoolChecks,
    pub(super) records: Records,
    council: Option<Box<CouncilChecks<Member, RaftChecks>>>,
    broken: Option<Violation>,
    pub(super) now: Instant,
}

impl ConsulChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let council = (config.servers > 0).then(|| {
            let checks = RaftProtocol::checks::<super::database::Database>(&config.group());
            Box::new(CouncilChecks::new(SERVERS_AGREE, LANE, checks))
        });
        Self {
            config: Rc::clone(config),
            pool: PoolChecks::new(config),
            records: Records::new(config),
            council,
            broken: None,
            now: Instant::ZERO,
        }
    }

    /// That consistent reads and writes are linearizable is seen without a search: the order of commands is known.
    pub(super) fn linearizable(&self) -> Verdict {
        self.records.linearizable()
    }

    /// Who has a vote, as the leader knows it.
    fn look_at_votes(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) {
        let least = self.config.min_quorum;
        let server =
            nodes[stepped.index()].as_ref().and_then(Machine::server).filter(|server| server.leads().is_some());
        let Some(voters) = server.and_then(|server| server.council.inside().members()) else { return };
        let many = voters.iter().count() as u32;
        if many < least && self.broken.is_none() {
            let detail = format!("{many} servers have votes, and {least} at least shall have");
            self.broken = Some(Violation { rule: QUORUM_IS_KEPT.to_owned(), at, node: Some(stepped), detail });
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let pool = &self.pool;
        let accusations: u64 = pool.accusations.values().map(|(all, _)| all).sum();
        let counted = |rule, many: u64, what: &str| Verdict::Pass { rule, detail: format!("{many} {what}") };
        let told = pool.outages.iter().filter(|outage| outage.heard().1.is_some()).count() as u64;
        let probes = pool.kinds.get("Ping").copied().unwrap_or(0);
        let [alive, shown] = pool.in_the_end(nodes);
        let mut all = vec![
            counted(gossip::INCARNATIONS_GROW, pool.changes, "changes of views"),
            counted(gossip::WORSE_NEWS_HOLD, pool.changes, "changes of views"),
            counted(gossip::HELPERS_ARE_HEARD, accusations, "accusations"),
            counted(gossip::THE_SLOW_ARE_PATIENT, accusations, "accusations"),
            counted(gossip::PROBED_EACH_ROUND, probes, "pings"),
            counted(gossip::DEATHS_ARE_TOLD, told, "deaths that all were told of"),
            counted(gossip::THE_RETURNED_ARE_ALIVE, pool.joins, "returns"),
            counted(gossip::THE_ACCUSED_HEAR_OF_IT, pool.contradicted, "contradictions"),
            in_the_end::verdict(gossip::THE_LIVING_ARE_ALIVE, self.now, alive),
            in_the_end::verdict(gossip::VIEWS_ARE_RIGHT, self.now, shown),
        ];
        // What nothing was looked at for says nothing.
        all.retain(|verdict| !matches!(verdict, Verdict::Pass { detail, .. } if detail.starts_with("0 ")));
        if let Some(council) = &self.council {
            all.extend(self.records.verdicts(nodes));
            all.push(council.verdict(&nodes[..self.config.servers as usize]));
        }
        all
    }
}

impl Observer<Machine> for ConsulChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        self.pool.observe(at, what);
        if self.council.is_some() {
            self.records.observe(at, what);
            // What happens to other machines is nothing to the servers' group.
            let servers = self.config.servers;
            if let Some(council) = self.council.as_mut().filter(|_| what.befalls(|node| node.0 < servers)) {
                council.observe(at, what);
            }
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(council) = self.council.as_mut().filter(|_| stepped.0 < self.config.servers) {
            council.after_step(at, stepped, nodes)?;
            self.look_at_votes(at, stepped, nodes);
        }
        let broken = self.pool.take_broken().or_else(|| self.records.take_broken()).or_else(|| self.broken.take());
        broken.map_or(Ok(()), Err)
    }
}
