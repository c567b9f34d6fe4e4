//! Who acts: of the schedulers and controller managers, each one that holds its lease.

use super::api::{Answer, Key, Link, Obj, Part, Tag, Verb};
use super::bugs::KubeBug;
use super::node::Fx;
use super::objects::{Kind, Lease, Meta, Object, Text};
use super::options::Config;
use core::fmt;
use sim_core::{Duration, LocalInstant};
use std::rc::Rc;

/// What there is one acting component of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Office {
    /// Gives pods their nodes.
    Scheduler,
    /// Makes of what is what shall be.
    Manager,
}

impl Office {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Scheduler, Self::Manager];

    /// The name of its lease.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduler => "kube-scheduler",
            Self::Manager => "kube-controller-manager",
        }
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a machine stands with the lease of an office (client-go's `leaderelection`).
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    office: Office,
    /// What it calls itself: another name with every start.
    name: Text,
    /// The lease as it last changed, and when that was seen: its age is counted by this machine's own clock.
    seen: Option<(u64, LocalInstant)>,
    /// Until when it acts.
    until: Option<LocalInstant>,
    /// When it asked for what it has no answer to.
    asked: Option<LocalInstant>,
}

impl Candidate {
    pub fn new(office: Office, fx: &mut Fx<'_>) -> Self {
        let name = format!("{}_{:06x}", fx.me(), fx.rng().below(1 << 24)).into();
        Self { office, name, seen: None, until: None, asked: None }
    }

    fn key(&self) -> Key {
        Key { kind: Kind::Lease, namespace: "kube-system".into(), name: self.office.name().into() }
    }

    /// Whether it acts now.
    pub fn acts(&self) -> bool {
        self.until.is_some()
    }

    /// It has failed to renew in time: it may not act any more. Whether that is so now.
    pub fn is_over(&mut self, now: LocalInstant, config: &Config) -> bool {
        let over = self.until.is_some_and(|until| until <= now) && !config.has(KubeBug::RenewForever);
        if over {
            self.until = None;
        }
        over
    }

    /// How long until it tries again: in a candidate longer, at random.
    pub fn pause(&self, config: &Config, fx: &mut Fx<'_>) -> Duration {
        let period = config.retry_period.0;
        if self.acts() { Duration(period) } else { Duration(period + fx.rng().below(period + period / 5)) }
    }

    /// Takes the lease, or renews it, if nobody else has it.
    pub fn attempt(&mut self, link: &mut Link, config: &Config, fx: &mut Fx<'_>) {
        let now = fx.now();
        let key = self.key();
        let tag = Tag::Lease(self.office as u16);
        let held = link.cache.get(&key).cloned();
        let Some(object) = held else {
            let lease = Lease {
                meta: Meta::new(&key.namespace, &key.name),
                holder: Rc::clone(&self.name),
                seconds: (config.lease_duration.0 / 1_000_000_000) as u32,
                acquired: Some(now),
                renewed: Some(now),
                transitions: 0,
            };
            self.asked = Some(now);
            return link.call(tag, Verb::Create(Obj::new(lease)), fx);
        };
        let version = object.meta().version;
        if self.seen.is_none_or(|(seen, _)| seen != version) {
            self.seen = Some((version, now));
        }
        let Object::Lease(lease) = &*object else { return };
        let own = lease.holder == self.name;
        let fresh = self.seen.is_some_and(|(_, at)| now.since(at) < config.lease_duration);
        if !own && fresh && !lease.holder.is_empty() {
            return;
        }
        let name = Rc::clone(&self.name);
        let renewed = object.with(|object| {
            if let Object::Lease(lease) = object {
                let lease = Rc::make_mut(lease);
                if lease.holder != name {
                    (lease.holder, lease.acquired) = (name, Some(now));
                    lease.transitions += 1;
                }
                lease.renewed = Some(now);
            }
        });
        self.asked = Some(now);
        link.call(tag, Verb::Update(renewed, Part::Status), fx);
    }

    /// The answer. Whether it begins to act.
    pub fn on_answer(&mut self, answer: &Answer, link: &mut Link, config: &Config) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        let Some(object) = answer.done() else { return false };
        link.learn(object);
        let Object::Lease(lease) = &**object else { return false };
        if lease.holder != self.name {
            return false;
        }
        let begins = self.until.is_none();
        self.until = Some(asked + config.renew_deadline);
        begins
    }
}
