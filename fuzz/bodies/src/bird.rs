//! BIRD's configuration: any text is read or refused at a place within it; the filters of what is read bear any route.

use hopwise_routing::bird::config::{self, Policy, Symbol};
use hopwise_routing::bird::filter;
use hopwise_routing::bird::route::{Route, Source};

/// The input is a configuration.
pub fn run(data: &[u8]) {
    let text = super::text(data, 1 << 14);
    let lines = text.split('\n').count() as u32 + 1;
    match config::parse("bird.conf", &text, &mut |_| Err("No such file or directory".into())) {
        Err(error) => assert!(error.place.line <= lines, "{error}"),
        Ok(config) => {
            let named = config.symbols.values().filter_map(|symbol| match symbol {
                Symbol::Filter(filter) => Some(filter),
                _ => None,
            });
            let policies = config.protocols.iter().filter_map(|proto| proto.channel.as_ref());
            let given =
                policies.flat_map(|channel| [&channel.import, &channel.export]).filter_map(|policy| match policy {
                    Policy::Filter(filter) => Some(filter),
                    Policy::All | Policy::None => None,
                });
            for filter in named.chain(given).take(16) {
                let mut route = Route::new(ipnet::Ipv4Net::default(), 0, "p".into(), Source::Bgp);
                // A filter may well fail.
                let _ = filter::run(filter, &mut route);
            }
        }
    }
}
