//! A machine of the control plane: its API server with a member of the store, and the scheduler and the controller
//! manager, each of which acts while it holds its lease.

use super::agenda::Agenda;
use super::api::{Answer, ApiServer, Heard, Key, Link, Patch, Tag, Verb};
use super::controllers::Manager;
use super::message::{KubeFact, KubeMessage, KubeRecord};
use super::node::{CLOCK, Fx};
use super::objects::{Kind, Text, Uid};
use super::office::{Candidate, Office};
use super::operator::Wishes;
use super::options::Config;
use super::scheduler::Scheduler;
use super::seed;
use sim_core::{Completion, Duration, NodeId, Replay, Timer};
use std::rc::Rc;

/// How often the machine looks whether anybody is late.
const TICK: Duration = Duration::millis(500);
/// How often who watches is told how far the server is.
const BOOKMARK: Duration = Duration::secs(60);

/// What a machine of the control plane does later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// See [`TICK`].
    Tick,
    /// See [`BOOKMARK`].
    Bookmark,
    /// A lease is tried for, or renewed.
    Lease(Office),
    /// The node controller looks at all nodes.
    Monitor,
    /// A zone may lose its next node.
    Evict(Text),
    /// Pods of a node have been tolerant for long enough.
    Taint(Uid),
    /// A controller looks at an object.
    Sync(Key),
    /// Autoscalers look at what pods use.
    Scale,
    /// The scheduler tries its next pod.
    Schedule,
    /// An operator goes on.
    Operate,
}

/// What a component of the control plane works with.
pub(super) struct Ctx<'a, 'b> {
    pub link: &'a mut Link,
    pub agenda: &'a mut Agenda<Due>,
    pub config: &'a Config,
    pub fx: &'a mut Fx<'b>,
}

impl Ctx<'_, '_> {
    /// Makes a call.
    pub fn call(&mut self, tag: Tag, verb: Verb) {
        self.link.call(tag, verb, self.fx);
    }

    /// Asks for a pod to be deleted.
    pub fn delete(&mut self, tag: Tag, key: &Key, uid: Uid, grace: Option<u32>) {
        let patch = Patch::Delete(self.fx.now(), grace);
        self.call(tag, Verb::Patch(key.clone(), Some(uid), patch));
    }
}

/// A machine of the control plane.
#[derive(Clone, Debug)]
pub struct Control {
    config: Rc<Config>,
    /// Its API server.
    pub api: ApiServer,
    link: Link,
    agenda: Agenda<Due>,
    candidates: [Candidate; 2],
    manager: Option<Box<Manager>>,
    scheduler: Option<Box<Scheduler>>,
    pub(super) wishes: Wishes,
}

impl Control {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, KubeRecord>, fx: &mut Fx<'_>) -> Self {
        let mut agenda = Agenda::new();
        agenda.after(TICK, Due::Tick, fx);
        agenda.after(BOOKMARK, Due::Bookmark, fx);
        for office in Office::ALL {
            let wait = Duration(fx.rng().below(config.retry_period.0));
            agenda.after(wait, Due::Lease(office), fx);
        }
        let mut control = Self {
            config: Rc::clone(config),
            api: ApiServer::boot(config, me, disk, fx),
            link: Link::boot(config, me, fx),
            agenda,
            candidates: Office::ALL.map(|office| Candidate::new(office, fx)),
            manager: None,
            scheduler: None,
            wishes: Wishes::default(),
        };
        control.follow(fx);
        control
    }

    /// Whether it acts in an office.
    #[must_use]
    pub fn acts(&self, office: Office) -> bool {
        self.candidates[office as usize].acts()
    }

    /// What it has heard.
    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: KubeMessage, fx: &mut Fx<'_>) {
        self.resign(fx);
        match self.link.on_message(from, message, fx) {
            Some(KubeMessage::Uses { pods }) => {
                let (manager, mut ctx) = self.parts(fx);
                if let Some(manager) = manager {
                    manager.on_usage(&pods, &mut ctx);
                }
            }
            Some(message) => self.api.on_message(from, message, fx),
            None => {}
        }
        self.follow(fx);
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.resign(fx);
        self.link.on_closed(peer, fx);
        self.api.on_closed(peer, fx);
        self.follow(fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<KubeRecord>, fx: &mut Fx<'_>) {
        self.resign(fx);
        self.api.on_disk(done, fx);
        self.follow(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.resign(fx);
        if timer == CLOCK {
            let now = fx.now();
            while let Some((_, due)) = self.agenda.take(now) {
                self.on_due(due, fx);
            }
        } else {
            self.api.on_timer(timer, fx);
        }
        self.follow(fx);
    }

    fn on_due(&mut self, due: Due, fx: &mut Fx<'_>) {
        match due {
            Due::Tick => {
                self.link.on_tick(fx);
                self.api.on_tick(fx);
                self.agenda.after(TICK, Due::Tick, fx);
            }
            Due::Bookmark => {
                self.api.bookmark(fx);
                self.agenda.after(BOOKMARK, Due::Bookmark, fx);
            }
            Due::Lease(office) => {
                let candidate = &mut self.candidates[office as usize];
                if self.link.synced() {
                    candidate.attempt(&mut self.link, &self.config, fx);
                }
                let pause = candidate.pause(&self.config, fx);
                self.agenda.after(pause, Due::Lease(office), fx);
            }
            Due::Schedule => {
                let Self { link, agenda, config, scheduler, .. } = self;
                if let Some(scheduler) = scheduler {
                    scheduler.on_due(&mut Ctx { link, agenda, config, fx });
                }
            }
            Due::Operate => self.operate(fx),
            due => {
                let (manager, mut ctx) = self.parts(fx);
                if let Some(manager) = manager {
                    manager.on_due(due, &mut ctx);
                }
            }
        }
    }

    /// The manager, if it acts, and what it works with.
    fn parts<'a, 'b>(&'a mut self, fx: &'a mut Fx<'b>) -> (Option<&'a mut Manager>, Ctx<'a, 'b>) {
        let Self { link, agenda, config, manager, .. } = self;
        (manager.as_deref_mut(), Ctx { link, agenda, config, fx })
    }

    /// Whoever has not renewed a lease in time stops acting: its process ends, and with it all that it knew.
    fn resign(&mut self, fx: &mut Fx<'_>) {
        for office in Office::ALL {
            if self.candidates[office as usize].is_over(fx.now(), &self.config) {
                fx.note(KubeFact::StepsDown { office });
                match office {
                    Office::Scheduler => self.scheduler = None,
                    Office::Manager => self.manager = None,
                }
            }
        }
    }

    /// It holds a lease: it begins to act on what it has heard.
    fn begin(&mut self, office: Office, fx: &mut Fx<'_>) {
        fx.note(KubeFact::Leads { office });
        let Self { link, agenda, config, manager, scheduler, .. } = self;
        let mut ctx = Ctx { link, agenda, config, fx };
        match office {
            Office::Scheduler => *scheduler = Some(Box::new(Scheduler::new(&mut ctx))),
            Office::Manager => {
                *manager = Some(Box::new(Manager::new(&mut ctx)));
                self.seed(fx);
            }
        }
    }

    /// An operator applies the manifests, once.
    fn seed(&mut self, fx: &mut Fx<'_>) {
        if self.link.cache.get(&Key::global(Kind::Namespace, seed::DEFAULT)).is_some() {
            return;
        }
        for object in seed::objects(&self.config) {
            self.link.call(Tag::Seed, Verb::Create(object), fx);
        }
    }

    /// Takes in what has been heard.
    fn follow(&mut self, fx: &mut Fx<'_>) {
        while let Some(heard) = self.link.news() {
            match heard {
                Heard::Synced => {}
                Heard::Changed(update) => {
                    let Self { link, agenda, config, manager, scheduler, .. } = self;
                    let mut ctx = Ctx { link, agenda, config, fx };
                    if let Some(manager) = manager {
                        manager.on_change(&update, &mut ctx);
                    }
                    if let Some(scheduler) = scheduler {
                        scheduler.on_change(&update, &mut ctx);
                    }
                }
                Heard::Answered(tag, answer) => self.on_answer(tag, &answer, fx),
            }
        }
        let Self { link, agenda, config, manager, scheduler, .. } = self;
        let mut ctx = Ctx { link, agenda, config, fx };
        if let Some(manager) = manager {
            manager.work(&mut ctx);
        }
        if let Some(scheduler) = scheduler {
            scheduler.work(&mut ctx);
        }
        self.agenda.arm(fx);
    }

    fn on_answer(&mut self, tag: Tag, answer: &Answer, fx: &mut Fx<'_>) {
        let Self { link, agenda, config, manager, scheduler, candidates, .. } = self;
        match tag {
            Tag::Lease(office) => {
                let begins = candidates[usize::from(office)].on_answer(answer, link, config);
                if begins {
                    self.begin(Office::ALL[usize::from(office)], fx);
                }
            }
            Tag::Bind(uid) => {
                if let Some(scheduler) = scheduler {
                    scheduler.on_bound(uid, answer, &mut Ctx { link, agenda, config, fx });
                }
            }
            Tag::Seed if matches!(answer, Answer::Unknown) && manager.is_some() => self.seed(fx),
            Tag::Evict(uid) => self.on_evicted(uid, answer, fx),
            tag => {
                if let Some(manager) = manager {
                    manager.on_answer(tag, answer, &mut Ctx { link, agenda, config, fx });
                }
            }
        }
    }

    /// For an operator: what is known, and how to change it.
    pub(super) fn operator<'a, 'b>(&'a mut self, fx: &'a mut Fx<'b>) -> (&'a mut Wishes, Ctx<'a, 'b>) {
        let Self { link, agenda, config, wishes, .. } = self;
        (wishes, Ctx { link, agenda, config, fx })
    }
}
