//! How a group deals partitions among its members: by ranges, anew each time (eager), or so that members keep what they
//! have and only what has to move does (cooperative, KIP-429).

use super::log::Member;
use super::options::{Config, Rebalance};
use sim_core::sorted::SortedMap;

/// Deals the partitions of all topics among members, of whom each says what it has, and of which generation.
#[must_use]
pub fn deal(config: &Config, roll: &[(Member, u32)]) -> Vec<Member> {
    let mut members: Vec<(Member, u32)> = roll.to_vec();
    members.sort_by_key(|(member, _)| (member.node, member.id));
    let dealt = match config.rebalance {
        Rebalance::Eager => ranges(config, members.len()),
        Rebalance::Cooperative => sticky(config, &members),
    };
    members.into_iter().zip(dealt).map(|((member, _), dealt)| Member { dealt, ..member }).collect()
}

/// Of each topic, the first members get one partition more than the others, if it does not come out even
/// (`RangeAssignor`).
fn ranges(config: &Config, members: usize) -> Vec<Vec<u32>> {
    let mut dealt = vec![Vec::new(); members];
    let (each, more) = (config.partitions as usize / members, config.partitions as usize % members);
    for topic in 0..config.topics {
        let mut next = topic * config.partitions;
        for (at, dealt) in dealt.iter_mut().enumerate() {
            let many = (each + usize::from(at < more)) as u32;
            dealt.extend(next..next + many);
            next += many;
        }
    }
    dealt
}

/// Everybody keeps what it has, up to its share; what nobody has goes to those that have least. What somebody has to
/// let go of is dealt to nobody yet.
fn sticky(config: &Config, members: &[(Member, u32)]) -> Vec<Vec<u32>> {
    let all = config.data_partitions();
    let newest = members.iter().map(|(_, known)| *known).max().unwrap_or(0);
    // What a member of an older generation has, it has no right to (KIP-792).
    let mut owners: SortedMap<u32, usize> = SortedMap::new();
    for (at, (member, _)) in members.iter().enumerate().filter(|(_, (_, known))| *known == newest) {
        for partition in member.dealt.iter().filter(|partition| **partition < all) {
            owners.entry(*partition).or_insert(at);
        }
    }
    let mut dealt: Vec<Vec<u32>> = vec![Vec::new(); members.len()];
    let (least, more) = (all as usize / members.len(), all as usize % members.len());
    for (partition, owner) in &owners {
        dealt[*owner].push(*partition);
    }
    // Those that have most keep the larger shares.
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| (usize::MAX - dealt[*at].len(), *at));
    let mut shares = vec![least; members.len()];
    for (rank, at) in order.iter().enumerate() {
        shares[*at] += usize::from(rank < more);
        dealt[*at].truncate(shares[*at]);
    }
    for partition in (0..all).filter(|partition| !owners.contains_key(partition)) {
        let poorest = (0..members.len()).filter(|at| dealt[*at].len() < shares[*at]).min_by_key(|at| dealt[*at].len());
        if let Some(at) = poorest {
            dealt[at].push(partition);
        }
    }
    dealt.iter_mut().for_each(|dealt| dealt.sort_unstable());
    dealt
}

#[cfg(test)]
mod tests {
    use super::super::options::QueueOptions;
    use super::*;
    use sim_core::{NodeId, Shape};

    fn config(rebalance: Rebalance, topics: u32, partitions: u32) -> Config {
        QueueOptions { rebalance, topics, partitions, ..QueueOptions::default() }.meant(&Shape::plain(3))
    }

    fn member(id: u64, dealt: &[u32], known: u32) -> (Member, u32) {
        (Member { id, node: NodeId(id as u32), dealt: dealt.to_vec() }, known)
    }

    fn dealt(config: &Config, roll: &[(Member, u32)]) -> Vec<Vec<u32>> {
        deal(config, roll).into_iter().map(|member| member.dealt).collect()
    }

    /// The example of Kafka's `RangeAssignor`: two topics of three partitions, two consumers.
    #[test]
    fn ranges_are_those_of_the_documentation() {
        let config = config(Rebalance::Eager, 2, 3);
        let roll = [member(1, &[], 0), member(2, &[], 0)];
        assert_eq!(dealt(&config, &roll), [vec![0, 1, 3, 4], vec![2, 5]]);
    }

    #[test]
    fn what_moves_is_let_go_of_first() {
        let config = config(Rebalance::Cooperative, 1, 4);
        let roll = [member(1, &[0, 1, 2, 3], 3), member(2, &[], 0)];
        assert_eq!(dealt(&config, &roll), [vec![0, 1], vec![]], "nobody gets what somebody has");
        let roll = [member(1, &[0, 1], 4), member(2, &[], 4)];
        assert_eq!(dealt(&config, &roll), [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn who_is_of_an_older_generation_has_nothing() {
        let config = config(Rebalance::Cooperative, 1, 2);
        let roll = [member(1, &[0, 1], 3), member(2, &[1], 5)];
        assert_eq!(dealt(&config, &roll), [vec![0], vec![1]]);
    }
}
