//! `iperf3` between two machines. The shape of the text is that of iperf3 3.12 between two namespaces of Linux; figures
//! that depend on the speed of a machine are the simulation's own.

use hopwise_machine::MachineId;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;

/// `client 10.0.0.1 --- 10.0.0.2 server`
struct Lab {
    world: World,
    client: MachineId,
    server: MachineId,
}

const FAST: WireSpec =
    WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 100_000_000, loss_ppm: 0, jitter: Duration::ZERO };

impl Lab {
    fn over(wire: WireSpec) -> Lab {
        let mut world = World::new(1);
        let (client, server) = (world.add_machine("client"), world.add_machine("server"));
        world.connect((client, "eth0"), (server, "eth0"), wire).unwrap();
        let mut lab = Lab { world, client, server };
        lab.on_client("ip addr add 10.0.0.1/24 dev eth0");
        lab.on_server("ip addr add 10.0.0.2/24 dev eth0");
        lab
    }

    fn on_client(&mut self, line: &str) -> String {
        self.world.run(self.client, line).text
    }

    fn on_server(&mut self, line: &str) -> String {
        self.world.run(self.server, line).text
    }

    /// Runs a server once and a client, and gives what both printed.
    fn measure(&mut self, server: &str, client: &str) -> (String, String) {
        self.on_server(&format!("iperf3 -s {server} >log 2>&1 & sleep 0.1"));
        let text = self.on_client(&format!("iperf3 -c 10.0.0.2 {client}"));
        (text, self.on_server("sleep 0.1; cat log"))
    }
}

/// The text with each run of digits and points made one `#`, and runs of blanks made one: its shape.
fn shape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let (c, figure) = if c.is_ascii_digit() || c == '.' { ('#', true) } else { (c, c == ' ') };
        if !(figure && out.ends_with(c)) {
            out.push(c);
        }
    }
    out
}

#[track_caller]
fn assert_shape(text: &str, expected: &str) {
    assert_eq!(shape(text), shape(expected), "{text}");
}

#[test]
fn tcp_looks_as_on_linux() {
    let (client, server) = Lab::over(FAST).measure("-1", "-t 3");
    println!("{client}\n{server}");
    assert_shape(
        &client,
        "Connecting to host 10.77.0.2, port 5201
[  5] local 10.77.0.1 port 59594 connected to 10.77.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec  12.3 MBytes   103 Mbits/sec    0   53.7 KBytes       
[  5]   1.00-2.00   sec  11.2 MBytes  93.8 Mbits/sec    0   43.8 KBytes       
[  5]   2.00-3.00   sec  11.6 MBytes  97.0 Mbits/sec    0   42.4 KBytes       
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-3.00   sec  35.1 MBytes  98.0 Mbits/sec    0             sender
[  5]   0.00-3.00   sec  34.3 MBytes  95.6 Mbits/sec                  receiver

iperf Done.
",
    );
}
