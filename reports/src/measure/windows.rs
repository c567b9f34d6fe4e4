//! What happened in windows of time, scope by scope.

/// What happened in one window of a scope.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cell {
    pub operations: u32,
    pub served: u32,
}

impl Cell {
    /// How many were not served.
    pub const fn failed(self) -> u32 {
        self.operations - self.served
    }

    /// Whether fewer than half were served.
    pub const fn down(self) -> bool {
        (self.served as u64) * 2 < self.operations as u64
    }
}

/// Some windows of one scope that are down, and those around them whose operations say when that began and ended.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// Of which scope.
    pub scope: usize,
    /// The first that is down, and the first that is not.
    pub first: usize,
    /// See there.
    pub past: usize,
    /// From where to where operations say when it began and ended.
    pub from: usize,
    /// See there.
    pub to: usize,
    /// Of a stretch in which a share failed: how many, and of how many.
    pub share: Option<(u32, u32)>,
}
