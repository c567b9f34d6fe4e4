//! What the recipes promise beside locks: one that is elected, a barrier that opens for enough and closes behind all.

use super::checks::{EVERYBODY_HAS_COME, EVERYBODY_IS_DONE, ONE_ELECTED};
use super::history::History;
use super::message::ZkFact;
use super::options::Config;
use super::txn::Session;
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{Instant, NodeId};

/// One inside a barrier: by which mark it came in, and its session.
#[derive(Clone, Copy, Debug)]
struct Inside {
    mark: u32,
    session: Session,
}

/// The memory of it.
#[derive(Clone, Debug)]
pub(super) struct Recipes {
    elected: SortedMap<NodeId, Session>,
    inside: SortedMap<(u64, NodeId, u32), Inside>,
    pub elections: u64,
    pub entries: u64,
    pub exits: u64,
    led: Track,
}

impl Default for Recipes {
    fn default() -> Self {
        let led = Track::new("elected", "Who was elected", "Which application believed that it leads.", "leads");
        let (elected, inside) = (SortedMap::new(), SortedMap::new());
        Self { elected, inside, elections: 0, entries: 0, exits: 0, led }
    }
}

impl Recipes {
    /// A node announces something. The rule that it breaks, and how.
    pub fn on_fact(
        &mut self,
        at: Instant,
        node: NodeId,
        fact: ZkFact,
        (config, history): (&Config, &History),
    ) -> Result<(), (&'static str, String)> {
        let ended = |session: Session| history.closed(session).is_some();
        match fact {
            ZkFact::Leads { number, session } => {
                self.elections += 1;
                self.led.begin(at, node, format!("{number}"));
                let mut others = self.elected.iter().filter(|(other, of)| **other != node && !ended(**of));
                let other = others.next().map(|(other, _)| *other).filter(|_| !ended(session));
                self.elected.insert(node, session);
                other.map_or(Ok(()), |other| {
                    Err((ONE_ELECTED, format!("{node} leads by number {number}, and so does {other}")))
                })
            }
            ZkFact::Resigns { .. } => {
                self.led.end(at, node);
                self.elected.remove(&node);
                Ok(())
            }
            ZkFact::Enters { barrier, number, mark, session } => {
                self.entries += 1;
                self.inside.insert((barrier, node, number), Inside { mark, session });
                let (came, wanted) = (history.came(barrier, mark), config.barrier);
                if came < wanted {
                    let detail = format!("{node} goes into barrier {barrier}, and only {came} of {wanted} have come");
                    return Err((EVERYBODY_HAS_COME, detail));
                }
                Ok(())
            }
            ZkFact::Finishes { barrier, number } => {
                self.inside.remove(&(barrier, node, number));
                Ok(())
            }
            ZkFact::Leaves { barrier, mark, .. } => {
                self.exits += 1;
                let with = self.inside.iter().filter(|((of, ..), one)| *of == barrier && one.mark == mark);
                let mut with = with.filter(|(_, one)| !ended(one.session));
                with.next().map_or(Ok(()), |((_, other, _), _)| {
                    Err((EVERYBODY_IS_DONE, format!("{node} leaves barrier {barrier} while {other} works inside")))
                })
            }
            _ => Ok(()),
        }
    }

    /// It believes nothing any more.
    pub fn crash(&mut self, at: Instant, node: NodeId) {
        self.led.end(at, node);
        self.elected.remove(&node);
        self.inside.retain(|(_, other, _), _| *other != node);
    }

    pub fn track(&self, end: Instant) -> Track {
        self.led.finish(end)
    }
}
