//! Agreement, and that it comes.

use super::message::{SynodFact, SynodMessage};
use super::node::Synod;
use super::options::Config;
use crate::consensus::paxos::Ballot;
use crate::shared::replication::calm::Calm;
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};

sim_core::rules! {
    /// At most one value is decided.
    pub const AGREEMENT: &str = "agreement";
    /// Once nothing goes wrong any more, every proposer that waits when it is outbid learns a decision, and then rests.
    pub const PROPOSERS_DECIDE: &str = "proposers_decide";
    /// An acceptor that helps a ballot no longer tells whoever comes with it, so that nobody waits for nothing.
    pub const OUTBID_ARE_TOLD: &str = "outbid_are_told";
}

/// The longest pause is so many times a proposer's patience.
const LONGEST_PAUSE: u64 = 1 << 10;

/// Whether all decisions are the same, and whether they come.
#[derive(Clone, Debug, Default)]
pub struct SynodChecks {
    /// How long it may take when nothing goes wrong; `None` if it may never come.
    patience: Option<Duration>,
    calm: Calm,
    now: Instant,
    decided: Option<u64>,
    decisions: u64,
    /// Who came to whom with which ballot in this step, and who was told that it is outbid.
    came: Vec<(NodeId, NodeId, Ballot)>,
    told: Vec<(NodeId, NodeId)>,
    refused: u64,
    broken: Option<Violation>,
}

impl SynodChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { patience: config.back_off.then_some(config.patience), ..Self::default() }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Synod>]) -> Vec<Verdict> {
        let agreement = match self.decisions {
            0 => Verdict::Inconclusive { rule: AGREEMENT, why: "nothing was decided".to_owned() },
            n => Verdict::Pass { rule: AGREEMENT, detail: format!("{n} decisions, one value") },
        };
        let refused = self.refused;
        let told = Verdict::Pass { rule: OUTBID_ARE_TOLD, detail: format!("{refused} ballots refused") };
        let told = Some(told).filter(|_| refused > 0);
        core::iter::once(agreement).chain(self.decide(nodes)).chain(told).collect()
    }

    /// In the end: nothing has gone wrong for four times as long as any proposer pauses.
    fn decide(&self, nodes: &[Option<Synod>]) -> Option<Verdict> {
        let patience = self.patience?.times(4 * LONGEST_PAUSE);
        let calm = self.calm.since().map_or(Duration::ZERO, |since| self.now.since(since));
        let waits = nodes.iter().flatten().find(|node| node.proposes() && !node.decided());
        Some(match waits {
            None => Verdict::Pass { rule: PROPOSERS_DECIDE, detail: "all of them".to_owned() },
            Some(_) if calm < patience => {
                let why = format!("nothing went wrong for {calm} only, and it may take {patience}");
                Verdict::Inconclusive { rule: PROPOSERS_DECIDE, why }
            }
            Some(node) => Verdict::Fail(Violation {
                rule: PROPOSERS_DECIDE.to_owned(),
                at: self.now,
                node: Some(node.me()),
                detail: format!("{} knows no decision, though nothing has gone wrong for {calm}", node.me()),
            }),
        })
    }
}

impl Observer<Synod> for SynodChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Synod>) {
        self.now = at;
        self.calm.watch(at, what);
        match what {
            Observed::Delivered {
                from,
                to,
                message: SynodMessage::Prepare { ballot } | SynodMessage::Accept { ballot, .. },
                ..
            } => self.came.push((*from, *to, *ballot)),
            Observed::Sent { from, to, message: SynodMessage::Outbid { .. }, .. } => self.told.push((*from, *to)),
            _ => {}
        }
        let Observed::Noted { node, fact: SynodFact::Decided { value, ballot } } = what else { return };
        let first = *self.decided.get_or_insert(*value);
        self.decisions += 1;
        if first != *value && self.broken.is_none() {
            let detail = format!("{value} is decided in ballot {ballot}, {first} was before");
            self.broken = Some(Violation { rule: AGREEMENT.to_owned(), at, node: Some(*node), detail });
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Synod>]) -> Result<(), Violation> {
        let (came, told) = (core::mem::take(&mut self.came), core::mem::take(&mut self.told));
        // One that stood still takes many at a time, and may have promised more between.
        if let ([(from, to, ballot)], Some(node)) =
            (came.as_slice(), nodes.get(stepped.index()).and_then(Option::as_ref))
            && *to == stepped
            && *ballot < node.promised()
        {
            self.refused += 1;
            if !told.contains(&(*to, *from)) && self.broken.is_none() {
                let detail =
                    format!("{from} came with ballot {ballot}, {} is promised, and it is not told", node.promised());
                self.broken = Some(Violation { rule: OUTBID_ARE_TOLD.to_owned(), at, node: Some(stepped), detail });
            }
        }
        self.broken.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::synod::SynodOptions;
    use sim_core::hand::Hand;
    use sim_core::{Effects, LocalInstant, Node, Purpose, Replay, Rng, Shape, Timer, WriteId, Writes};

    #[test]
    fn two_values_are_one_too_many() {
        let mut checks = SynodChecks::default();
        let mut decide = |value| {
            let fact = SynodFact::Decided { ballot: Ballot { round: 1, node: 0 }, value };
            checks.observe(Instant(7), &Observed::Noted { node: NodeId(1), fact });
            checks.after_step(Instant(7), NodeId(1), &[])
        };
        assert_eq!((decide(1), decide(1)), (Ok(()), Ok(())));
        assert_eq!(decide(2).unwrap_err().rule, AGREEMENT);
    }

    #[test]
    fn an_acceptor_that_ignores_whom_it_has_outbid_is_found() {
        let config = SynodOptions::default().validate(&Shape::plain(3)).unwrap();
        let mut hand = Hand::<Synod>::down(&config, NodeId(2), 1);
        hand.boot();
        let [low, high] = [1, 2].map(|round| Ballot { round, node: 0 });
        hand.tell(NodeId(0), SynodMessage::Prepare { ballot: high });
        assert_eq!(hand.node().promised(), high);
        let nodes = [None, None, Some(hand.node().clone())];
        let run = |ballot: Ballot, told: bool| {
            let mut checks = SynodChecks::new(&config);
            let prepare = SynodMessage::Prepare { ballot };
            let came = Observed::Delivered { from: NodeId(1), to: NodeId(2), number: 1, message: &prepare };
            checks.observe(Instant(7), &came);
            if told {
                let (outbid, arrives) = (SynodMessage::Outbid { promised: high }, Instant(8));
                let sent = Observed::Sent { from: NodeId(2), to: NodeId(1), number: 1, message: &outbid, arrives };
                checks.observe(Instant(7), &sent);
            }
            checks.after_step(Instant(7), NodeId(2), &nodes).map_err(|violation| violation.rule)
        };
        assert_eq!(run(low, false), Err(OUTBID_ARE_TOLD.to_owned()));
        assert_eq!((run(low, true), run(high, false)), (Ok(()), Ok(())));
    }

    #[test]
    fn who_never_decides_is_found_once_it_has_had_the_time() {
        let config = SynodOptions::default().validate(&Shape::plain(3)).unwrap();
        let (mut rng, mut at, mut out) = (Rng::stream(1, Purpose::Node, 2), Writes::at(WriteId(0)), Vec::new());
        let mut fx = Effects::new(NodeId(2), LocalInstant(0), &mut rng, &mut at, &mut out);
        let node = Synod::boot(&config, NodeId(2), Replay::empty(), &mut fx);
        let nodes = [None, None, Some(node)];
        let mut checks = SynodChecks::new(&config);
        let mut verdict = |at| {
            checks.observe(at, &Observed::Fired { node: NodeId(2), timer: Timer(0) });
            checks.decide(&nodes)
        };
        let soon = verdict(Instant::ZERO + Duration::secs(1));
        assert!(matches!(soon, Some(Verdict::Inconclusive { .. })), "{soon:?}");
        let late = verdict(Instant::ZERO + Duration::secs(1000));
        assert!(matches!(late, Some(Verdict::Fail(_))), "{late:?}");
    }
}
