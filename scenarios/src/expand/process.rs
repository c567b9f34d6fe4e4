//! Random processes: up for a random time, down for a random time, again and again.

use crate::limits;
#[cfg(test)]
use crate::scenario::Recording;
use crate::scenario::{Law, Process};
use sim_core::network::exponential;
use sim_core::{Duration, Instant, Purpose, Rng, hash};

/// When part `unit` of the process is down, between `begin` and `end`. Every process has a stream of its own, named by
/// `plan` and `unit`.
pub fn spells(
    process: &Process,
    begin: Instant,
    end: Instant,
    seed: u64,
    plan: u64,
    unit: u64,
) -> Vec<(Instant, Instant)> {
    let last = process.until.map_or(end, |until| end.min(until));
    if let Law::Recorded(recordings) = &process.law {
        let Some(recording) = recordings.get(unit as usize) else { return Vec::new() };
        let spells = recording.spells(end.since(begin), limits::INJECTIONS).into_iter();
        return spells.map(|(down, up)| (begin + down, begin + up)).filter(|(down, _)| *down < last).collect();
    }
    let mut rng = Rng::stream(seed, Purpose::Plan, hash::of(&[plan, unit]));
    let mut all = Vec::new();
    let mut at = begin;
    while (all.len() as u64) < limits::INJECTIONS {
        // Both are drawn even if one is not used: a process without repair is the same process.
        let (up, down) = (rng.next_u32(), rng.next_u32());
        let from = at + until_failure(&process.law, process.mtbf, up);
        if from >= last {
            break;
        }
        let to = process.mttr.map(|mttr| (from + exponential(mttr, down)).min(end));
        all.push((from, to.unwrap_or(end)));
        at = to.unwrap_or(from);
    }
    all
}

/// How many times a process fails on average in a run of this length.
pub fn number(process: &Process, run: Duration) -> u64 {
    match &process.law {
        // Of one part on average: the caller multiplies by their number.
        Law::Recorded(recordings) => {
            let all = recordings.iter().map(|one| one.spells(run, limits::INJECTIONS).len() as u64).sum::<u64>();
            all.div_ceil((recordings.len() as u64).max(1))
        }
        _ => run.0 / (process.mtbf.0.saturating_add(process.mttr.map_or(0, |mttr| mttr.0))).max(1) + 1,
    }
}

/// The time to the next failure that 32 uniform random bits stand for.
fn until_failure(law: &Law, mean: Duration, bits: u32) -> Duration {
    match law {
        Law::Weibull { shape_milli } => {
            // A Weibull variable is a power of an exponential one. Software arithmetic: the same bits on every machine.
            const ONE: u64 = 1 << 40;
            let unit = exponential(Duration(ONE), bits).0 as f64 / ONE as f64;
            let power = 1000.0 / f64::from(*shape_milli);
            let share = libm::pow(unit, power) / libm::tgamma(1.0 + power);
            Duration((share * mean.0 as f64).clamp(1.0, 9e18) as u64)
        }
        Law::Exponential | Law::Recorded(_) => exponential(mean, bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(law: Law) -> (f64, f64, f64) {
        let mean = Duration::secs(3);
        let process = Process { law, mtbf: mean, mttr: Some(Duration::secs(1)), until: None };
        let (mut up, mut down, mut last) = (Vec::new(), 0_u64, Instant::ZERO);
        for seed in 0..40 {
            last = Instant::ZERO;
            for (from, to) in spells(&process, Instant::ZERO, Instant(4_000_000_000_000), seed, 0, 7) {
                assert!(last <= from && from <= to, "{last} {from} {to}");
                up.push(from.since(last).0 as f64);
                down += to.since(from).0;
                last = to;
            }
        }
        assert!(last > Instant::ZERO);
        let n = up.len() as f64;
        let mean = up.iter().sum::<f64>() / n;
        let deviation = (up.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        (mean / 1e9, deviation / mean, down as f64 / n / 1e9)
    }

    #[test]
    fn laws_have_their_mean_and_spread() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 0.03, "{got}, not {want}");
        let (mean, spread, down) = figures(Law::Exponential);
        near(mean, 3.0);
        near(spread, 1.0);
        near(down, 1.0);
        // The coefficient of variation of a Weibull law with shape 0.7 is 1.462, with shape 2 it is 0.523.
        let (mean, spread, _) = figures(Law::Weibull { shape_milli: 700 });
        near(mean, 3.0);
        near(spread, 1.462);
        let (mean, spread, _) = figures(Law::Weibull { shape_milli: 2000 });
        near(mean, 3.0);
        near(spread, 0.523);
    }

    #[test]
    fn a_recorded_process_is_what_was_recorded() {
        let s = Duration::secs;
        let events = vec![(s(0), true), (s(1), false), (s(2), true), (s(5), false)];
        let of = |period| {
            let one = Recording { node: String::new(), events: events.clone(), period };
            Process { law: Law::Recorded(vec![one]), mtbf: Duration::ZERO, mttr: None, until: None }
        };
        let at = |n: u64| Instant(n * 1_000_000_000);
        assert_eq!(spells(&of(None), at(1), at(10), 1, 0, 0), [(at(2), at(3)), (at(6), at(10))]);
        assert_eq!(spells(&of(None), at(1), at(5), 1, 0, 0), [(at(2), at(3))]);
        // What is down at the end of one round is so until the next one says otherwise.
        let again = spells(&of(Some(s(7))), at(0), at(15), 1, 0, 0);
        assert_eq!(again, [(at(1), at(2)), (at(5), at(7)), (at(8), at(9)), (at(12), at(14))]);
    }
}
