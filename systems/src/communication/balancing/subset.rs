//! Deterministic subsetting: which servers a balancer knows, so that each is known to as many (Google SRE book, chapter
//! 20).

use sim_core::hash;

/// The servers among `members` that balancer number `balancer` uses, in order: `size` of them, or all if there are no
/// more.
///
/// Balancers come in rounds. Each round shuffles the servers in its own way and deals them out in pieces of `size`, so
/// that within a round no server is dealt twice. The shuffle is by hash: a server more or less leaves the others' order
/// alone.
#[must_use]
pub fn subset(members: &[u32], balancer: u32, size: u32) -> Vec<u32> {
    let size = size as usize;
    if size == 0 || members.len() <= size {
        return members.to_vec();
    }
    let pieces = members.len() / size;
    let round = u64::from(balancer) / pieces as u64;
    let mut order = members.to_vec();
    order.sort_by_key(|server| (hash::of(&[round, u64::from(*server)]), *server));
    let start = balancer as usize % pieces * size;
    let mut mine = order[start..start + size].to_vec();
    mine.sort_unstable();
    mine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_round_no_server_is_dealt_twice() {
        let servers: Vec<u32> = (0..12).collect();
        for round in 0..5 {
            let mut dealt: Vec<u32> = (0..4).flat_map(|i| subset(&servers, round * 4 + i, 3)).collect();
            dealt.sort_unstable();
            assert_eq!(dealt, servers);
        }
        assert_ne!(subset(&servers, 0, 3), subset(&servers, 4, 3));
        assert_eq!(subset(&servers, 7, 0), servers);
        assert_eq!(subset(&servers, 7, 12), servers);
    }

    #[test]
    fn a_server_that_leaves_changes_few_subsets_much() {
        let servers: Vec<u32> = (0..100).collect();
        let without: Vec<u32> = (0..99).collect();
        let changed = |i| {
            let after = subset(&without, i, 100 / 9);
            subset(&servers, i, 100 / 9).iter().filter(|server| !after.contains(server)).count()
        };
        // A random shuffle would change nearly all of the 11; this one moves each border of a piece by one at most.
        assert!((0..8).all(|i| changed(i) <= 2), "{:?}", (0..8).map(changed).collect::<Vec<_>>());
    }
}
