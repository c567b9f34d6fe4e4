//! What had ended when something began, without what that implies.

use crate::sorted::SortedMap;

/// What has ended, less what is implied: whatever had ended before another began that has ended since.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    ended: Vec<u32>,
    /// What had ended when each began that has not ended yet.
    at_beginning: SortedMap<u32, Vec<u32>>,
}

impl Frontier {
    /// One begins: what comes before it.
    pub fn begin(&mut self, index: u32) -> &[u32] {
        self.at_beginning.insert(index, self.ended.clone());
        &self.ended
    }

    /// One ends.
    pub fn end(&mut self, index: u32) {
        let implied = self.at_beginning.remove(&index).unwrap_or_default();
        self.ended.retain(|other| !implied.contains(other));
        self.ended.push(index);
    }
}
