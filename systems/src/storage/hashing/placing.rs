//! What must hold of placements, looked at whenever a node goes by another view: keys have holders, apart from each
//! other, on whom all agree; a change moves no key between nodes that were there before and after; and nobody has too
//! much.

use super::key;
use super::node::Machine;
use super::options::{Config, Setup};
use super::placement::Placement;
use super::rule::{PlacementKind, Rule};
use sim_core::sorted::SortedMap;
use sim_core::{Instant, NodeId, NodeSet, Verdict, Violation, hash};
use std::rc::Rc;

sim_core::rules! {
    /// Every key has as many holders as it is promised, all of them members.
    pub const EVERY_KEY_HAS_AN_OWNER: &str = "every_key_has_an_owner";
    /// The holders of a key are different nodes, in different zones as long as there are any.
    pub const REPLICAS_ARE_APART: &str = "replicas_are_apart";
    /// Whoever goes by the same view sees the same holders.
    pub const CLIENTS_WITH_ONE_VIEW_AGREE: &str = "clients_with_one_view_agree";
    /// No key moves between nodes that were members before a change and are after it.
    pub const NO_MOVE_BETWEEN_SURVIVORS: &str = "no_move_between_survivors";
    /// No node owns more than the placement promises.
    pub const BALANCED: &str = "balanced";
}

/// Keys whose holders are looked at in every view.
const SAMPLE: u64 = 256;
/// Keys whose owners are counted and compared when a view is first seen.
const COUNTED: u64 = 2048;
/// Standard deviations beyond which nobody's share is chance.
const SIGMAS: f64 = 6.0;

/// The memory of one run.
#[derive(Clone, Debug)]
pub(super) struct Placing {
    config: Config,
    /// The epoch in which each node was looked at last.
    seen: Vec<Option<u64>>,
    /// What the first one of each epoch saw.
    agreed: SortedMap<u64, (NodeId, u64)>,
    /// The placement of the last epoch without a change under way.
    settled: (u64, Rc<Rule>),
    views: u64,
    moves: u64,
    survivors: u64,
    fullest: f64,
}

impl Placing {
    pub fn new(config: &Config) -> Self {
        let rule = Rule::replay(config, config.first(), &[]);
        Self {
            config: config.clone(),
            seen: vec![None; config.nodes as usize],
            agreed: SortedMap::new(),
            settled: (0, rule),
            views: 0,
            moves: 0,
            survivors: 0,
            fullest: 0.0,
        }
    }

    /// A node has booted: what it knows may be put together anew.
    pub fn booted(&mut self, node: NodeId) {
        self.seen[node.index()] = None;
    }

    /// A node has handled an input: looks at it if it goes by another view.
    pub fn look(&mut self, at: Instant, node: NodeId, machine: &Machine) -> Result<(), Violation> {
        let epoch = machine.view.epoch;
        if self.seen[node.index()] == Some(epoch) {
            return Ok(());
        }
        self.seen[node.index()] = Some(epoch);
        self.views += 1;
        let fail = |rule: &str, detail: String| Violation { rule: rule.to_owned(), at, node: Some(node), detail };
        let mut seen = 0;
        for rule in core::iter::once(&machine.rule).chain(&machine.next_rule) {
            for number in 0..SAMPLE {
                let holders = rule.holders(&self.config, key::of_number(number));
                structure(&self.config, rule, number, &holders).map_err(|(rule, what)| {
                    fail(rule, format!("in epoch {epoch} {node} sees k{number} on {}: {what}", list(&holders)))
                })?;
                seen = holders.iter().fold(seen, |seen, holder| hash::of(&[seen, u64::from(holder.0)]));
            }
        }
        match self.agreed.get(&epoch) {
            Some((_, known)) if *known == seen => {}
            Some((other, _)) => {
                let detail = format!("in epoch {epoch} {node} sees other holders of some keys than {other}");
                return Err(fail(CLIENTS_WITH_ONE_VIEW_AGREE, detail));
            }
            None => {
                self.agreed.insert(epoch, (node, seen));
                if machine.view.next.is_none() {
                    self.settle(epoch, machine).map_err(|(rule, detail)| fail(rule, detail))?;
                }
            }
        }
        Ok(())
    }

    /// A view without a change under way is first seen.
    fn settle(&mut self, epoch: u64, machine: &Machine) -> Result<(), (&'static str, String)> {
        let rule = &machine.rule;
        let mut counts = vec![0_u64; self.config.nodes as usize];
        let members = |rule: &Rule| rule.members().iter().map(|member| member.node).collect::<NodeSet>();
        let (old, new) = (members(&self.settled.1), members(rule));
        let survivors = old.common(new);
        let gone = old.minus(new);
        let compared = epoch > self.settled.0;
        for number in 0..COUNTED {
            let hash = key::of_number(number);
            let owner = rule.owner(hash);
            counts[owner.index()] += 1;
            let before = self.settled.1.owner(hash);
            if !compared || before == owner {
                continue;
            }
            self.moves += 1;
            if !survivors.has(before) || !survivors.has(owner) {
                continue;
            }
            self.survivors += 1;
            // When a bucket of a jump hash goes, the last one takes its place and leaves its own.
            let fills = self.config.placement == PlacementKind::Jump && !gone.is_empty();
            if self.config.placement.spares_survivors() && !(fills && self.took_a_place(before, gone.len())) {
                let what =
                    format!("k{number} moved from {before} to {owner} by the change to epoch {epoch}, and both stay");
                return Err((NO_MOVE_BETWEEN_SURVIVORS, what));
            }
        }
        self.balance(rule, &counts)?;
        if compared {
            self.settled = (epoch, rule.clone());
        }
        Ok(())
    }

    /// Whether a node had one of the last `places` buckets of the jump hash before the change.
    fn took_a_place(&self, node: NodeId, places: usize) -> bool {
        match &*self.settled.1 {
            Rule::Jump(jump) => jump.last(places).any(|last| last == node),
            _ => false,
        }
    }

    fn balance(&mut self, rule: &Rule, counts: &[u64]) -> Result<(), (&'static str, String)> {
        let members = rule.members();
        let (n, all) = (members.len() as f64, members.weight() as f64);
        for member in members.iter() {
            let weight = if weighs(self.config.placement) { f64::from(member.weight) } else { all / n };
            let share = COUNTED as f64 * weight / all;
            let over = counts[member.node.index()] as f64 / share;
            self.fullest = self.fullest.max(over);
            if let Some(spread) = spread(&self.config, n) {
                // Both the placement's own error and that of so few keys.
                let most = 1.0 + SIGMAS * (spread * spread + 1.0 / share).sqrt();
                if over > most {
                    let node = member.node;
                    let what = format!(
                        "{node} owns {over:.2} times its share, {most:.2} times is what the placement may give"
                    );
                    return Err((BALANCED, what));
                }
            }
        }
        Ok(())
    }

    /// Every rule's verdict but that of `broken`.
    pub fn verdicts(&self, rule: impl Fn(&'static str, u64, String) -> Verdict) -> Vec<Verdict> {
        let views = format!("{} views of {} epochs, {SAMPLE} keys each", self.views, self.agreed.len());
        let mut verdicts = vec![
            rule(EVERY_KEY_HAS_AN_OWNER, self.views, views.clone()),
            rule(REPLICAS_ARE_APART, self.views, views.clone()),
            rule(CLIENTS_WITH_ONE_VIEW_AGREE, self.views, views),
        ];
        if self.config.placement.spares_survivors() {
            let (moves, survivors) = (self.moves, self.survivors);
            let detail =
                format!("of {moves} owners that changed, {survivors} left a node that stayed for another that stayed");
            verdicts.push(rule(NO_MOVE_BETWEEN_SURVIVORS, self.views, detail));
        }
        if spread(&self.config, 2.0).is_some() {
            verdicts.push(rule(BALANCED, self.views, format!("at most {:.2} times its share", self.fullest)));
        }
        verdicts
    }
}

/// Whether a placement has weights.
const fn weighs(kind: PlacementKind) -> bool {
    matches!(kind, PlacementKind::Ring | PlacementKind::Rendezvous | PlacementKind::Maglev | PlacementKind::Bounded)
}

/// The relative standard deviation of a node's share that the placement itself has among `n` nodes; `None` where nobody
/// promises one.
pub(super) fn spread(setup: &Setup, n: f64) -> Option<f64> {
    match setup.placement {
        // With few bits points coincide, and the smaller id has the arc.
        PlacementKind::Ring if setup.ring_bits < 32 => None,
        PlacementKind::Ring => Some(((n - 1.0) / (n * f64::from(setup.points) + 1.0)).sqrt()),
        // What the paper has for many nodes; and with few, those without a close neighbour share what one with such a
        // neighbour lacks. A gap of x means has the part 1 - exp(-21 x) of its share, which over exponential x has a
        // relative variance of 1/43 (21 probes).
        PlacementKind::MultiProbe => Some((0.05 * 0.05 + 1.0 / (43.0 * (n - 1.0).max(1.0))).sqrt()),
        PlacementKind::Maglev => Some(0.01),
        // A tenth more at most, and that of 1024 parts in all.
        PlacementKind::Bounded => Some((0.1 * 0.1 + n / 1024.0).sqrt()),
        PlacementKind::Rendezvous | PlacementKind::Jump | PlacementKind::Modulo | PlacementKind::Anchor => Some(0.0),
    }
}

fn structure(setup: &Setup, rule: &Rule, number: u64, holders: &[NodeId]) -> Result<(), (&'static str, String)> {
    let members = rule.members();
    let want = (setup.replicas as usize).min(members.len());
    if holders.len() < want {
        return Err((EVERY_KEY_HAS_AN_OWNER, format!("it should be on {want}")));
    }
    if let Some(stranger) = holders.iter().find(|holder| members.get(**holder).is_none()) {
        return Err((EVERY_KEY_HAS_AN_OWNER, format!("{stranger} is no member")));
    }
    if holders[0] != rule.owner(key::of_number(number)) {
        return Err((EVERY_KEY_HAS_AN_OWNER, "the first one is not its owner".to_owned()));
    }
    let distinct = holders.iter().copied().collect::<NodeSet>();
    if distinct.len() < want {
        return Err((REPLICAS_ARE_APART, format!("these are {} nodes", distinct.len())));
    }
    let mut zones: Vec<u16> = holders.iter().map(|holder| setup.zones[holder.index()]).collect();
    zones.sort_unstable();
    zones.dedup();
    let apart = want.min(members.zones());
    if zones.len() < apart {
        return Err((REPLICAS_ARE_APART, format!("these are in {} zones, and could be in {apart}", zones.len())));
    }
    Ok(())
}

/// Nodes, for people.
fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
