//! The life of a pod on its node: taken, started, perhaps failed and started again after a longer and longer wait, told
//! to end, gone. The containers of a pod live and die together.

use super::probes::{Probing, Which};
use super::{Due, Worker};
use crate::control::kubernetes::api::{Answer, Key, Obj, Patch, Tag, Verb, pod};
use crate::control::kubernetes::formulas::crash_back_off;
use crate::control::kubernetes::message::{KubeFact, KubeRecord};
use crate::control::kubernetes::node::Fx;
use crate::control::kubernetes::objects::{
    Condition, ContainerState, ContainerStatus, Labels, Phase, PodSpec, PodStatus, RestartPolicy, Truth, Uid,
};
use crate::control::kubernetes::seed::release;
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// Whoever has not failed for twice the longest wait begins anew.
const FORGIVEN: Duration = Duration::secs(600);

/// What a pod's containers are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// They are fetched and started.
    Starting,
    /// They run, and can serve from this moment on.
    Running {
        /// Since when.
        since: LocalInstant,
        /// From when on.
        warm: LocalInstant,
    },
    /// They have failed, and wait.
    Waiting,
    /// They were told to end.
    Stopping {
        /// Whether they could serve.
        serves: bool,
    },
    /// They have ended, well or not.
    Ended(bool),
}

/// A pod on its node.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub key: Key,
    pub uid: Uid,
    pub spec: Rc<PodSpec>,
    pub labels: Labels,
    pub state: State,
    /// When the state is over, if it ever is.
    pub until: Option<LocalInstant>,
    pub restarts: u32,
    /// How often it has failed lately, and when last.
    failures: (u32, LocalInstant),
    pub ready: Condition,
    pub probing: Probing,
    /// Since when it is here.
    taken: LocalInstant,
    reason: &'static str,
    /// Whether it is to go, and until when it must be gone.
    pub deletion: Option<LocalInstant>,
    /// What was last said about it, and whether an answer is awaited.
    told: Option<PodStatus>,
    asking: bool,
    /// Until when it is busy with requests.
    pub busy: LocalInstant,
    /// Processor time that it has used since that was last asked for, in nanoseconds of one core.
    pub used: u64,
}

impl Local {
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    pub fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Stopping { .. })
    }

    /// Whether it can serve a request.
    pub fn serves(&self, now: LocalInstant) -> bool {
        match self.state {
            State::Running { warm, .. } => warm <= now,
            State::Stopping { serves } => serves,
            _ => false,
        }
    }

    /// Whether it uses all the processor time that it gets.
    pub fn burns(&self) -> bool {
        self.runs() && self.image().starts_with("burn")
    }

    fn image(&self) -> &str {
        self.spec.containers.first().map_or("", |container| &container.image)
    }

    fn status(&self, now: LocalInstant) -> PodStatus {
        let (phase, state) = match self.state {
            State::Starting if self.restarts == 0 => (Phase::Pending, ContainerState::Waiting),
            State::Starting => (Phase::Running, ContainerState::Waiting),
            State::Running { since, .. } => (Phase::Running, ContainerState::Running { since }),
            State::Stopping { .. } => (Phase::Running, ContainerState::Running { since: self.taken }),
            State::Waiting => (Phase::Running, ContainerState::CrashLoopBackOff),
            State::Ended(well) => {
                let phase = if well { Phase::Succeeded } else { Phase::Failed };
                (phase, ContainerState::Terminated { at: now, code: i32::from(!well) })
            }
        };
        let ready = self.ready.holds();
        let one = ContainerStatus { state, started: self.runs(), ready, restarts: self.restarts };
        PodStatus {
            phase,
            scheduled: Condition::default(),
            ready: self.ready,
            has_ip: !matches!(self.state, State::Starting) || self.restarts > 0,
            started: Some(self.taken),
            containers: vec![one; self.spec.containers.len().max(1)],
            reason: self.reason,
        }
    }
}

impl Worker {
    /// Something has changed about a pod of this node.
    pub(super) fn on_pod(&mut self, key: &Key, old: Option<Obj>, new: Option<Obj>, fx: &mut Fx<'_>) {
        let Some(object) = new else {
            let uid = old.map(|object| object.meta().uid);
            if let Some(uid) = uid {
                self.kill(uid, fx);
                self.forget(uid, fx);
            }
            return;
        };
        let Some(seen) = pod(&object) else { return };
        let uid = seen.meta.uid;
        if !self.pods.contains_key(&uid) {
            self.take_up(key, &object, fx);
        }
        let Some(local) = self.pods.get_mut(&uid) else { return };
        if let Some(deletion) = seen.meta.deletion
            && local.deletion.is_none_or(|due| deletion.due < due)
        {
            local.deletion = Some(deletion.due);
            self.stop(uid, fx);
        }
        self.tell(uid, fx);
    }

    /// A pod that it did not have.
    fn take_up(&mut self, key: &Key, object: &Obj, fx: &mut Fx<'_>) {
        let Some(seen) = pod(object) else { return };
        let (now, uid) = (fx.now(), seen.meta.uid);
        let restarts = self.before.remove(&uid).map_or(0, |restarts| restarts + 1);
        let mut local = Local {
            key: key.clone(),
            uid,
            spec: Rc::clone(&seen.spec),
            labels: seen.meta.labels.clone(),
            state: State::Starting,
            until: None,
            restarts,
            failures: (0, now),
            ready: Condition { status: Truth::False, since: Some(now), reason: "" },
            probing: Probing::default(),
            taken: now,
            reason: "",
            deletion: None,
            told: None,
            asking: false,
            busy: now,
            used: 0,
        };
        if seen.status.phase.ended() {
            local.state = State::Ended(seen.status.phase == Phase::Succeeded);
        } else {
            let (mut sum, demand) = (self.taken(), seen.spec.demand());
            sum.add(&demand);
            let room = self.allocatable();
            let many = self.pods.values().filter(|pod| !pod.ended()).count() as i64 + 1;
            let short = [
                (sum.cpu > room.cpu.unwrap_or(0), "OutOfcpu"),
                (sum.memory > room.memory.unwrap_or(0), "OutOfmemory"),
                (many > room.pods.unwrap_or(0), "OutOfpods"),
            ];
            if let Some((_, reason)) = short.into_iter().find(|(short, _)| *short) {
                (local.state, local.reason) = (State::Ended(false), reason);
                fx.note(KubeFact::Rejects { pod: uid });
            }
        }
        let starts = local.state == State::Starting;
        self.pods.insert(uid, local);
        if starts {
            self.start(uid, Duration::ZERO, fx);
        }
    }

    /// Its containers are started, after a wait.
    fn start(&mut self, uid: Uid, wait: Duration, fx: &mut Fx<'_>) {
        let (lo, hi) = self.config.start;
        let takes = fx.rng().between(lo.0, hi.0);
        let Some(local) = self.pods.get_mut(&uid) else { return };
        // Its image is there by now.
        let takes = if local.restarts > 0 { takes / 4 } else { takes };
        let (state, wait) =
            if wait == Duration::ZERO { (State::Starting, Duration(takes)) } else { (State::Waiting, wait) };
        local.state = state;
        self.set_until(uid, Some(fx.now() + wait));
    }

    fn set_until(&mut self, uid: Uid, until: Option<LocalInstant>) {
        if let Some(local) = self.pods.get_mut(&uid) {
            local.until = until;
            if let Some(until) = until {
                self.agenda.at(until, Due::Pod(uid));
            }
        }
    }

    /// The state of a pod is over.
    pub(super) fn go_on(&mut self, uid: Uid, when: LocalInstant, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get(&uid) else { return };
        if local.until != Some(when) {
            return;
        }
        match local.state {
            State::Starting => self.run(uid, fx),
            State::Waiting => self.start(uid, Duration::ZERO, fx),
            State::Running { .. } => self.exit(uid, fx),
            State::Stopping { .. } => self.kill(uid, fx),
            State::Ended(_) => {}
        }
        self.tell(uid, fx);
    }

    fn run(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(local) = self.pods.get_mut(&uid) else { return };
        let later = release(&local.labels) > 1;
        let warm_up = if later { self.config.new_warm_up } else { self.config.warm_up };
        local.state = State::Running { since: now, warm: now + warm_up };
        let (restarts, probes) = (local.restarts, local.spec.containers.iter().any(|one| one.readiness.is_some()));
        // A job's containers end by themselves, and those of a bad template fail.
        let ends = match local.spec.restart {
            RestartPolicy::Always if later && self.config.new_crashes > Duration::ZERO => Some(self.config.new_crashes),
            RestartPolicy::Always => None,
            RestartPolicy::OnFailure | RestartPolicy::Never => Some(self.config.job_time),
        };
        fx.append(KubeRecord::Started { pod: uid, restarts });
        fx.sync();
        fx.note(KubeFact::Runs { pod: uid, restarts });
        self.set_until(uid, ends.map(|after| now + after));
        self.begin_probes(uid, fx);
        if !probes {
            self.set_ready(uid, true, fx);
        }
    }

    /// Its containers have ended by themselves: those of a job well, others not.
    fn exit(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get_mut(&uid) else { return };
        let well = local.spec.restart != RestartPolicy::Always;
        fx.note(KubeFact::Stops { pod: uid });
        if well {
            local.state = State::Ended(true);
            local.until = None;
            self.set_ready(uid, false, fx);
        } else {
            self.fail(uid, fx);
        }
        self.refuse_all(uid, fx);
    }

    /// Its containers have failed: they are started again, or that was all.
    pub(super) fn fail(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let now = fx.now();
        self.set_ready(uid, false, fx);
        let Some(local) = self.pods.get_mut(&uid) else { return };
        if local.spec.restart == RestartPolicy::Never {
            (local.state, local.until) = (State::Ended(false), None);
            return;
        }
        local.restarts += 1;
        let (before, at) = local.failures;
        let before = if now.since(at) > FORGIVEN { 0 } else { before };
        local.failures = (before + 1, now);
        let wait = crash_back_off(before);
        self.start(uid, wait, fx);
    }

    /// It is to go: its containers are told to end, and go on serving for a while.
    fn stop(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(local) = self.pods.get_mut(&uid) else { return };
        let pre_stop = local.spec.containers.iter().map(|one| one.pre_stop_sleep).max().unwrap_or(0);
        let takes = self.config.stop + Duration::secs(u64::from(pre_stop));
        let due = local.deletion.unwrap_or(now);
        match local.state {
            State::Running { warm, .. } => {
                local.state = State::Stopping { serves: warm <= now };
                self.set_until(uid, Some((now + takes).min(due)));
            }
            State::Stopping { .. } => {
                let until = local.until.map_or(due, |until| until.min(due));
                self.set_until(uid, Some(until));
            }
            State::Starting | State::Waiting => self.kill(uid, fx),
            State::Ended(_) => {}
        }
    }

    /// Its containers are gone at once.
    fn kill(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get_mut(&uid) else { return };
        if local.runs() {
            fx.note(KubeFact::Stops { pod: uid });
        }
        if !local.ended() {
            (local.state, local.until) = (State::Ended(true), None);
        }
        self.set_ready(uid, false, fx);
        self.refuse_all(uid, fx);
    }

    /// Nothing is left of it.
    fn forget(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        self.before.remove(&uid);
        if self.pods.remove(&uid).is_some() {
            fx.append(KubeRecord::Cleaned { pod: uid });
        }
    }

    pub(super) fn set_ready(&mut self, uid: Uid, ready: bool, fx: &mut Fx<'_>) {
        let status = if ready { Truth::True } else { Truth::False };
        let Some(local) = self.pods.get_mut(&uid).filter(|local| local.ready.status != status) else { return };
        local.ready = Condition { status, since: Some(fx.now()), reason: "" };
        if !ready {
            fx.note(KubeFact::Unready { pod: uid });
        }
    }

    /// Says how a pod is, if that is not known. One that is to go and has ended is removed.
    pub(super) fn tell(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get_mut(&uid) else { return };
        if local.asking {
            return;
        }
        if local.deletion.is_some() && local.ended() {
            local.asking = true;
            return self.link.call(Tag::Pod(uid), Verb::Remove(local.key.clone(), uid), fx);
        }
        let status = local.status(fx.now());
        let known = self.link.cache.get(&local.key).and_then(pod).filter(|known| known.meta.uid == uid);
        // What others have said about it since counts, too: that its node is lost, for one.
        let same = known.is_some_and(|known| {
            let known = &known.status;
            known.ready.status == status.ready.status && known.phase == status.phase
        });
        if same && local.told.as_ref().is_some_and(|told| alike(told, &status)) {
            return;
        }
        local.told = Some(status.clone());
        local.asking = true;
        self.link.call(Tag::Pod(uid), Verb::Patch(local.key.clone(), Some(uid), Patch::Pod(Rc::new(status))), fx);
    }

    pub(super) fn on_told(&mut self, uid: Uid, answer: &Answer, fx: &mut Fx<'_>) {
        let Some(local) = self.pods.get_mut(&uid) else { return };
        local.asking = false;
        match answer {
            Answer::Done(object) => {
                let object = object.clone();
                self.link.learn(&object);
                self.tell(uid, fx);
            }
            Answer::Gone(_) | Answer::NotFound => {
                self.kill(uid, fx);
                self.forget(uid, fx);
            }
            // It tries again when it looks next.
            _ => local.told = None,
        }
    }
}

/// Whether two say the same of a pod.
fn alike(a: &PodStatus, b: &PodStatus) -> bool {
    let state = |status: &PodStatus| {
        let one = status.containers.first().copied().unwrap_or_default();
        let state = match one.state {
            ContainerState::Waiting => 0,
            ContainerState::CrashLoopBackOff => 1,
            ContainerState::Running { .. } => 2,
            ContainerState::Terminated { .. } => 3,
        };
        (state, one.restarts)
    };
    (a.phase, a.ready.status, state(a)) == (b.phase, b.ready.status, state(b))
}

/// The kinds of probes that a pod has, by what its containers say.
pub(super) fn probes(spec: &PodSpec, which: Which) -> Option<&crate::control::kubernetes::objects::Probe> {
    spec.containers.iter().find_map(|container| match which {
        Which::Readiness => container.readiness.as_ref(),
        Which::Liveness => container.liveness.as_ref(),
    })
}
