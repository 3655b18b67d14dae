//! `iperf3` between two machines. The shape of the text is that of iperf3 3.12 between two namespaces of Linux; figures
//! that depend on the speed of a machine are the simulation's own.

mod common;

use common::Lab;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;

const FAST: WireSpec =
    WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 100_000_000, loss_ppm: 0, jitter: Duration::ZERO, number: 0 };

/// Runs a server once and a client, and gives what both printed.
fn measure(lab: &mut Lab, server: &str, client: &str) -> (String, String) {
    lab.on_server(&format!("iperf3 -s {server} >log 2>&1 & sleep 0.1"));
    let text = lab.on_client(&format!("iperf3 -c 10.0.0.2 {client}"));
    (text, lab.on_server("sleep 0.1; cat log"))
}

/// The text with each run of digits and points made one `#`, runs of blanks made one, and thousands and millions the same: its
/// shape.
fn shape(text: &str) -> String {
    let mut out = String::new();
    for c in text.replace("MBytes", "KBytes").chars() {
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
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-t 3");
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

#[test]
fn the_server_looks_as_on_linux() {
    let (_, server) = measure(&mut Lab::over(FAST), "-1", "-t 3");
    assert_shape(
        &server,
        "-----------------------------------------------------------
Server listening on 5201 (test #1)
-----------------------------------------------------------
Accepted connection from 10.77.0.1, port 59584
[  5] local 10.77.0.2 port 5201 connected to 10.77.0.1 port 59594
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-1.00   sec  11.4 MBytes  95.7 Mbits/sec                  
[  5]   1.00-2.00   sec  11.4 MBytes  95.6 Mbits/sec                  
[  5]   2.00-3.00   sec  11.4 MBytes  95.6 Mbits/sec                  
[  5]   3.00-3.00   sec  49.5 KBytes  95.6 Mbits/sec                  
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-3.00   sec  34.3 MBytes  95.6 Mbits/sec                  receiver
",
    );
}

#[test]
fn udp_streams_both_ways() {
    let (client, server) = measure(&mut Lab::over(FAST), "-1", "-u --bidir -t 1 -P 2");
    assert_shape(
        &client,
        "Connecting to host 10.77.0.2, port 5201
[  5] local 10.77.0.1 port 56474 connected to 10.77.0.2 port 5201
[  7] local 10.77.0.1 port 34143 connected to 10.77.0.2 port 5201
[  9] local 10.77.0.1 port 40178 connected to 10.77.0.2 port 5201
[ 11] local 10.77.0.1 port 59495 connected to 10.77.0.2 port 5201
[ ID][Role] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec            91  
[  7][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec            91  
[SUM][TX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec            182  
[  9][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.009 ms  0/91 (0%)  
[ 11][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.009 ms  0/91 (0%)  
[SUM][RX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec  0.012 ms  0/182 (0%)  
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID][Role] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.000 ms  0/91 (0%)  sender
[  5][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.186 ms  0/91 (0%)  receiver
[  7][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.000 ms  0/91 (0%)  sender
[  7][TX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.186 ms  0/91 (0%)  receiver
[SUM][TX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec  0.000 ms  0/182 (0%)  sender
[SUM][TX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec  0.505 ms  0/182 (0%)  receiver
[  9][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.000 ms  0/91 (0%)  sender
[  9][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.009 ms  0/91 (0%)  receiver
[ 11][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.000 ms  0/91 (0%)  sender
[ 11][RX-C]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.009 ms  0/91 (0%)  receiver
[SUM][RX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec  0.000 ms  0/182 (0%)  sender
[SUM][RX-C]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec  0.012 ms  0/182 (0%)  receiver

iperf Done.
",
    );
    assert!(server.contains("[  6] local 10.0.0.2 port 5201 connected to 10.0.0.1 port "), "{server}");
    assert!(
        server.contains("[SUM][TX-S]   0.00-1.00   sec   257 KBytes  2.11 Mbits/sec            182  \n"),
        "{server}"
    );
}

/// The figures of the line that ends so: seconds, bits per second.
fn rate(text: &str, side: &str) -> f64 {
    let line = text.lines().rfind(|line| line.ends_with(side)).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.ends_with("bits/sec")).unwrap_or_else(|| panic!("{text}"));
    let unit = match words[at] {
        "Gbits/sec" => 1e9,
        "Mbits/sec" => 1e6,
        "Kbits/sec" => 1e3,
        _ => 1.0,
    };
    words[at - 1].parse::<f64>().unwrap() * unit
}

#[track_caller]
fn assert_near(value: f64, wanted: f64, percent: f64) {
    assert!((value - wanted).abs() <= wanted * percent / 100.0, "{value} is not about {wanted}");
}

#[test]
fn a_wire_carries_what_it_can() {
    // Of 1514 bytes, 1448 are data.
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-t 3");
    assert_near(rate(&client, "receiver"), 100e6 * 1448.0 / 1514.0, 0.3);
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-t 3 -R -P 3");
    assert_near(rate(&client, "receiver"), 100e6 * 1448.0 / 1514.0, 1.0);
    // Datagrams beyond that wait, at most a thousand, or are lost.
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-u -b 200M -t 2");
    assert_near(rate(&client, "receiver"), 100e6 * 1448.0 / 1490.0, 0.3);
    assert_near(rate(&client, "sender"), 200e6, 0.3);
    assert!(client.contains("%)  receiver"), "{client}");
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-u -b 20M -t 2");
    assert_near(rate(&client, "receiver"), 20e6, 0.3);
    let (client, _) = measure(&mut Lab::over(FAST), "-1", "-b 10M -t 2");
    assert_near(rate(&client, "receiver"), 10e6, 6.0);
}

#[test]
fn a_window_limits_what_is_on_the_way() {
    let far = WireSpec { delay: Duration::from_millis(10), ..WireSpec::default() };
    let (client, _) = measure(&mut Lab::over(far), "-1", "-t 3 -w 64K");
    let (half, _) = measure(&mut Lab::over(far), "-1", "-t 3 -w 32K");
    // About 64 KB in each round trip of 20 ms.
    let rate_of = |text: &str| rate(text, "receiver");
    assert_near(rate_of(&client), 64.0 * 1024.0 * 8.0 / 0.02, 50.0);
    assert_near(rate_of(&half), rate_of(&client) / 2.0, 25.0);
    // Left to the kernel, the window grows until it is no limit.
    let (free, _) = measure(&mut Lab::over(far), "-1", "-t 3");
    assert!(rate_of(&free) > 5.0 * rate_of(&client), "{free}");
}

#[test]
fn losses_are_counted() {
    let lossy = WireSpec { loss_ppm: 10_000, ..FAST };
    let (client, _) = measure(&mut Lab::over(lossy), "-1", "-t 3");
    let sender = client.lines().find(|line| line.ends_with("sender")).unwrap_or_default();
    let again: u64 = sender.split_whitespace().rev().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
    assert!(again > 20, "{client}");
    let (client, _) = measure(&mut Lab::over(lossy), "-1", "-u -b 20M -t 2");
    assert_near(rate(&client, "receiver"), 0.99 * 20e6, 1.0);
}

#[test]
fn others_are_told_that_it_is_busy() {
    let mut lab = Lab::over(FAST);
    lab.on_server("iperf3 -s >log 2>&1 & sleep 0.1");
    lab.on_client("iperf3 -c 10.0.0.2 -t 3 >first & sleep 1");
    assert_eq!(
        lab.on_client("iperf3 -c 10.0.0.2 -t 1; echo $?"),
        "iperf3: error - the server is busy running a test. try again later\n1\n"
    );
    let json = lab.on_client("iperf3 -c 10.0.0.2 -t 1 -J; echo $?");
    assert!(
        json.ends_with(
            "\t},\n\t\"intervals\":\t[],\n\t\"end\":\t{\n\t},\n\t\"error\":\t\"the server is busy running a test. try again later\"\n}\n0\n"
        ),
        "{json}"
    );
    lab.on_client("sleep 3");
    assert!(lab.on_client("cat first").ends_with("\niperf Done.\n"));
    assert_eq!(
        lab.on_client("iperf3 -c 10.0.0.2 -p 1; echo $?"),
        "iperf3: error - unable to connect to server: Connection refused\n1\n"
    );
    assert_eq!(
        lab.on_server("iperf3 -s; echo $?"),
        "iperf3: error - unable to start listener for connections: Address already in use\niperf3: exiting\n1\n"
    );
    // A signal ends the server and tells the client.
    lab.on_client("iperf3 -c 10.0.0.2 -t 3 >second 2>&1 & sleep 1");
    lab.on_server("kill %1; sleep 1");
    let log = lab.on_server("cat log");
    assert!(log.contains("iperf3: interrupt - the server has terminated\n"), "{log}");
    let second = lab.on_client("cat second");
    assert!(second.starts_with("iperf3: error - the server has terminated\n"), "{second}");
    assert!(second.contains("] 0.00-") || second.contains("sender\n"), "{second}");
}

/// Bytes as `printf` takes them.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[test]
fn nonsense_on_the_control_connection_is_borne() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let cookie = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0".to_vec();
    let json = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let tokens = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        Just(cookie),
        any::<u8>().prop_map(|byte| vec![byte]),
        prop_oneof![Just(1u8), Just(2), Just(4), Just(9), Just(10), Just(13), Just(14), Just(16), Just(254)]
            .prop_map(|b| vec![b]),
        Just(json(r#"{"tcp":true,"time":1,"parallel":1,"len":131072}"#)),
        Just(json(r#"{"udp":true,"time":1e300,"num":-5,"parallel":99999,"len":1,"bandwidth":18446744073709551615}"#)),
        Just(json(r#"{"streams":[{"id":1,"bytes":1e400,"end_time":-3}],"cpu_util_total":"x"}"#)),
        Just(json("[[[[")),
        Just(vec![0xff; 4]),
    ];
    let strategy = (proptest::collection::vec(tokens, 0..8), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&strategy, |(pieces, to_server)| {
        let bytes = escaped(&pieces.concat());
        let mut lab = Lab::over(FAST);
        if to_server {
            lab.on_server("iperf3 -s >log 2>&1 & sleep 0.1");
            lab.on_client(&format!("printf '{bytes}' | nc -N -w 2 10.0.0.2 5201 >/dev/null"));
            let text = lab.on_client("sleep 1; iperf3 -c 10.0.0.2 -n 1K");
            prop_assert!(text.ends_with("iperf Done.\n"), "{}", text);
        } else {
            lab.on_server(&format!("printf '{bytes}' | nc -N -l -p 5201 >/dev/null & sleep 0.1"));
            lab.on_client("iperf3 -c 10.0.0.2 -n 1K >out 2>&1 & sleep 40; kill %1 2>/dev/null");
        }
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn a_wire_without_a_limit_is_limited_by_the_machines() {
    let (client, _) = measure(&mut Lab::over(WireSpec::default()), "-1", "-t 1");
    assert_near(rate(&client, "receiver"), 4e9, 5.0);
    let (client, _) = measure(&mut Lab::over(WireSpec::default()), "-1", "-u -b 0 -t 1");
    assert_near(rate(&client, "receiver"), 2.4e9, 5.0);
}
