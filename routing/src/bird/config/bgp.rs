//! The options of BGP.

use std::net::Ipv4Addr;

use super::lexer::Token;
use super::parser::{Parser, Result};
use super::{Bgp, Channel, Kind, Protocol};
use crate::bgp::config::{GracefulRestart, PeerConfig, RemoteAs};

pub(super) fn new() -> Bgp {
    let peer = PeerConfig::new(0, Ipv4Addr::UNSPECIFIED, 1, Ipv4Addr::UNSPECIFIED);
    Bgp {
        peer,
        has_local_as: false,
        has_neighbor: false,
        has_remote_as: false,
        multihop: None,
        interface: None,
        port: 179,
        local_port: 179,
        strict_bind: false,
        check_link: false,
    }
}

impl Parser {
    pub(super) fn bgp_option(&mut self, bgp: &mut Bgp) -> Result<()> {
        let Token::Key(word) = *self.peek() else {
            return match self.peek().clone() {
                Token::Symbol(word) => self.bgp_symbol_option(&word),
                _ => self.unexpected(),
            };
        };
        match word {
            "local" => self.bgp_local(bgp)?,
            "neighbor" => self.bgp_neighbor(bgp)?,
            "check" => bgp.check_link = self.check_link()?,
            "error" => self.bgp_error(bgp)?,
            "enable" => self.bgp_enable(bgp)?,
            "default" => self.bgp_default(bgp)?,
            "allow" => self.bgp_allow(bgp)?,
            "password" => return self.error("TCP MD5 signatures are not supported here"),
            "bfd" => return self.error("BFD is not supported here"),
            "confederation" => return self.error("Confederations are not supported here"),
            "dynamic" => return self.error("Dynamic BGP is not supported here"),
            _ => return self.bgp_plain_option(bgp, word),
        }
        Ok(())
    }

    fn bgp_symbol_option(&mut self, word: &str) -> Result<()> {
        match word {
            "capabilities" => return self.error("Sessions without capabilities are not supported here"),
            "authentication" => return self.error("Authentication is not supported here"),
            "require" | "dynamic" | "advertise" => return self.error(format!("Option {word} is not supported here")),
            _ => {}
        }
        self.unexpected()
    }

    fn bgp_plain_option(&mut self, bgp: &mut Bgp, word: &str) -> Result<()> {
        self.next();
        let peer = &mut bgp.peer;
        match word {
            "multihop" => {
                bgp.multihop = Some(true);
                let hops = if matches!(self.peek(), Token::Number(_)) { self.number()? } else { 64 };
                if !(1..=255).contains(&hops) {
                    return self.error("Multihop must be in range 1-255");
                }
                peer.multihop = Some(hops as u8);
            }
            "direct" => bgp.multihop = Some(false),
            "passive" => peer.passive = self.switch()?,
            "source" => {
                self.key("address")?;
                peer.local = Some(self.address()?);
            }
            "interface" => bgp.interface = Some(self.text()?),
            "rr" => {
                if self.eat("client") || self.eat_symbol("client") {
                    peer.rr_client = self.switch()?;
                } else {
                    self.key("cluster")?;
                    self.key("id")?;
                    peer.rr_cluster_id = Some(self.address()?);
                }
            }
            "rs" => {
                if !self.eat_symbol("client") {
                    return self.unexpected_but("CLIENT");
                }
                peer.rs_client = self.switch()?;
            }
            "hold" => {
                self.key("time")?;
                peer.times.hold = self.hold_time()?;
            }
            "startup" => {
                self.key("hold")?;
                self.key("time")?;
                peer.times.startup_hold = self.hold_time()?;
            }
            "keepalive" => {
                self.key("time")?;
                peer.times.keepalive = Some(self.seconds(1, "Keepalive time must be in range 1-65535")?);
            }
            "connect" => {
                let retry = self.eat("retry") || self.eat_symbol("retry");
                if !retry {
                    self.key("delay")?;
                }
                self.key("time")?;
                let seconds = self.seconds(u32::from(!retry) ^ 1, "Connect time must be in range 1-65535")?;
                *(if retry { &mut peer.times.connect_retry } else { &mut peer.times.connect_delay }) = seconds;
            }
            "path" => {
                self.key("metric")?;
                peer.path_metric = self.switch()?;
            }
            "med" => {
                self.key("metric")?;
                peer.med_metric = self.switch()?;
            }
            "igp" => {
                self.key("metric")?;
                peer.igp_metric = self.switch()?;
            }
            "prefer" => {
                self.key("older")?;
                peer.prefer_older = self.switch()?;
            }
            "deterministic" => {
                self.key("med")?;
                if self.switch()? {
                    return self.error("`deterministic med' is not supported here");
                }
            }
            "interpret" => {
                if !self.eat_symbol("communities") {
                    return self.unexpected_but("COMMUNITIES");
                }
                peer.interpret_communities = self.switch()?;
            }
            "ttl" => {
                self.key("security")?;
                peer.ttl_security = self.switch()?;
            }
            "graceful" => self.bgp_graceful(peer)?,
            "long" => self.bgp_long_lived(peer)?,
            "disable" => self.bgp_disable_after(peer)?,
            "enforce" => {
                self.key("first")?;
                self.key("as")?;
                peer.enforce_first_as = self.switch()?;
            }
            "strict" => {
                if !self.eat_symbol("bind") {
                    return self.unexpected_but("BIND");
                }
                bgp.strict_bind = self.switch()?;
            }
            _ => {
                self.back();
                return self.unexpected();
            }
        }
        Ok(())
    }

    fn hold_time(&mut self) -> Result<u16> {
        let seconds = self.number()?;
        if seconds > 0xffff || seconds == 1 || seconds == 2 {
            return self.error("Hold time must be in range 3-65535 or zero");
        }
        Ok(seconds as u16)
    }

    fn seconds(&mut self, least: u32, refusal: &str) -> Result<u16> {
        let seconds = self.number()?;
        if seconds < least || seconds > 0xffff { self.error(refusal) } else { Ok(seconds as u16) }
    }

    fn as_number(&mut self, refusal: &str) -> Result<u32> {
        let number = self.number()?;
        if number == 0 && refusal.starts_with("Remote") { self.error(refusal) } else { Ok(number) }
    }

    /// `local [address] [port N] [as N]`
    fn bgp_local(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        if self.is_key("role") {
            return self.error("BGP roles are not supported here");
        }
        if !self.is_key("as") && !self.is_key("port") {
            bgp.peer.local = Some(self.address()?);
        }
        if self.eat("port") {
            bgp.local_port = self.seconds(1, "Invalid port number")?;
        }
        if self.eat("as") {
            bgp.peer.local_as = self.as_number("Local")?;
            bgp.has_local_as = bgp.peer.local_as != 0;
        }
        if self.is_mark(";") { Ok(()) } else { self.unexpected_but("PORT or ';' or AS") }
    }

    /// `neighbor [address] [port N] [as N | internal | external]`
    fn bgp_neighbor(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        if self.is_key("range") {
            return self.error("Dynamic BGP is not supported here");
        }
        if !matches!(self.peek(), Token::Key(_)) {
            bgp.peer.neighbor = self.address()?;
            bgp.has_neighbor = true;
        }
        if self.eat_mark("%") {
            bgp.interface = Some(match self.next() {
                Token::Text(name) | Token::Symbol(name) => name,
                _ => return self.unexpected(),
            });
        }
        if self.eat("port") {
            bgp.port = self.seconds(1, "Invalid port number")?;
        }
        let remote = match self.peek() {
            Token::Key("as") => {
                self.next();
                RemoteAs::Number(self.as_number("Remote AS number must be set")?)
            }
            Token::Key("internal") => {
                self.next();
                RemoteAs::Internal
            }
            Token::Key("external") => {
                self.next();
                RemoteAs::External
            }
            _ => return Ok(()),
        };
        bgp.peer.remote_as = remote;
        bgp.has_remote_as = true;
        Ok(())
    }

    /// `error wait time 60, 300`, `error forget time 300`
    fn bgp_error(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        if self.eat("wait") {
            self.key("time")?;
            let first = self.seconds(0, "Error wait time out of range")?;
            self.mark(",")?;
            bgp.peer.times.error_wait = (first, self.seconds(0, "Error wait time out of range")?);
        } else {
            self.key("forget")?;
            self.key("time")?;
            bgp.peer.times.error_forget = self.seconds(0, "Error forget time out of range")?;
        }
        Ok(())
    }

    fn bgp_enable(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        match self.next() {
            Token::Key("route") => {
                self.key("refresh")?;
                bgp.peer.route_refresh = self.switch()?;
            }
            Token::Symbol(word) if word == "as4" => bgp.peer.as4 = self.switch()?,
            Token::Key("extended") => {
                if !self.eat_symbol("messages") {
                    return self.unexpected_but("MESSAGES");
                }
                bgp.peer.extended_messages = self.switch()?;
            }
            _ => {
                self.back();
                return self.unexpected();
            }
        }
        Ok(())
    }

    fn bgp_default(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        match self.peek() {
            Token::Symbol(word) if word == "bgp_med" => {
                self.next();
                bgp.peer.default_med = self.number()?;
            }
            Token::Symbol(word) if word == "bgp_local_pref" => {
                self.next();
                bgp.peer.default_local_pref = self.number()?;
            }
            _ => return self.unexpected_but("BGP_MED or BGP_LOCAL_PREF"),
        }
        Ok(())
    }

    fn bgp_allow(&mut self, bgp: &mut Bgp) -> Result<()> {
        self.next();
        match self.peek() {
            Token::Symbol(word) if word == "bgp_local_pref" => {
                self.next();
                bgp.peer.allow_local_pref = self.switch()?;
            }
            Token::Symbol(word) if word == "as" => return self.unexpected(),
            Token::Key("local") => {
                self.next();
                self.key("as")?;
                let given = matches!(self.peek(), Token::Number(_));
                bgp.peer.allow_local_as = if given { self.number()? as usize } else { usize::MAX };
            }
            _ => return self.unexpected(),
        }
        Ok(())
    }

    /// `graceful restart [on | off | aware | time N]`
    fn bgp_graceful(&mut self, peer: &mut PeerConfig) -> Result<()> {
        self.key("restart")?;
        if self.eat("time") {
            // The field has 12 bits.
            peer.restart_time = (self.number()? & 0xfff) as u16;
        } else if self.eat_symbol("aware") {
            peer.graceful_restart = GracefulRestart::Aware;
        } else if self.switch()? {
            peer.graceful_restart = GracefulRestart::On;
        } else {
            peer.graceful_restart = GracefulRestart::Off;
        }
        Ok(())
    }

    fn bgp_long_lived(&mut self, peer: &mut PeerConfig) -> Result<()> {
        self.key("lived")?;
        self.key("graceful")?;
        self.key("restart")?;
        peer.long_lived = if self.eat_symbol("aware") { true } else { self.switch()? };
        Ok(())
    }

    fn bgp_disable_after(&mut self, peer: &mut PeerConfig) -> Result<()> {
        if !self.eat_symbol("after") {
            return self.unexpected_but("AFTER");
        }
        if self.eat("cease") || self.eat_symbol("cease") {
            return self.error("`disable after cease' is not supported here");
        }
        self.key("error")?;
        peer.disable_after_error = self.switch()?;
        Ok(())
    }

    pub(super) fn bgp_channel_option(&mut self, channel: &mut Channel, bgp: &mut Bgp) -> Result<()> {
        match self.peek() {
            Token::Key("next") => {
                self.next();
                self.key("hop")?;
                if self.eat("self") {
                    bgp.peer.next_hop_self = self.whom()?;
                } else if self.eat("keep") {
                    bgp.peer.next_hop_keep = self.whom()?;
                } else if self.eat("address") {
                    bgp.peer.next_hop_address = Some(self.address()?);
                } else {
                    return self.unexpected();
                }
            }
            Token::Key("gateway") => {
                self.next();
                channel.gateway_recursive = Some(match self.peek() {
                    Token::Key("direct") => false,
                    Token::Key("recursive") => true,
                    _ => return self.unexpected_but("DIRECT or RECURSIVE"),
                });
                self.next();
            }
            Token::Key("igp") => {
                self.next();
                self.key("table")?;
                channel.igp_table = Some(self.table()?);
            }
            Token::Key("add") => return self.error("ADD-PATH is not supported here"),
            Token::Key(
                "missing" | "secondary" | "validate" | "extended" | "graceful" | "long" | "cost" | "aggregate",
            ) => {
                return self.error("This option of a channel is not supported here");
            }
            Token::Symbol(word) if matches!(&**word, "mandatory" | "aigp" | "validate") => {
                return self.error("This option of a channel is not supported here");
            }
            _ => return self.unexpected(),
        }
        Ok(())
    }

    fn eat_symbol(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(w) if w == word);
        if found {
            self.next();
        }
        found
    }

    /// What has to hold in the end (`bgp_postconfig`).
    pub(super) fn finish_bgp(&mut self, protocol: &mut Protocol) -> Result<()> {
        let Kind::Bgp(bgp) = &mut protocol.kind else { return Ok(()) };
        let channel = &mut protocol.channel;
        if !bgp.has_local_as {
            return self.error("Local AS number must be set");
        }
        if !bgp.has_neighbor {
            return self.error("Neighbor must be configured");
        }
        if !bgp.has_remote_as {
            return self.error("Remote AS number (or peer type) must be set");
        }
        let internal = bgp.peer.is_internal();
        if bgp.strict_bind && bgp.peer.local.is_none() {
            return self.error("Local address must be configured for strict bind");
        }
        // An internal neighbour may be anywhere, an external one is next door.
        match bgp.multihop {
            Some(true) => {}
            Some(false) => bgp.peer.multihop = None,
            None => bgp.peer.multihop = internal.then_some(64),
        }
        if bgp.peer.multihop.is_some() && bgp.interface.is_some() {
            return self.error("Multihop BGP cannot be bound to interface");
        }
        if bgp.peer.rr_client && !internal {
            return self.error("Only internal neighbor can be RR client");
        }
        if bgp.peer.rs_client && internal {
            return self.error("Only external neighbor can be RS client");
        }
        let Some(channel) = channel else { return Ok(()) };
        if !internal && !channel.explicit.0 {
            return self.error("EBGP requires explicit import policy");
        }
        if !internal && !channel.explicit.1 {
            return self.error("EBGP requires explicit export policy");
        }
        let recursive = channel.gateway_recursive.get_or_insert(bgp.peer.multihop.is_some());
        if *recursive && channel.igp_table.is_none() {
            channel.igp_table = Some(channel.table.clone());
        }
        Ok(())
    }
}
