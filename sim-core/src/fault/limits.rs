//! Limits: what the faults may not do, all together, so that chaos stays survivable where a scenario asks for it.

use super::Sides;

/// What the faults may not do, all together. Applied when a fault fires, because only then it is known whom it hits:
/// what it would do too much is held back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// At most this many nodes are down or paused at once.
    pub max_down: Option<u32>,
    /// At most this many nodes are cut off at once: they can talk, both ways, to less than a majority, themselves
    /// included.
    pub max_cut: Option<u32>,
    /// Some node that is up can always talk, both ways, to enough that are up to make a majority, itself included.
    pub keep_quorum: bool,
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.max_down.is_none() && self.max_cut.is_none() && !self.keep_quorum
    }

    /// Whether a cluster may be in this state: which nodes are members (all others do not count), which are down or
    /// paused, and which cuts are in force. Fewer nodes down and fewer cuts are never forbidden where more are
    /// permitted.
    #[must_use]
    pub fn permit(&self, members: &[bool], down: &[bool], cuts: &[&Sides]) -> bool {
        let all = || (0..down.len()).filter(|node| members[*node]);
        let majority = all().count() / 2 + 1;
        let talk = |a: usize, b: usize| !cuts.iter().any(|cut| cut.cuts(a, b) || cut.cuts(b, a));
        let heard = |a: usize, counts: &dyn Fn(usize) -> bool| {
            1 + all().filter(|b| *b != a && counts(*b) && (cuts.is_empty() || talk(a, *b))).count()
        };
        let few = |limit: Option<u32>, number: &dyn Fn() -> usize| limit.is_none_or(|limit| number() <= limit as usize);
        few(self.max_down, &|| all().filter(|node| down[*node]).count())
            && few(self.max_cut, &|| all().filter(|a| heard(*a, &|_| true) < majority).count())
            && (!self.keep_quorum || all().any(|a| !down[a] && heard(a, &|b| !down[b]) >= majority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_down: Option<u32>, max_cut: Option<u32>, keep_quorum: bool) -> Limits {
        Limits { max_down, max_cut, keep_quorum }
    }

    #[test]
    fn nodes_down_and_cut_off_count() {
        let down = |nodes: &[usize]| (0..5).map(|n| nodes.contains(&n)).collect::<Vec<_>>();
        let isolated = |nodes: &[usize]| Sides::separate((0..5).map(|n| u16::from(nodes.contains(&n))).collect(), 2);
        assert!(limits(Some(2), None, true).permit(&[true; 5], &down(&[0, 4]), &[]));
        assert!(!limits(Some(2), None, false).permit(&[true; 5], &down(&[0, 1, 4]), &[]));
        assert!(!limits(None, None, true).permit(&[true; 5], &down(&[0, 1, 4]), &[]));
        assert!(limits(None, Some(1), true).permit(&[true; 5], &down(&[]), &[&isolated(&[3])]));
        assert!(!limits(None, Some(1), false).permit(&[true; 5], &down(&[]), &[&isolated(&[3, 2])]));
        // Two cuts, each harmless, that together leave nobody a majority.
        let both = [&isolated(&[0, 1]), &isolated(&[1, 2])];
        assert!(both.iter().all(|cut| limits(None, None, true).permit(&[true; 5], &down(&[]), &[cut])));
        assert!(!limits(None, None, true).permit(&[true; 5], &down(&[]), &both));
        // A node down on the larger side is one too many.
        assert!(!limits(None, None, true).permit(&[true; 5], &down(&[4]), &[&isolated(&[0, 1])]));
        assert!(limits(None, None, true).permit(&[true; 5], &down(&[0]), &[&isolated(&[0, 1])]));
    }

    #[test]
    fn only_members_count() {
        let members = [true, true, true, false, false];
        let down = [true, false, false, true, true];
        assert!(limits(Some(1), None, true).permit(&members, &down, &[]));
        assert!(!limits(Some(1), None, true).permit(&[true; 5], &down, &[]));
    }

    #[test]
    fn one_way_is_not_both_ways() {
        let deaf = Sides::new(vec![1, 0, 0], 2).block(0, 1);
        assert!(limits(None, Some(1), true).permit(&[true; 3], &[false; 3], &[&deaf]));
        assert!(!limits(None, Some(0), false).permit(&[true; 3], &[false; 3], &[&deaf]));
    }
}
