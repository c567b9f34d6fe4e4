//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod attached;
mod common;
mod evidence;
mod forks;
mod groups;
mod history;
mod invalid;
mod keys;
mod library;
mod never_panics;
mod plans;
mod roles;
mod shrink;
mod shrink_keeps;
