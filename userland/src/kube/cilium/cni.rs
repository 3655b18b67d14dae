//! The plugin as the program that a container runtime starts, `cilium-cni`: who has no kubelet can call it by hand. It reads its
//! configuration from standard input and all else from the environment, as the CNI specification says.

use hopwise_machine::{Program, Read, Step, Sys, Wait};
use serde_json::{Value, json};

use super::endpoint;
use crate::kernel::SimKernel;
use crate::kube::cni::{Attached, Pod, Sandbox};

/// The versions of the specification that the plugin knows.
const VERSIONS: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// Starts `cilium-cni`.
pub(crate) fn start(_: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Cni { config: Vec::new() })
}

#[derive(Clone)]
struct Cni {
    config: Vec<u8>,
}

impl Program<SimKernel> for Cni {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if sys.env("CNI_COMMAND").is_none() {
            sys.err("Cilium CNI plugin 1.11.1 76d34db 2022-01-18T16:06:31-08:00 go version go1.17.6 linux/amd64\n");
            return Step::Exit(0);
        }
        loop {
            match sys.read(0, 65_536) {
                Ok(Read::Data(data)) => self.config.extend(data),
                Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                Ok(Read::Eof) | Err(_) => break,
            }
        }
        let config: Value = serde_json::from_slice(&self.config).unwrap_or(Value::Null);
        let version = config.get("cniVersion").and_then(Value::as_str).unwrap_or("0.3.1").to_owned();
        match carry_out(sys, &config, &version) {
            Ok(answer) => {
                sys.out(&answer);
                Step::Exit(0)
            }
            Err((code, message)) => {
                let error = json!({ "cniVersion": version, "code": code, "msg": message });
                sys.out(&format!("{}\n", serde_json::to_string_pretty(&error).unwrap_or_default()));
                Step::Exit(1)
            }
        }
    }
}

/// Code and message of an error (`types.Error`).
type Refusal = (u32, String);

fn carry_out(sys: &mut Sys<'_, SimKernel>, config: &Value, version: &str) -> Result<String, Refusal> {
    let command = sys.env("CNI_COMMAND").unwrap_or_default();
    if command == "VERSION" {
        let answer = json!({ "cniVersion": "1.0.0", "supportedVersions": VERSIONS });
        return Ok(format!("{answer}\n"));
    }
    if !config.is_object() {
        return Err((6, "error unmarshall network config: unexpected end of JSON input".into()));
    }
    if !VERSIONS.contains(&version) {
        return Err((1, format!("incompatible CNI versions; config is {version:?}, plugin supports {VERSIONS:?}")));
    }
    let need = |sys: &Sys<'_, SimKernel>, name: &str| match sys.env(name) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err((4, format!("required env variables [{name}] missing"))),
    };
    let (container_id, path) = (need(sys, "CNI_CONTAINERID")?, need(sys, "CNI_NETNS")?);
    let ifname = need(sys, "CNI_IFNAME")?;
    let netns = path.rsplit('/').next().unwrap_or_default().to_owned();
    let machine = sys.machine();
    let inside = sys.kernel.named(machine, &netns);
    let inside = inside.ok_or_else(|| (100, format!("failed to Statfs {path:?}: no such file or directory")))?;
    let args = sys.env("CNI_ARGS").unwrap_or_default();
    let arg = |name: &str| {
        let pairs = args.split(';').filter_map(|pair| pair.split_once('='));
        // Of two values the later one counts.
        pairs.rev().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let pod = Pod { namespace: arg("K8S_POD_NAMESPACE"), name: arg("K8S_POD_NAME"), uid: arg("K8S_POD_UID") };
    let host = sys.root_ns();
    let node = sys.hostname().to_owned();
    let mut sandbox = Sandbox { sys, node, pod, container_id, ifname, netns, inside, host };
    match &*command {
        "ADD" => endpoint::add(&mut sandbox).map(|made| result(&mut sandbox, version, made)).map_err(|why| (999, why)),
        "DEL" => endpoint::del(&mut sandbox).map(|()| String::new()).map_err(|why| (999, why)),
        other => Err((4, format!("unknown CNI_COMMAND: {other}"))),
    }
}

/// The result of ADD (`types.Result`).
fn result(sandbox: &mut Sandbox<'_, '_>, version: &str, made: Attached) -> String {
    let dev = sandbox.sys.kernel.net.ns(sandbox.inside).and_then(|ns| ns.devs.find(&sandbox.ifname));
    let mac = dev.map_or(String::new(), |dev| dev.addr.to_string());
    let router = made.gateway.map_or(String::new(), |gateway| gateway.to_string());
    let answer = json!({
        "cniVersion": version,
        "interfaces": [{ "name": sandbox.ifname, "mac": mac, "sandbox": format!("/var/run/netns/{}", sandbox.netns) }],
        "ips": [{ "version": "4", "interface": 0, "address": made.address.to_string(), "gateway": router }],
        "routes": [{ "dst": format!("{router}/32") }, { "dst": "0.0.0.0/0", "gw": router }],
        "dns": {},
    });
    format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default())
}
