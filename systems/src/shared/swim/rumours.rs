//! What is said of members: alive, suspect, dead. As memberlist's `state.go` takes it in.

use super::config::Slip;
use super::member::{Swim, SwimEffect};
use super::message::{Incarnation, Rumour};
use super::suspicion::Suspicion;
use super::view::{Belief, State};
use crate::shared::number::Counts;
use sim_core::{LocalInstant, NodeId};

impl Swim {
    /// Takes news in.
    pub(super) fn hear(&mut self, rumours: Vec<Rumour>, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        for rumour in rumours {
            match rumour {
                Rumour::Alive { node, incarnation } => self.alive_is(node, incarnation, now, out),
                Rumour::Suspect { node, incarnation, from } => self.suspect(node, incarnation, from, now, out),
                Rumour::Dead { node, incarnation, from } => self.dead(node, incarnation, from, now, out),
                Rumour::Join { .. } | Rumour::Leave { .. } | Rumour::Event { .. } => {
                    out.push(SwimEffect::Heard(rumour));
                }
            }
        }
    }

    fn believe(
        &mut self,
        node: NodeId,
        (state, incarnation, by): (State, Incarnation, NodeId),
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let before = self.view.get(node);
        let since = before.filter(|belief| belief.state == state).map_or(now, |belief| belief.since);
        self.view.set(node, Some(Belief { state, incarnation, since }));
        out.push(SwimEffect::Believes { node, state, incarnation, by });
    }

    fn clear(&mut self, node: NodeId) {
        if let Some(suspicion) = self.suspicions.remove(&node) {
            self.dues.remove(&(suspicion.due(), node));
        }
    }

    /// Somebody is said to be alive.
    pub(super) fn alive_is(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        if node == self.me {
            // Somebody has an earlier life of this member in mind, which was further than this one.
            if !self.leaving && incarnation > self.incarnation {
                self.object(incarnation, now, out);
            }
            return;
        }
        let before = self.view.get(node);
        if let Some(before) = before {
            let ties = self.config.slips(Slip::AliveTies) && incarnation == before.incarnation;
            let is_news = incarnation > before.incarnation || ties && before.state != State::Alive;
            if !is_news {
                if before.state != State::Alive && !self.config.slips(Slip::SilentAboutTheOld) {
                    self.answer_the_old(node, before);
                }
                return;
            }
        }
        self.clear(node);
        self.queue.push(Rumour::Alive { node, incarnation });
        self.believe(node, (State::Alive, incarnation, node), now, out);
    }

    /// Somebody says that a member is alive who does not know yet what is said against it. A member that has begun anew
    /// can only object to what it hears of (memberlist issue 311).
    fn answer_the_old(&mut self, node: NodeId, held: Belief) {
        let (incarnation, from) = (held.incarnation, self.suspicions.get(&node).map_or(self.me, Suspicion::accuser));
        let rumour = match held.state {
            State::Alive => return,
            State::Suspect => Rumour::Suspect { node, incarnation, from },
            State::Dead => Rumour::Dead { node, incarnation, from },
            State::Left => Rumour::Dead { node, incarnation, from: node },
        };
        if !self.queue.has(&rumour) {
            self.queue.push(rumour);
        }
    }

    /// Somebody is said not to answer.
    pub(super) fn suspect(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        from: NodeId,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let Some(before) = self.view.get(node) else { return };
        if incarnation < before.incarnation && !self.config.slips(Slip::DeafToRefutations) {
            return;
        }
        if let Some(suspicion) = self.suspicions.get_mut(&node) {
            let due = suspicion.due();
            if suspicion.confirm(from, now) {
                let shorter = suspicion.due();
                self.dues.remove(&(due, node));
                self.dues.insert((shorter, node));
                self.queue.push(Rumour::Suspect { node, incarnation, from });
            }
            return;
        }
        if before.state != State::Alive {
            return;
        }
        if node == self.me {
            return self.object(incarnation, now, out);
        }
        self.queue.push(Rumour::Suspect { node, incarnation, from });
        let (min, max, k) = self.config.suspicion(self.view.known());
        let suspicion = Suspicion::new(from, k, min, max, now);
        self.dues.insert((suspicion.due(), node));
        self.suspicions.insert(node, suspicion);
        self.believe(node, (State::Suspect, incarnation, from), now, out);
    }

    /// A suspect's time is over.
    pub(super) fn condemn(&mut self, node: NodeId, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let incarnation = self.view.get(node).map(|belief| belief.incarnation);
        match incarnation {
            Some(incarnation) => self.dead(node, incarnation, self.me, now, out),
            None => self.clear(node),
        }
    }

    /// Somebody is said to be dead, or says itself that it goes.
    pub(super) fn dead(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        from: NodeId,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let Some(before) = self.view.get(node) else { return };
        if incarnation < before.incarnation {
            return;
        }
        self.clear(node);
        if before.state.is_gone() {
            return;
        }
        if node == self.me && !self.leaving {
            return self.object(incarnation, now, out);
        }
        self.queue.push(Rumour::Dead { node, incarnation, from });
        let state = if from == node { State::Left } else { State::Dead };
        self.believe(node, (state, incarnation, from), now, out);
    }

    /// It is alive, whatever is said of it.
    fn object(&mut self, accused: Incarnation, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        self.incarnation = self.incarnation.max(accused).next();
        self.worsen(1);
        self.queue.push(Rumour::Alive { node: self.me, incarnation: self.incarnation });
        self.view.set(self.me, Some(Belief { state: State::Alive, incarnation: self.incarnation, since: now }));
        out.push(SwimEffect::Objects(self.incarnation));
    }
}
