//! Consistent hashing: which node owns which key, by the algorithms people use, and what a change of the members moves.
//!
//! [`placement`] is a library of real algorithms behind one trait; [`key`] is the hash they all start from, xxh3 of the
//! key's bytes, so that a placement is the same on every machine.
//!
//! # What is not (yet)
//!
//! The store on top of it: routers with views of the membership, handing over of keys, quorums and repair.

pub mod key;
pub mod placement;
