//! Overload: far more is asked than the leader of five Raft replicas can do, so operations wait, time out and are tried again. What an
//! event costs must not depend on how many of them wait, nor on whether one client waits for all of them.

use super::w4;
use sim_core::Duration;
use std::time::Instant as Wall;
use systems::consensus::raft;
use systems::shared::kv::Kv;

/// Every input takes the leader so long: some 2,500 commands a second.
const CPU: Duration = Duration::micros(100);

/// Nanoseconds of wall time for an event, when `clients` clients have `outstanding` operations each: the best of three.
pub fn nanos_per_event(clients: u32, outstanding: u32, simulated: Duration) -> f64 {
    let round = || {
        let config = raft::Config { snapshot_every: 0, ..raft::Config::new(w4::NODES as u32) };
        let mut engine = w4::cluster::<raft::Raft<Kv>>(config, CPU);
        for tag in 0..clients {
            let (seat, client) = w4::client(outstanding, u64::from(tag) + 1);
            engine.add_client(seat, client);
        }
        let (start, before, until) = (Wall::now(), engine.events(), engine.now() + simulated);
        engine.run_until(until).expect("nothing is checked");
        start.elapsed().as_nanos() as f64 / (engine.events() - before) as f64
    };
    (0..3).map(|_| round()).fold(f64::INFINITY, f64::min)
}
