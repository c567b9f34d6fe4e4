//! Storage: which node holds which key, how many copies there are, and what reading and writing them promises.

pub mod chubby;
pub mod hashing;
pub mod placement;
pub mod redlock;
pub mod zookeeper;
