//! Cycles of dependencies, by name: in each knot of transactions that wait for each other, a smallest one of each kind.

use super::anomaly::{Anomaly, Kind, Link, Order};
use super::graph::{Dependency, Graph};
use std::collections::VecDeque;

/// How many edges of a knot are tried as the beginning of a cycle: enough for the smallest in all but large ones.
const TRIED: usize = 400;

/// All kinds of cycles there are.
pub(super) fn anomalies(graph: &Graph) -> Vec<Anomaly> {
    let mut all = Vec::new();
    let mut told: Vec<u32> = Vec::new();
    for order in [Order::Data, Order::Process, Order::RealTime] {
        for knot in knots(graph, |why| belongs(why, order)) {
            // What needs no order is told of without.
            if knot.iter().any(|node| told.contains(node)) && order != Order::Data {
                continue;
            }
            let found = Knot::of(graph, &knot, order).cycles();
            if !found.is_empty() {
                told.extend(&knot);
            }
            all.extend(found);
        }
    }
    all
}

const fn belongs(why: Dependency, order: Order) -> bool {
    match why {
        Dependency::Ww { .. } | Dependency::Wr { .. } | Dependency::Rw { .. } => true,
        Dependency::Process => matches!(order, Order::Process),
        Dependency::RealTime | Dependency::Stale { .. } => matches!(order, Order::RealTime),
    }
}

/// Sets of transactions each of which comes before all others of it (Tarjan's strongly connected components).
fn knots(graph: &Graph, belongs: impl Fn(Dependency) -> bool) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let nodes = graph.nodes();
    let (mut index, mut low, mut on_stack) = (vec![NEW; nodes], vec![0_u32; nodes], vec![false; nodes]);
    let (mut stack, mut next, mut knots) = (Vec::new(), 0_u32, Vec::new());
    // Each transaction on the way, and the place of its next edge.
    let mut way: Vec<(u32, u32)> = Vec::new();
    for root in 0..nodes as u32 {
        if index[root as usize] != NEW {
            continue;
        }
        way.push((root, graph.range(root).0));
        while let Some((node, place)) = way.last_mut() {
            let node = *node as usize;
            if index[node] == NEW {
                (index[node], low[node]) = (next, next);
                next += 1;
                stack.push(node as u32);
                on_stack[node] = true;
            }
            if *place < graph.range(node as u32).1 {
                let (to, why) = graph.edge(*place);
                *place += 1;
                if belongs(why) {
                    if index[to as usize] == NEW {
                        way.push((to, graph.range(to).0));
                    } else if on_stack[to as usize] {
                        low[node] = low[node].min(index[to as usize]);
                    }
                }
                continue;
            }
            way.pop();
            if let Some((parent, _)) = way.last() {
                low[*parent as usize] = low[*parent as usize].min(low[node]);
            }
            if low[node] == index[node] {
                let at = stack.iter().rposition(|other| *other == node as u32).expect("it is on the stack");
                let knot = stack.split_off(at);
                knot.iter().for_each(|member| on_stack[*member as usize] = false);
                if knot.len() > 1 {
                    knots.push(knot);
                }
            }
        }
    }
    knots
}

/// A knot, with its members counted from 0.
struct Knot<'a> {
    members: &'a [u32],
    order: Order,
    edges: Vec<Vec<(usize, Dependency)>>,
}

impl<'a> Knot<'a> {
    fn of(graph: &Graph, members: &'a [u32], order: Order) -> Self {
        let mut places: Vec<(u32, usize)> = members.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        places.sort_unstable();
        let place = |node: u32| places.binary_search_by_key(&node, |(node, _)| *node).ok().map(|at| places[at].1);
        let edges = members.iter().map(|node| {
            let inside = graph.out(*node).filter(|(_, why)| belongs(*why, order));
            inside.filter_map(|(to, why)| place(to).map(|to| (to, why))).collect()
        });
        Self { members, order, edges: edges.collect() }
    }

    /// A smallest cycle of each kind that the knot has.
    fn cycles(&self) -> Vec<Anomaly> {
        let is_ww = |why: Dependency| !why.is_rw() && !matches!(why, Dependency::Wr { .. });
        let is_wr = |why: Dependency| matches!(why, Dependency::Wr { .. });
        let order = self.order;
        let mut found = Vec::new();
        let mut push = |kind: Kind, links: Option<Vec<Link>>| {
            // A cycle of mere order can not be, and one without it has been told of.
            let counts = |links: &Vec<Link>| order == Order::Data || links.iter().any(|link| needs(link.why, order));
            if let Some(links) = links.filter(counts) {
                let transactions = links.iter().map(|link| link.from).collect();
                found.push(Anomaly { kind, transactions, about: None, links });
            }
        };
        push(Kind::G0(order), self.cycle(is_ww, is_ww, Adjacent::Any));
        push(Kind::G1c(order), self.cycle(is_wr, |why| !why.is_rw(), Adjacent::Any));
        push(Kind::GSingle(order), self.cycle(Dependency::is_rw, |why| !why.is_rw(), Adjacent::Any));
        // With one anti-dependency alone it has been told of.
        let several = |links: &Vec<Link>| links.iter().filter(|link| link.why.is_rw()).count() > 1;
        let nonadjacent = self.cycle(Dependency::is_rw, |_| true, Adjacent::Never);
        push(Kind::GNonadjacent(order), nonadjacent.filter(several));
        push(Kind::G2Item(order), self.cycle(Dependency::is_rw, |_| true, Adjacent::Somewhere));
        found
    }

    /// A shortest cycle that begins with an edge of one kind and goes on with edges of another.
    fn cycle(
        &self,
        begins: impl Fn(Dependency) -> bool,
        goes_on: impl Fn(Dependency) -> bool,
        adjacent: Adjacent,
    ) -> Option<Vec<Link>> {
        let beginnings =
            self.edges.iter().enumerate().flat_map(|(from, out)| out.iter().map(move |edge| (from, *edge)));
        let mut best: Option<Vec<Link>> = None;
        let beginnings = beginnings.filter(|(_, (_, why))| begins(*why));
        for (tried, (from, (to, why))) in beginnings.enumerate() {
            // Of a large knot that has one for certain, not every beginning is tried.
            if tried >= TRIED && best.is_some() {
                break;
            }
            let limit = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(links) = self.way_back(from, to, why, &goes_on, adjacent)
                && links.len() < limit
            {
                let short = links.len() == 2;
                best = Some(links);
                if short {
                    break;
                }
            }
        }
        best
    }

    /// The shortest way from `to` back to `from`. A state is a member, whether an anti-dependency led there, and
    /// whether two of them have met.
    fn way_back(
        &self,
        from: usize,
        to: usize,
        why: Dependency,
        goes_on: &impl Fn(Dependency) -> bool,
        adjacent: Adjacent,
    ) -> Option<Vec<Link>> {
        let watches = adjacent != Adjacent::Any;
        let state = |node: usize, last_rw: bool, met: bool| {
            node * 4 + usize::from(watches && last_rw) * 2 + usize::from(watches && met)
        };
        let begins_with_rw = why.is_rw();
        let mut came: Vec<Option<(usize, Dependency)>> = vec![None; self.members.len() * 4];
        let start = state(to, begins_with_rw, false);
        let mut queue = VecDeque::from([(to, begins_with_rw, false)]);
        let mut seen = vec![false; came.len()];
        seen[start] = true;
        while let Some((node, last_rw, met)) = queue.pop_front() {
            if node == from {
                let closes = last_rw && begins_with_rw;
                let fits = match adjacent {
                    Adjacent::Any => true,
                    Adjacent::Never => !closes && !met,
                    Adjacent::Somewhere => met || closes,
                };
                if fits {
                    return Some(self.links(from, to, why, state(node, last_rw, met), start, &came));
                }
            }
            for (next, why) in self.edges[node].iter().filter(|(_, why)| goes_on(*why)) {
                let meets = last_rw && why.is_rw();
                if meets && adjacent == Adjacent::Never {
                    continue;
                }
                let to = state(*next, why.is_rw(), met || meets);
                if !core::mem::replace(&mut seen[to], true) {
                    came[to] = Some((state(node, last_rw, met), *why));
                    queue.push_back((*next, why.is_rw(), met || meets));
                }
            }
        }
        None
    }

    fn links(
        &self,
        from: usize,
        to: usize,
        why: Dependency,
        mut at: usize,
        start: usize,
        came: &[Option<(usize, Dependency)>],
    ) -> Vec<Link> {
        let name = |place: usize| self.members[place] as usize;
        let mut links = Vec::new();
        while at != start {
            let Some((before, why)) = came[at] else { break };
            links.push(link(name(before / 4), name(at / 4), why));
            at = before;
        }
        links.push(link(name(from), name(to), why));
        links.reverse();
        links
    }
}

const fn link(from: usize, to: usize, why: Dependency) -> Link {
    Link { from, to, why, before: None, after: None }
}

/// Whether anti-dependencies of a cycle may follow each other directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adjacent {
    Any,
    Never,
    Somewhere,
}

const fn needs(why: Dependency, order: Order) -> bool {
    match order {
        Order::Data => false,
        Order::Process => matches!(why, Dependency::Process),
        Order::RealTime => matches!(why, Dependency::RealTime | Dependency::Stale { .. }),
    }
}
