//! `cilium service` and `cilium bpf lb`: services as the agent knows them, and as they are in the maps.

use hopwise_machine::Sys;
use hopwise_stack::path::tc::cilium::Maps;
use hopwise_stack::path::tc::cilium::lb::Service;
use serde_json::{Value, json};

use super::bpf::two_columns;
use super::lists::{is_json, pretty};
use super::table::{layout, line};
use super::{Answer, maps};
use crate::kernel::SimKernel;

pub(super) fn run(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    match words {
        ["list" | "ls", rest @ ..] => Ok(list(maps(sys)?, is_json(rest))),
        ["get", id, rest @ ..] => get(maps(sys)?, id, is_json(rest)),
        [] => Err("Error: `cilium service` needs `list` or `get ID`\n".to_owned()),
        _ => Err(super::unsupported(&format!("service {}", words[0]))),
    }
}

/// The pods of a service: address and port of each.
fn backends(maps: &Maps, service: &Service) -> Vec<String> {
    service.backends.iter().filter_map(|id| maps.services.backends().get(id)).map(ToString::to_string).collect()
}

fn list(maps: &Maps, json: bool) -> String {
    let mut all: Vec<_> = maps.services.iter().collect();
    all.sort_by_key(|(_, service)| service.id);
    if json {
        return pretty(&all.iter().map(|(at, service)| as_json(maps, &at.to_string(), service)).collect());
    }
    let mut lines = vec![line(["ID", "Frontend", "Service Type", "Backend"])];
    for (at, service) in all {
        let backends: Vec<String> =
            backends(maps, service).iter().enumerate().map(|(n, at)| format!("{} => {at}", n + 1)).collect();
        let first = backends.first().map_or("", |text| text);
        lines.push(line([&service.id.to_string(), &at.to_string(), "ClusterIP", first]));
        lines.extend(backends.iter().skip(1).map(|text| line(["", "", "", text])));
    }
    layout(&lines)
}

fn get(maps: &Maps, id: &str, json: bool) -> Answer {
    let number: u16 = id.parse().map_err(|_| format!("Error: Unable to parse service ID: {id}\n"))?;
    let found = maps.services.iter().find(|(_, service)| service.id == number);
    let (at, service) = found.ok_or_else(|| {
        format!("Error: Cannot get service '{id}': [GET /service/{{id}}][404] getServiceIdNotFound\n")
    })?;
    if json {
        return Ok(pretty(&as_json(maps, &at.to_string(), service)));
    }
    let backends = backends(maps, service);
    if backends.is_empty() {
        return Ok(format!("{at} =>\n"));
    }
    Ok(backends.iter().enumerate().map(|(n, to)| format!("{at} =>\n\t\t{} => {to} ({id})\n", n + 1)).collect())
}

fn as_json(maps: &Maps, at: &str, service: &Service) -> Value {
    let socket = |text: &str| {
        let (ip, port) = text.split_once(':').unwrap_or((text, ""));
        json!({ "ip": ip, "port": port.parse::<u16>().unwrap_or(0) })
    };
    let spec = json!({
        "backend-addresses": backends(maps, service).iter().map(|text| socket(text)).collect::<Vec<_>>(),
        "flags": { "trafficPolicy": "Cluster", "type": "ClusterIP" },
        "frontend-address": socket(at),
        "id": service.id,
    });
    json!({ "spec": spec, "status": { "realized": spec } })
}

/// `cilium bpf lb list`.
pub(super) fn table(maps: &Maps, revnat: bool) -> String {
    if revnat {
        let rows = maps.services.reverse().iter().map(|(id, at)| (id.to_string(), at.to_string()));
        return two_columns(["ID", "BACKEND ADDRESS"], rows);
    }
    let mut rows = Vec::new();
    for (at, service) in maps.services.iter() {
        let id = service.id;
        let affinity = if service.affinity.is_some() { ", sessionAffinity" } else { "" };
        rows.push((at.to_string(), format!("0.0.0.0:0 ({id}) [ClusterIP, non-routable{affinity}]")));
        rows.extend(backends(maps, service).iter().map(|to| (String::new(), format!("{to} ({id})"))));
    }
    two_columns(["SERVICE ADDRESS", "BACKEND ADDRESS"], rows.into_iter())
}
