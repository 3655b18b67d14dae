//! The distributions of netem's delays: tables of 4,096 quantiles, 8,192 standing for one standard deviation, as
//! iproute2 installs them. They are computed by the compiler, with additions and multiplications only.

/// How many quantiles a table has.
pub const SIZE: usize = 4096;

/// What stands for one standard deviation (`NETEM_DIST_SCALE`).
pub const SCALE: i64 = 8192;

/// A distribution of delays.
#[derive(Debug)]
pub struct Distribution {
    /// Its name.
    pub name: &'static str,
    /// Its quantiles.
    pub table: &'static [i16; SIZE],
}

impl PartialEq for Distribution {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All distributions.
pub static DISTRIBUTIONS: &[Distribution] = &[
    Distribution { name: "normal", table: &NORMAL },
    Distribution { name: "pareto", table: &PARETO },
    Distribution { name: "paretonormal", table: &PARETONORMAL },
];

/// The distribution of that name.
pub fn find(name: &str) -> Option<&'static Distribution> {
    DISTRIBUTIONS.iter().find(|distribution| distribution.name == name)
}

static NORMAL: [i16; SIZE] = rounded(&NORMAL_QUANTILES);
static PARETO: [i16; SIZE] = rounded(&PARETO_QUANTILES);
static PARETONORMAL: [i16; SIZE] = mixed();

static NORMAL_QUANTILES: [f64; SIZE] = normal();
static PARETO_QUANTILES: [f64; SIZE] = pareto();

/// The place of the last value in iproute2's finer table that falls on entry `i`.
const fn place(i: usize) -> f64 {
    (4.0 * i as f64 + 0.5) / 16384.0
}

/// The standard normal distribution, from the middle to both sides.
const fn normal() -> [f64; SIZE] {
    let mut table = [0.0; SIZE];
    let (mut z, mut p) = (0.0, 0.5);
    let mut i = SIZE / 2;
    while i < SIZE {
        (z, p) = step(z, p, place(i));
        table[i] = z;
        i += 1;
    }
    (z, p) = (0.0, 0.5);
    i = SIZE / 2;
    while i > 0 {
        i -= 1;
        (z, p) = step(z, p, 1.0 - place(i));
        table[i] = -z;
    }
    table
}

/// From the quantile `z` of `p` to that of `to`, a little further out, in 32 steps of the inverse's Taylor series.
const fn step(mut z: f64, p: f64, to: f64) -> (f64, f64) {
    let part = (to - p) / 32.0;
    let mut n = 0;
    while n < 32 {
        let d = part / density(z);
        z += d * (1.0 + d * (z / 2.0 + d * (1.0 + 2.0 * z * z) / 6.0));
        n += 1;
    }
    (z, to)
}

/// The density of the standard normal distribution.
const fn density(z: f64) -> f64 {
    /// The square root of 2 pi.
    const ROOT: f64 = 2.506_628_274_631_000_5;
    // exp(x) is exp(x / 64) squared six times.
    let x = z * z / 128.0;
    let mut e = 1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0))));
    let mut n = 0;
    while n < 6 {
        e *= e;
        n += 1;
    }
    1.0 / (ROOT * e)
}

/// A Pareto distribution of exponent 3, moved to mean 0 and scaled to deviation 1.
const fn pareto() -> [f64; SIZE] {
    let mut table = [0.0; SIZE];
    let mut i = 0;
    let mut root = 1.0;
    while i < SIZE {
        let p = 1.0 - i as f64 / SIZE as f64;
        // Newton's iteration for the cube root, from that of the neighbour.
        let mut n = 0;
        while n < 6 {
            root -= (root * root * root - p) / (3.0 * root * root);
            n += 1;
        }
        table[i] = (1.0 / root - 1.5) * 4.0 / 3.0;
        i += 1;
    }
    table
}

/// A quarter of normal, three quarters of Pareto.
const fn mixed() -> [i16; SIZE] {
    let mut table = [0; SIZE];
    let mut i = 0;
    while i < SIZE {
        let normal = NORMAL_QUANTILES[i] * SCALE as f64;
        table[i] = (normal / 4.0 + PARETO[i] as f64 * 0.75) as i16;
        i += 1;
    }
    table
}

/// To integers; beyond four deviations they are cut off.
const fn rounded(quantiles: &[f64; SIZE]) -> [i16; SIZE] {
    let mut table = [0; SIZE];
    let mut i = 0;
    while i < SIZE {
        let value = quantiles[i] * SCALE as f64;
        table[i] = if value < 0.0 { (value - 0.5) as i16 } else { (value + 0.5) as i16 };
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the tables that iproute2 6.1 installs.
    #[test]
    fn the_tables_are_those_of_iproute2() {
        for (name, expected) in [
            ("normal", [(0, -32768), (1, -28307), (16, -21770), (256, -12566), (4088, 23679), (4095, 28858)]),
            ("pareto", [(0, -5461), (1, -5460), (16, -5447), (256, -5224), (4088, 32767), (4095, 32767)]),
            ("paretonormal", [(0, -12305), (1, -11171), (16, -9527), (256, -7059), (4088, 30495), (4095, 31789)]),
        ] {
            let table = find(name).map(|d| d.table).expect("the distribution is there");
            for (place, value) in expected {
                assert!((i32::from(table[place]) - value).abs() <= 2, "{name}[{place}]: {} {value}", table[place]);
            }
        }
    }
}
