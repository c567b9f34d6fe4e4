//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod availability;
mod compare;
mod files;
mod measured;
mod pages;
mod sample;
