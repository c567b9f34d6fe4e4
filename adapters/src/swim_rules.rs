//! What a hosted membership announces, and what it promises.

use crate::swim::Swim;
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed, Observer, Verdict, Violation};
use std::collections::BTreeMap;
use systems::shared::replication::calm::Calm;

sim_core::rules! {
    /// Nobody is declared dead who runs while nothing has gone wrong for longer than a detection takes.
    pub const NO_FALSE_ALARM: &str = "no_false_alarm";
    /// In the end, long after the last fault, every member that runs knows those that run, and no others.
    pub const MEMBERSHIP_CONVERGES: &str = "membership_converges";
}

sim_core::facts! {
    /// What a member announces.
    pub enum SwimFact {
        /// Another one is alive.
        Up { member: NodeId } = "up" ("{member}"),
        /// Another one is dead.
        Down { member: NodeId } = "down" landmark ("{member}"),
        /// It was taken for dead, and lives again under another name.
        Rejoined { life: u32 } = "rejoined" landmark ("life {life}"),
        /// It was taken for dead, and stays so.
        Defunct = "defunct" landmark (""),
    }
}

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct SwimRules {
    calm: Calm,
    /// When a fault began or ended last, or a member; what noise loses is none.
    disturbed: Instant,
    now: Instant,
    /// How long a detection takes.
    detection: Duration,
    up: NodeSet,
    /// Who has died when, and who has said so since.
    dead: BTreeMap<NodeId, (Instant, NodeSet)>,
    first: Duration,
    last: Duration,
    alarms: u64,
    said: u64,
    violation: Option<Violation>,
}

impl SwimRules {
    /// For a cluster in which a detection takes so long.
    pub fn new(detection: Duration) -> Self {
        Self {
            calm: Calm::default(),
            disturbed: Instant::ZERO,
            now: Instant::ZERO,
            detection,
            up: NodeSet::EMPTY,
            dead: BTreeMap::new(),
            first: Duration::ZERO,
            last: Duration::ZERO,
            alarms: 0,
            said: 0,
            violation: None,
        }
    }

    /// The slowest first and last words on a crash, in nanoseconds, and the false alarms.
    pub fn figures(&self) -> (f64, f64, f64) {
        (self.first.0 as f64, self.last.0 as f64, self.alarms as f64)
    }

    fn on_down(&mut self, at: Instant, node: NodeId, member: NodeId) {
        self.said += 1;
        if self.up.has(member) {
            self.alarms += 1;
            // What went wrong may have been over for as long as it takes until that is noticed.
            if self.calm.has_lasted(at, self.detection.times(2)) && self.violation.is_none() {
                let since = self.calm.since().unwrap_or(at);
                let detail =
                    format!("{node} says that {member} is dead, which runs; nothing has gone wrong since {since}");
                self.violation = Some(Violation { rule: NO_FALSE_ALARM.into(), at, node: Some(node), detail });
            }
            return;
        }
        let Some((died, heard)) = self.dead.get_mut(&member) else { return };
        if heard.is_empty() {
            self.first = self.first.max(at.since(*died));
        }
        *heard = heard.with(node);
        if self.up.iter().all(|up| heard.has(up)) {
            self.last = self.last.max(at.since(*died));
        }
    }

    /// What each rule says.
    pub fn verdicts(&self, nodes: &[Option<Swim>]) -> Vec<Verdict> {
        let alarm = match &self.violation {
            Some(violation) => Verdict::Fail(violation.clone()),
            None => Verdict::Pass { rule: NO_FALSE_ALARM, detail: format!("{} said to be dead", self.said) },
        };
        vec![alarm, self.converged(nodes)]
    }

    fn converged(&self, nodes: &[Option<Swim>]) -> Verdict {
        let rule = MEMBERSHIP_CONVERGES;
        let needed = self.detection.times(4);
        if self.violation.is_some() || self.now.since(self.disturbed) < needed {
            return Verdict::Inconclusive { rule, why: format!("the run did not settle for {needed}") };
        }
        let running: NodeSet =
            (0..).map(NodeId).zip(nodes).filter(|(_, node)| node.is_some()).map(|(id, _)| id).collect();
        for (id, node) in (0..).map(NodeId).zip(nodes) {
            let Some(node) = node else { continue };
            let known: NodeSet = node.members().collect();
            if known != running {
                let detail = format!("{id} knows {known}, and {running} run");
                return Verdict::Fail(Violation { rule: rule.into(), at: self.now, node: Some(id), detail });
            }
        }
        Verdict::Pass { rule, detail: format!("{} members", running.len()) }
    }
}

impl Observer<Swim> for SwimRules {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Swim>) {
        self.now = at;
        self.calm.watch(at, what);
        match what {
            Observed::Booted { node, .. } => {
                self.disturbed = at;
                self.up = self.up.with(*node);
                self.dead.remove(node);
            }
            Observed::Crashed { node, .. } => {
                self.up = self.up.without(*node);
                self.dead.insert(*node, (at, NodeSet::EMPTY));
            }
            Observed::FaultStarted { .. } | Observed::FaultEnded { .. } => self.disturbed = at,
            Observed::Noted { node, fact: SwimFact::Down { member } } => self.on_down(at, *node, *member),
            _ => {}
        }
    }
    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Swim>]) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }
}
