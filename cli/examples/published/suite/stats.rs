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

/// How far the cumulative distribution of `n` draws strays from the true one, at most, in all but one of a thousand samples
/// (Dvoretzky, Kiefer, Wolfowitz; Massart's constant).
pub fn stray(n: usize) -> f64 {
    /// The natural logarithm of two over a thousandth.
    const LOG: f64 = 7.600_902_459_542_082;
    (LOG / (2.0 * n as f64)).sqrt()
}
