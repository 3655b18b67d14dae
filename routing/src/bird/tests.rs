//! The configuration's language and filters. What is expected is what BIRD 2.0.12 answered to the same text.

use hopwise_sim_core::Time;
use proptest::prelude::*;

use super::config::{self, Policy};
use super::daemon::{Daemon, Output};
use super::filter;
use super::route::{Route, Source};

fn check(text: &str) -> String {
    match config::parse("b.conf", &format!("{text}\n"), &mut |_| Err("No such file or directory".into())) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn errors_have_birds_words_and_place() {
    let cases = [
        ("foo;", "b.conf:1:1 syntax error, unexpected CF_SYM_UNDEFINED"),
        ("router id 1.2.3.4", "b.conf:1:0 syntax error, unexpected END, expecting ';'"),
        ("router id 1.2.3;", "b.conf:1:12 syntax error, unexpected '.', expecting ';'"),
        ("protocol bgp { local as 1 }", "b.conf:1:27 syntax error, unexpected '}', expecting PORT or ';' or AS"),
        ("protocol bgp { local as 65000; neighbor 10.0.0.1 as 65001; }", ""),
        ("protocol bgp { local as 65000; }", "b.conf:1:32 Neighbor must be configured"),
        ("protocol bgp { neighbor 10.0.0.1 as 65001; }", "b.conf:1:44 Local AS number must be set"),
        (
            "protocol bgp { local as 65000; neighbor 10.0.0.1; }",
            "b.conf:1:51 Remote AS number (or peer type) must be set",
        ),
        (
            "protocol kernel { ipv4 { export all; }; } protocol kernel { ipv4 { export all; }; }",
            "b.conf:1:83 Kernel syncer (kernel1) already attached to table master4",
        ),
        ("protocol xyz { }", "b.conf:1:10 syntax error, unexpected CF_SYM_UNDEFINED"),
        (
            "log \"x.log\" all; log syslog all; log stderr { error, info };",
            "b.conf:1:0 No protocol is specified in the config file",
        ),
        ("filter f { accept; } filter f { accept; }", "b.conf:1:29 Symbol 'f' already defined"),
        (
            "filter f { int x; x = \"abc\"; accept; }",
            "b.conf:1:28 Argument 1 of VAR_SET must be of type int, got type string",
        ),
        ("filter f { if foo then accept; }", "b.conf:1:15 syntax error, unexpected CF_SYM_UNDEFINED"),
        (
            "filter f { bgp_path = 5; accept; }",
            "b.conf:1:24 Argument 1 of EA_SET must be of type bgppath, got type int",
        ),
        ("define A = 5; define A = 6;", "b.conf:1:27 Symbol 'A' already defined"),
        ("protocol static { route 10.0.0.0/8 via 1.2.3.4; }", "b.conf:1:49 Channel not specified"),
        (
            "include \"nonexist.conf\";",
            "b.conf:1:10 Unable to open included file ./nonexist.conf: No such file or directory",
        ),
        (
            "ipv4 table t2; protocol kernel { ipv4 { table t3; }; }",
            "b.conf:1:47 syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN",
        ),
        ("\"unterminated", "b.conf:1:14 Unterminated string"),
        ("filter f { accept }", "b.conf:1:19 syntax error, unexpected '}'"),
        ("router id 999.1.1.1;", "b.conf:1:11 Invalid IPv4 address 999.1.1.1"),
        ("router id 1.1.1.1; @", "b.conf:1:20 Unknown character"),
        (
            "protocol bgp { local as 65000; neighbor 10.0.0.1 as 65001; hold time 2; }",
            "b.conf:1:71 Hold time must be in range 3-65535 or zero",
        ),
        (
            "protocol bgp { local as 65000; neighbor 10.0.0.1 as 65001; multihop; direct; ipv4 {}; }",
            "b.conf:1:87 EBGP requires explicit import policy",
        ),
        (
            "protocol bgp { local as 65000; neighbor 10.0.0.1 as 65001; rr client; ipv4 {}; }",
            "b.conf:1:80 Only internal neighbor can be RR client",
        ),
        (
            "protocol kernel { ipv4 { import filter nosuch; }; }",
            "b.conf:1:40 syntax error, unexpected CF_SYM_UNDEFINED",
        ),
        // Words of other protocols and commands cannot be names either.
        ("template bgp client {}", "b.conf:1:14 syntax error, unexpected CLIENT"),
        ("function tag() { return 1; }", "b.conf:1:10 syntax error, unexpected TAG"),
        ("filter x { int tag; accept; }", "b.conf:1:16 syntax error, unexpected TAG"),
        ("define 5 = 1;", "b.conf:1:8 syntax error, unexpected NUM"),
        ("protocol device { scan time 60; }", ""),
        ("protocol direct { ipv4; interface \"br0\", \"-eth*\", \"*\"; }", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text), expected, "{text}");
    }
}

#[test]
fn the_style_of_bird_1_is_read_with_a_warning() {
    let text = "protocol bgp up { import all; export where source = RTS_DEVICE; local as 65002; source address 192.0.2.2; \
                neighbor 192.0.2.254 as 65000; }";
    let config = config::parse("bird.conf", text, &mut |_| Err(String::new())).unwrap();
    assert_eq!(config.warnings.len(), 2);
    let channel = config.protocols[0].channel.as_ref().unwrap();
    assert_eq!((channel.import.shown(), channel.export.shown()), ("ACCEPT", "(unnamed)"));
}

/// What a filter makes of 10.1.0.0/16: whether it accepts, and what it prints.
fn filtered(body: &str) -> (bool, Vec<String>, Route) {
    let text = format!("filter t {{ {body} }}\nprotocol static {{ ipv4 {{ import filter t; }}; }}\n");
    let config = config::parse("b.conf", &text, &mut |_| Err(String::new())).unwrap();
    let Policy::Filter(filter) = &config.protocols[0].channel.as_ref().unwrap().import else { panic!() };
    let mut route = Route::new("10.1.0.0/16".parse().unwrap(), 0, "p".into(), Source::Static);
    let outcome = filter::run(filter, &mut route).unwrap();
    (outcome.accepted, outcome.printed, route)
}

#[test]
fn filters_decide_and_change() {
    assert!(filtered("if net ~ [ 10.0.0.0/8{16,24}, 192.168.0.0/16+ ] then accept; reject;").0);
    assert!(!filtered("if net ~ [ 10.0.0.0/8{17,24} ] then accept; reject;").0);
    assert!(filtered("case net.len { 1..8: reject; 16: accept; else: reject; }").0);
    assert!(filtered("if source = RTS_STATIC && ! defined(bgp_med) then accept; reject;").0);
    let (_, printed, route) = filtered(
        "bgp_path.prepend(65001); bgp_community.add((65000,100)); bgp_large_community.add((1,2,3)); bgp_med = 7; \
         print net, \" \", bgp_path, \" \", bgp_community, \" \", bgp_path.len + 1; accept;",
    );
    assert_eq!(printed, ["10.1.0.0/16 (path 65001) (clist (65000,100)) 2"]);
    assert_eq!(route.attrs.med, Some(7));
    assert!(filtered("bgp_path.prepend(3); bgp_path.prepend(2); if bgp_path ~ [= 2 * =] then accept; reject;").0);
    assert!(!filtered("bgp_path.prepend(3); bgp_path.prepend(2); if bgp_path ~ [= 3 * =] then accept; reject;").0);
    assert!(filtered("bgp_community.add((65000,5)); if bgp_community ~ [ (65000,*) ] then accept; reject;").0);
}

/// Words of the language, so that a random text gets past the first one.
fn word() -> impl Strategy<Value = String> {
    let words = "protocol bgp kernel static device direct template filter function from { } ( ) [ ] [= =] ; , . .. = != ~ !~ < && || ! \
                 + - * / ? if then else case accept reject return print net len ipv4 table import export all none where define \
                 route via blackhole 10.0.0.0/8 10.0.0.1 65000 1 0 \"x\" int ip prefix set pair bgp_path bgp_community add delete \
                 prepend empty local as neighbor x y RTS_BGP rt log include router id true defined unset";
    prop_oneof![4 => proptest::sample::select(words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()), 1 => "\\PC{0,6}"]
}

proptest! {
    #[test]
    fn no_text_panics(words in proptest::collection::vec(word(), 0..60)) {
        check(&words.join(" "));
    }

    #[test]
    fn no_filter_panics(words in proptest::collection::vec(word(), 0..40)) {
        let text = format!("filter t {{ {} ; accept; }}\nprotocol static {{ ipv4 {{ import filter t; }}; }}\n", words.join(" "));
        if let Ok(config) = config::parse("b.conf", &text, &mut |_| Err(String::new())) {
            for proto in &config.protocols {
                if let Some(Policy::Filter(filter)) = proto.channel.as_ref().map(|c| &c.import) {
                    let mut route = Route::new("10.1.0.0/16".parse().unwrap(), 0, "p".into(), Source::Bgp);
                    // A filter may well fail.
                    let _ = filter::run(filter, &mut route);
                }
            }
        }
    }
}

#[test]
fn a_file_of_bird_1_gets_the_channels_that_it_does_not_name() {
    let text = "protocol device { } protocol direct { interface \"br0\"; } protocol kernel { export all; }
        protocol static { route 10.9.1.0/24 blackhole; }
        protocol bgp up { export where source = RTS_DEVICE; next hop self;
                        local as 65002; neighbor 10.0.0.1 as 65000; }";
    let config = config::parse("b.conf", text, &mut |_| Err(String::new())).unwrap();
    let channels: Vec<_> = config.protocols.iter().map(|p| p.channel.as_ref().map(|c| &c.import)).collect();
    assert_eq!(channels[0], None);
    assert!(channels[1..].iter().all(|import| *import == Some(&Policy::All)), "{channels:?}");
    assert_eq!(config.warnings.len(), 3);
    // A file that names a channel anywhere is in BIRD 2's language.
    assert_eq!(
        check("protocol static { route 10.9.1.0/24 blackhole; } protocol bgp { ipv4 { export all; }; }"),
        "b.conf:1:48 Channel not specified"
    );
}

#[test]
fn chains_are_long_and_what_stands_in_each_other_is_bounded() {
    let device = "protocol device {}";
    let or = |n| format!("filter f {{ if {} then accept; reject; }} {device}", ["net.len = 24"; 600][..n].join(" || "));
    let else_if = |n: usize| {
        let more = " else if net.len = 2 then accept;".repeat(n);
        format!("filter f {{ if net.len = 1 then accept;{more} reject; }} {device}")
    };
    // BIRD takes these.
    assert_eq!(check(&or(150)), "");
    assert_eq!(check(&else_if(150)), "");
    assert_eq!(check(&else_if(250)), "");
    // BIRD takes these too; here it is said that it is too much.
    assert!(check(&else_if(100_000)).ends_with("memory exhausted"));
    let spines = format!("{}1{}", "(".repeat(90), " + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1)".repeat(90));
    assert!(check(&format!("define x = {spines}; {device}")).ends_with("memory exhausted"));
    // Sets have no sets in them.
    let sets = format!("define x = {}1{}; {device}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(check(&sets), "b.conf:1:13 syntax error, unexpected '['");
    let mask = format!("filter f {{ if bgp_path ~ [= {}1", "[".repeat(100_000));
    assert_eq!(check(&mask), "b.conf:1:30 syntax error, unexpected '['");
}

#[test]
fn functions_that_call_each_other_deep_in_expressions_end_with_an_error() {
    let sum = |call: &str| format!("{}{call}{}", "1 + (".repeat(45), ")".repeat(45));
    let mut text = "function f0() { return 1; } ".to_owned();
    for n in 1..60 {
        text += &format!("function f{n}() {{ return {}; }} ", sum(&format!("f{}()", n - 1)));
    }
    text += "protocol device {}\n";
    let config = config::parse("b.conf", &text, &mut |_| Err(String::new())).expect("it can be read");
    let expr = config::parse_expression(&config, "f59()").expect("it can be read");
    assert_eq!(filter::evaluate(&expr, 1).expect_err("too deep").text, "Filter is nested too deep");
}

fn daemon(text: &str) -> Daemon {
    Daemon::start(read(text), Vec::new(), "host", 1, Time::ZERO).expect("it starts")
}

fn read(text: &str) -> config::Config {
    let text = format!("router id 1.1.1.1; protocol device {{}} {text}\n");
    config::parse("b.conf", &text, &mut |_| Err(String::new())).expect("it can be read")
}

#[test]
fn a_protocol_that_a_limit_disables_leaves_no_routes() {
    let routes: String = (1..6).map(|n| format!("route 10.{n}.0.0/16 blackhole; ")).collect();
    let mut daemon = daemon(&format!("protocol static s1 {{ ipv4 {{ import limit 2 action disable; }}; {routes} }}"));
    assert_eq!(daemon.tables[0].iter().count(), 0);
    let logs: Vec<String> = core::iter::from_fn(|| daemon.poll()).map(|output| format!("{output:?}")).collect();
    let words = "Protocol s1 hits route import limit (2), action: disable";
    assert!(logs.iter().any(|log| log.contains(words)), "{logs:?}");
}

#[test]
fn configure_sees_what_the_block_of_a_static_route_says() {
    let text =
        |n| format!("protocol static {{ ipv4; route 10.1.0.0/16 blackhole {{ bgp_community.add(({n},{n})); }}; }}");
    let mut daemon = daemon(&text(1));
    daemon.reconfigure(read(&text(2)));
    let net = "10.1.0.0/16".parse().expect("a network");
    let best = daemon.tables[0].best(net).expect("a route");
    assert_eq!(best.attrs.communities.iter().map(ToString::to_string).collect::<Vec<_>>(), ["(2,2)"]);
}

#[test]
fn configure_reloads_channels_and_restarts_nothing_for_filters() {
    let text = |import: &str, comment: &str| {
        format!(
            "{comment} protocol static s2 {{ ipv4 {{ import {import}; }}; \
             route 20.1.0.0/16 blackhole; route 20.2.0.0/16 blackhole; }}"
        )
    };
    let nets = |daemon: &Daemon| daemon.tables[0].iter().map(|(net, _)| net.to_string()).collect::<Vec<_>>();
    let logs = |daemon: &mut Daemon| {
        let outputs = core::iter::from_fn(|| daemon.poll());
        let lines = outputs.filter_map(|output| match output {
            Output::Log(_, line) if !line.starts_with("Reconfigur") => Some(line),
            _ => None,
        });
        lines.collect::<Vec<_>>()
    };
    let (first, second) = ("where net ~ [20.1.0.0/16]", "where net ~ [20.2.0.0/16]");
    let mut daemon = daemon(&text("all", ""));
    logs(&mut daemon);
    // What BIRD 2.0.12 did and logged at each of these steps.
    daemon.configure(read(&text(first, "")), None, false);
    assert_eq!(logs(&mut daemon), ["Reloading channel s2.ipv4"]);
    assert_eq!(nets(&daemon), ["20.1.0.0/16"]);
    daemon.configure(read(&text(second, "")), None, true);
    assert_eq!(logs(&mut daemon), ["Channel s2.ipv4 changed import"]);
    assert_eq!(nets(&daemon), ["20.1.0.0/16"]);
    daemon.configure(read(&text(second, "\n\n")), None, false);
    assert_eq!(logs(&mut daemon), [""; 0]);
    assert_eq!(nets(&daemon), ["20.1.0.0/16"]);
}

fn evaluated(functions: &str, expr: &str) -> String {
    let config = read(functions);
    let expr = config::parse_expression(&config, expr).expect("it can be read");
    filter::evaluate(&expr, 1).map_or_else(|error| error.text, |value| value.to_string())
}

#[test]
fn functions_call_themselves() {
    let text = "function fac(int x) { if x = 0 then return 1; return x * fac(x - 1); } \
                function deep(int x) { if x = 0 then return 1; return 1 + deep(x - 1); } \
                function forever(int x) { return forever(x); } function aside(int x) { if x > 0 then aside(x - 1); return x; }";
    assert_eq!(evaluated(text, "fac(5)"), "120");
    assert_eq!(evaluated(text, "deep(30)"), "31");
    assert_eq!(evaluated(text, "aside(3)"), "3");
    // BIRD goes on until its process has no stack left.
    assert_eq!(evaluated(text, "forever(1)"), "Call stack overflow");
    let device = "protocol device {}";
    let cases = [
        (
            "function f(int x) { if x > 0 then return f(x - 1, 2); return 0; }",
            "b.conf:1:52 Function 'f' expects 1 arguments, got 2 arguments",
        ),
        ("function f(int x) { return f; }", "b.conf:1:29 Can't get value of symbol f"),
        ("function f(int f) { f = 1; return f; }", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(check(&format!("{text} {device}")), expected, "{text}");
    }
}

#[test]
fn a_block_has_names_of_its_own() {
    let inner = "function v(int x) { int y; y = x; { int x; x = 1; y = y * 10 + x; } return y * 10 + x; }";
    assert_eq!(evaluated(inner, "v(7)"), "717");
    let device = "protocol device {}";
    let cases = [
        ("filter f { int x; int x; accept; }", "b.conf:1:24 Symbol 'x' already defined"),
        ("function f(int x) { int x; return 1; }", "b.conf:1:26 Symbol 'x' already defined"),
        ("filter f int x; { int x; x = 1; accept; }", "b.conf:1:24 Symbol 'x' already defined"),
        ("filter f { int x; x = 1; { int x = 2; int x; } accept; }", "b.conf:1:44 Symbol 'x' already defined"),
        ("filter f { int x; x = 1; { int y; y = x; int x; x = 3; } accept; }", ""),
        ("define x = 1; filter f { int x; x = 2; accept; }", ""),
        ("function g() { return 1; } filter f { int g; g = 1; if g = 2 then reject; accept; }", ""),
        ("filter f { case net.len { 1: int q; q = 1; } accept; }", ""),
        (
            "protocol static { ipv4; route 10.0.0.0/8 blackhole { int a; a = 1; bgp_med = a; }; }",
            "b.conf:1:54 syntax error, unexpected INT",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(check(&format!("{text} {device}")), expected, "{text}");
    }
    let daemon = daemon("protocol static { ipv4; route 10.1.0.0/16 blackhole { { int a; a = 5; bgp_med = a; } }; }");
    let best = daemon.tables[0].best("10.1.0.0/16".parse().expect("a network")).expect("a route");
    assert_eq!(best.attrs.med, Some(5));
}

#[test]
fn what_is_not_done_is_refused_with_its_place() {
    let bgp = "protocol device {} protocol bgp { local as 65000; neighbor 10.0.0.1 as 65001;";
    let cases = [
        ("protocol device {} protocol device {}".to_owned(), "b.conf:1:29 Kernel device protocol already defined"),
        ("protocol device a {} protocol device b {}".into(), "b.conf:1:31 Kernel device protocol already defined"),
        (format!("{bgp} strict bind on; }}"), "b.conf:1:95 Local address must be configured for strict bind"),
        (format!("{bgp} strict bind on; local 10.0.0.2 port 1790; }}"), ""),
        (format!("{bgp} deterministic med off; }}"), ""),
        (format!("{bgp} deterministic med on; }}"), "b.conf:1:99 `deterministic med' is not supported here"),
        (
            "protocol device {} protocol kernel { ipv4 { debug all; }; }".into(),
            "b.conf:1:54 Traces of channels and tables are not supported here",
        ),
        ("include \"nix*.conf\"; protocol device {}".into(), "b.conf:1:10 Wildcards in include are not supported here"),
    ];
    for (text, expected) in cases {
        assert_eq!(check(&text), expected, "{text}");
    }
}

#[test]
fn limits_count_what_bird_counts() {
    // The routes, counters and lines in the log that BIRD 2.0.12 had.
    let routes = |n: u8| (1..5).map(|i| format!("route {n}.{i}.0.0/16 blackhole; ")).collect::<String>();
    let mut daemon = daemon(&format!(
        "protocol static s1 {{ ipv4 {{ receive limit 2 action block; import where net != 20.1.0.0/16; }}; {} }}
         protocol static s2 {{ ipv4 {{ import keep filtered; receive limit 2 action block; import where net != 21.1.0.0/16; }}; {} }}
         protocol static s3 {{ ipv4 {{ import limit 2 action block; }}; {} }}
         protocol static s4 {{ ipv4 {{ import limit 2 action warn; }}; {} }}",
        routes(20),
        routes(21),
        routes(22),
        routes(23)
    ));
    let counts: Vec<_> = daemon.protos[1..].iter().map(|p| (p.channel.imported, p.channel.filtered)).collect();
    assert_eq!(counts, [(2, 0), (1, 1), (2, 0), (4, 0)]);
    let logs = core::iter::from_fn(|| daemon.poll()).filter_map(|output| match output {
        Output::Log(_, line) if line.contains("limit") => Some(line),
        _ => None,
    });
    let said = [
        "Protocol s1 hits route receive limit (2), action: block",
        "Protocol s2 hits route receive limit (2), action: block",
        "Protocol s3 hits route import limit (2), action: block",
        "Protocol s4 hits route import limit (2), action: warn",
    ];
    assert_eq!(logs.collect::<Vec<_>>(), said);
}
