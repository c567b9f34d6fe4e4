//! Published bugs of sharded stores, each re-introduced by one condition at one place.
//!
//! A bug is a property of the configuration: `config.has(HashingBug::X)` appears exactly once, where the correct code
//! makes the decision that the published code got wrong.

sim_core::catalogue! {
    HashingBug;
    PointOverwritten, "point_overwritten",
        "Points of a ring live in a map from hash to node: a collision overwrites, and a removal deletes the other's \
         point.",
        "no_move_between_survivors", "H1: pekko issue 3279; uhashring issue 6; libring issue 9";
    TieByArrival, "tie_by_arrival",
        "Which of two points with the same hash owns the keys before them depends on who joined first.",
        "clients_with_one_view_agree", "H2: libmemcached issue 41; ringpop pull request 317";
    ModuloOfNodes, "modulo_of_nodes",
        "Keys are placed by their hash modulo the number of nodes.",
        "no_move_between_survivors", "H4: closed form n/(n+1)";
    JumpRenumbers, "jump_renumbers",
        "When a bucket of a jump hash goes, all behind it get another number.",
        "no_move_between_survivors", "H7: jump hash paper, section 4";
    SwitchBeforeCopy, "switch_before_copy",
        "Keys belong to their new owners as soon as the change is ordered, before they are copied.",
        "reads_see_acknowledged_writes", "H8: textbook";
    NoEpoch, "no_epoch",
        "A store takes requests that were addressed by an older view than its own.",
        "stale_owner_rejected", "H9: 6.824, sharded key-value service";
    ReplicasByPoints, "replicas_by_points",
        "Replicas go to the next points of the ring, whichever machines those belong to.",
        "replicas_are_apart", "H11: Dynamo, section 4.3, says to skip them";
    DeleteRemoves, "delete_removes",
        "A delete removes a key where it is heard of, and nobody remembers that it was deleted.",
        "deleted_keys_stay_deleted", "Demers et al. 1987, section 1.4; Riak's delete_mode = immediate";
    WipedServesAtOnce, "wiped_serves_at_once",
        "A store that has lost its disk takes itself for a new one, and answers reads with what it has not.",
        "reads_see_acknowledged_writes", "Cassandra with auto_bootstrap = false; Michael et al. 2017";
    RestartTrustsPageCache, "restart_trusts_page_cache",
        "What a restarted store finds on its disk counts as durable, though it may be in the page cache only.",
        "later_writes_win", "PostgreSQL commit 2ce439f3 (2015), which syncs the data directory after a crash";
}
