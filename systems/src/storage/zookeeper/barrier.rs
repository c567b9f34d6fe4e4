//! The recipe for a double barrier (Hunt et al. 2010, section 2.4): nobody goes in before so many have come, nobody
//! goes out before all who went in are done. Whoever makes them enough writes on the barrier up to which number they
//! may go in, so that one barrier serves round after round.

use super::app::{App, For, Key};
use super::bugs::ZkBug;
use super::message::{ZkFact, ZkResponse};
use super::node::Fx;
use super::txn::{Answer, Call, Path, Place, Refusal, Session};
use sim_core::LocalInstant;

/// How far an application has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has asked for a number, or does not know whether it has one.
    Coming,
    /// It waits before the first door.
    Waiting,
    /// It works inside.
    Inside,
    /// It has done its work, and takes its node away.
    Finishing,
    /// It waits before the second door.
    Leaving,
}

/// One way through a double barrier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    barrier: u64,
    /// What tells its child from those of others.
    own: u64,
    number: Option<u32>,
    step: Step,
    /// What the barrier held when it was last looked at: numbers below may go in. And how often that had been set.
    mark: u32,
    version: u32,
    /// When its work is done.
    until: LocalInstant,
}

impl Meeting {
    const fn place(&self) -> Place {
        Place::Barrier(self.barrier)
    }

    /// When it has something to do by itself.
    pub const fn due(&self) -> Option<LocalInstant> {
        if matches!(self.step, Step::Inside) { Some(self.until) } else { None }
    }
}

impl App {
    pub(super) fn begin_meeting(&mut self, key: Key, barrier: u64, fx: &mut Fx<'_>) {
        let own = self.own_mark();
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let until = fx.now();
        task.meeting = Some(Meeting { barrier, own, number: None, step: Step::Coming, mark: 0, version: 0, until });
        self.come(key, fx);
    }

    fn meeting(&self, key: Key) -> Option<Meeting> {
        self.tasks.get(&key)?.meeting
    }

    fn meet(&mut self, key: Key, change: impl FnOnce(&mut Meeting)) {
        if let Some(meeting) = self.tasks.get_mut(&key).and_then(|task| task.meeting.as_mut()) {
            change(meeting);
        }
    }

    fn come(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(meeting) = self.meeting(key) else { return };
        let create = Call::Create { place: meeting.place(), ephemeral: true, data: meeting.own };
        self.call(create, For::Barrier(key), fx);
    }

    /// May it go in?
    fn look_at_door(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(meeting) = self.meeting(key) else { return };
        let path = Path::of(meeting.place());
        self.watches.insert(path, true);
        self.call(Call::Get { path, watch: true }, For::Barrier(key), fx);
    }

    fn look_around(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(meeting) = self.meeting(key) else { return };
        self.call(Call::Children { place: meeting.place(), watch: false }, For::Barrier(key), fx);
    }

    /// Something has changed about a barrier.
    pub(super) fn look_at_barrier(&mut self, barrier: u64, fx: &mut Fx<'_>) {
        let there = self.tasks.iter().filter_map(|(key, task)| Some((*key, task.meeting?)));
        let there: Vec<_> = there.filter(|(_, meeting)| meeting.barrier == barrier).collect();
        for (key, meeting) in there {
            match meeting.step {
                Step::Waiting => self.look_at_door(key, fx),
                Step::Leaving => self.look_around(key, fx),
                Step::Coming | Step::Inside | Step::Finishing => {}
            }
        }
    }

    pub(super) fn on_barrier_answer(&mut self, key: Key, call: &Call, answer: &Answer, fx: &mut Fx<'_>) {
        let Some(meeting) = self.meeting(key) else { return };
        match (call, answer, meeting.step) {
            (Call::Create { .. }, Answer::Created(number), Step::Coming) => {
                self.meet(key, |meeting| (meeting.number, meeting.step) = (Some(*number), Step::Waiting));
                self.look_at_door(key, fx);
            }
            (Call::Get { .. }, Answer::Data { data, version }, Step::Waiting) => {
                self.meet(key, |meeting| (meeting.mark, meeting.version) = (*data as u32, *version));
                if meeting.number.is_some_and(|number| u64::from(number) < *data) {
                    self.enter(key, fx);
                } else {
                    self.look_around(key, fx);
                }
            }
            (Call::Children { .. }, Answer::Children(all), step) => self.on_others(key, &meeting, step, all, fx),
            // Whoever else was faster has let them in, or others.
            (Call::Set { .. }, _, Step::Waiting) => self.look_at_door(key, fx),
            (Call::Exists { .. }, Answer::There(false), Step::Leaving) => self.look_around(key, fx),
            (Call::Delete { .. }, Answer::Done | Answer::Refused(Refusal::NoNode), Step::Finishing) => {
                self.meet(key, |meeting| meeting.step = Step::Leaving);
                self.look_around(key, fx);
            }
            _ => {}
        }
    }

    fn on_others(&mut self, key: Key, meeting: &Meeting, step: Step, all: &[(u32, u64)], fx: &mut Fx<'_>) {
        let mine = all.iter().find(|(_, own)| *own == meeting.own).map(|(number, _)| *number);
        match (step, mine) {
            (Step::Coming, None) => self.come(key, fx),
            (Step::Coming, Some(number)) => {
                self.meet(key, |meeting| (meeting.number, meeting.step) = (Some(number), Step::Waiting));
                self.look_at_door(key, fx);
            }
            // Its session has gone, and its place with it.
            (Step::Waiting, None) => {
                self.meet(key, |meeting| (meeting.number, meeting.step) = (None, Step::Coming));
                self.come(key, fx);
            }
            (Step::Waiting, Some(_)) => {
                // Those of the last round may still be inside.
                let all_count = self.config.has(ZkBug::BarrierCountsLeavers);
                let new = all.iter().filter(|(number, _)| *number >= meeting.mark || all_count);
                let (many, last) = (new.clone().count(), new.map(|(number, _)| *number).max());
                if let Some(last) = last.filter(|_| many >= self.config.barrier) {
                    let (path, data) = (Path::of(meeting.place()), u64::from(last) + 1);
                    let version = Some(meeting.version);
                    self.call(Call::Set { path, data, version }, For::Barrier(key), fx);
                }
            }
            (Step::Leaving, _) => match all.iter().rev().find(|(number, _)| *number < meeting.mark) {
                None => self.left(key, meeting, fx),
                Some((other, _)) => {
                    let path = Path::child(meeting.place(), *other);
                    self.watches.insert(path, true);
                    self.call(Call::Exists { path, watch: true }, For::Barrier(key), fx);
                }
            },
            (Step::Inside | Step::Finishing, _) => {}
        }
    }

    fn enter(&mut self, key: Key, fx: &mut Fx<'_>) {
        let until = fx.now() + self.config.hold;
        self.meet(key, |meeting| (meeting.step, meeting.until) = (Step::Inside, until));
        let Some(Meeting { barrier, number: Some(number), mark, .. }) = self.meeting(key) else { return };
        if let Some(session) = self.session {
            fx.note(ZkFact::Enters { barrier, number, mark, session });
        }
        self.arm_work(fx);
    }

    /// Its work inside may be done.
    pub(super) fn meetings_over(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let is_due = |meeting: Meeting| meeting.due().is_some_and(|due| due <= now);
        let due = self.tasks.iter().filter(|(_, task)| task.meeting.is_some_and(is_due)).map(|(key, _)| *key);
        for key in due.collect::<Vec<_>>() {
            self.meet(key, |meeting| meeting.step = Step::Finishing);
            if let Some(Meeting { barrier, number: Some(number), .. }) = self.meeting(key) {
                fx.note(ZkFact::Finishes { barrier, number });
            }
            self.finish(key, fx);
        }
    }

    fn finish(&mut self, key: Key, fx: &mut Fx<'_>) {
        let Some(meeting) = self.meeting(key) else { return };
        if let Some(number) = meeting.number {
            self.call(Call::Delete { path: Path::child(meeting.place(), number) }, For::Barrier(key), fx);
        }
    }

    fn left(&mut self, key: Key, meeting: &Meeting, fx: &mut Fx<'_>) {
        let Some(number) = meeting.number else { return };
        fx.note(ZkFact::Leaves { barrier: meeting.barrier, number, mark: meeting.mark });
        if let Some(task) = self.tasks.remove(&key) {
            fx.reply(task.ticket, ZkResponse::Met { number });
        }
    }

    /// It is in touch again: it looks for what it has left behind.
    pub(super) fn resume_meetings(&mut self, fx: &mut Fx<'_>) {
        let there = self.tasks.iter().filter_map(|(key, task)| Some((*key, task.meeting?.step)));
        let there: Vec<(Key, Step)> = there.collect();
        if !there.is_empty() {
            // The server may not have what was written through another one.
            self.call(Call::Sync, For::Nobody, fx);
        }
        for (key, step) in there {
            match step {
                Step::Coming | Step::Leaving => self.look_around(key, fx),
                Step::Waiting => self.look_at_door(key, fx),
                Step::Finishing => self.finish(key, fx),
                Step::Inside => {}
            }
        }
    }

    /// The session is over. Who waited to get in has to come anew; for the others it makes no difference.
    pub(super) fn lose_meetings(&mut self, session: Session) {
        for meeting in self.tasks.values_mut().filter_map(|task| task.meeting.as_mut()) {
            if matches!(meeting.step, Step::Coming | Step::Waiting) {
                (meeting.own, meeting.number, meeting.step) = (self.recipes.mark(Some(session)), None, Step::Coming);
            }
        }
    }
}
