//! Write what happened for Wireshark: `cargo run --example write_a_pcap [FOLDER]`.

use std::path::PathBuf;

use hopwise::World;
use hopwise::capture::Capture;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.record_everything();
    world
        .run(
            host,
            "ip netns add pod; ip link add veth0 type veth peer name eth0 netns pod
             ip addr add 10.0.0.1/24 dev veth0; ip link set veth0 up
             ip -n pod addr add 10.0.0.2/24 dev eth0; ip -n pod link set eth0 up
             ping -c 2 10.0.0.2; traceroute -n 10.0.0.2",
        )
        .expect_ok();

    // One link as a pcap, as `tcpdump -w` writes it ...
    let pcap = folder.join("hopwise-veth0.pcap");
    std::fs::write(&pcap, Capture::of(&world, "host:veth0").ok_or("there is no such link")?.to_pcap())?;
    // ... and all links in one pcapng: an interface each, and why a packet died in its comment.
    let pcapng = folder.join("hopwise-all.pcapng");
    std::fs::write(&pcapng, world.pcapng(|_| true))?;
    println!("{}\n{}", pcap.display(), pcapng.display());
    Ok(())
}
