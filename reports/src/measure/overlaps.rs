//! Puts outages of scopes that overlap together into entries, names them, and says what they cost.

use super::counts::{in_time, measured, served};
use super::outages::{Found, Part};
use super::phases;
use super::scopes::{Scopes, scope_timeout};
use crate::report::{Availability, Outage, ScopeAvailability, ScopeOutage};
use crate::units;
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};

/// Fills in what the outages say about availability.
pub(crate) fn fill(a: &mut Availability, record: &RunRecord, scopes: &Scopes<'_>, found: &Found) {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    (a.window_ns, a.windows) = (found.window_ns, found.windows);
    (a.windows_down, a.windows_empty) = (found.windows_down, found.windows_empty);
    a.decided_by_probes = scopes.by_probes;

    let mut by_time = found.parts.clone();
    by_time.sort_by_key(|part| (part.start_ns, part.scope));
    let asked: Vec<bool> = found.asked.iter().map(|(asked, _)| *asked > 0).collect();
    let mut groups: Vec<(u64, Vec<Part>)> = Vec::new();
    for part in by_time {
        match groups.last_mut() {
            Some((end, parts)) if part.start_ns <= *end => {
                *end = (*end).max(part.end_ns);
                parts.push(part);
            }
            _ => groups.push((part.end_ns, vec![part])),
        }
    }
    a.total_outage_ns = groups.iter().map(|(end, parts)| end - parts[0].start_ns).sum();
    a.outages = groups.iter().map(|(_, parts)| entry(record, scopes, parts, &asked)).collect();
    a.longest_outage_ns = a.outages.iter().map(|o| o.duration_ns).max().unwrap_or(0);
    count_lost(record, scopes, &groups, &mut a.outages);

    let longest = |class: Class| {
        let of = found.parts.iter().filter(|part| scopes.scope(part.scope).class == class);
        of.map(|part| part.end_ns - part.start_ns).max().unwrap_or(0)
    };
    (a.longest_read_outage_ns, a.longest_write_outage_ns) = (longest(Class::Read), longest(Class::Write));
    let within = |zone: Option<usize>| {
        let counts = |scope: usize| zone.is_none_or(|zone| scopes.scope(scope).zone == zone);
        let all = (0..asked.len()).filter(|scope| asked[*scope] && counts(*scope)).count();
        longest_of_all(found.parts.iter().filter(|part| part.share.is_none() && counts(part.scope)), all)
    };
    a.longest_zone_outage_ns = (0..scopes.extent().0).map(|zone| within(Some(zone))).max().unwrap_or(0);
    a.longest_full_outage_ns = within(None);
    a.scopes = (0..scopes.count()).filter(|i| asked[*i]).map(|i| scope(scopes, found, i, time)).collect();

    if asked.contains(&true) && time > 0 {
        let lost = a.total_outage_ns as f64 / time as f64;
        a.time_fraction = Some(units::round(1.0 - lost, 9));
        // From the lost share itself: 1 - (1 - x) would throw digits away.
        a.nines = (a.total_outage_ns > 0).then(|| units::round(-libm::log10(lost), 4).max(0.0));
    }
}

/// The longest time in which `all` scopes were down at once.
fn longest_of_all<'a>(parts: impl Iterator<Item = &'a Part>, all: usize) -> u64 {
    let mut changes: Vec<(u64, i64)> = parts.flat_map(|p| [(p.start_ns, 1), (p.end_ns, -1)]).collect();
    // What ends at a moment ends before anything begins there.
    changes.sort_unstable();
    let (mut down, mut since, mut longest) = (0, None, 0);
    for (at, change) in changes {
        down += change;
        if down == all as i64 {
            since = Some(at);
        } else if let Some(since) = since.take() {
            longest = longest.max(at - since);
        }
    }
    longest
}

fn scope(scopes: &Scopes<'_>, found: &Found, index: usize, time: u64) -> ScopeAvailability {
    let of = scopes.scope(index);
    let (operations, ok) = found.asked[index];
    let parts = || found.parts.iter().filter(|part| part.scope == index).map(|part| part.end_ns - part.start_ns);
    let down: u64 = parts().sum();
    ScopeAvailability {
        class: of.class,
        zone: scopes.zone(of.zone).to_owned(),
        shard: (scopes.extent().1 > 1).then_some(of.shard as u16),
        operations,
        ok,
        fraction: units::fraction(ok, operations),
        time_fraction: (time > 0).then(|| units::round(1.0 - down as f64 / time as f64, 9)),
        outages: parts().count() as u64,
        longest_outage_ns: parts().max().unwrap_or(0),
        unknown_ns: found.unknown_ns[index].min(time),
    }
}

/// One entry of scopes that were down at overlapping times. It has the ends of the one that lasted longest.
fn entry(record: &RunRecord, scopes: &Scopes<'_>, parts: &[Part], asked: &[bool]) -> Outage {
    let longest = parts.iter().min_by_key(|p| (std::cmp::Reverse(p.end_ns - p.start_ns), p.start_ns, p.scope));
    let longest = *longest.expect("an outage has a scope");
    let Part { start_ns, end_ns, open, .. } = longest;
    // What was down for the smaller part of it does not give it its name: when a zone is gone for a minute and
    // everybody else waits for a new leader meanwhile, it is the zone's outage.
    let mut together = vec![0; scopes.count()];
    for part in parts {
        together[part.scope] += part.end_ns.min(end_ns).saturating_sub(part.start_ns.max(start_ns));
    }
    let mut down: Vec<bool> = together.iter().map(|ns| *ns > 0 && ns * 2 >= end_ns - start_ns).collect();
    down[longest.scope] = true;
    let of = |part: &Part| {
        let scope = scopes.scope(part.scope);
        ScopeOutage {
            class: scope.class,
            zone: scopes.zone(scope.zone).to_owned(),
            shard: (scopes.extent().1 > 1).then_some(scope.shard as u16),
            start_ns: part.start_ns,
            end_ns: part.end_ns,
            open: part.open,
            share: part.share.map(share),
        }
    };
    let hit: Vec<&Part> = parts.iter().filter(|part| down[part.scope]).collect();
    let share = longest.share.map(|_| {
        let sum =
            hit.iter().filter_map(|part| part.share).fold((0, 0), |(f, a), (failed, asked)| (f + failed, a + asked));
        self::share(sum)
    });
    let name = scopes.name(&down, asked);
    Outage {
        start_ns,
        end_ns,
        duration_ns: end_ns - start_ns,
        open,
        scope: share.map_or(name.clone(), |share| of_share(share, &name)),
        share,
        operations_lost: 0,
        operations_failed: 0,
        operations_late: 0,
        // Told when all is known that may be behind it.
        cause: String::new(),
        cause_faults: Vec::new(),
        phases: phases::split(record, start_ns, end_ns),
        scopes: parts.iter().map(of).collect(),
    }
}

fn share((failed, asked): (u32, u32)) -> f64 {
    units::round(f64::from(failed) / f64::from(asked.max(1)), 4)
}

/// `34 % of all requests`, `34 % of writes`.
fn of_share(share: f64, scope: &str) -> String {
    let scope = if scope == "everything" { "all requests" } else { scope };
    format!("{} % of {scope}", units::significant(libm::round(share * 100.0)))
}

/// Counts the workload's operations that were under way while their own scope was down, and not served, or late.
fn count_lost(record: &RunRecord, scopes: &Scopes<'_>, groups: &[(u64, Vec<Part>)], outages: &mut [Outage]) {
    if outages.is_empty() {
        return;
    }
    let mut of = vec![Vec::new(); scopes.count()];
    for (which, (_, parts)) in groups.iter().enumerate() {
        parts.iter().for_each(|part| of[part.scope].push((*part, which)));
    }
    for op in record.ops.iter().filter(|op| !op.probe && measured(record, op)) {
        let parts = &of[scopes.index(op)];
        let late = op.outcome == Fate::Ok && !in_time(op, scope_timeout(record));
        if parts.is_empty() || served(record, op) && !late {
            continue;
        }
        // Those of a scope are in order of time and do not overlap.
        let next = parts.partition_point(|(part, _)| part.end_ns <= op.invoke_ns);
        if let Some((part, which)) = parts.get(next)
            && part.start_ns < op.return_ns
        {
            let outage = &mut outages[*which];
            outage.operations_lost += u64::from(!served(record, op));
            outage.operations_failed += u64::from(op.outcome != Fate::Ok);
            outage.operations_late += u64::from(late);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_down_only_where_all_overlap() {
        let part = |scope, start_ns, end_ns| Part { scope, start_ns, end_ns, open: false, share: None };
        let parts = [part(0, 10, 50), part(0, 60, 70), part(1, 5, 20), part(1, 30, 65), part(2, 12, 64)];
        // Scopes 0, 1 and 2: 12..20, 30..50 and 60..64.
        assert_eq!(longest_of_all(parts.iter(), 3), 20);
        assert_eq!(longest_of_all(parts.iter(), 4), 0);
        assert_eq!(longest_of_all(parts.iter().filter(|p| p.scope == 0), 1), 40);
        assert_eq!(longest_of_all([].iter(), 0), 0);
    }
}
