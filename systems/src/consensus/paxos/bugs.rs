//! Published bugs of Paxos implementations, each re-introduced by one condition at one place.
//!
//! A bug is a property of the configuration: `config.has(PaxosBug::X)` appears exactly once in the protocol, where the
//! correct code makes the decision that the published code got wrong.

sim_core::catalogue! {
    PaxosBug;
    IgnoreAccepted, "ignore_accepted",
        "A new leader proposes what it likes in open slots, whatever the promises say was accepted there.",
        "chosen_values_stay", "P1: Paxos Made Simple, P2c";
    PromiseNotDurable, "promise_not_durable",
        "A promise is given before it is on disk, so a restarted acceptor helps the ballot it had promised to refuse.",
        "promises_kept", "P3: Michael et al. 2017, bugs list (Multi-Paxos as in Paxos Made Live, JPaxos)";
    WipedVotesAtOnce, "wiped_votes_at_once",
        "An acceptor whose disk was wiped takes part at once, as if it had never promised or accepted anything.",
        "promises_kept", "P5: Paxos Made Live, disk corruption";
    SharedBallots, "shared_ballots",
        "Ballots do not contain the proposer's name, so two proposers use the same one.",
        "ballots_unique", "P8: phxpaxos issue 145";
    StalePromises, "stale_promises",
        "A promise given to an earlier ballot counts for the present one.",
        "chosen_values_stay", "P9: MyPaxos issue 18";
    CountMessages, "count_messages",
        "Acceptors are counted by message, so a duplicated message is two acceptors.",
        "chosen_by_quorum", "P11: textbook";
    GapsNotFilled, "gaps_not_filled",
        "A new leader proposes nothing in slots of which no promise tells anything, so nothing behind them is ever \
         applied.",
        "convergence", "P13: Paxos Made Simple, section 3";
    HigherSlotsForgotten, "higher_slots_forgotten",
        "A new leader asks only about the slots it knows of itself, and begins behind them.",
        "chosen_values_stay", "P14: textbook";
    NoBackOff, "no_back_off",
        "A proposer that was outbid tries again at once, so two of them outbid each other for ever.",
        "recovery", "P15: Paxos Made Simple, section 2.4";
    LeaseFromReceipt, "lease_from_receipt",
        "A leader counts its lease from when the grants arrive, not from when it asked for them.",
        "leases_exclude", "P16: Paxos Made Live, master leases";
    QuorumsDoNotMeet, "quorums_do_not_meet",
        "Phase 1 is content with one acceptor too few, so that its quorums and those of phase 2 need not meet.",
        "chosen_values_stay", "P18: Flexible Paxos, section 3";
    RestartTrustsPageCache, "restart_trusts_page_cache",
        "What a restarted acceptor finds on its disk counts as durable, though it may be in the page cache only.",
        "chosen_values_stay", "PostgreSQL commit 2ce439f3 (2015), which syncs the data directory after a crash";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_scenario_files_say() {
        assert_eq!(PaxosBug::ALL.len(), CATALOGUE.len());
        for (bug, row) in PaxosBug::ALL.iter().zip(CATALOGUE) {
            assert_eq!(bug.name(), row.name);
        }
    }
}
