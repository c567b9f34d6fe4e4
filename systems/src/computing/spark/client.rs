//! Clients: each runs applications, or asks how far they are.

use super::message::SparkRequest;
use super::node::Machine;
use super::program::Kind;
use sim_core::workload::Generated;

sim_core::operations! {
    SparkRequest of op {
        read "status": Self::Status, "asks the driver how far it is";
        write "submit": Self::Empty, "hands in an application of no tasks: answered when the driver has taken it";
        write "word_count": Self::Run(is (Kind::WordCount)),
            "counts every word of a text; answered when the counts are there";
        write "k_means": Self::Run(is (Kind::KMeans)), "finds clusters of points: an action for each iteration";
        write "page_rank": Self::Run(is (Kind::PageRank)), "ranks pages by their links: one action over all iterations";
    }
}

/// A client.
pub type SparkClient = Generated<Machine>;
