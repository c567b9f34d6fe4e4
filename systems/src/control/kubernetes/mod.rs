//! Kubernetes.

mod agenda;
mod api;
mod bugs;
mod checks;
mod client;
mod control;
mod controllers;
mod kubelet;
pub mod manifests;
mod message;
mod node;
pub mod objects;
mod office;
mod operator;
mod options;
mod scheduler;
pub mod scheduling;
mod seed;
mod system;

pub use system::KubernetesSystem;
