//! Random numbers that are the same in every run: one stream per purpose and entity, all derived from the seed.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng as _, SeedableRng};

/// A random stream of its own. Two purposes never draw from the same stream, so that one more draw in one place does
/// not change what another place sees. The generator (PCG32) is pinned: its values do not change between versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(Pcg32);

impl Rng {
    /// The stream of `purpose` (a short constant text such as `"mac"`) for `entity` (its number), under `seed`.
    ///
    /// ```
    /// use hopwise_sim_core::Rng;
    /// assert_eq!(Rng::stream(1, "mac", 7).next_u64(), Rng::stream(1, "mac", 7).next_u64());
    /// assert_ne!(Rng::stream(1, "mac", 7).next_u64(), Rng::stream(1, "neigh", 7).next_u64());
    /// ```
    pub fn stream(seed: u64, purpose: &str, entity: u64) -> Self {
        // FNV-1a over the purpose, then a finalizer: streams of neighbouring entities must not resemble each other.
        let tag =
            purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let state = mix(seed ^ mix(tag) ^ mix(entity.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&state.to_le_bytes());
        bytes[8..].copy_from_slice(&mix(state ^ tag).to_le_bytes());
        Rng(Pcg32::from_seed(bytes))
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound` (0 if `bound` is 0), as the kernel's `get_random_u32_below`.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}

/// SplitMix64's finalizer: every input bit changes about half of the output bits.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn values_are_pinned() {
        let mut rng = Rng::stream(0, "test", 0);
        assert_eq!([rng.next_u32(), rng.next_u32()], PINNED);
    }
    const PINNED: [u32; 2] = [2_789_467_326, 1_193_642_297];

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::stream(3, "test", 1);
        assert!((0..1000).all(|_| rng.below(10) < 10));
        assert_eq!(rng.below(0), 0);
    }
}
