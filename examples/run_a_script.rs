//! Run a script as it was found, and look at what it printed: `cargo run --example run_a_script`.

use hopwise::World;

const SCRIPT: &str = r#"
set -euo pipefail
for name in red blue; do
    ip netns add "$name"
    ip -n "$name" link set lo up
done
ip link add eth0 netns red type veth peer name eth0 netns blue
ip -n red addr add 10.0.0.1/24 dev eth0
ip -n blue addr add 10.0.0.2/24 dev eth0
ip -n red link set eth0 up
ip -n blue link set eth0 up
ip netns exec red ping -c 3 10.0.0.2
"#;

fn main() {
    // The seed decides MAC addresses and everything else that is random: the same seed, the same bytes.
    let mut world = World::new(42);
    let host = world.add_machine("host");
    let output = world.run_script(host, "setup.sh", SCRIPT).expect_ok();
    print!("{}", output.text);
    println!("all of this took {} s of virtual time", world.now());
}
