//! Who asks all the while, and what an outage is: as `docs/availability.md` has it.
//!
//! Probes ask in turn on a fixed grid, and one whose answer took longer than its turn at once. A window is down when
//! fewer than half of the probes begun in it were served in time; an outage is a run of such windows, from the first
//! probe that was not served to the return of the first success after which service stays up. Of one unserved probe
//! alone nothing is made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// As the simulator has it, unless a file there says otherwise.
pub const WINDOW: Duration = Duration::from_millis(100);

/// One question and what became of it; times since the trial began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// When it was asked.
    pub asked: Duration,
    /// When it was answered, or given up.
    pub ended: Duration,
    /// Whether it was served in time.
    pub served: bool,
}

/// Asks once, for no longer than this, and says whether it was served.
pub type Ask = Box<dyn FnMut(Duration) -> bool + Send>;

/// Probes under way.
pub struct Probers {
    stop: Arc<AtomicBool>,
    probes: Arc<Mutex<Vec<Probe>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Probers {
    /// Begins to ask: each of `asks` in turn, one question `every` so long, each given up after `timeout`.
    pub fn start(asks: Vec<Ask>, every: Duration, timeout: Duration, began: Instant) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let probes = Arc::new(Mutex::new(Vec::new()));
        let round = every * asks.len() as u32;
        let one = |(number, mut ask): (usize, Ask)| {
            let (stop, probes) = (Arc::clone(&stop), Arc::clone(&probes));
            let mut next = Instant::now() + every * number as u32;
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    let asked = began.elapsed();
                    let served = ask(timeout);
                    let ended = began.elapsed();
                    let served = served && ended - asked <= timeout;
                    probes.lock().unwrap_or_else(PoisonError::into_inner).push(Probe { asked, ended, served });
                    next = turn(next, round, Instant::now());
                }
            })
        };
        let threads = asks.into_iter().enumerate().map(one).collect();
        Self { stop, probes, threads }
    }

    /// What was asked so far and has ended.
    pub fn so_far(&self) -> Vec<Probe> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends them, and gives what they have seen, in order.
    pub fn stop(mut self) -> Vec<Probe> {
        self.end();
        let mut probes = self.so_far();
        probes.sort_unstable();
        probes
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Probers {
    fn drop(&mut self) {
        self.end();
    }
}

/// When a prober asks next. One whose answer took longer than its turn asks again at once: were turns left out, all
/// would wait together after their first time-outs, and nobody would ask for as long.
fn turn(last: Instant, round: Duration, now: Instant) -> Instant {
    (last + round).max(now)
}

/// From `fault` to the return of the first success that was asked after it.
pub fn until_served(probes: &[Probe], fault: Duration) -> Option<Duration> {
    let good = probes.iter().filter(|probe| probe.served && probe.asked >= fault);
    good.map(|probe| probe.ended - fault).min()
}

/// When the last probe was asked that was not served.
pub fn last_unserved(probes: &[Probe]) -> Option<Duration> {
    probes.iter().filter(|probe| !probe.served).map(|probe| probe.asked).max()
}

/// How long the longest outage was, of probes in order; `None` where there was none.
pub fn longest_outage(probes: &[Probe]) -> Option<Duration> {
    let mut longest = None;
    let mut at = 0;
    let windows = windows(probes);
    while at < windows.len() {
        let first = at;
        while at < windows.len() && windows[at] {
            at += 1;
        }
        if at > first {
            longest = longest.max(sharpen(probes, WINDOW * first as u32, WINDOW * at as u32));
        }
        at += 1;
    }
    longest
}

/// Whether each window is down. One without probes is as the one before it.
fn windows(probes: &[Probe]) -> Vec<bool> {
    let of = |probe: &Probe| (probe.asked.as_nanos() / WINDOW.as_nanos()) as usize;
    let mut cells = vec![(0, 0); probes.iter().map(of).max().map_or(0, |last| last + 1)];
    for probe in probes {
        let (asked, served) = &mut cells[of(probe)];
        *asked += 1;
        *served += u32::from(probe.served);
    }
    let mut down = false;
    let state = |(asked, served): (u32, u32)| {
        if asked > 0 {
            down = served * 2 < asked;
        }
        down
    };
    cells.into_iter().map(state).collect()
}

/// The outage whose windows span `from` to `past`, as long as the probes at its ends say.
fn sharpen(probes: &[Probe], from: Duration, past: Duration) -> Option<Duration> {
    let entered = probes.partition_point(|probe| probe.asked < from);
    let left = probes.partition_point(|probe| probe.asked < past);
    let mut start = entered + probes[entered..left].iter().position(|probe| !probe.served)?;
    if start == entered {
        start = probes[..start].iter().rposition(|probe| probe.served).map_or(0, |served| served + 1);
    }
    let last = entered + probes[entered..left].iter().rposition(|probe| !probe.served)?;
    let after = probes[last..].iter().position(|probe| probe.served).map_or(probes.len(), |served| last + served);
    if probes[start..after].iter().filter(|probe| !probe.served).count() < 2 {
        return None;
    }
    let returned = probes[after..].iter().take_while(|probe| probe.served).map(|probe| probe.ended).min();
    let end = returned.or_else(|| probes.iter().map(|probe| probe.ended).max())?;
    Some(end.saturating_sub(probes[start].asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A probe every 10 ms of a second, each answered after 2 ms, or given up after 50 where `down` says so.
    fn probes(down: impl Fn(u64) -> bool) -> Vec<Probe> {
        let one = |at: u64| Probe { asked: ms(at), ended: ms(at + if down(at) { 50 } else { 2 }), served: !down(at) };
        (0..100).map(|number| one(10 * number)).collect()
    }

    #[test]
    fn an_outage_is_from_the_first_unserved_to_the_return_of_the_first_success() {
        // The first unserved is of 330, the first success after it of 680 and returns at 682.
        let probes = probes(|at| (330..680).contains(&at));
        assert_eq!(longest_outage(&probes), Some(ms(352)));
        assert_eq!(until_served(&probes, ms(325)), Some(ms(357)));
        assert_eq!(until_served(&probes, ms(995)), None);
    }

    #[test]
    fn windows_decide_and_not_single_probes() {
        assert_eq!(longest_outage(&probes(|_| false)), None);
        // Three of ten in a window of 100 ms: it is up.
        assert_eq!(longest_outage(&probes(|at| (410..440).contains(&at))), None);
        // Six of ten: it is down.
        assert_eq!(longest_outage(&probes(|at| (410..470).contains(&at))), Some(ms(62)));
        // The longer of two.
        let two = probes(|at| (100..200).contains(&at) || (500..800).contains(&at));
        assert_eq!(longest_outage(&two), Some(ms(302)));
    }

    #[test]
    fn what_does_not_come_back_lasts_to_the_end() {
        // The last probe is given up at 1040.
        assert_eq!(longest_outage(&probes(|at| at >= 600)), Some(ms(440)));
    }

    #[test]
    fn a_share_that_fails_lasts_until_the_last_failure() {
        let probes = probes(|at| (300..=600).contains(&at) && at % 30 == 0);
        assert_eq!(last_unserved(&probes), Some(ms(600)));
        assert_eq!(longest_outage(&probes), None, "two of three are served all the while");
        assert_eq!(last_unserved(&[]), None);
    }

    #[test]
    fn one_unserved_probe_alone_is_no_outage() {
        let rare = |at: u64| Probe { asked: ms(at), ended: ms(at + 1), served: at != 500 };
        assert_eq!(longest_outage(&(0..10).map(|n| rare(n * 100)).collect::<Vec<_>>()), None);
        assert_eq!(longest_outage(&[]), None);
    }

    #[test]
    fn no_turn_is_left_out() {
        let last = Instant::now();
        assert_eq!(turn(last, ms(250), last + ms(3)), last + ms(250));
        assert_eq!(turn(last, ms(250), last + ms(251)), last + ms(251));
    }

    #[test]
    fn probers_ask_on_their_grid_and_end() {
        let began = Instant::now();
        let slow: Ask = Box::new(|timeout| {
            std::thread::sleep(timeout * 2);
            true
        });
        let quick: Ask = Box::new(|_| true);
        let probers = Probers::start(vec![quick, slow], ms(10), ms(15), began);
        let enough = |probes: Vec<Probe>| {
            let served = probes.iter().filter(|probe| probe.served).count();
            served >= 3 && probes.len() > served
        };
        while !enough(probers.so_far()) && began.elapsed() < ms(10_000) {
            std::thread::sleep(ms(5));
        }
        let probes = probers.stop();
        let served = probes.iter().filter(|probe| probe.served).count();
        assert!(served >= 3 && probes.len() > served, "{served} of {}: one too late is not served", probes.len());
    }
}
