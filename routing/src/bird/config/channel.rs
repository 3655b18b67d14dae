//! Channels: `ipv4 { table x; import ...; export ...; };`

use std::sync::Arc;

use super::lexer::Token;
use super::parser::{Parser, Result};
use super::{Channel, Kind, Limit, LimitAction, Policy, Symbol};
use crate::bgp::config::For;
use crate::bird::filter::{Filter, Function, Stmt, ast::StmtKind};

impl Parser {
    pub(super) fn channel(&mut self, channel: &mut Channel, kind: &mut Kind) -> Result<()> {
        if !self.eat_mark("{") {
            return Ok(());
        }
        while !self.is_mark("}") {
            self.channel_option(channel, kind)?;
            self.mark_or_more(";")?;
        }
        self.next();
        Ok(())
    }

    pub(super) fn channel_option(&mut self, channel: &mut Channel, kind: &mut Kind) -> Result<()> {
        match self.peek() {
            Token::Key("table") => {
                self.next();
                channel.table = self.table()?;
            }
            Token::Key("preference") => {
                self.next();
                channel.preference = self.number()?;
                if channel.preference > 0xffff {
                    return self.error("Invalid preference");
                }
            }
            Token::Key("import") => {
                self.next();
                self.import(channel)?;
            }
            Token::Key("export") => {
                self.next();
                if self.eat("limit") {
                    channel.limits[2] = self.limit()?;
                } else if self.is_key("in") {
                    return self.error("Export prefilters are not supported here");
                } else {
                    channel.export = self.policy()?;
                    channel.explicit.1 = true;
                }
            }
            Token::Key("receive") => {
                self.next();
                self.key("limit")?;
                channel.limits[0] = self.limit()?;
            }
            Token::Key("debug") => {
                self.next();
                self.no_traces_of_routes()?;
            }
            _ => match kind {
                Kind::Bgp(bgp) => return self.bgp_channel_option(channel, bgp),
                _ => return self.unexpected(),
            },
        }
        Ok(())
    }

    fn import(&mut self, channel: &mut Channel) -> Result<()> {
        match self.peek() {
            Token::Key("limit") => {
                self.next();
                channel.limits[1] = self.limit()?;
            }
            Token::Key("keep") => {
                self.next();
                self.key("filtered")?;
                channel.keep_filtered = self.switch()?;
            }
            Token::Key("table") => return self.error("Import tables are not supported here"),
            _ => {
                channel.import = self.policy()?;
                channel.explicit.0 = true;
            }
        }
        Ok(())
    }

    /// `all`, `none`, `filter NAME`, `filter { ... }`, `where EXPRESSION`
    fn policy(&mut self) -> Result<Policy> {
        match self.peek() {
            Token::Key("all") => {
                self.next();
                Ok(Policy::All)
            }
            Token::Key("none") => {
                self.next();
                Ok(Policy::None)
            }
            Token::Key("filter") => {
                self.next();
                self.filter_here().map(Policy::Filter)
            }
            Token::Key("where") => {
                self.next();
                self.where_filter().map(Policy::Filter)
            }
            _ => self.unexpected(),
        }
    }

    /// A filter by its name, or its body.
    pub(super) fn filter_here(&mut self) -> Result<Arc<Filter>> {
        match self.peek().clone() {
            Token::Symbol(name) => match self.config.symbols.get(&name) {
                Some(Symbol::Filter(filter)) => {
                    let filter = filter.clone();
                    self.next();
                    Ok(filter)
                }
                Some(_) => self.error("Filter name required"),
                None => self.unexpected(),
            },
            _ => Ok(Arc::new(Filter { name: None, body: self.filter_body("(unnamed)")? })),
        }
    }

    pub(super) fn where_filter(&mut self) -> Result<Arc<Filter>> {
        let line = self.place().line;
        let condition = self.term()?;
        let end = |accepted| Stmt { line, kind: StmtKind::End(accepted, Vec::new()) };
        let body = vec![Stmt { line, kind: StmtKind::If(condition, Box::new(end(true)), Some(Box::new(end(false)))) }];
        let body = Function { name: "where".into(), params: Vec::new(), vars: Vec::new(), body };
        Ok(Arc::new(Filter { name: None, body: Arc::new(body) }))
    }

    /// `limit 10 action block`, `limit off`
    fn limit(&mut self) -> Result<Option<Limit>> {
        if self.eat("off") {
            return Ok(None);
        }
        let number = self.number()?;
        if !self.eat("action") {
            return Ok(Some((number, LimitAction::Disable)));
        }
        let action = match self.peek() {
            Token::Key("block") => LimitAction::Block,
            Token::Key("restart") => LimitAction::Restart,
            Token::Key("disable") => LimitAction::Disable,
            Token::Symbol(word) if word == "warn" => LimitAction::Warn,
            _ => return self.unexpected(),
        };
        self.next();
        Ok(Some((number, action)))
    }

    /// `self`, `self ibgp`, `self off`
    pub(super) fn whom(&mut self) -> Result<For> {
        match self.peek() {
            Token::Symbol(word) if word == "ibgp" => {
                self.next();
                Ok(For::Ibgp)
            }
            Token::Symbol(word) if word == "ebgp" => {
                self.next();
                Ok(For::Ebgp)
            }
            _ => Ok(if self.switch()? { For::All } else { For::None }),
        }
    }
}
