//! The commands of `birdc`. BIRD reads them by the grammar of its configuration, so errors are said in the same words.

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::lexer::{self, Token};
use super::parser::{Parser, Result};
use super::{Config, Error, Symbol};
use crate::bird::filter::{Expr, Filter};
use crate::bird::log::Class;

/// Which protocols are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// All.
    All,
    /// Those whose names fit.
    Pattern(String),
    /// This one.
    Name(String),
}

/// Which symbols are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symbols {
    /// All.
    All,
    /// Those of a class, as [`Symbol::class`] calls it.
    Class(&'static str),
    /// This one.
    Name(String),
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `show status`
    Status,
    /// `show memory`
    Memory,
    /// `show protocols`; with `all`: with details.
    Protocols(bool, Which),
    /// `show interfaces`; with `summary`.
    Interfaces(bool),
    /// `show route`
    Route(Box<Query>),
    /// `show symbols`
    Symbols(Symbols),
    /// `show static`, perhaps of one protocol.
    Static(Option<String>),
    /// `show ospf`, `show rip`...: of a kind of protocol that is not here; perhaps of one protocol.
    Absent(&'static str, Option<String>),
    /// `configure`
    Configure(Configure),
    /// `down`
    Down,
    /// `graceful restart`
    GracefulRestart,
    /// `disable`, `enable` or `restart`, perhaps with a text for the neighbour.
    Switch(Switch, Which, Option<String>),
    /// `reload`: inward, outward.
    Reload(bool, bool, Which),
    /// `debug`
    Debug(Which, bool),
    /// `mrtdump`
    MrtDump(Which),
    /// `dump`
    Dump,
    /// `echo`: the classes of messages.
    Echo(u32),
    /// `eval`
    Eval(Expr),
    /// `restrict`
    Restrict,
}

/// What is done with protocols.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// `disable`
    Disable,
    /// `enable`
    Enable,
    /// `restart`
    Restart,
}

/// What `configure` does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Configure {
    /// Another configuration, from a file, perhaps without heed to filters, perhaps taken back after so many seconds.
    Load {
        /// `soft`
        soft: bool,
        /// The file, if it is not the usual one.
        file: Option<String>,
        /// `timeout`
        undo_after: Option<u32>,
    },
    /// `check`
    Check(Option<String>),
    /// `confirm`
    Confirm,
    /// `undo`
    Undo,
    /// `status`
    Status,
}

/// Which routes of which table `export` and its like look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Export {
    /// `exported`: what was told.
    Told,
    /// `export`: what the filter lets pass.
    Passed,
    /// `preexport`: what comes before the filter.
    Before,
    /// `noexport`: what the filter does not want.
    Not,
}

/// How addresses choose networks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Just this one.
    Exact,
    /// `for`: the longest match.
    Longest,
    /// `in`: all within.
    Within,
}

/// Which tables are looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Tables {
    /// Those that follow from the rest.
    #[default]
    Usual,
    /// All.
    All,
    /// These.
    Named(Vec<String>),
}

/// What `show route` asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// Which networks.
    pub net: Option<(Choice, Ipv4Net)>,
    /// `all`: with attributes.
    pub all: bool,
    /// `count`
    pub count: bool,
    /// `stats`
    pub stats: bool,
    /// `primary`
    pub primary: bool,
    /// `filtered`
    pub filtered: bool,
    /// `table`
    pub tables: Tables,
    /// `protocol`
    pub protocol: Option<String>,
    /// `export` and its like.
    pub export: Option<(Export, String)>,
    /// `filter`, `where`
    pub filter: Option<Arc<Filter>>,
}

/// Reads a command.
///
/// # Errors
/// What is wrong with it.
pub fn parse_command(config: &Config, text: &str) -> core::result::Result<Command, Error> {
    let mut parser = Parser::with_names(lexer::lex("", text, &mut |_| Err(String::new()))?, config);
    let command = parser.command()?;
    if *parser.peek() != Token::End {
        // Only an expression could have gone on.
        return if matches!(command, Command::Eval(_)) { parser.unexpected() } else { parser.unexpected_but("END") };
    }
    Ok(command)
}

impl Parser {
    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Symbol(w) if w == word) || self.is_key(word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next();
        }
        found
    }

    fn first_word(&mut self) -> String {
        match self.peek() {
            Token::Key(word) => (*word).to_owned(),
            Token::Symbol(word) => word.clone(),
            _ => String::new(),
        }
    }

    fn command(&mut self) -> Result<Command> {
        let word = self.first_word();
        let begin = self.at();
        self.next();
        Ok(match &*word {
            "show" => self.show()?,
            "configure" => Command::Configure(self.configure()?),
            "down" => Command::Down,
            "graceful" => {
                self.key("restart")?;
                Command::GracefulRestart
            }
            "disable" => self.switch_protocols(Switch::Disable)?,
            "enable" => self.switch_protocols(Switch::Enable)?,
            "restart" => self.switch_protocols(Switch::Restart)?,
            "reload" => self.reload()?,
            "debug" => self.debug_command()?,
            "mrtdump" => self.mrtdump()?,
            "dump" => {
                while *self.peek() != Token::End {
                    self.next();
                }
                Command::Dump
            }
            "echo" => self.echo()?,
            "eval" => Command::Eval(self.term()?),
            "restrict" => Command::Restrict,
            "help" => return self.unexpected_but("END"),
            _ => {
                self.go_back_to(begin);
                return self.unexpected();
            }
        })
    }

    fn show(&mut self) -> Result<Command> {
        let word = self.first_word();
        let begin = self.at();
        self.next();
        Ok(match &*word {
            "status" => Command::Status,
            "memory" => Command::Memory,
            "protocols" => {
                let all = self.eat("all");
                let expected = if all { "END or CF_SYM_KNOWN or TEXT" } else { "END or CF_SYM_KNOWN or TEXT or ALL" };
                let which = if *self.peek() == Token::End { Which::All } else { self.protocols(expected, false)? };
                Command::Protocols(all, which)
            }
            "interfaces" => {
                let summary = self.eat("summary");
                if !summary && *self.peek() != Token::End {
                    return self.unexpected_but("END or SUMMARY");
                }
                Command::Interfaces(summary)
            }
            "route" => Command::Route(Box::new(self.query()?)),
            "symbols" => self.show_symbols()?,
            "static" => Command::Static(self.one_protocol("END or CF_SYM_KNOWN")?),
            "ospf" => {
                let words = ["neighbors", "interface", "topology", "state", "lsadb"];
                let more = words.iter().any(|word| self.eat_word(word));
                if more {
                    self.eat("all");
                }
                Command::Absent("OSPF", self.one_protocol("")?)
            }
            "rip" if self.eat_word("interfaces") || self.eat_word("neighbors") => {
                Command::Absent("RIP", self.one_protocol("")?)
            }
            "babel" if ["interfaces", "neighbors", "entries", "routes"].iter().any(|word| self.eat_word(word)) => {
                Command::Absent("Babel", self.one_protocol("")?)
            }
            "bfd" if self.eat_word("sessions") => Command::Absent("BFD", self.one_protocol("")?),
            _ => {
                self.go_back_to(begin);
                return self.unexpected();
            }
        })
    }

    /// The name of a protocol, or nothing.
    fn one_protocol(&mut self, expected: &str) -> Result<Option<String>> {
        match self.peek() {
            Token::End => Ok(None),
            Token::Symbol(name) if self.config.symbols.contains_key(name) => Ok(Some(self.protocol_name()?)),
            _ => self.unexpected_but(expected),
        }
    }

    /// A name that must be a protocol's.
    fn protocol_name(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Symbol(name) if self.config.symbols.contains_key(&name) => {
                if !matches!(self.config.symbols.get(&name), Some(Symbol::Protocol)) {
                    return self.error("Protocol name required");
                }
                self.next();
                Ok(name)
            }
            _ => self.unexpected_but("CF_SYM_KNOWN"),
        }
    }

    /// A name, a pattern in quotes, or `all`.
    fn protocols(&mut self, expected: &str, all: bool) -> Result<Which> {
        match self.peek().clone() {
            Token::Key("all") if all => {
                self.next();
                Ok(Which::All)
            }
            Token::Text(pattern) => {
                self.next();
                Ok(Which::Pattern(pattern))
            }
            Token::Symbol(name) if self.config.symbols.contains_key(&name) => Ok(Which::Name(self.protocol_name()?)),
            _ => self.unexpected_but(expected),
        }
    }

    fn some_protocols(&mut self) -> Result<Which> {
        self.protocols("CF_SYM_KNOWN or TEXT or ALL", true)
    }

    fn show_symbols(&mut self) -> Result<Command> {
        let class = match self.peek().clone() {
            Token::End => return Ok(Command::Symbols(Symbols::All)),
            Token::Key("table") => "routing table",
            Token::Key("filter") => "filter",
            Token::Key("function") => "function",
            Token::Key("protocol") => "protocol",
            Token::Key("template") => "protocol template",
            Token::Symbol(name) => {
                self.next();
                return Ok(Command::Symbols(Symbols::Name(name)));
            }
            _ => return self.unexpected(),
        };
        self.next();
        Ok(Command::Symbols(Symbols::Class(class)))
    }

    fn switch_protocols(&mut self, switch: Switch) -> Result<Command> {
        let which = self.some_protocols()?;
        let text = match self.peek() {
            Token::End => None,
            Token::Text(_) => Some(self.text()?),
            _ => return self.unexpected_but("END or TEXT"),
        };
        Ok(Command::Switch(switch, which, text))
    }

    fn reload(&mut self) -> Result<Command> {
        let (inward, outward) = (self.eat("in"), self.eat_word("out"));
        let both = !inward && !outward;
        let which = self.protocols(if both { "" } else { "CF_SYM_KNOWN or TEXT or ALL" }, true)?;
        Ok(Command::Reload(inward || both, outward || both, which))
    }

    fn debug_command(&mut self) -> Result<Command> {
        let which = self.some_protocols()?;
        if !self.is_key("all") && !self.is_key("off") && !self.is_mark("{") {
            let channel = if which == Which::All { "" } else { "'.' or " };
            return self.unexpected_but(&format!("{channel}OFF or '{{' or ALL"));
        }
        Ok(Command::Debug(which, self.debug_mask()?))
    }

    /// `mrtdump`: no file for it can be configured, so there is nothing to write.
    fn mrtdump(&mut self) -> Result<Command> {
        let which = self.some_protocols()?;
        if self.eat("all") || self.eat("off") {
            return Ok(Command::MrtDump(which));
        }
        if !self.eat_mark("{") {
            return self.unexpected_but("OFF or '{' or ALL");
        }
        loop {
            if !self.eat_word("states") && !self.eat_word("messages") {
                return self.unexpected();
            }
            if !self.eat_mark(",") {
                break;
            }
        }
        self.mark_or_more("}")?;
        Ok(Command::MrtDump(which))
    }

    /// `all`, `off` or a list of classes; a size of the buffer, which is as long as it has to be.
    fn echo(&mut self) -> Result<Command> {
        let mut classes = 0;
        if self.eat("all") {
            classes = u32::MAX;
        } else if self.eat_mark("{") {
            loop {
                let Some(class) = Class::find(&self.first_word()) else { return self.unexpected() };
                self.next();
                classes |= class.bit();
                if !self.eat_mark(",") {
                    break;
                }
            }
            self.mark_or_more("}")?;
        } else if !self.eat("off") {
            return self.unexpected_but("OFF or '{' or ALL");
        }
        if *self.peek() != Token::End {
            self.number()?;
        }
        Ok(Command::Echo(classes))
    }

    fn configure(&mut self) -> Result<Configure> {
        let soft = self.eat("soft");
        if !soft {
            if self.eat("check") {
                let file = self.file("END or TEXT")?;
                return Ok(Configure::Check(file));
            }
            for (word, command) in
                [("confirm", Configure::Confirm), ("undo", Configure::Undo), ("status", Configure::Status)]
            {
                if self.eat(word) {
                    return Ok(command);
                }
            }
        }
        let timeout = |parser: &mut Self| -> Result<Option<u32>> {
            if !parser.eat("timeout") {
                return Ok(None);
            }
            match parser.peek() {
                Token::End => Ok(Some(300)),
                Token::Text(_) => parser.unexpected_but("END"),
                Token::Number(_) | Token::Mark("(") => Ok(Some(parser.number()?)),
                Token::Symbol(name) if parser.config.symbols.contains_key(name) => Ok(Some(parser.number()?)),
                _ => parser.unexpected_but("END or NUM or CF_SYM_KNOWN or '('"),
            }
        };
        if let Some(seconds) = timeout(self)? {
            return Ok(Configure::Load { soft, file: None, undo_after: Some(seconds) });
        }
        let expected = if soft { "END or TEXT or TIMEOUT" } else { "" };
        let file = if self.is_key("timeout") { None } else { self.file(expected)? };
        let undo_after = timeout(self)?;
        if file.is_some() && undo_after.is_none() && *self.peek() != Token::End {
            return self.unexpected_but("END or TIMEOUT");
        }
        Ok(Configure::Load { soft, file, undo_after })
    }

    fn file(&mut self, expected: &str) -> Result<Option<String>> {
        match self.peek() {
            Token::End => Ok(None),
            Token::Text(_) => Ok(Some(self.text()?)),
            _ => self.unexpected_but(expected),
        }
    }
}

impl Parser {
    /// What stands behind `show route`.
    fn query(&mut self) -> Result<Query> {
        let mut query = Query::default();
        while *self.peek() != Token::End {
            self.query_part(&mut query)?;
        }
        Ok(query)
    }

    fn query_part(&mut self, query: &mut Query) -> Result<()> {
        let token = self.peek().clone();
        let word = self.first_word();
        match &*word {
            "for" | "in" => {
                self.next();
                let choice = if word == "for" { Choice::Longest } else { Choice::Within };
                let net = if word == "for" { self.address_or_net()? } else { self.net()? };
                return self.set_net(query, choice, net);
            }
            "all" => query.all = true,
            "count" => (query.count, query.stats) = (true, false),
            "stats" => (query.count, query.stats) = (false, true),
            "primary" => query.primary = true,
            "filtered" => query.filtered = true,
            "table" => {
                self.next();
                return self.query_table(query);
            }
            "import" => {
                self.next();
                self.key("table")?;
                return self.error("Import tables are not supported here");
            }
            "protocol" => {
                self.next();
                query.protocol = Some(self.protocol_name()?);
                return Ok(());
            }
            "exported" | "export" | "preexport" | "noexport" => {
                self.next();
                if word == "export" && self.is_key("table") {
                    return self.error("Export tables are not supported here");
                }
                let export = match &*word {
                    "exported" => Export::Told,
                    "export" => Export::Passed,
                    "preexport" => Export::Before,
                    _ => Export::Not,
                };
                query.export = Some((export, self.protocol_name()?));
                return Ok(());
            }
            "where" => {
                self.next();
                query.filter = Some(self.where_filter()?);
                return Ok(());
            }
            "filter" => {
                self.next();
                query.filter = Some(self.filter_here()?);
                return Ok(());
            }
            _ if matches!(token, Token::Ip(_) | Token::Ip6(_)) => {
                let net = self.net()?;
                return self.set_net(query, Choice::Exact, net);
            }
            _ => return self.unexpected(),
        }
        self.next();
        Ok(())
    }

    fn set_net(&mut self, query: &mut Query, choice: Choice, net: Ipv4Net) -> Result<()> {
        match query.net.replace((choice, net)) {
            None => Ok(()),
            Some(_) => self.error("Only one prefix expected"),
        }
    }

    /// `10.0.0.0/8`
    fn net(&mut self) -> Result<Ipv4Net> {
        match *self.peek() {
            Token::Ip(addr) => {
                self.next();
                if !self.is_mark("/") {
                    return self.unexpected_but("'/'");
                }
                self.prefix_of(addr)
            }
            Token::Ip6(_) => self.error("There is no IPv6 here"),
            _ => self.unexpected(),
        }
    }

    /// The same, or an address, or a constant that is one.
    fn address_or_net(&mut self) -> Result<Ipv4Net> {
        match self.peek().clone() {
            Token::Ip(addr) => {
                self.next();
                if self.is_mark("/") { self.prefix_of(addr) } else { Ok(addr.into()) }
            }
            Token::Symbol(name) if self.config.symbols.contains_key(&name) => self.prefix(),
            Token::Ip6(_) => self.error("There is no IPv6 here"),
            _ => self.unexpected_but("IP4 or IP6 or VPN_RD or CF_SYM_KNOWN"),
        }
    }

    fn query_table(&mut self, query: &mut Query) -> Result<()> {
        match self.peek().clone() {
            Token::Key("all") => query.tables = Tables::All,
            Token::Symbol(name) if self.config.symbols.contains_key(&name) => {
                if !matches!(self.config.symbols.get(&name), Some(Symbol::Table)) {
                    return self.error("Table name required");
                }
                match &mut query.tables {
                    Tables::Named(names) => names.push(name),
                    other => *other = Tables::Named(vec![name]),
                }
            }
            _ => return self.unexpected_but("CF_SYM_KNOWN or ALL"),
        }
        self.next();
        Ok(())
    }
}
