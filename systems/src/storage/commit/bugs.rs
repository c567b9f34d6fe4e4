//! Published bugs of atomic commit, each re-introduced by one condition at one place.

sim_core::catalogue! {
    CommitBug;
    SendBeforeForce, "send_before_force",
        "A coordinator sends its decision, and answers its client, before the decision is on its disk.",
        "all_or_nothing", "T1: horizontal-scaling-convex issue 101; Gray 1978, the write-ahead rule";
    VoteBeforeForce, "vote_before_force",
        "A participant votes yes before its prepare record is on its disk.",
        "all_or_nothing", "T2: horizontal-scaling-convex issue 101; Gray 1978, the write-ahead rule";
    UnilateralAbort, "unilateral_abort",
        "A participant that has voted yes and hears nothing aborts on its own.",
        "all_or_nothing", "T3: textbook; Bernstein, Hadzilacos and Goodman 1987, section 7.4";
    GroupCommitUnseen, "group_commit_unseen",
        "Who asks about a slow transaction is answered by the decisions there are, not by the group being written.",
        "all_or_nothing", "T6: ScalarDB pull request 2135 (Jepsen): lazy recovery, group commit, two keys";
    NoTombstone, "no_tombstone",
        "A participant keeps nothing of the abort of a transaction that it does not know yet.",
        "no_orphan_locks", "T8: textbook; a prepare that an abort has overtaken";
    EarlyRelease, "early_release",
        "Locks are released when a participant votes, not when it hears the decision.",
        "isolation", "T11: textbook; strict two-phase locking, Bernstein et al. 1987, section 3.5";
    NoQuorum, "no_quorum",
        "Three-phase commit ends by what those who can be reached are in, as if the others were dead, not cut off.",
        "all_or_nothing", "T12: textbook; Skeen 1981 against Skeen 1982 (a quorum-based commit protocol)";
}
