//! Why a history is not linearizable: the operations that contradict each other, as data for a picture.

/// One operation of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Who asked: a row of the picture.
    pub client: String,
    /// What.
    pub request: String,
    /// The answer; `None` if nobody knows whether it happened.
    pub answer: Option<String>,
    /// When it began: nanoseconds, or lines of a file.
    pub start: u64,
    /// When it ended; `None` if it has not.
    pub end: Option<u64>,
    /// Its place in the longest order found, counted from 1; `None` if it has none there.
    pub place: Option<usize>,
}

/// A contradiction between operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What the chart says above everything, such as `n3 read 90, which fits no order`.
    pub finding: String,
    /// Which object, of what.
    pub about: String,
    /// The operations, the one that is the last straw at the end.
    pub operations: Vec<Witnessed>,
    /// Whether times are nanoseconds; otherwise they are lines of a file.
    pub timed: bool,
}

/// Transactions that wait for each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// What the chart says above everything, such as `G-single (read skew), which serializable forbids`.
    pub finding: String,
    /// Of what.
    pub about: String,
    /// Name, and what it did, of each transaction, in the order in which each must come before the next.
    pub transactions: Vec<(String, String)>,
    /// Kind and reason of each link, to the next transaction and at last back to the first.
    pub waits: Vec<(String, String)>,
}
