//! What must hold of a placement: every key is owned, builders of the same members agree, and only what must move does.

use super::node::Owner;
use super::options::PlacementConfig;
use super::survey::Survey;
use crate::storage::hashing::key;
use crate::storage::hashing::placement::{Algorithm, Member, Members, Placement};
use core::cell::OnceCell;
use sim_core::{Instant, NodeId, Observed, Observer, Outcome, Verdict, Violation};

sim_core::rules! {
    /// Every key that was counted belongs to a member, as often as it has copies, after each change to one that is a
    /// member by then.
    pub const EVERY_KEY_HAS_AN_OWNER: &str = "every_key_has_an_owner";
    /// Who builds the placement of the same members, named in another order, gives every key the same owner.
    pub const AGREEMENT: &str = "clients_with_one_view_agree";
    /// A change moves keys to who joins and from who leaves, and none between nodes that stay. Not promised by all
    /// rules.
    pub const NO_MOVE_BETWEEN_SURVIVORS: &str = "no_move_between_survivors";
    /// A lookup is answered by who owns its key at some moment while it is under way. Nodes with wrong clocks break
    /// this.
    pub const OWNERS_ANSWER: &str = "owners_answer";
    /// Under bounded loads no node holds more than its share and the slack.
    pub const BOUNDED: &str = "bounded_loads";
}

/// Keys of which two builders are asked.
const SAMPLE: u64 = 10_000;

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct PlacementChecks {
    config: PlacementConfig,
    /// Lookups answered by an owner, and the first that was not.
    answered: u64,
    stray: Option<Violation>,
    survey: OnceCell<Survey>,
}

impl PlacementChecks {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(config: PlacementConfig) -> Self {
        Self { config, answered: 0, stray: None, survey: OnceCell::new() }
    }

    /// The count of all keys, made when it is first asked for.
    #[must_use]
    pub fn survey(&self) -> &Survey {
        self.survey.get_or_init(|| Survey::of(&self.config))
    }

    /// Every rule's verdict.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = vec![self.owned(), self.agreement(), self.answers()];
        if self.config.algorithm.is_minimal() {
            verdicts.push(self.survivors());
        }
        if self.config.algorithm == Algorithm::Bounded {
            verdicts.push(self.bounded());
        }
        verdicts
    }

    fn owned(&self) -> Verdict {
        let (config, survey) = (&self.config, self.survey());
        let counts = core::iter::once(&survey.first).chain(survey.waves.iter().map(|wave| &wave.moved.after));
        for ((epoch, members), counts) in config.epochs().iter().zip(config.ordered()).zip(counts) {
            let copies = u64::from(config.replicas).min(members.len() as u64) * config.keys;
            let held: u64 = members.iter().map(|member| counts[member.index()]).sum();
            if held != copies {
                let detail = format!("members hold {held} copies of {copies} after {:?}", epoch.event);
                return fail(EVERY_KEY_HAS_AN_OWNER, epoch.at.0, detail);
            }
        }
        let epochs = config.epochs().len();
        Verdict::Pass { rule: EVERY_KEY_HAS_AN_OWNER, detail: format!("{} keys, {epochs} times placed", config.keys) }
    }

    fn answers(&self) -> Verdict {
        match &self.stray {
            Some(violation) => Verdict::Fail(violation.clone()),
            None if self.answered == 0 => {
                Verdict::Inconclusive { rule: OWNERS_ANSWER, why: "no lookup was answered".to_owned() }
            }
            None => Verdict::Pass { rule: OWNERS_ANSWER, detail: format!("{} lookups", self.answered) },
        }
    }

    /// A lookup begun at `invoked` has been answered by `node`.
    fn returned(&mut self, invoked: Instant, at: Instant, node: NodeId, key: u64) {
        let hash = key::of_number(key);
        let epochs = self.config.epochs();
        let first = epochs.partition_point(|epoch| epoch.at.0 <= invoked.0).saturating_sub(1);
        let mut under_way = epochs[first..].iter().take_while(|epoch| epoch.at.0 <= at.0);
        if under_way.any(|epoch| epoch.placement.owner(hash) == node) {
            self.answered += 1;
        } else if self.stray.is_none() {
            let owner = epochs[first].placement.owner(hash);
            let detail = format!("{node} answers for key {key}, which is {owner}'s");
            self.stray = Some(Violation { rule: OWNERS_ANSWER.to_owned(), at, node: Some(node), detail });
        }
    }

    fn agreement(&self) -> Verdict {
        for epoch in self.config.epochs().iter() {
            let members: Vec<Member> = epoch.placement.members().iter().collect();
            let mut reversed = members.clone();
            reversed.reverse();
            // The first epoch has no history, whatever the rule; later ones of Jump and Anchor remember theirs.
            if epoch.at.0 > 0 && matches!(self.config.algorithm, Algorithm::Jump | Algorithm::Anchor) {
                continue;
            }
            let again = Members::new(reversed).map(|members| self.config.layout.place(members));
            let Ok(again) = again else { unreachable!("members of a placement are members") };
            for hash in (0..SAMPLE.min(self.config.keys)).map(key::of_number) {
                let (one, other) = (epoch.placement.owner(hash), again.owner(hash));
                if one != other {
                    return fail(AGREEMENT, epoch.at.0, format!("key hash {hash:016x} is {one}'s or {other}'s"));
                }
            }
        }
        let sample = SAMPLE.min(self.config.keys);
        Verdict::Pass { rule: AGREEMENT, detail: format!("{sample} keys asked of two builders") }
    }

    fn survivors(&self) -> Verdict {
        let rule = NO_MOVE_BETWEEN_SURVIVORS;
        let survey = self.survey();
        let mut looked_at = 0;
        for (wave, epochs) in survey.waves.iter().zip(self.config.epochs().windows(2)) {
            let last = epochs[0].placement.members().iter().map(|member| member.node).max();
            let last_left = last.is_some_and(|node| epochs[1].placement.members().get(node).is_none());
            let joined = epochs[1].placement.members().len() > epochs[0].placement.members().len();
            // Jump hash can only give up its last bucket without moving others' keys (paper, section 3).
            if self.config.algorithm == Algorithm::Jump && !joined && !last_left {
                continue;
            }
            looked_at += 1;
            // With copies, a zone's share of the members changes too, and that moves copies between those who stay.
            if wave.between_survivors > 0 && self.config.replicas == 1 {
                let (n, event) = (wave.between_survivors, &wave.moved.event);
                return fail(rule, wave.moved.at_ns, format!("{n} keys moved between nodes that stayed when {event}"));
            }
        }
        if looked_at == 0 || self.config.replicas > 1 {
            let why = if looked_at == 0 { "no change that promises it" } else { "it is a promise about single copies" };
            return Verdict::Inconclusive { rule, why: why.to_owned() };
        }
        Verdict::Pass { rule, detail: format!("{looked_at} changes") }
    }

    fn bounded(&self) -> Verdict {
        let config = &self.config;
        let counts = core::iter::once(&self.survey().first).chain(self.survey().waves.iter().map(|w| &w.moved.after));
        for (epoch, counts) in config.epochs().iter().zip(counts) {
            let crate::storage::hashing::placement::AnyPlacement::Bounded(bounded) = &epoch.placement else { continue };
            for member in epoch.placement.members().iter() {
                let (held, most) = (counts[member.node.index()], bounded.capacity(member, config.keys));
                if held > most {
                    return fail(BOUNDED, epoch.at.0, format!("{} holds {held} keys, {most} at most", member.node));
                }
            }
        }
        Verdict::Pass { rule: BOUNDED, detail: format!("{} keys", config.keys) }
    }
}

fn fail(rule: &str, at: u64, detail: String) -> Verdict {
    Verdict::Fail(Violation { rule: rule.to_owned(), at: Instant(at), node: None, detail })
}

impl Observer<Owner> for PlacementChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Owner>) {
        if let Observed::Returned { request, invoked, outcome: Outcome::Ok(_), node: Some(node), .. } = what {
            self.returned(*invoked, at, *node, request.key);
        }
    }

    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Owner>]) -> Result<(), Violation> {
        Ok(())
    }
}
