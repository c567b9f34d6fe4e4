//! Published bugs of replicated logs and their users, each re-introduced by one condition at one place.

sim_core::catalogue! {
    QueueBug;
    TruncateToHighWatermark, "truncate_to_high_watermark",
        "A replica that begins to follow cuts its log at its own high watermark, which lags, and does not ask where \
         the leader's epochs end.",
        "acknowledged_is_kept", "F6: KIP-101, Kafka PR 2808";
    WatermarkBeforeTruncation, "watermark_before_truncation",
        "A follower takes over the leader's high watermark before it has cut off what the leader does not have.",
        "replicas_agree", "F8: KAFKA-14704, Kafka PR 13230";
    StaleReplicaElected, "stale_replica_elected",
        "Any replica that is up may lead, in sync or not, and nobody is told.",
        "acknowledged_is_kept", "F5: elasticsearch 39282; Kafka's unclean election, as a silent default";
    AckBeforeReplicated, "ack_before_replicated",
        "A producer that waits for all is answered when the leader has the batch.",
        "acknowledged_is_kept", "F1: redis 6062";
    ShrinkBeforeCommit, "shrink_before_commit",
        "A leader takes a slow replica out of the set in sync, and goes on without it, before the controller knows.",
        "acknowledged_is_kept", "KIP-497: what AlterPartition is for";
    OldLeaderAlters, "old_leader_alters",
        "The controller takes changes of the replicas in sync from whoever led once.",
        "acknowledged_is_kept", "F2: redis 1073; KIP-497 on zombie leaders";
    ReadUncommitted, "read_uncommitted",
        "Consumers are given what is not on all replicas in sync yet.",
        "consumed_is_committed", "textbook: reads beyond the high watermark";
    SequenceForgotten, "sequence_forgotten",
        "A new leader does not know what producers have sent to the old one.",
        "no_duplicates", "KIP-98: producer state is rebuilt from the log";
    SequenceReused, "sequence_reused",
        "A producer gives a batch that it tries again a new number.",
        "no_duplicates", "textbook: KIP-98 without its point";
    ZombieCommits, "zombie_commits",
        "The coordinator takes offsets from a member that is out of its group, or of an older generation.",
        "offsets_never_go_back", "textbook: commits are fenced by the generation";
    CommitBeforeProcessing, "commit_before_processing",
        "A consumer that shall commit after its work does so before.",
        "processed_at_least_once", "textbook: auto-commit of what was polled, not of what was done";
    PartitionsKept, "partitions_kept",
        "A member that was dealt less goes on with all that it had.",
        "one_consumer_per_partition", "KIP-429: revocation comes before the next owner's assignment";
    OffsetsNotReplicated, "offsets_not_replicated",
        "A coordinator answers a commit when it alone has it.",
        "acknowledged_is_kept", "Kafka's offsets.commit.required.acks, set to 1";
    CompactionKeepsOldest, "compaction_keeps_oldest",
        "Compaction keeps the first message of each key.",
        "newest_of_each_key_is_kept", "textbook: the map of offsets built the wrong way round";
    RebalanceNeverEnds, "rebalance_never_ends",
        "A member that was told to join again waits for the coordinator to call it.",
        "groups_settle", "textbook: a member left behind in a rebalance";
}
