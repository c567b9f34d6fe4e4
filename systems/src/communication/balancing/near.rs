//! Which servers are near: those are asked as long as enough of them are in, and all of them when not (Envoy's
//! priority levels and Istio's locality fail-over, with one step instead of a gradual one).

const MILLION: u64 = 1_000_000;

/// The servers that are near, and how many of them are enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Of each server, whether it is.
    pub is_near: Vec<bool>,
    /// All are asked when a smaller share of the near ones is in, in parts per million.
    pub enough_ppm: u32,
}

impl Near {
    /// Those of `usable` that are to be asked, and whether far ones are among them. `all` are the members.
    #[must_use]
    pub fn choose(&self, all: &[u32], usable: Vec<u32>) -> (Vec<u32>, bool) {
        let is_near = |server: &u32| self.is_near.get(*server as usize).copied().unwrap_or(false);
        let near: Vec<u32> = usable.iter().copied().filter(is_near).collect();
        let of = all.iter().filter(|server| is_near(server)).count() as u64;
        let enough = !near.is_empty() && near.len() as u64 * MILLION >= u64::from(self.enough_ppm) * of;
        if enough { (near, false) } else { (usable, true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_servers_are_asked_when_too_few_near_ones_are_in() {
        let near = Near { is_near: vec![true, true, true, false], enough_ppm: 600_000 };
        let all = [0, 1, 2, 3];
        assert_eq!(near.choose(&all, vec![0, 1, 2, 3]), (vec![0, 1, 2], false));
        assert_eq!(near.choose(&all, vec![0, 2, 3]), (vec![0, 2], false));
        assert_eq!(near.choose(&all, vec![1, 3]), (vec![1, 3], true));
        assert_eq!(near.choose(&[3], vec![3]), (vec![3], true), "nobody is near");
    }
}
