//! `calicoctl ipam`

use core::net::Ipv4Addr;

use hopwise_cluster::calico::{from, ipam_show};
use hopwise_cluster::object::ObjectMeta;
use hopwise_cluster::object::calico::{IpPool, IpamConfig};
use hopwise_machine::Sys;

use super::options::Options;
use crate::kernel::SimKernel;

fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("Error executing command: invalid IP address specified: {text}"))
}

pub(super) fn show(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    let store = sys.kernel.store();
    let ipam = from::ipam(store);
    let text = if let Some(ip) = options.value("--ip") {
        ipam_show::ip(&ipam, address(ip)?)
    } else if options.has("--show-borrowed") {
        ipam_show::borrowed(&ipam)
    } else if options.has("--show-configuration") {
        ipam_show::configuration(&ipam)
    } else {
        let pools: Vec<_> = from::pools(store).map(IpPool::for_ipam).collect();
        ipam_show::utilization(&ipam, &pools, options.has("--show-blocks"))
    };
    sys.out(&text);
    Ok(())
}

pub(super) fn configure(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    let strict = options.value("--strictaffinity").map(|text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("Invalid value '{other}' for --strictaffinity: use true or false")),
    });
    let limit = options.value("--max-blocks-per-host").map(|text| {
        text.parse::<usize>().map_err(|_| format!("Invalid value '{text}' for --max-blocks-per-host: use a number"))
    });
    let (strict, limit) = (strict.transpose()?, limit.transpose()?);
    let store = sys.kernel.store();
    if store.get::<IpamConfig>("", "default").is_none() {
        let config = IpamConfig { metadata: ObjectMeta::named("", "default"), ..IpamConfig::default() };
        store.create(Box::new(config)).map_err(|error| error.to_string())?;
    }
    store.modify::<IpamConfig>("", "default", |config| {
        config.spec.strict_affinity = strict.unwrap_or(config.spec.strict_affinity);
        config.spec.max_blocks_per_host = limit.unwrap_or(config.spec.max_blocks_per_host);
    });
    if let Some(strict) = strict {
        sys.out(&format!("Successfully set StrictAffinity to: {strict}\n"));
    }
    if let Some(limit) = limit {
        sys.out(&format!("Successfully set MaxBlocksPerHost to: {limit}\n"));
    }
    Ok(())
}

pub(super) fn release(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    let ip = address(options.value("--ip").ok_or("Error executing command: no IP address specified")?)?;
    if from::with_ipam(sys.kernel.store(), |ipam| ipam.release(ip)) {
        sys.out(&format!("Successfully released IP address {ip}\n"));
        Ok(())
    } else {
        Err(format!("IP address {ip} is not assigned"))
    }
}
