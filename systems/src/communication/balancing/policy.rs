//! Which server gets the next request: the rules people choose among, by their usual names.

sim_core::choices! {
    /// How a balancer chooses.
    pub enum Policy {
        /// Any, each as likely.
        Random,
        /// Any, as likely as its weight says: w / W.
        WeightedRandom,
        /// In turn.
        RoundRobin,
        /// In turn, as often as its weight says, evenly spread over the round (nginx's smooth weighted round robin).
        WeightedRoundRobin,
        /// The one with the fewest requests under way from this balancer, for its weight.
        LeastConnections,
        /// The one with the fewest under way among `choices` drawn at random (Azar et al. 1994; Mitzenmacher 1996).
        #[default]
        PowerOfChoices,
        /// Of `choices` drawn at random, the one with the least expected wait: a moving average of its answers' times
        /// that jumps up at once and comes down slowly, times the requests under way (Finagle's peak EWMA).
        PeakEwma,
        /// The one with the shortest queue, as the servers tell every change of it.
        ShortestQueue,
        /// The one that a ring of hashes gives the request's key to, unless that is full (bounded loads, Mirrokni et
        /// al. 2016).
        BoundedHashing,
        /// None, until one is free: requests wait at the balancer, in one queue for all.
        CentralQueue,
    }
}
