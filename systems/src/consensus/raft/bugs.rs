//! Published bugs of Raft implementations, each re-introduced by one condition at one place.
//!
//! A bug is a property of the configuration: `config.has(RaftBug::X)` appears exactly once in the protocol, where the
//! correct code makes the decision that the published code got wrong.

sim_core::catalogue! {
    RaftBug;
    VoteNotPersisted, "vote_not_persisted",
        "A vote is answered without having been written to disk, so a restarted voter votes again in the same term.",
        "election_safety", "R1: raft.tla pull request 5; NodeDB issue 161";
    TermBeforeVote, "term_before_vote",
        "Term and vote are written in two steps with a sync between, and the vote is answered after the first.",
        "election_safety", "R3: hashicorp/raft issue 661";
    NoUpToDateCheck, "no_up_to_date_check",
        "A vote is granted whatever the candidate's log holds.",
        "acknowledged_writes_survive", "R4: Raft paper, section 5.4.1";
    LengthOnlyCheck, "length_only_check",
        "The candidate's log is compared by length only, its last term ignored.",
        "leader_completeness", "R5: Raft paper, section 5.4.1";
    VoteForgottenInTerm, "vote_forgotten_in_term",
        "A candidate that yields to the leader of its own term forgets whom it voted for in that term.",
        "election_safety", "R7: AvailSim";
    StaleVotesCounted, "stale_votes_counted",
        "A vote granted in an earlier term counts in the present one.",
        "election_safety", "R8: Students' Guide to Raft, term confusion";
    DuplicateVotesCounted, "duplicate_votes_counted",
        "Votes are counted by message, so a duplicated message is two votes.",
        "election_safety", "R9: akka-raft issue 47";
    QuorumHalf, "quorum_half",
        "Half of the nodes are taken for a majority.",
        "election_safety", "R10: textbook";
    FixedElectionTimeout, "fixed_election_timeout",
        "The election timeout is not randomised, so votes split again and again.",
        "availability", "R12: Raft dissertation, section 9.3";
    TimerResetByAnything, "timer_reset_by_anything",
        "Refused votes and stale messages reset the election timer too.",
        "availability", "R13: Students' Guide to Raft, livelocks";
    NoStickiness, "no_stickiness",
        "Voters and leaders yield to any higher term, even of a removed server, while they hear from their leader.",
        "leader_undisturbed", "R15: Raft dissertation, sections 4.2.3 and 9.6";
    NoPreVoteReply, "lower_term_pre_vote_ignored",
        "A pre-vote request with a lower term is dropped silently, so a node with an old term never catches up.",
        "availability", "R16: etcd issue 8243";
    NoQuorumCheck, "no_quorum_check",
        "A leader that hears from no quorum goes on to lead, and those who hear it stay loyal.",
        "longest_outage", "R18: openraft issue 2080; Howard and Abraham 2020";
    CommitOldTerm, "commit_old_term",
        "Entries of earlier terms are committed by counting replicas.",
        "leader_completeness", "R20: Raft paper, figure 8";
    NoPrevTermCheck, "no_prev_term_check",
        "A follower checks that it has the entry before new ones, but not that entry's term.",
        "log_matching", "R21: textbook";
    UnconditionalTruncation, "unconditional_truncation",
        "A follower cuts its log behind the previous entry on every append, conflict or not.",
        "committed_entries_stay", "R22: Students' Guide to Raft";
    NoTruncation, "no_truncation",
        "A follower keeps its own conflicting entries and appends behind them.",
        "log_matching", "R23: textbook";
    MatchFromNext, "match_from_next",
        "The leader takes what it has sent for what the follower has stored when any acknowledgement arrives.",
        "acknowledged_writes_survive", "R24: Students' Guide to Raft";
    AckBeforeSync, "ack_before_sync",
        "A follower acknowledges entries before they are durable.",
        "acknowledged_writes_survive", "R27: textbook; ZooKeeper analogue";
    RestartTrustsPageCache, "restart_trusts_page_cache",
        "A server takes what it reads back after its process died for durable, though only a sync makes it so.",
        "acknowledged_writes_survive", "PostgreSQL commit 2ce439f3 (2015), which syncs the data directory after a \
         crash";
    SuccessByIndex, "success_by_index",
        "A client is answered when anything commits at its command's index, even another leader's entry.",
        "acknowledged_writes_survive", "R29: 6.824 lab 3";
    BacktrackOffByOne, "backtrack_off_by_one",
        "The leader tries again one entry too late, so a follower that lacks entries never catches up.",
        "convergence", "R30: Students' Guide to Raft";
    SnapshotRollsBack, "snapshot_rolls_back",
        "A snapshot older than the state is installed all the same.",
        "state_machine_safety", "R34: textbook";
    SnapshotOmitsSessions, "snapshot_omits_sessions",
        "Snapshots do not contain the client sessions, so a retry after one is executed twice.",
        "exactly_once", "R37: Raft dissertation, chapter 6";
    ChangeBeforeOwnCommit, "change_before_own_commit",
        "A new leader changes the members before it has committed anything of its own term.",
        "changes_follow_own_commit", "R40: raft-dev erratum of July 2015 to the dissertation's section 4.1; copycat \
         issue 23";
    TwoChangesAtOnce, "two_changes_at_once",
        "A second change of the members begins before the first is committed.",
        "configurations_overlap", "R41: Raft dissertation, section 4.1; etcd confchange_disable_validation.txt";
    ConfigurationAtApply, "configuration_at_apply",
        "A configuration counts once it is applied, not once it is in the log, so a removed leader leaves first.",
        "availability", "R43: etcd issues 10563 and 7625";
    NewServerVotesAtOnce, "new_server_votes_at_once",
        "A new server gets its vote while its log is still empty.",
        "voters_are_caught_up", "R45: Raft dissertation, section 4.2.1";
    ReadBeforeReplay, "read_before_replay",
        "A node that was told how far reads must have got answers from what it has applied, which after a restart is \
         little.",
        "fresh_reads", "R38: redisraft issue 18";
    LocalReads, "local_reads",
        "A leader answers reads from its own state without asking whether it is still leader.",
        "fresh_reads", "R47: etcd issue 741";
    ReadBeforeOwnCommit, "read_before_own_commit",
        "A new leader serves reads at its commit index before it has committed anything of its own term.",
        "fresh_reads", "R48: etcd issue 7331";
    LeaseByTicks, "lease_by_ticks",
        "A lease lasts until the leader's next ticks find that nobody answers, however long that is by anybody's \
         clock.",
        "fresh_reads", "R51: tikv issues 964 and 1127; etcd issue 6005";
    LeaseKeptInTransfer, "lease_kept_in_transfer",
        "A leader that has told another node to take over goes on to read under its lease.",
        "fresh_reads", "R52: discussion of ratis pull request 383";
    NoSessionFilter, "no_session_filter",
        "Retries are executed again.",
        "exactly_once", "R54: Raft dissertation, chapter 6";
    StaleLeaderHint, "stale_leader_hint",
        "A node keeps telling clients of the leader of an earlier term.",
        "redirects_name_the_believed", "R57: Raft dissertation, section 6.2";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_scenario_files_say() {
        assert_eq!(RaftBug::ALL.len(), CATALOGUE.len());
        for (bug, row) in RaftBug::ALL.iter().zip(CATALOGUE) {
            assert_eq!(bug.name(), row.name);
        }
    }
}
