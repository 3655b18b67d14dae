//! Protocols and templates.

use super::lexer::Token;
use super::parser::{Parser, Result};
use super::{Channel, InterfacePattern, Kernel, Kind, Protocol, StaticRoute, StaticTarget, Symbol, Via};
use crate::bird::filter::Value;
use crate::bird::route::Dest;
use ipnet::Ipv4Net;

impl Parser {
    /// `protocol KIND [NAME] [from TEMPLATE] { ... }`
    pub(super) fn protocol(&mut self, template: bool) -> Result<()> {
        self.next();
        let Some(kind) = self.kind()? else { return Ok(()) };
        let name = match self.peek() {
            Token::Symbol(_) => self.new_name()?,
            _ if template => return self.unexpected(),
            _ => self.unnamed_protocol(&kind),
        };
        let channel = matches!(kind, Kind::Kernel(_)).then(|| Channel::new(&kind));
        let mut protocol = Protocol {
            name: name.clone(),
            disabled: false,
            description: None,
            router_id: None,
            debug: self.debug,
            channel: None,
            kind,
        };
        if self.eat("from") {
            protocol = Protocol { name: name.clone(), ..self.base(&protocol)? };
        }
        self.mark_or_more("{")?;
        while !self.is_mark("}") {
            if self.eat_mark(";") {
                continue;
            }
            if !self.common_option(&mut protocol)? {
                self.own_option(&mut protocol)?;
            }
            // A route by hand may end with a block.
            self.mark_or_more(";")?;
        }
        if protocol.channel.is_none() {
            protocol.channel = channel;
        }
        if !template {
            self.finish(&mut protocol)?;
        }
        self.next();
        if template {
            self.config.symbols.insert(name, Symbol::Template(Box::new(protocol)));
        } else {
            self.config.symbols.insert(name, Symbol::Protocol);
            self.config.protocols.push(protocol);
        }
        Ok(())
    }

    fn kind(&mut self) -> Result<Option<Kind>> {
        let kind = match self.peek() {
            Token::Key("device") => {
                if core::mem::replace(&mut self.device, true) {
                    return self.error("Kernel device protocol already defined");
                }
                Kind::Device { scan: 60 }
            }
            Token::Key("direct") => Kind::Direct { interfaces: Vec::new(), check_link: false },
            Token::Key("kernel") => {
                let table = 254;
                Kind::Kernel(Kernel { scan: 60, learn: 0, persist: false, table, metric: 32, merge: None })
            }
            Token::Key("static") => Kind::Static { routes: Vec::new(), check_link: false, igp_table: None },
            Token::Key("bgp") => Kind::Bgp(Box::new(super::bgp::new())),
            Token::Key(word @ ("ospf" | "rip" | "babel" | "bfd" | "pipe" | "radv" | "mrt" | "rpki" | "perf")) => {
                let text = format!("Protocol {word} is not supported here");
                return self.error(text);
            }
            _ => return self.unexpected(),
        };
        self.next();
        Ok(Some(kind))
    }

    /// `bgp1`, `bgp2`, ...
    fn unnamed_protocol(&mut self, kind: &Kind) -> String {
        let word = match kind {
            Kind::Device { .. } => "device",
            Kind::Direct { .. } => "direct",
            Kind::Kernel(_) => "kernel",
            Kind::Static { .. } => "static",
            Kind::Bgp(_) => "bgp",
        };
        loop {
            let number = self.unnamed.entry(word).or_default();
            *number += 1;
            let name = format!("{word}{number}");
            if !self.config.symbols.contains_key(&name) {
                return name;
            }
        }
    }

    fn base(&mut self, protocol: &Protocol) -> Result<Protocol> {
        let Token::Symbol(name) = self.peek().clone() else { return self.unexpected_but("CF_SYM_KNOWN") };
        let found = match self.config.symbols.get(&name) {
            Some(Symbol::Template(base)) => (**base).clone(),
            Some(Symbol::Protocol) => match self.config.protocols.iter().find(|p| p.name == name) {
                Some(base) => base.clone(),
                None => return self.error("Protocol or template name expected"),
            },
            Some(_) => return self.error("Protocol or template name expected"),
            None => return self.unexpected_but("CF_SYM_KNOWN"),
        };
        if core::mem::discriminant(&found.kind) != core::mem::discriminant(&protocol.kind) {
            return self.error(format!("Protocol type does not match template '{name}'"));
        }
        self.next();
        Ok(found)
    }

    /// Options that all protocols have.
    fn common_option(&mut self, protocol: &mut Protocol) -> Result<bool> {
        match self.peek() {
            Token::Key("disabled") => {
                self.next();
                protocol.disabled = self.switch()?;
            }
            Token::Key("description") => {
                self.next();
                protocol.description = Some(self.text()?);
            }
            Token::Key("debug") => {
                self.next();
                protocol.debug = self.debug_mask()?;
            }
            Token::Key("router") => {
                self.next();
                self.key("id")?;
                protocol.router_id = Some(self.address()?);
            }
            Token::Key("vrf") => return self.error("VRFs are not supported here"),
            Token::Key("mrtdump") => return self.error("MRT dumps are not supported here"),
            Token::Key("ipv4") => {
                self.next();
                let wanted = !matches!(protocol.kind, Kind::Device { .. });
                if !wanted {
                    return self.unexpected();
                }
                let mut channel = protocol.channel.take().unwrap_or_else(|| Channel::new(&protocol.kind));
                self.channel(&mut channel, &mut protocol.kind)?;
                protocol.channel = Some(channel);
            }
            Token::Key("ipv6") => return self.error("There is no IPv6 here"),
            Token::Key(word) if self.is_silent_channels(word, &protocol.kind) => {
                self.warn_of_bird1(word);
                let mut channel = protocol.channel.take().unwrap_or_else(|| Channel::new(&protocol.kind));
                self.channel_option(&mut channel, &mut protocol.kind)?;
                protocol.channel = Some(channel);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn own_option(&mut self, protocol: &mut Protocol) -> Result<()> {
        match &mut protocol.kind {
            Kind::Device { scan } => match self.peek() {
                Token::Key("scan") => {
                    *scan = self.scan_time()?;
                    Ok(())
                }
                Token::Key("interface") => self.error("Options of interfaces are not supported here"),
                _ => self.unexpected(),
            },
            Kind::Direct { interfaces, check_link } => match self.peek() {
                Token::Key("interface") => {
                    self.next();
                    interfaces.extend(self.interface_patterns()?);
                    Ok(())
                }
                Token::Key("check") => {
                    *check_link = self.check_link()?;
                    Ok(())
                }
                _ => self.unexpected(),
            },
            Kind::Kernel(kernel) => self.kernel_option(kernel),
            Kind::Static { routes, check_link, igp_table } => match self.peek() {
                Token::Key("route") => {
                    let route = self.static_route()?;
                    routes.push(route);
                    Ok(())
                }
                Token::Key("check") => {
                    *check_link = self.check_link()?;
                    Ok(())
                }
                Token::Key("igp") => {
                    self.next();
                    self.key("table")?;
                    *igp_table = Some(self.table()?);
                    Ok(())
                }
                _ => self.unexpected(),
            },
            Kind::Bgp(bgp) => self.bgp_option(bgp),
        }
    }

    fn scan_time(&mut self) -> Result<u32> {
        self.next();
        self.key("time")?;
        self.number()
    }

    pub(super) fn check_link(&mut self) -> Result<bool> {
        self.next();
        match self.peek() {
            Token::Symbol(word) if word == "link" => self.next(),
            _ => return self.unexpected_but("LINK"),
        };
        self.switch()
    }

    fn kernel_option(&mut self, kernel: &mut Kernel) -> Result<()> {
        match self.peek() {
            Token::Key("scan") => kernel.scan = self.scan_time()?,
            Token::Key("learn") => {
                self.next();
                kernel.learn = if self.eat("all") { 2 } else { self.switch()?.into() };
            }
            Token::Key("persist") => {
                self.next();
                kernel.persist = self.switch()?;
            }
            Token::Key("kernel") => {
                self.next();
                self.key("table")?;
                kernel.table = self.number()?;
            }
            Token::Key("metric") => {
                self.next();
                kernel.metric = self.number()?;
                if kernel.metric > i32::MAX as u32 {
                    return self.error("Kernel metric too large");
                }
            }
            Token::Key("merge") => {
                self.next();
                self.key("paths")?;
                kernel.merge = self.switch()?.then_some(16);
                if self.eat("limit") {
                    let limit = self.number()?;
                    if limit == 0 || limit > 255 {
                        return self.error("Merge paths limit must be in range 1-255");
                    }
                    kernel.merge = Some(limit);
                }
            }
            Token::Key("graceful") => {
                self.next();
                self.key("restart")?;
                // It only says what happens after `bird -R`, which is refused.
                self.switch()?;
            }
            _ => return self.unexpected(),
        }
        Ok(())
    }

    /// `"eth*", -"eth1", 10.0.0.0/8`
    pub(super) fn interface_patterns(&mut self) -> Result<Vec<InterfacePattern>> {
        let mut patterns = Vec::new();
        loop {
            let negative = self.eat_mark("-");
            let mut pattern = InterfacePattern { negative, name: None, net: None };
            match self.peek().clone() {
                Token::Text(name) => {
                    self.next();
                    // A dash inside of the quotes means the same.
                    let (dash, name) = name.strip_prefix('-').map_or((false, &*name), |rest| (true, rest));
                    pattern.negative |= dash;
                    pattern.name = Some(name.to_owned());
                }
                Token::Ip(_) => pattern.net = Some(self.prefix()?),
                _ => return self.unexpected(),
            }
            patterns.push(pattern);
            if !self.eat_mark(",") {
                return Ok(patterns);
            }
        }
    }

    /// `10.0.0.0/8`, without bits beyond its length.
    pub(super) fn prefix(&mut self) -> Result<Ipv4Net> {
        match self.constant_term()? {
            Value::Prefix(net) => Ok(net),
            Value::Ip(addr) => Ok(addr.into()),
            _ => self.error("Network expected"),
        }
    }

    fn static_route(&mut self) -> Result<StaticRoute> {
        self.next();
        let net = self.prefix()?;
        let target = match self.peek().clone() {
            Token::Key("via") => self.static_via()?,
            Token::Key("recursive") => {
                self.next();
                StaticTarget::Recursive(self.address()?)
            }
            Token::Key("blackhole" | "drop") => self.nowhere(Dest::Blackhole),
            Token::Key("unreachable") => self.nowhere(Dest::Unreachable),
            Token::Key("prohibit") => self.nowhere(Dest::Prohibit),
            _ => return self.error("Unexpected or missing nexthop/type"),
        };
        let body = if self.is_mark("{") { Some(self.route_body()?) } else { None };
        Ok(StaticRoute { net, target, body })
    }

    fn nowhere(&mut self, dest: Dest) -> StaticTarget {
        self.next();
        StaticTarget::Nowhere(dest)
    }

    fn static_via(&mut self) -> Result<StaticTarget> {
        let mut hops = Vec::new();
        while self.eat("via") {
            let mut via = Via { gateway: None, interface: None, weight: 1, onlink: false };
            match self.peek().clone() {
                Token::Text(name) => {
                    self.next();
                    via.interface = Some(name);
                }
                _ => {
                    via.gateway = Some(self.address()?);
                    if self.eat_mark("%") {
                        via.interface = Some(match self.next() {
                            Token::Text(name) | Token::Symbol(name) => name,
                            _ => return self.unexpected(),
                        });
                    }
                }
            }
            loop {
                match self.peek() {
                    Token::Key("weight") => {
                        self.next();
                        via.weight = self.number()?;
                        if !(1..=256).contains(&via.weight) {
                            return self.error("Weight must be in range 1-256");
                        }
                    }
                    Token::Symbol(word) if word == "onlink" => {
                        self.next();
                        via.onlink = self.switch()?;
                    }
                    Token::Key("bfd") => return self.error("BFD is not supported here"),
                    Token::Key("mpls" | "dev") => return self.error("This option of a next hop is not supported here"),
                    _ => break,
                }
            }
            hops.push(via);
        }
        Ok(StaticTarget::Via(hops))
    }

    /// What can only be said of a whole protocol (`proto_postconfig`).
    fn finish(&mut self, protocol: &mut Protocol) -> Result<()> {
        self.silent_channel(protocol);
        match &protocol.kind {
            Kind::Static { .. } if protocol.channel.is_none() => return self.error("Channel not specified"),
            Kind::Kernel(kernel) => {
                let table = protocol.channel.as_ref().map(|c| c.table.clone()).unwrap_or_default();
                for other in &self.config.protocols {
                    let Kind::Kernel(taken) = &other.kind else { continue };
                    if other.channel.as_ref().is_some_and(|c| c.table == table) {
                        let name = &other.name;
                        return self.error(format!("Kernel syncer ({name}) already attached to table {table}"));
                    }
                    if taken.table == kernel.table {
                        return self.error(format!("Kernel table {} already in use by {}", kernel.table, other.name));
                    }
                }
            }
            Kind::Bgp(_) => self.finish_bgp(protocol)?,
            _ => {}
        }
        Ok(())
    }
}
