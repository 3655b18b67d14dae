//! Programs that speak TCP, run as commands on two machines. The expected text is what the real programs print between
//! two namespaces, but for times and dates, which are virtual here.

mod common;

use common::Lab;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;

fn plain() -> Lab {
    Lab::over(WireSpec::default())
}

/// With `python3 -m http.server 80` in a folder of a few files.
fn serving() -> Lab {
    let mut lab = plain();
    serve(&mut lab);
    lab
}

fn serve(lab: &mut Lab) {
    lab.on_server(
        "mkdir -p /srv/dir; cd /srv; echo hello >small; seq 20000 >big; echo '<h1>' >'a b&.html'; ln -s small link",
    );
    lab.on_server("python3 -m http.server 80 >py.out 2>py.err & sleep 1");
}

#[test]
fn curl_gets_what_the_server_has() {
    let mut lab = serving();
    assert_eq!(lab.on_client("curl -s 10.0.0.2/small"), "hello\n");
    assert_eq!(lab.on_client("curl -sS 10.0.0.2/big >b; seq 20000 | diff - b && wc -c b"), "108894 b\n");
    assert_eq!(lab.on_client("curl -sS -o /dev/null -w '%{http_code} %{size_download}\\n' 10.0.0.2/dir/"), "200 195\n");
    assert_eq!(lab.on_client("curl -s 'http://10.0.0.2/a%20b&.html'"), "<h1>\n");
    assert_eq!(
        lab.on_client("curl -s 10.0.0.2/nothing"),
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n        \
         <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n        \
         <p>Error code: 404</p>\n        <p>Message: File not found.</p>\n        \
         <p>Error code explanation: 404 - Nothing matches the given URI.</p>\n    </body>\n</html>\n"
    );
    let listing = lab.on_client("curl -s 10.0.0.2/ | grep '^<li>'");
    assert!(listing.starts_with("<li><a href=\"a%20b%26.html\">a b&amp;.html</a></li>\n"), "{listing}");
    assert!(listing.contains("<li><a href=\"link\">link@</a></li>\n"), "{listing}");
    assert_eq!(
        lab.on_server("cut -d']' -f2 /srv/py.err | head -n 3"),
        " \"GET /small HTTP/1.1\" 200 -\n \"GET /big HTTP/1.1\" 200 -\n \"GET /dir/ HTTP/1.1\" 200 -\n"
    );
}

#[test]
fn curl_tells_what_went_wrong() {
    let mut lab = serving();
    let mut check = |line: &str, text: &str| assert_eq!(lab.on_client(&format!("{line}; echo $?")), text, "{line}");
    check(
        "curl -sS 10.0.0.2:81",
        "curl: (7) Failed to connect to 10.0.0.2 port 81 after 0 ms: Couldn't connect to server\n7\n",
    );
    check(
        "curl -sS 10.9.0.9",
        "curl: (7) Failed to connect to 10.9.0.9 port 80 after 0 ms: Couldn't connect to server\n7\n",
    );
    check("curl -sS -m 1 10.0.0.99", "curl: (28) Connection timed out after 1001 milliseconds\n28\n");
    check(
        "curl -sS --connect-timeout 1 10.0.0.98",
        "curl: (28) Failed to connect to 10.0.0.98 port 80 after 1001 ms: Timeout was reached\n28\n",
    );
    check("curl -s 10.0.0.2:81 -w '%{http_code}\\n'", "000\n7\n");
    check("curl -sS -f 10.0.0.2/none", "curl: (22) The requested URL returned error: 404\n22\n");
    check("curl -sS nohost.example", "curl: (6) Could not resolve host: nohost.example\n6\n");
    check("curl -sS --interface nope 10.0.0.2", "curl: (45) Couldn't bind to 'nope'\n45\n");
    check(
        "curl -sS --interface 10.0.0.77 10.0.0.2",
        "curl: (45) bind failed with errno 99: Cannot assign requested address\n45\n",
    );
    check("curl -sS https://10.0.0.2", "curl: (1) Protocol \"https\" not supported or disabled in libcurl\n1\n");
}

#[test]
fn curl_tells_what_it_does() {
    let mut lab = serving();
    let text = lab.on_client("curl -sv --interface eth0 10.0.0.2/small 2>&1 | grep -v Date -- | grep -v Last");
    assert_eq!(
        text,
        "*   Trying 10.0.0.2:80...\n* Connected to 10.0.0.2 (10.0.0.2) port 80 (#0)\n> GET /small HTTP/1.1\n\
         > Host: 10.0.0.2\n> User-Agent: curl/7.88.1\n> Accept: */*\n> \n* HTTP 1.0, assume close after body\n\
         < HTTP/1.0 200 OK\n< Server: SimpleHTTP/0.6 Python/3.11.7\n< Content-type: application/octet-stream\n\
         < Content-Length: 6\n< \n{ [6 bytes data]\n* Closing connection 0\nhello\n"
    );
    let text = lab.on_client("curl -sv -L 10.0.0.2/dir -o /dev/null 2>&1 | grep -e '^\\*' -e GET");
    assert_eq!(
        text,
        "*   Trying 10.0.0.2:80...\n* Connected to 10.0.0.2 (10.0.0.2) port 80 (#0)\n> GET /dir HTTP/1.1\n\
         * HTTP 1.0, assume close after body\n* Closing connection 0\n\
         * Issue another request to this URL: 'http://10.0.0.2/dir/'\n* Hostname 10.0.0.2 was found in DNS cache\n\
         *   Trying 10.0.0.2:80...\n* Connected to 10.0.0.2 (10.0.0.2) port 80 (#1)\n> GET /dir/ HTTP/1.0\n\
         * HTTP 1.0, assume close after body\n* Closing connection 1\n"
    );
}

#[test]
fn a_port_that_is_taken_is_a_traceback() {
    let mut lab = serving();
    let text = lab.on_server("python3 -m http.server 80 2>&1 | tail -n 1");
    assert_eq!(text, "OSError: [Errno 98] Address already in use\n");
    assert_eq!(
        lab.on_server("kill %1; sleep 0.1; python3 -m http.server 80 & sleep 1; ss -Htln"),
        "LISTEN 0      5      0.0.0.0:80 0.0.0.0:*\n"
    );
}

#[test]
fn ss_and_netstat_list_sockets() {
    let mut lab = serving();
    lab.on_server("python3 -m http.server --bind 127.0.0.1 8080 2>/dev/null & sleep 1");
    lab.on_client("curl -s -o /dev/null 10.0.0.2/small");
    assert_eq!(
        lab.on_server("ss -tln"),
        "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
         LISTEN 0      5            0.0.0.0:80        0.0.0.0:*          \n\
         LISTEN 0      5          127.0.0.1:8080      0.0.0.0:*          \n"
    );
    let processes = lab.on_server("ss -Htlnp | grep -o 'users:.*' | sed 's/pid=[0-9]*/pid=N/' | uniq");
    assert_eq!(processes, "users:((\"python3\",pid=N,fd=3))\n");
    let remembered = lab.on_server("ss -Htan | grep TIME-WAIT | tr -s ' ' | cut -d: -f1-2");
    assert_eq!(remembered, "TIME-WAIT 0 0 10.0.0.2:80 10.0.0.1\n");
    assert_eq!(
        lab.on_server("netstat -tln"),
        "Active Internet connections (only servers)\n\
         Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n\
         tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN     \n\
         tcp        0      0 127.0.0.1:8080          0.0.0.0:*               LISTEN     \n"
    );
}

#[test]
fn netcats_talk() {
    let mut lab = plain();
    lab.on_server("nc -l 9000 </dev/null >got 2>&1 & sleep 0.1");
    assert_eq!(
        lab.on_client("echo hi | nc -N -v 10.0.0.2 9000"),
        "Connection to 10.0.0.2 9000 port [tcp/*] succeeded!\n"
    );
    assert_eq!(lab.on_server("cat got"), "hi\n");
    assert_eq!(
        lab.on_client("nc -zv 10.0.0.2 9000; echo $?"),
        "nc: connect to 10.0.0.2 port 9000 (tcp) failed: Connection refused\n1\n"
    );
    assert_eq!(
        lab.on_client("nc -zv -w 1 10.0.0.9 9; echo $?"),
        "nc: connect to 10.0.0.9 port 9 (tcp) timed out: Operation now in progress\n1\n"
    );
    lab.on_server("nc -kl 9001 </dev/null >got & sleep 0.1");
    lab.on_client("for i in 1 2 3; do echo $i | nc -q 0 10.0.0.2 9001; done");
    assert_eq!(lab.on_server("cat got"), "1\n2\n3\n");
    lab.on_server("nc -u -l 53 </dev/null >got & sleep 0.1");
    lab.on_client("echo datagram | nc -u -w 1 10.0.0.2 53");
    assert_eq!(lab.on_server("cat got"), "datagram\n");
}

#[test]
fn bulk_crosses_a_lossy_wire_intact() {
    let bad = WireSpec { loss_ppm: 20_000, jitter: Duration::from_millis(2), ..WireSpec::default() };
    let mut lab = Lab::over(bad);
    serve(&mut lab);
    assert_eq!(lab.on_client("curl -sS 10.0.0.2/big >b; seq 20000 | diff - b && wc -c b"), "108894 b\n");
}

#[test]
fn wget_fetches_and_complains() {
    let mut lab = serving();
    assert_eq!(lab.on_client("wget -qO- 10.0.0.2/small"), "hello\n");
    assert_eq!(
        lab.on_client("wget -q 10.0.0.2/big; seq 20000 | diff - big; wget -q 10.0.0.2/big; ls big*"),
        "big\nbig.1\n"
    );
    let text = lab
        .on_client("wget -O- 10.0.0.2/none 2>&1 | sed 's/20..-..-.. ..:..:../DATE/'; wget -qO- 10.0.0.2/none; echo $?");
    assert_eq!(
        text,
        "--DATE--  http://10.0.0.2/none\nConnecting to 10.0.0.2:80... connected.\n\
         HTTP request sent, awaiting response... 404 File not found\nDATE ERROR 404: File not found.\n\n8\n"
    );
    assert_eq!(
        lab.on_client("wget -O- 10.0.0.2:81 2>&1 | tail -n 1; wget -q 10.0.0.2:81; echo $?"),
        "Connecting to 10.0.0.2:81... failed: Connection refused.\n4\n"
    );
    let text = lab.on_client(
        "wget 10.0.0.2/small 2>&1 | sed 's/20..-..-.. ..:..:../DATE/; s/[0-9.]*[KM]=.*/SPEED/; s/(.*B.s)/(SPEED)/'",
    );
    assert_eq!(
        text,
        "--DATE--  http://10.0.0.2/small\nConnecting to 10.0.0.2:80... connected.\n\
         HTTP request sent, awaiting response... 200 OK\nLength: 6 [application/octet-stream]\nSaving to: ‘small’\n\n     \
         0K                                                       100% SPEED\n\nDATE (SPEED) - ‘small’ saved [6/6]\n\n"
    );
}

#[test]
fn proc_net_shows_sockets_as_the_kernel_does() {
    let mut lab = plain();
    lab.on_server("nc -l -k -p 5000 >/dev/null & nc -u -l -p 5001 & sleep 0.1");
    lab.on_client("(echo hello; sleep 100) | nc 10.0.0.2 5000 & sleep 1");
    let tcp = lab.on_server("cat /proc/net/tcp");
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    let lines: Vec<&str> = tcp.lines().collect();
    assert_eq!(lines[0], format!("{head:149}"));
    assert!(lines.iter().all(|line| line.len() == 149), "{tcp}");
    assert!(
        lines[1].starts_with(
            "   0: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2"
        )
    );
    assert!(lines[1].trim_end().ends_with(" 1 0000000000000000 100 0 0 10 0"), "{tcp}");
    assert!(lines[2].starts_with("   1: 0200000A:1388 0100000A:"), "{tcp}");
    assert!(lines[2].contains(" 01 00000000:00000000 00:00000000 00000000     0        0 2"), "{tcp}");
    assert!(lines[2].trim_end().ends_with(" 1 0000000000000000 20 4 30 10 -1"), "{tcp}");
    let udp = lab.on_server("cat /proc/net/udp");
    let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
    assert_eq!(udp.lines().next(), Some(&*format!("{head:127}")));
    assert!(
        udp.lines().nth(1).is_some_and(|line| line.len() == 127
            && line.starts_with(
                " 5001: 00000000:1389 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2"
            )),
        "{udp}"
    );
    assert_eq!(lab.on_server("cat /proc/net/raw | wc -l"), "1\n");
}

/// The data comes right behind the end of the handshake, before a real program has begun to run.
#[test]
fn what_arrives_in_the_same_instant_is_there_when_a_program_wakes() {
    let mut lab = plain();
    lab.on_server("(printf bye | nc -l -p 7 -q 0 -w 3 >got) & sleep 0.1");
    assert_eq!(lab.on_client("echo hello | nc -q 1 -w 2 10.0.0.2 7"), "bye");
    assert_eq!(lab.on_server("sleep 1; cat got"), "hello\n");
}
