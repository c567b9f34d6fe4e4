//! One trial: the cluster is whole, something goes wrong, and it is timed until service is back.

use crate::plan::{Fault, Kind, Plan};
use crate::probe::{self, Probe, Probers};
use crate::random::Random;
use crate::systems::System;
use std::time::{Duration, Instant};

/// A trial that is not over by then has failed.
pub const LIMIT: Duration = Duration::from_secs(600);
/// How long it is watched after service is back: what fails again is part of the outage.
const SETTLE: Duration = Duration::from_millis(500);
/// Where a share of the requests fails: so long without a failure, and it is over.
const QUIET: Duration = Duration::from_secs(4);
/// How often the stage looks.
const LOOK: Duration = Duration::from_millis(2);

/// What one trial has shown, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// A figure for each of the system's.
    pub figures: Vec<f64>,
    /// The longest outage that probes saw, if they saw one.
    pub outage: Option<f64>,
    /// Acknowledged writes that are gone, where that was looked at.
    pub lost: Option<u64>,
}

/// What is done in one trial.
pub struct Stage<'a> {
    /// The file.
    pub plan: &'a Plan,
    /// When each fault begins and ends, since the trial began.
    faults: Vec<(Fault, Duration, Option<Duration>)>,
    began: Instant,
}

/// A fault under way.
struct Bitten {
    member: usize,
    kind: Kind,
    ends: Option<Duration>,
}

impl<'a> Stage<'a> {
    /// The trial that is drawn next.
    pub fn new(plan: &'a Plan, random: &mut Random) -> Self {
        let draw = |fault: &Fault| {
            let begins = random.time(fault.at);
            (fault.clone(), begins, fault.duration.map(|duration| begins + duration))
        };
        Self { plan, faults: plan.faults.iter().map(draw).collect(), began: Instant::now() }
    }

    /// The trial begins now.
    pub fn begin(&mut self) -> Instant {
        self.began = Instant::now();
        self.began
    }

    /// Whom the first fault hits.
    pub fn target(&self) -> &str {
        &self.faults[0].0.target
    }

    /// When the first fault begins, since the trial began.
    pub fn first(&self) -> Duration {
        self.faults[0].1
    }

    fn sleep_until(&self, at: Duration) {
        std::thread::sleep(at.saturating_sub(self.began.elapsed()));
    }

    /// Carries out all faults, `victim` being the first's member, and looks until `over` gives an answer after the last
    /// has begun and those that end have ended. Gives the answer with the moment at which the first fault bit.
    ///
    /// # Errors
    /// A fault can not be carried out, or there was no answer in time.
    pub fn run<T>(
        &mut self,
        system: &mut (impl System + ?Sized),
        victim: usize,
        mut over: impl FnMut(Duration) -> Option<T>,
    ) -> Result<(Duration, T), String> {
        let mut bitten: Vec<Bitten> = Vec::new();
        let mut first = None;
        for (number, (fault, begins, ends)) in self.faults.clone().into_iter().enumerate() {
            self.sleep_until(begins);
            let member = if number == 0 { victim } else { system.find(&fault.target)? };
            bite(system, member, &fault)?;
            first.get_or_insert(self.began.elapsed());
            bitten.push(Bitten { member, kind: fault.kind, ends });
        }
        let first = first.ok_or("nothing goes wrong")?;
        loop {
            let now = self.began.elapsed();
            for one in bitten.iter_mut().filter(|one| one.ends.is_some_and(|ends| ends <= now)) {
                one.ends = None;
                heal(system, one.member, one.kind)?;
            }
            if bitten.iter().all(|one| one.ends.is_none())
                && let Some(answer) = over(first)
            {
                return Ok((first, answer));
            }
            if now > first + LIMIT {
                return Err(format!("service was not back {} s after the fault", LIMIT.as_secs()));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts again who was killed for good.
    ///
    /// # Errors
    /// It can not be started.
    pub fn mend(&self, system: &mut (impl System + ?Sized), victim: usize) -> Result<(), String> {
        let stays =
            |(fault, ..): &(Fault, Duration, Option<Duration>)| fault.kind == Kind::Crash && fault.duration.is_none();
        if self.faults.first().is_some_and(stays) { system.renew(victim) } else { Ok(()) }
    }
}

fn bite(system: &mut (impl System + ?Sized), member: usize, fault: &Fault) -> Result<(), String> {
    match fault.kind {
        Kind::Crash => system.process(member).kill(),
        Kind::Pause => system.process(member).pause(),
        Kind::Partition | Kind::Delay => system.hosts().bite(member, fault)?,
    }
    Ok(())
}

fn heal(system: &mut (impl System + ?Sized), member: usize, kind: Kind) -> Result<(), String> {
    match kind {
        Kind::Crash => system.restart(member),
        Kind::Pause => {
            system.process(member).resume();
            Ok(())
        }
        Kind::Partition | Kind::Delay => system.hosts().heal(member, kind),
    }
}

/// Milliseconds.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// When service is back, of the probes so far: since the trial began, and once that is certain. The fault's moment and
/// the present are since then, too.
pub type Back = fn(&[Probe], Duration, Duration) -> Option<Duration>;

/// The usual rule: the first success that was asked after the fault.
pub fn first_success(probes: &[Probe], fault: Duration, now: Duration) -> Option<Duration> {
    let back = fault + probe::until_served(probes, fault)?;
    (now >= back + SETTLE).then_some(back)
}

/// The rule where a share of the requests fails: the first success that was asked after the last that failed.
pub fn after_last_failure(probes: &[Probe], fault: Duration, now: Duration) -> Option<Duration> {
    let last = probe::last_unserved(probes).unwrap_or_default().max(fault);
    let back = last + probe::until_served(probes, last)?;
    (now >= last + QUIET).then_some(back)
}

/// A trial of a system that serves: probes at every member but the one that is hit, until service is `back`.
///
/// # Errors
/// Service did not come back.
pub fn by_probes(system: &mut (impl System + ?Sized), stage: &mut Stage<'_>, back: Back) -> Result<Trial, String> {
    let victim = system.find(stage.target())?;
    let plan = stage.plan;
    let asks = system.asks(victim, plan.clients);
    let writer = system.writer(victim);
    let began = stage.begin();
    let members = (asks.len() / plan.clients).max(1) as u32;
    // Members are asked in turn, each of them this often.
    let start = |asks, members| Probers::start(asks, plan.every / members, plan.timeout, began);
    let (mut waiting, mut probers) = (Some(asks), None);
    if !plan.from_fault {
        probers = waiting.take().map(|asks| start(asks, members));
    }
    let writer = writer.map(|writer| start(vec![writer], 1));
    let (first, over) = stage.run(system, victim, |first| {
        if let Some(asks) = waiting.take() {
            probers = Some(start(asks, members));
        }
        back(&probers.as_ref()?.so_far(), first, began.elapsed())
    })?;
    drop(writer);
    let probes = probers.map(Probers::stop).unwrap_or_default();
    // What was asked before has nothing to do with the fault: only the outage that it caused counts.
    let near: Vec<_> = probes.into_iter().filter(|probe| probe.asked + plan.timeout >= first).collect();
    let outage = probe::longest_outage(&near).map(millis);
    let trial = Trial { figures: vec![millis(over - first)], outage, lost: system.lost()? };
    stage.mend(system, victim)?;
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_is_back_once_that_is_certain() {
        let ms = Duration::from_millis;
        let probe = |at: u64, served| Probe { asked: ms(at), ended: ms(at + 5), served };
        let probes = [probe(0, true), probe(100, false), probe(200, true), probe(300, false), probe(400, true)];
        assert_eq!(first_success(&probes, ms(50), ms(600)), None, "it may fail again");
        assert_eq!(first_success(&probes, ms(50), ms(705)), Some(ms(205)));
        assert_eq!(first_success(&probes, ms(401), ms(9000)), None);
        assert_eq!(after_last_failure(&probes, ms(50), ms(4200)), None);
        assert_eq!(after_last_failure(&probes, ms(50), ms(4300)), Some(ms(405)));
    }
}
