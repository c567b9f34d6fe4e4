//! Storage: which node holds which key, how many copies there are, what reading and writing them promises, and what
//! transactions over several of them do.

pub mod chubby;
pub mod commit;
pub mod hashing;
pub mod placement;
pub mod redlock;
pub mod zookeeper;
