//! Name servers and who asks them, run as commands on two machines. The expected text is what BIND's tools print with
//! dnsmasq between two namespaces, but for numbers, times and dates.

use hopwise_machine::MachineId;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;

struct Lab {
    world: World,
    client: MachineId,
    server: MachineId,
}

impl Lab {
    /// `client 10.0.0.1 --- 10.0.0.2 server`, which answers for a few names.
    fn new() -> Lab {
        let mut world = World::new(1);
        let (client, server) = (world.add_machine("client"), world.add_machine("server"));
        world.connect((client, "eth0"), (server, "eth0"), WireSpec::default()).unwrap();
        let mut lab = Lab { world, client, server };
        lab.on_client("ip addr add 10.0.0.1/24 dev eth0");
        lab.on_server("ip addr add 10.0.0.2/24 dev eth0");
        let options = "--no-resolv --no-hosts --address=/web.test/10.1.2.3 --local=/local.test/ \
             --host-record=a.test,srv.local.test,10.0.0.2 --cname=w.test,a.test";
        assert_eq!(lab.on_server(&format!("dnsmasq {options}")), "");
        lab
    }

    fn on_client(&mut self, line: &str) -> String {
        self.world.run(self.client, line).text
    }

    fn on_server(&mut self, line: &str) -> String {
        self.world.run(self.server, line).text
    }
}

#[test]
fn dig_shows_the_whole_answer() {
    let mut lab = Lab::new();
    let text = lab.on_client("dig @10.0.0.2 w.test | sed 's/id: .*/id: N/' | grep -v WHEN");
    assert_eq!(
        text,
        "\n; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> @10.0.0.2 w.test\n; (1 server found)\n;; global options: +cmd\n\
         ;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: N\n\
         ;; flags: qr aa rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1\n\n;; OPT PSEUDOSECTION:\n\
         ; EDNS: version: 0, flags:; udp: 1232\n;; QUESTION SECTION:\n;w.test.\t\t\t\tIN\tA\n\n;; ANSWER SECTION:\n\
         w.test.\t\t\t0\tIN\tCNAME\ta.test.\na.test.\t\t\t0\tIN\tA\t10.0.0.2\n\n;; Query time: 0 msec\n\
         ;; SERVER: 10.0.0.2#53(10.0.0.2) (UDP)\n;; MSG SIZE  rcvd: 71\n\n"
    );
    let mut short = |what: &str| lab.on_client(&format!("dig @10.0.0.2 {what} +short"));
    assert_eq!((short("x.web.test"), short("none.test")), ("10.1.2.3\n".into(), String::new()));
    assert_eq!(short("-x 10.0.0.2"), "a.test.\n");
    let reverse = lab.on_client("dig @10.0.0.2 -x 10.0.0.2 +noall +answer");
    assert_eq!(reverse, "2.0.0.10.in-addr.arpa.\t0\tIN\tPTR\ta.test.\n");
    let status = lab.on_client("dig @10.0.0.2 no.local.test | grep -o 'status: [A-Z]*'");
    assert_eq!(status, "status: NXDOMAIN\n");
}

#[test]
fn nobody_there() {
    let mut lab = Lab::new();
    let text = lab.on_client("dig @10.0.0.2 -p 54 a.test +tries=1 +time=1; echo $?");
    assert_eq!(
        text,
        ";; communications error to 10.0.0.2#54: connection refused\n\n\
         ; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> @10.0.0.2 -p 54 a.test +tries=1 +time=1\n; (1 server found)\n\
         ;; global options: +cmd\n;; no servers could be reached\n9\n"
    );
}

#[test]
fn nslookup_asks_for_both_sorts_of_addresses() {
    let mut lab = Lab::new();
    assert_eq!(
        lab.on_client("nslookup a.test 10.0.0.2; echo $?"),
        "Server:\t\t10.0.0.2\nAddress:\t10.0.0.2#53\n\nName:\ta.test\nAddress: 10.0.0.2\n\
         ** server can't find a.test: REFUSED\n\n1\n"
    );
    assert_eq!(
        lab.on_client("nslookup w.test 10.0.0.2"),
        "Server:\t\t10.0.0.2\nAddress:\t10.0.0.2#53\n\nw.test\tcanonical name = a.test.\nName:\ta.test\n\
         Address: 10.0.0.2\n** server can't find a.test: REFUSED\n\n"
    );
    assert_eq!(lab.on_client("nslookup 10.0.0.2 10.0.0.2"), "2.0.0.10.in-addr.arpa\tname = a.test.\n\n");
}

#[test]
fn curl_finds_a_server_by_its_name() {
    let mut lab = Lab::new();
    lab.on_server("echo hello >index.html; python3 -m http.server 80 2>/dev/null & sleep 1");
    lab.on_client("printf 'nameserver 10.0.0.2\\nsearch local.test\\noptions ndots:2\\n' >/etc/resolv.conf");
    assert_eq!(lab.on_client("curl -s http://srv/"), "hello\n");
    assert_eq!(lab.on_client("curl -sS http://nope/ ; echo $?"), "curl: (6) Could not resolve host: nope\n6\n");
}

#[test]
fn a_server_that_says_nothing_costs_five_seconds_each_time() {
    let mut lab = Lab::new();
    lab.on_client(
        "echo 'nameserver 10.0.0.77' >/etc/resolv.conf; ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:01 dev eth0",
    );
    let text = lab.on_client("s=$(date +%s); curl -s http://srv/; e=$(date +%s); echo $? $((e - s))");
    assert_eq!(text, "0 10\n");
    assert_eq!(lab.on_client("curl -sS -m 2 http://srv/"), "curl: (28) Resolving timed out after 2001 milliseconds\n");
}
