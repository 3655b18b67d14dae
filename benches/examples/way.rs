//! One world of the benchmarks, so many bursts of packets through it: what `perf` and `valgrind --tool=callgrind` look at.
//! The difference between two numbers of bursts is what packets cost, without the building of the world.
//!
//! ```text
//! cargo build --release -p hopwise-benches --example way
//! valgrind --tool=callgrind target/release/examples/way vxlan 100
//! target/release/examples/way vxlan 32000 1400       # world, bursts, bytes of a frame
//! ```

#![expect(clippy::disallowed_types, reason = "what it takes is what it tells")]

use std::time::Instant;

use hopwise_benches::{Carrier, Chain, ChainOptions, Switch, Tunnel};
use hopwise_stack::NlError;

/// Packets of a burst.
const BURST: u32 = 64;
/// Bursts that are timed together. On a shared machine the fastest round is the least disturbed one.
const ROUND: u32 = 16;

fn main() -> Result<(), NlError> {
    let mut args = std::env::args().skip(1);
    let world = args.next().unwrap_or_else(|| "hop".into());
    let bursts: u32 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let size = args.next().and_then(|n| n.parse().ok()).unwrap_or(64);
    let mut send = sender(&world, size)?;
    send();
    let begun = Instant::now();
    let (mut ended, mut fastest) = (0, f64::INFINITY);
    for _ in 0..bursts.div_ceil(ROUND) {
        let round = Instant::now();
        let units: u64 = (0..ROUND).map(|_| send()).sum();
        fastest = fastest.min(round.elapsed().as_nanos() as f64 / units.max(1) as f64);
        ended += units;
    }
    let each = begun.elapsed().as_nanos() as f64 / ended.max(1) as f64;
    println!("{world}: {ended} units, {each:.1} ns each, {fastest:.1} ns in the fastest round");
    Ok(())
}

/// What sends a burst through a world (a tunnel's frames have `size` bytes) and says how many units of work that was: hops, copies, packets.
fn sender(world: &str, size: usize) -> Result<Box<dyn FnMut() -> u64>, NlError> {
    Ok(match world {
        "flood" => {
            let mut switch = Switch::new(256, 64)?;
            Box::new(move || switch.send_flood(8))
        }
        "unicast" => {
            let mut switch = Switch::new(256, 64)?;
            Box::new(move || switch.send_unicast(BURST))
        }
        "hop" => {
            let mut chain = Chain::new(ChainOptions { routes: 1_000, ..ChainOptions::default() })?;
            Box::new(move || chain.send(BURST) * 8)
        }
        carrier => {
            let carrier = match carrier {
                "vxlan" => Carrier::Vxlan,
                "ipip" => Carrier::Ipip,
                _ => Carrier::Wire,
            };
            let mut tunnel = Tunnel::new(carrier, size)?;
            Box::new(move || tunnel.send(BURST))
        }
    })
}
