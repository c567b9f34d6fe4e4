//! Probes: whether a pod is to get requests, and whether it is to be started again.

use super::pods::{State, probes};
use super::{Due, Worker};
use crate::control::kubernetes::bugs::KubeBug;
use crate::control::kubernetes::message::KubeFact;
use crate::control::kubernetes::node::Fx;
use crate::control::kubernetes::objects::Uid;
use crate::control::kubernetes::options::Readiness;
use sim_core::{Duration, LocalInstant};

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// Whether the pod is to get requests.
    Readiness,
    /// Whether it is to be started again.
    Liveness,
}

impl Which {
    const ALL: [Self; 2] = [Self::Readiness, Self::Liveness];
}

/// What the probes of a pod have said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probing {
    /// When each is asked next.
    next: [Option<LocalInstant>; 2],
    /// What they have said last, and how often in a row.
    last: [(bool, u32); 2],
}

impl Worker {
    /// A container runs: its probes begin, each after a random part of its period.
    pub(super) fn begin_probes(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get_mut(&uid) else { return };
        local.probing = Probing::default();
        let mut due = Vec::new();
        for which in Which::ALL {
            let Some(probe) = probes(&local.spec, which) else { continue };
            let period = Duration::secs(u64::from(probe.period));
            let wait = Duration(fx.rng().below(period.0.max(1))).max(Duration::secs(u64::from(probe.initial_delay)));
            due.push((which, fx.now() + wait));
        }
        for (which, when) in due {
            self.probe_at(uid, which, when);
        }
    }

    fn probe_at(&mut self, uid: Uid, which: Which, when: LocalInstant) {
        if let Some(local) = self.pods.get_mut(&uid) {
            local.probing.next[which as usize] = Some(when);
            self.agenda.at(when, Due::Probe(uid, which));
        }
    }

    /// A probe is due.
    pub(super) fn probe(&mut self, uid: Uid, which: Which, when: LocalInstant, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(local) = self.pods.get_mut(&uid) else { return };
        let State::Running { .. } = local.state else { return };
        if local.probing.next[which as usize] != Some(when) {
            return;
        }
        let Some(probe) = probes(&local.spec, which) else { return };
        // Who has more to do than it can does not answer a probe in time, either.
        let swamped = local.busy.0.saturating_sub(now.0) > Duration::secs(u64::from(probe.timeout)).0;
        let lies = which == Readiness::Lies.which() && self.config.readiness == Readiness::Lies;
        let well = lies || local.serves(now) && !swamped;
        let (last, row) = local.probing.last[which as usize];
        let row = if last == well { row + 1 } else { 1 };
        local.probing.last[which as usize] = (well, row);
        let threshold = if well { probe.success_threshold } else { probe.failure_threshold };
        let period = Duration::secs(u64::from(probe.period));
        let reached = row >= threshold;
        self.probe_at(uid, which, now + period);
        match which {
            Which::Readiness if reached => self.set_ready(uid, well, fx),
            Which::Liveness if reached && !well => {
                fx.note(KubeFact::Stops { pod: uid });
                self.fail(uid, fx);
                self.refuse_all(uid, fx);
            }
            _ => {}
        }
        self.tell(uid, fx);
    }

    /// The kubelet was started anew, and knows only what the containers' runtime says: that they run. Whether they
    /// were ready it takes from the object.
    pub(super) fn forget_probes(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get(&uid) else { return };
        let probed = probes(&local.spec, Which::Readiness).is_some();
        if !matches!(local.state, State::Running { .. }) {
            return;
        }
        self.begin_probes(uid, fx);
        if probed && self.config.has(KubeBug::ForgetReady) {
            self.set_ready(uid, false, fx);
            self.tell(uid, fx);
        }
    }
}

impl Readiness {
    /// The kind of probe that it is about.
    const fn which(self) -> Which {
        Which::Readiness
    }
}
