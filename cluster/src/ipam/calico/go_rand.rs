//! Go's `math/rand` as far as Calico's choice of blocks needs it: an additive lagged Fibonacci generator (x^607 + x^273 + 1), the
//! 32 bits of `Uint32`, and `big.Int.Rand`. With it a node of the same name gets the same block as on a real cluster.

mod cooked;

/// So many words of state.
const LEN: usize = 607;
/// The distance of the second summand.
const TAP: usize = 273;
/// The modulus of the small generator that fills the state.
const INT32_MAX: u64 = (1 << 31) - 1;

/// A source of random numbers, as `rand.New(rand.NewSource(seed))`.
#[derive(Clone, Debug)]
pub(super) struct GoRand {
    state: Vec<u64>,
    tap: usize,
    feed: usize,
}

impl GoRand {
    /// The source with this seed.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = fill(u64::from(seed), 40, 20);
        state.iter_mut().zip(cooked::COOKED).for_each(|(word, cooked)| *word ^= cooked);
        GoRand { state, tap: 0, feed: LEN - TAP }
    }

    fn next(&mut self) -> u64 {
        self.tap = (self.tap + LEN - 1) % LEN;
        self.feed = (self.feed + LEN - 1) % LEN;
        self.state[self.feed] = self.state[self.feed].wrapping_add(self.state[self.tap]);
        self.state[self.feed]
    }

    /// `Rand.Int63`.
    pub(super) fn int63(&mut self) -> u64 {
        self.next() & (u64::MAX >> 1)
    }

    /// `Rand.Uint32`.
    pub(super) fn uint32(&mut self) -> u32 {
        (self.int63() >> 31) as u32
    }

    /// `big.Int.Rand` for a limit of one word: as many bits as the limit has, again until they are below it.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        let mask = u32::MAX.checked_shr(limit.leading_zeros()).unwrap_or(0);
        loop {
            let (low, _high) = (self.uint32(), self.uint32());
            if low & mask < limit || limit == 0 {
                return low & mask;
            }
        }
    }
}

/// The state that a seed begins with: three numbers of a Lehmer generator, shifted into each word.
fn fill(seed: u64, high: u32, low: u32) -> Vec<u64> {
    let mut x = match seed % INT32_MAX {
        0 => 89_482_311,
        seed => seed,
    };
    let mut number = || {
        x = x * 48_271 % INT32_MAX;
        x
    };
    (0..20).for_each(|_| {
        number();
    });
    (0..LEN).map(|_| number() << high ^ number() << low ^ number()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_go() {
        let mut one = GoRand::new(1);
        assert_eq!([one.int63(), one.int63()], [5_577_006_791_947_779_410, 8_674_665_223_082_153_551]);
    }

    /// A polynomial in the step of the recurrence, modulo x^607 = x^334 + 1.
    type Poly = Vec<u64>;

    fn times(a: &Poly, b: &Poly) -> Poly {
        let mut product = vec![0u64; 2 * LEN];
        for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != 0) {
            for (p, b) in product[i..].iter_mut().zip(b) {
                *p = p.wrapping_add(a.wrapping_mul(*b));
            }
        }
        for k in (LEN..2 * LEN).rev() {
            let carried = product[k];
            product[k - TAP] = product[k - TAP].wrapping_add(carried);
            product[k - LEN] = product[k - LEN].wrapping_add(carried);
        }
        product.truncate(LEN);
        product
    }

    /// 7.8 * 10^12 steps are one power of the step: the table is what the recurrence gives.
    #[test]
    fn the_table_is_derived_from_the_recurrence() {
        const STEPS: usize = 7_800_000_000_000;
        let unit = |at: usize| (0..LEN).map(|i| u64::from(i == at)).collect::<Poly>();
        let (mut jump, mut base, mut left) = (unit(0), unit(1), STEPS);
        while left > 0 {
            if left & 1 == 1 {
                jump = times(&jump, &base);
            }
            base = times(&base, &base);
            left >>= 1;
        }
        // The state is read from position 333 downwards: there the oldest number lies.
        let slot = |n: usize| (LEN - TAP - 1 + LEN - n % LEN) % LEN;
        let first = fill(1, 20, 10);
        let mut numbers: Vec<u64> = (0..LEN).map(|n| first[slot(n)]).collect();
        (LEN..2 * LEN).for_each(|n| numbers.push(numbers[n - LEN].wrapping_add(numbers[n - TAP])));
        let mut state = vec![0; LEN];
        for n in 0..LEN {
            let sum = jump.iter().zip(&numbers[n..]).fold(0u64, |sum, (j, x)| sum.wrapping_add(j.wrapping_mul(*x)));
            state[slot(STEPS + n)] = sum;
        }
        assert_eq!(state, cooked::COOKED);
    }
}
