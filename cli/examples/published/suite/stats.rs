//! What the bands are made of: quantiles, distances between distributions, intervals of counts.

/// The value below which `share` of a sorted sample lies: the nearest rank.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The mean.
pub fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

/// The standard deviation of the mean of a sample like this.
pub fn error_of_mean(sample: &[f64]) -> f64 {
    let mean = mean(sample);
    let variance = sample.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / sample.len() as f64;
    (variance / sample.len() as f64).sqrt()
}

/// The share of a sorted sample that is at most `value`.
pub fn share_up_to(sorted: &[f64], value: f64) -> f64 {
    sorted.partition_point(|x| *x <= value) as f64 / sorted.len() as f64
}

/// The largest distance between two cumulative distributions (Kolmogorov-Smirnov), of sorted samples.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    let apart = |x: &f64| (share_up_to(a, *x) - share_up_to(b, *x)).abs();
    a.iter().chain(b).map(apart).fold(0.0, f64::max)
}

/// How far apart samples of `n` and `m` draws from one distribution are at most, but for one pair of twenty (Kolmogorov and Smirnov).
pub fn apart(n: usize, m: usize) -> f64 {
    let (n, m) = (n as f64, m as f64);
    1.358 * ((n + m) / (n * m)).sqrt()
}

/// How far the cumulative distribution of `n` draws strays from the true one, at most, in all but one of a thousand samples
/// (Dvoretzky, Kiefer, Wolfowitz; Massart's constant).
pub fn stray(n: usize) -> f64 {
    /// The natural logarithm of two over a thousandth.
    const LOG: f64 = 7.600_902_459_542_082;
    (LOG / (2.0 * n as f64)).sqrt()
}

/// From and to which count all but `outside` of the binomial distributions lie, half of that on either side.
pub fn binomial_band(n: u64, p: f64, outside: f64) -> (u64, u64) {
    // Each probability relative to that of the mode: the whole does not fit a float.
    let mode = ((n + 1) as f64 * p) as u64;
    let odds = p / (1.0 - p);
    let mut weights = vec![0.0; n as usize + 1];
    weights[mode as usize] = 1.0;
    for k in mode + 1..=n {
        weights[k as usize] = weights[k as usize - 1] * odds * (n - k + 1) as f64 / k as f64;
    }
    for k in (0..mode).rev() {
        weights[k as usize] = weights[k as usize + 1] / odds * (k + 1) as f64 / (n - k) as f64;
    }
    let tail = weights.iter().sum::<f64>() * outside / 2.0;
    let reach = |weights: &mut dyn Iterator<Item = &f64>| {
        let mut sum = 0.0;
        weights
            .take_while(|weight| {
                sum += **weight;
                sum <= tail
            })
            .count() as u64
    };
    (reach(&mut weights.iter()), n - reach(&mut weights.iter().rev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_those_of_the_tables() {
        // Binomial(20, 1/2): P(X <= 3) = .0013, P(X <= 4) = .0059; so 99 % lie in 4..16.
        assert_eq!(binomial_band(20, 0.5, 0.01), (4, 16));
        // P(X <= 2) = .0002: 99.9 % lie in 3..17.
        assert_eq!(binomial_band(20, 0.5, 0.001), (3, 17));
        let (lo, hi) = binomial_band(20_000, 0.271, 0.01);
        // The normal approximation: 5420 ± 2.576 * 62.86.
        assert!(lo.abs_diff(5258) <= 2 && hi.abs_diff(5582) <= 2, "{lo}..{hi}");
    }

    #[test]
    fn distances_and_quantiles() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [2.5, 3.5, 4.5, 5.5]);
        assert_eq!((distance(&a, &b), distance(&a, &a)), (0.5, 0.0));
        assert_eq!((quantile(&a, 0.5), quantile(&a, 0.99), share_up_to(&a, 2.0)), (2.0, 4.0, 0.5));
        assert!((stray(5000) - 0.0276).abs() < 1e-4);
        assert!((apart(80, 80) - 0.2147).abs() < 1e-4);
    }
}
