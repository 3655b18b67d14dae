//! What stands outside of protocols and filters.

use std::sync::Arc;

use super::lexer::Token;
use super::parser::{Parser, Result, Scope};
use super::{Log, LogTarget, Symbol};
use crate::bird::filter::{self, Filter};
use crate::bird::log::Class;

impl Parser {
    pub(super) fn item(&mut self) -> Result<()> {
        match self.peek().clone() {
            Token::Key("router") => self.router_id(),
            Token::Key("log") => self.log(),
            Token::Key("define") => self.define(),
            Token::Key("protocol") => self.protocol(false),
            Token::Key("template") => self.protocol(true),
            Token::Key("filter") => self.filter(),
            Token::Key("function") => self.function(),
            Token::Key("ipv4") => self.ipv4_table(),
            Token::Key("hostname") => {
                self.next();
                self.config.hostname = Some(self.text()?);
                self.mark(";")
            }
            Token::Key("debug") => self.debug_line(),
            Token::Key("graceful") => self.graceful_restart_wait(),
            Token::Key("timeformat") => self.timeformat(),
            Token::Key("watchdog") => self.watchdog(),
            Token::Key("ipv6" | "roa" | "vpn" | "eval") => {
                self.error("This is not supported here (only IPv4 tables are)")
            }
            Token::Mark(";") => {
                self.next();
                Ok(())
            }
            _ => self.unexpected(),
        }
    }

    fn router_id(&mut self) -> Result<()> {
        self.next();
        self.key("id")?;
        if self.eat("from") {
            let patterns = self.interface_patterns()?;
            let names =
                patterns.into_iter().filter_map(|p| p.name.map(|n| if p.negative { format!("-{n}") } else { n }));
            self.config.router_id_from = Some(names.collect());
        } else {
            self.config.router_id = Some(self.quad()?);
        }
        self.mark(";")
    }

    fn quad(&mut self) -> Result<std::net::Ipv4Addr> {
        match self.peek().clone() {
            Token::Ip(addr) => {
                self.next();
                Ok(addr)
            }
            Token::Symbol(_) => self.address(),
            _ => Ok(self.number()?.into()),
        }
    }

    /// `log "file" [limit "backup"] all | { classes }`
    fn log(&mut self) -> Result<()> {
        self.next();
        let target = match self.peek().clone() {
            Token::Text(name) => {
                self.next();
                // A file that is renamed when it is full: it never gets so full here.
                if matches!(self.peek(), Token::Number(_)) {
                    self.number()?;
                    self.text()?;
                }
                LogTarget::File(name)
            }
            Token::Key("syslog") => {
                self.next();
                if self.eat("name") {
                    self.text()?;
                }
                LogTarget::Syslog
            }
            Token::Symbol(word) if word == "stderr" => {
                self.next();
                LogTarget::Stderr
            }
            Token::Symbol(word) if word == "udp" => return self.error("Logging by UDP is not supported here"),
            _ => return self.unexpected(),
        };
        let classes = self.log_classes()?;
        self.config.logs.push(Log { target, classes });
        self.mark(";")
    }

    fn log_classes(&mut self) -> Result<u32> {
        if self.eat("all") {
            return Ok(u32::MAX);
        }
        if !self.eat_mark("{") {
            return self.unexpected_but("ALL or '{'");
        }
        let mut classes = 0;
        loop {
            let word = match self.peek() {
                Token::Key(word) => (*word).to_owned(),
                Token::Symbol(word) => word.clone(),
                _ => return self.unexpected(),
            };
            let Some(class) = Class::find(&word) else { return self.unexpected() };
            self.next();
            classes |= class.bit();
            if !self.eat_mark(",") {
                break;
            }
        }
        self.mark("}")?;
        Ok(classes)
    }

    fn define(&mut self) -> Result<()> {
        self.next();
        // Whether the name is taken is found when the value is known.
        let name = match self.peek().clone() {
            Token::Symbol(name) if self.config.symbols.contains_key(&name) => {
                self.next();
                name
            }
            _ => self.new_name()?,
        };
        self.mark("=")?;
        let value = self.constant()?;
        if self.config.symbols.contains_key(&name) {
            return self.error(format!("Symbol '{name}' already defined"));
        }
        self.mark(";")?;
        self.config.symbols.insert(name, Symbol::Constant(value));
        Ok(())
    }

    fn ipv4_table(&mut self) -> Result<()> {
        self.next();
        self.key("table")?;
        let defined = matches!(self.peek(), Token::Symbol(name) if name == "master4");
        let name = if defined { self.table()? } else { self.new_name()? };
        if self.is_key("sorted") || matches!(self.peek(), Token::Symbol(_)) {
            return self.error("Options of tables are not supported here");
        }
        self.mark(";")?;
        if !defined {
            self.config.symbols.insert(name.clone(), Symbol::Table);
            self.config.tables.push(name);
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<()> {
        self.next();
        let name = self.new_name()?;
        let body = self.filter_body(&name)?;
        let filter = Arc::new(Filter { name: Some(name.clone()), body });
        self.config.symbols.insert(name, Symbol::Filter(filter));
        Ok(())
    }

    /// `[declarations] { statements }`
    pub(super) fn filter_body(&mut self, name: &str) -> Result<Arc<filter::Function>> {
        let outer = core::mem::take(&mut self.scope);
        let done = self.declarations().and_then(|()| self.body());
        let scope = core::mem::replace(&mut self.scope, outer);
        Ok(Arc::new(filter::Function { name: name.to_owned(), params: Vec::new(), vars: scope.vars, body: done? }))
    }

    /// The block behind a route by hand.
    pub(super) fn route_body(&mut self) -> Result<Arc<filter::Function>> {
        let outer = core::mem::take(&mut self.scope);
        let done = self.statements();
        let scope = core::mem::replace(&mut self.scope, outer);
        Ok(Arc::new(filter::Function { name: String::new(), params: Vec::new(), vars: scope.vars, body: done? }))
    }

    fn function(&mut self) -> Result<()> {
        self.next();
        let name = self.new_name()?;
        self.scope = Scope::default();
        self.mark("(")?;
        while !self.is_mark(")") {
            self.declaration()?;
            if !self.eat_mark(",") && !self.eat_mark(";") {
                break;
            }
        }
        self.mark(")")?;
        let params = self.scope.vars.clone();
        self.scope.function = Some((name.clone(), params.len()));
        self.declarations()?;
        let body = self.body()?;
        let scope = core::mem::take(&mut self.scope);
        let function = filter::Function { name: name.clone(), params, vars: scope.vars, body };
        self.config.symbols.insert(name, Symbol::Function(Arc::new(function)));
        Ok(())
    }

    /// `debug protocols all`, `debug commands 0`
    fn debug_line(&mut self) -> Result<()> {
        self.next();
        match self.next() {
            Token::Key("protocols") => self.debug = self.debug_mask()?,
            Token::Key("channels" | "tables") => self.no_traces_of_routes()?,
            Token::Symbol(word) if word == "commands" => {
                self.number()?;
            }
            Token::Symbol(word) if word == "latency" => {
                self.switch()?;
            }
            _ => return self.unexpected(),
        }
        self.mark(";")
    }

    /// `all`, `off` or a list of what is to be traced.
    pub(super) fn debug_mask(&mut self) -> Result<bool> {
        if self.eat("all") {
            return Ok(true);
        }
        if self.eat("off") || self.eat("none") {
            return Ok(false);
        }
        self.mark("{")?;
        loop {
            match self.peek() {
                Token::Key("states" | "routes" | "filters" | "interfaces" | "events") => self.next(),
                Token::Symbol(word) if word == "packets" => self.next(),
                _ => return self.unexpected(),
            };
            if !self.eat_mark(",") {
                break;
            }
        }
        if !self.eat_mark("}") {
            return self.unexpected_but("',' or '}'");
        }
        Ok(true)
    }

    /// `debug` of channels and tables: only protocols tell what they do.
    pub(super) fn no_traces_of_routes(&mut self) -> Result<()> {
        if self.debug_mask()? { self.error("Traces of channels and tables are not supported here") } else { Ok(()) }
    }

    /// `graceful restart wait 240`: how long recovery may take. Nothing recovers here.
    fn graceful_restart_wait(&mut self) -> Result<()> {
        self.next();
        self.key("restart")?;
        self.key("wait")?;
        self.number()?;
        self.mark(";")
    }

    fn timeformat(&mut self) -> Result<()> {
        self.error("Other formats of time than BIRD's usual ones are not supported here")
    }

    fn watchdog(&mut self) -> Result<()> {
        self.next();
        match self.next() {
            Token::Key("warning" | "timeout") => {}
            _ => return self.unexpected(),
        }
        self.number()?;
        // A daemon that lives in virtual time is never late.
        match self.peek() {
            Token::Symbol(unit) if matches!(&**unit, "s" | "ms" | "us") => {
                self.next();
            }
            _ => return self.unexpected(),
        }
        self.mark(";")
    }
}
