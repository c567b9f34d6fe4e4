//! Published bugs of primary-backup systems, each re-introduced by one condition at one place.
//!
//! A bug is a property of the configuration: `config.has(FailoverBug::X)` appears exactly once in the protocol, where
//! the correct code makes the decision that the published code got wrong.

sim_core::catalogue! {
    FailoverBug;
    AckBeforeReplication, "ack_before_replication",
        "A write is acknowledged once the primary has it, although backups should have it too.",
        "acknowledged_writes_survive", "F1: redis issue 6062";
    OldPrimaryNotFenced, "old_primary_not_fenced",
        "Writes carry no epoch that counts: backups and voters go on with the primary of an older one.",
        "one_primary", "F2: redis issue 1073; bitnami charts issue 5418; helm charts issue 21303";
    QuorumOfOne, "quorum_of_one",
        "One vote, the candidate's own, is enough to be promoted.",
        "one_primary", "F3: elasticsearch issue 10935; sighupio issue 18";
    StaleBackupPromoted, "stale_backup_promoted",
        "Whoever is alive may follow, whatever its log lacks.",
        "acknowledged_writes_survive", "F5: elasticsearch issue 39282; Kafka's unclean leader election";
    TruncateToHighWatermark, "truncate_to_high_watermark",
        "A backup that joins cuts its log at what it knows to be committed, which lags, instead of asking where the \
         logs part.",
        "acknowledged_writes_survive", "F6: KIP-101; kafka pull request 2808";
    WatermarkBeforeTruncation, "watermark_before_truncation",
        "A backup that joins takes over the primary's high watermark before it has cut what the primary does not have.",
        "logs_agree", "F8: KAFKA-14704; kafka pull request 13230";
    FailBackFlapping, "fail_back_flapping",
        "The preferred node gets the lead back the moment it is heard again.",
        "settles", "F12: folklore";
    RestartTrustsPageCache, "restart_trusts_page_cache",
        "What a restarted node finds on its disk counts as durable, though it may be in the page cache only.",
        "acknowledged_writes_survive", "PostgreSQL commit 2ce439f3 (2015), which syncs the data directory after a \
         crash";
    SentinelVoteNotPersisted, "sentinel_vote_not_persisted",
        "A sentinel does not write its vote down, so after a restart it votes again in the same epoch.",
        "sentinel_votes_once", "redis issue 1479, in the form that it takes in a sentinel";
    SentinelQuorumAlone, "sentinel_quorum_alone",
        "A sentinel with as many votes as the quorum leads, whether or not they are a majority of the sentinels.",
        "one_leader_of_sentinels", "what redis issue 2284 asks for; issue 1972 says what would come of it";
    SentinelCountsAnyEpoch, "sentinel_counts_any_epoch",
        "A sentinel that stands in one epoch counts the votes that it got in a newer one it has heard of.",
        "one_leader_of_sentinels", "redis pull request 2230, not merged: Redis 7.0 does this";
    SentinelOldConfiguration, "sentinel_old_configuration",
        "A sentinel takes over whatever configuration another one publishes last, be its epoch older.",
        "configurations_agree", "what configuration epochs are there for: redis issue 2153";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_scenario_files_say() {
        assert_eq!(FailoverBug::ALL.len(), CATALOGUE.len());
        for (bug, row) in FailoverBug::ALL.iter().zip(CATALOGUE) {
            assert_eq!(bug.name(), row.name);
        }
    }
}
