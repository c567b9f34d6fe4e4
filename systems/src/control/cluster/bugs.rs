//! Published bugs of fail-over, in the form they take in a cluster of voting primaries, each re-introduced by one
//! condition at one place.

sim_core::catalogue! {
    ClusterBug;
    VoteNotPersisted, "vote_not_persisted",
        "The current epoch and the epoch of the last vote are not written to nodes.conf, so a restarted primary votes \
         again.",
        "one_vote_per_epoch", "F2: redis issue 1479";
    DataAgeIgnored, "data_age_ignored",
        "A replica that has long lost touch with its primary asks for votes all the same.",
        "promoted_is_fresh", "F5: redis pull request 15680";
    VotesNoMajority, "first_vote_wins",
        "A replica takes over with the first vote it gets, where a majority of the primaries is needed.",
        "one_winner_per_epoch", "F3: elasticsearch issue 10935";
    MinorityServes, "minority_keeps_writing",
        "A primary that hears no majority of the primaries goes on to serve, so it is not fenced by the time it is \
         replaced.",
        "minority_stops", "F2: redis issue 1073";
}
