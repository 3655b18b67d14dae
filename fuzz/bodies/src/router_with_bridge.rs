//! Arbitrary frames on the links of a router with a bridge.

use hopwise_sim_core::Duration;

use super::worlds::{Router, assert_conserved, router};

/// At most this many frames of one input.
const FRAMES: usize = 64;

/// Cuts `data` into frames (a byte for entry and pause, two for the length, the frame) and puts them in.
pub fn run(data: &[u8]) {
    let Router { mut world, entries, .. } = router();
    let mut rest = data;
    for _ in 0..FRAMES {
        let Some((&[how, high, low], after)) = rest.split_first_chunk::<3>() else { break };
        let len = usize::from(u16::from_be_bytes([high & 0x07, low])).min(after.len());
        let (frame, tail) = after.split_at(len);
        rest = tail;
        let (ns, link) = entries[usize::from(how) % entries.len()];
        world.kernel.net.inject(ns, link, frame);
        // Some frames come together, some with time in between, in which ARP and reassembly give up.
        if how & 0x80 != 0 {
            let pause = [1_000, 1_000_000, 1_000_000_000, 60_000_000_000][usize::from((how >> 5) & 3)];
            world.run_for(Duration::from_nanos(pause));
            assert_conserved(&world.kernel.net);
        }
    }
    world.run_for(Duration::from_secs(40));
    assert_conserved(&world.kernel.net);
}
