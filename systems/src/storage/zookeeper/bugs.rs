//! Published bugs of ZooKeeper and Zab, each re-introduced by one condition at one place.

sim_core::catalogue! {
    ZkBug;
    AckBeforeDurable, "ack_before_durable",
        "A follower takes part in an epoch and acknowledges NEWLEADER before what it was brought up to date with is \
         durable.",
        "total_order", "Z1: ZOOKEEPER-3911, 4646, 4685";
    EpochBeforeTxns, "epoch_before_txns",
        "The current epoch is durable before the transactions it stands for.",
        "reads_are_of_the_history", "Z2: ZOOKEEPER-4643, pull request 2028";
    ProposeToAcked, "propose_only_to_acked",
        "Proposals go only to followers that have acknowledged NEWLEADER: one that is being brought up to date misses \
         some.",
        "total_order", "Z7: the Zab specification of ZooKeeper, issue 1";
    CommitOfFollower, "commit_of_follower",
        "UPTODATE commits what the follower had when it acknowledged NEWLEADER, not what has been committed since.",
        "commits_in_order", "Z8: the Zab specification of ZooKeeper, issue 3";
    IdBeforeEpoch, "id_before_epoch",
        "Votes are compared by the server's number before epoch and zxid.",
        "acknowledged_survive", "Z10: textbook";
    VoteNotUpdated, "vote_not_updated",
        "A server that has a leader answers with the vote of its own election, so those who have voted in different \
         rounds do not seem to agree, and whoever looks for a leader finds none.",
        "followers_keep_up", "ZOOKEEPER-1732, 1805";
    ReconnectBehind, "reconnect_behind",
        "A server takes a session that has seen more than it has.",
        "session_monotonic", "Z12: Hunt et al. 2010, section 4.4";
    WatchRace, "watch_race",
        "The lock recipe watches the node before its own without looking whether it is still there.",
        "locks_are_granted", "Z13: textbook";
    NoFencing, "no_fencing",
        "The store looks at no token, although it is told to.",
        "no_late_write", "L2: etcd issue 11457, 10811, pull request 11490";
    BarrierCountsLeavers, "barrier_counts_leavers",
        "A double barrier counts those of the last round who are still inside.",
        "everybody_has_come", "textbook: a barrier that is used again";
    LockWithoutLease, "lock_without_lease",
        "The node that stands for a lock does not go with the session of its holder.",
        "locks_are_granted", "L11: python-etcd3 issue 109";
}
