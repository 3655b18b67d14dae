//! What client and server tell each other in JSON: the parameters of the test, and its results (`send_parameters`,
//! `send_results`). What comes from the other side is believed only within limits.

use serde_json::Value;

use super::flow::{Flow, Peer};
use super::json::{Json, object};
use super::options::Settings;
use super::{VERSION, test::Test};

/// The parameters as the client sends them.
pub(super) fn parameters(s: &Settings, title: Option<&str>) -> Json {
    let mut json = object! {};
    json.add(if s.udp { "udp" } else { "tcp" }, true);
    json.add("omit", s.omit);
    json.add("time", s.time);
    json.add("num", s.bytes);
    json.add("blockcount", s.blocks);
    json.add_some("MSS", s.mss);
    json.add_mark("nodelay", s.nodelay);
    json.add("parallel", s.parallel);
    json.add_mark("reverse", s.reverse);
    json.add_mark("bidirectional", s.bidir);
    json.add_some("window", s.window);
    json.add_some("len", s.block);
    json.add_some("bandwidth", s.rate);
    json.add_some("pacing_timer", s.pacing);
    json.add_some("burst", s.burst);
    json.add_some("TOS", s.tos);
    if let Some(title) = title {
        json.add("title", title);
    }
    if let Some(name) = &s.congestion {
        json.add("congestion", &**name);
    }
    json.add_some("get_server_output", s.server_output);
    json.add_some("udp_counters_64bit", s.wide_counters);
    json.add_some("repeating_payload", s.repeating);
    json.add_some("dont_fragment", s.dont_fragment);
    json.add("client_version", VERSION);
    json
}

/// The parameters as the server reads them; `None`: it cannot do that.
pub(super) fn read_parameters(json: &Value) -> Option<Settings> {
    let number = |name: &str, most: u64| {
        let value = json.get(name).and_then(|v| v.as_u64().or_else(|| v.as_f64().map(|f| f as u64))).unwrap_or(0);
        value.min(most)
    };
    let mark = |name: &str| json.get(name).is_some_and(|v| v.as_bool().unwrap_or(v.as_u64().is_some_and(|n| n != 0)));
    let (tcp, udp) = (json.get("tcp").is_some(), json.get("udp").is_some());
    if tcp == udp || json.get("sctp").is_some() {
        return None;
    }
    let defaults = Settings::default();
    let block = number("len", 1_048_576) as u32;
    Some(Settings {
        udp,
        omit: number("omit", 60) as u32,
        time: number("time", 86_400) as u32,
        bytes: number("num", u64::MAX),
        blocks: number("blockcount", u64::MAX),
        mss: number("MSS", 9216) as u16,
        nodelay: mark("nodelay"),
        parallel: number("parallel", 128).max(1) as u32,
        reverse: mark("reverse"),
        bidir: mark("bidirectional"),
        window: number("window", 536_870_912) as u32,
        block: match (block, udp) {
            (0, true) => 1460,
            (0, false) => defaults.block,
            (block, true) => block.clamp(16, 65_507),
            (block, false) => block,
        },
        rate: number("bandwidth", u64::MAX),
        burst: number("burst", 1000) as u32,
        pacing: number("pacing_timer", 60_000_000).max(1) as u32,
        tos: number("TOS", 255) as u8,
        congestion: json.get("congestion").and_then(Value::as_str).map(str::to_owned),
        wide_counters: mark("udp_counters_64bit"),
        repeating: mark("repeating_payload"),
        dont_fragment: mark("dont_fragment"),
        server_output: mark("get_server_output"),
    })
}

/// The results of this side.
pub(super) fn results(test: &Test, output: Option<String>) -> Json {
    let (total, user, system) = test.cpu();
    let retransmits = if test.sends() { i64::from(!test.settings.udp) } else { -1 };
    let mut json = object! {
        "cpu_util_total": total, "cpu_util_user": user, "cpu_util_system": system,
        "sender_has_retransmits": retransmits,
    };
    if !test.settings.udp {
        json.add("congestion_used", &*test.congestion);
    }
    if let Some(text) = output {
        json.add("server_output_text", text);
    }
    json.add("streams", test.flows.iter().map(stream).collect::<Vec<_>>());
    json
}

fn stream(flow: &Flow) -> Json {
    object! {
        "id": flow.id,
        "bytes": if flow.sender { flow.sent } else { flow.received },
        "retransmits": if flow.sender && !flow.is_udp() { flow.retransmits as i64 } else { -1 },
        "jitter": flow.jitter,
        "errors": flow.errors - flow.omitted.errors,
        "packets": flow.packets - flow.omitted.packets,
        "start_time": 0u32,
        "end_time": flow.seconds(),
    }
}

/// The other side's results. False: they are not about this test.
pub(super) fn read_results(test: &mut Test, json: &Value) -> bool {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    test.remote_cpu = (number(json, "cpu_util_total"), number(json, "cpu_util_user"), number(json, "cpu_util_system"));
    test.remote_congestion = json.get("congestion_used").and_then(Value::as_str).map(str::to_owned);
    test.remote_has_retransmits = json.get("sender_has_retransmits").and_then(Value::as_u64) == Some(1);
    test.server_output = json.get("server_output_text").and_then(Value::as_str).map(str::to_owned);
    let Some(streams) = json.get("streams").and_then(Value::as_array) else { return false };
    for told in streams {
        let id = told.get("id").and_then(Value::as_u64);
        let Some(flow) = test.flows.iter_mut().find(|flow| Some(u64::from(flow.id)) == id) else { return false };
        let count = |name: &str| told.get(name).and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 1e18) as u64;
        let known = told.get("retransmits").and_then(Value::as_u64).filter(|n| *n < u64::MAX / 2);
        flow.peer = Peer {
            bytes: count("bytes"),
            packets: count("packets").min(i64::MAX as u64) as i64,
            errors: number(told, "errors") as i64,
            jitter: number(told, "jitter"),
            retransmits: known,
            seconds: number(told, "end_time"),
        };
    }
    true
}
