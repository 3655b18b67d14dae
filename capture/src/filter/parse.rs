//! The grammar: qualifiers, implied qualifiers, precedence.
//!
//! `and` and `or` bind equally and to the left, `not` binds tighter. A bare id after `and` or `or` takes the qualifiers
//! of the condition before it: `tcp port 80 or 443`.

use super::FilterError;
use super::ast::{Arithmetic, Expression, Id, Kind, Primitive, Protocol, Qualifiers, Relation, Side};
use super::lex::{self, Token};
use super::names;

/// How deeply parentheses, `not` and operators may nest.
const MAX_DEPTH: u32 = 100;

/// The qualifiers a bare id would inherit; `None` where there is nothing to inherit from.
type Inherited = Option<Qualifiers>;

type Parsed<T> = Result<T, FilterError>;

struct Grammar {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    /// The conditions so far.
    read: Vec<Primitive>,
}

/// Where reading ended, and the conditions read before that.
pub(super) struct Stopped {
    pub(super) error: FilterError,
    pub(super) read: Vec<Primitive>,
}

/// Parses a filter expression. What a well-formed one cannot mean (`unknown host`) is found when it is compiled.
pub(super) fn parse(text: &str) -> Result<Expression, Stopped> {
    let tokens = lex::tokens(text).map_err(|error| Stopped { error, read: Vec::new() })?;
    let mut grammar = Grammar { tokens, at: 0, depth: 0, read: Vec::new() };
    match grammar.all() {
        Ok(expression) => Ok(expression),
        Err(error) => {
            let error = match grammar.tokens.get(grammar.at) {
                Some(Token::Bad(error)) => error.clone(),
                _ => error,
            };
            Err(Stopped { error, read: grammar.read })
        }
    }
}

impl Grammar {
    fn all(&mut self) -> Parsed<Expression> {
        if self.tokens.is_empty() {
            return Ok(Expression::All);
        }
        let (expression, _) = self.expression(None)?;
        if self.at == self.tokens.len() { Ok(expression) } else { Err(FilterError::Syntax) }
    }

    fn primitive(&mut self, primitive: Primitive) -> Expression {
        self.read.push(primitive.clone());
        Expression::Primitive(primitive)
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek(ahead), Some(Token::Symbol(found)) if *found == symbol)
    }

    /// The keyword `ahead` words from here; operators that have a word's spelling count as that word.
    fn keyword(&self, ahead: usize) -> Option<&'static str> {
        match self.peek(ahead)? {
            Token::Symbol(symbol @ ("and" | "or" | "not")) => Some(symbol),
            Token::Word(word) => lex::keyword(word),
            _ => None,
        }
    }

    fn protocol(&self, ahead: usize) -> Option<Protocol> {
        match self.peek(ahead)? {
            Token::Word(word) => Protocol::named(word),
            _ => None,
        }
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let found = self.keyword(0) == Some(keyword);
        self.at += usize::from(found);
        found
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(FilterError::Syntax) }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Grammar) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(FilterError::Syntax);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self, context: Inherited) -> Parsed<(Expression, Inherited)> {
        let (mut left, mut inherited) = self.term(context)?;
        loop {
            let both = match self.keyword(0) {
                Some("and") => true,
                Some("or") => false,
                _ => return Ok((left, inherited)),
            };
            self.at += 1;
            let right = if self.at_id() {
                self.id(inherited)?
            } else {
                let (right, after) = self.term(inherited)?;
                inherited = after;
                right
            };
            left = join(both, left, right);
        }
    }

    fn term(&mut self, context: Inherited) -> Parsed<(Expression, Inherited)> {
        if self.accept("not") {
            let (inner, inherited) = self.nested(|grammar| grammar.term(context))?;
            return Ok((Expression::Not(Box::new(inner)), inherited));
        }
        if self.is_symbol(0, "(") && !self.is_arithmetic_group() {
            self.at += 1;
            let (inner, _) = self.nested(|grammar| grammar.expression(context))?;
            self.expect_symbol(")")?;
            return Ok((inner, context));
        }
        if self.at_arithmetic() {
            return Ok((self.relation()?, None));
        }
        if let Some(primitive) = self.plain_primitive()? {
            return Ok((self.primitive(primitive), None));
        }
        self.qualified()
    }

    /// A condition that begins with qualifiers: `[protocol] [src|dst] [host|net|port|...] id`.
    fn qualified(&mut self) -> Parsed<(Expression, Inherited)> {
        let protocol = self.protocol(0);
        self.at += usize::from(protocol.is_some());
        match self.keyword(0) {
            Some("broadcast") => {
                self.at += 1;
                return Ok((self.primitive(Primitive::Broadcast(protocol)), None));
            }
            Some("multicast") => {
                self.at += 1;
                return Ok((self.primitive(Primitive::Multicast(protocol)), None));
            }
            _ => {}
        }
        let direction = self.direction();
        let kind = self.kind(direction.is_some());
        if direction.is_none() && kind.is_none() {
            return match protocol {
                Some(protocol) => Ok((self.primitive(Primitive::Protocol(protocol)), None)),
                None => Err(FilterError::Syntax),
            };
        }
        let inherited = Some(Qualifiers { protocol, direction, kind });
        Ok((self.id(inherited)?, inherited))
    }

    fn direction(&mut self) -> Option<Side> {
        let (first, other) = match self.keyword(0) {
            Some("src") => (Side::Source, "dst"),
            Some("dst") => (Side::Destination, "src"),
            _ => return None,
        };
        let joined = match self.keyword(1) {
            Some("or") => Some(Side::Either),
            Some("and") => Some(Side::Both),
            _ => None,
        };
        match joined.filter(|_| self.keyword(2) == Some(other)) {
            Some(side) => {
                self.at += 3;
                Some(side)
            }
            None => {
                self.at += 1;
                Some(first)
            }
        }
    }

    fn kind(&mut self, directed: bool) -> Option<Kind> {
        let kind = match self.keyword(0)? {
            "host" => Kind::Host,
            "net" => Kind::Net,
            "port" => Kind::Port,
            "portrange" => Kind::PortRange,
            "proto" if !directed => Kind::Protocol,
            "protochain" if !directed => Kind::ProtocolChain,
            "gateway" if !directed => Kind::Gateway,
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// Conditions without qualifiers.
    fn plain_primitive(&mut self) -> Parsed<Option<Primitive>> {
        if let Some(Token::Word(word)) = self.peek(0)
            && let Some(text) = names::foreign(word)
        {
            return Err(FilterError::meaning(text));
        }
        let Some(keyword) = self.keyword(0) else { return Ok(None) };
        let primitive: fn(u32) -> Primitive = match keyword {
            "less" => Primitive::Less,
            "greater" => Primitive::Greater,
            "ifindex" => Primitive::IfIndex,
            "byte" => return self.byte().map(Some),
            "inbound" => return Ok(self.skip(Primitive::Inbound)),
            "outbound" => return Ok(self.skip(Primitive::Outbound)),
            "llc" => return Ok(self.skip(Primitive::Llc)),
            "pppoed" => return Ok(self.skip(Primitive::Pppoed)),
            "vlan" => return Ok(Some(self.optional_number(Primitive::Vlan))),
            "mpls" => return Ok(Some(self.optional_number(Primitive::Mpls))),
            "pppoes" => return Ok(Some(self.optional_number(Primitive::Pppoes))),
            "geneve" => return Ok(Some(self.optional_number(Primitive::Geneve))),
            _ => return Ok(None),
        };
        self.at += 1;
        self.number().map(primitive).map(Some)
    }

    fn skip(&mut self, primitive: Primitive) -> Option<Primitive> {
        self.at += 1;
        Some(primitive)
    }

    fn number(&mut self) -> Parsed<u32> {
        match self.peek(0) {
            Some(&Token::Number(number)) => {
                self.at += 1;
                Ok(number)
            }
            _ => Err(FilterError::Syntax),
        }
    }

    fn optional_number(&mut self, primitive: fn(Option<u32>) -> Primitive) -> Primitive {
        self.at += 1;
        let before = self.at;
        while self.accept_symbol("(") {}
        let opened = self.at - before;
        let number = self.number().ok();
        let closed = number.is_some() && (0..opened).all(|_| self.accept_symbol(")"));
        if !closed {
            self.at = before;
            return primitive(None);
        }
        primitive(number)
    }

    fn byte(&mut self) -> Parsed<Primitive> {
        self.at += 1;
        let at = self.number()?;
        let operator = match self.peek(0) {
            Some(Token::Symbol("&")) => '&',
            Some(Token::Symbol("|")) => '|',
            Some(Token::Symbol("<")) => '<',
            Some(Token::Symbol(">")) => '>',
            Some(Token::Symbol("=")) => '=',
            _ => return Err(FilterError::Syntax),
        };
        self.at += 1;
        Ok(Primitive::Byte(at, operator, self.number()?))
    }

    /// Whether an id without qualifiers stands here, under any parentheses and negations.
    fn at_id(&self) -> bool {
        let mut ahead = 0;
        while self.is_symbol(ahead, "(") || self.keyword(ahead) == Some("not") {
            ahead += 1;
        }
        match self.peek(ahead) {
            Some(Token::Number(_)) => {
                ahead += 1;
                while self.is_symbol(ahead, ")") {
                    ahead += 1;
                }
                !self.at_operator(ahead)
            }
            Some(Token::Word(word)) => {
                lex::keyword(word).is_none() && Protocol::named(word).is_none() && names::foreign(word).is_none()
            }
            Some(Token::Symbol(_) | Token::Bad(_)) | None => false,
            Some(_) => true,
        }
    }

    /// An id, or several in parentheses, with the qualifiers given.
    fn id(&mut self, inherited: Inherited) -> Parsed<Expression> {
        if self.accept("not") {
            let inner = self.nested(|grammar| grammar.id(inherited))?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.accept_symbol("(") {
            let mut left = self.nested(|grammar| grammar.id(inherited))?;
            loop {
                let both = match self.keyword(0) {
                    Some("and") => true,
                    Some("or") => false,
                    _ => break,
                };
                self.at += 1;
                let right = self.nested(|grammar| grammar.id(inherited))?;
                left = join(both, left, right);
            }
            self.expect_symbol(")")?;
            return Ok(left);
        }
        let id = self.bare_id()?;
        let Some(qualifiers) = inherited else {
            return Err(FilterError::meaning("syntax error in filter expression"));
        };
        Ok(self.primitive(Primitive::Id(qualifiers, id)))
    }

    fn bare_id(&mut self) -> Parsed<Id> {
        let token = self.peek(0).cloned().ok_or(FilterError::Syntax)?;
        self.at += 1;
        Ok(match token {
            Token::Number(number) => Id::Number(number),
            Token::Name(name) => Id::Name(name),
            Token::Mac(mac) => Id::Mac(mac),
            Token::Ip6(address, _) if self.accept_symbol("/") => Id::Ip6(address, self.number()?),
            Token::Ip6(address, _) => Id::Ip6(address, 128),
            Token::Dotted(address) if self.accept_symbol("/") => Id::Prefix(address, self.number()?),
            Token::Dotted(address) if self.accept("mask") => match self.peek(0).cloned() {
                Some(Token::Dotted(mask)) => {
                    self.at += 1;
                    Id::Masked(address, mask)
                }
                _ => return Err(FilterError::Syntax),
            },
            Token::Dotted(address) => Id::Dotted(address),
            Token::Word(word)
                if lex::keyword(&word).is_none()
                    && Protocol::named(&word).is_none()
                    && names::foreign(&word).is_none() =>
            {
                Id::Name(word)
            }
            Token::Word(_) | Token::Symbol(_) | Token::Bad(_) => {
                self.at -= 1;
                return Err(FilterError::Syntax);
            }
        })
    }

    /// Whether the parenthesis here is part of a byte expression: an operator follows where it closes.
    fn is_arithmetic_group(&self) -> bool {
        let mut open = 0_usize;
        for ahead in 0.. {
            match self.peek(ahead) {
                Some(Token::Symbol("(")) => open += 1,
                Some(Token::Symbol(")")) => open = open.saturating_sub(1),
                None => return false,
                Some(_) => {}
            }
            if open == 0 {
                return self.at_operator(ahead + 1);
            }
        }
        false
    }

    fn at_operator(&self, ahead: usize) -> bool {
        const OPERATORS: &[&str] =
            &["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "<", ">", "<=", ">=", "=", "!="];
        matches!(self.peek(ahead), Some(Token::Symbol(symbol)) if OPERATORS.contains(symbol))
    }

    fn at_arithmetic(&self) -> bool {
        match self.peek(0) {
            Some(Token::Number(_) | Token::Symbol("(" | "-")) => true,
            Some(Token::Word(_)) => {
                self.keyword(0) == Some("len") || (self.protocol(0).is_some() && self.is_symbol(1, "["))
            }
            _ => false,
        }
    }

    fn relation(&mut self) -> Parsed<Expression> {
        let left = self.arithmetic(0)?;
        let relation = match self.peek(0) {
            Some(Token::Symbol(">")) => Relation::Greater,
            Some(Token::Symbol(">=")) => Relation::GreaterEqual,
            Some(Token::Symbol("=")) => Relation::Equal,
            Some(Token::Symbol("!=")) => Relation::NotEqual,
            Some(Token::Symbol("<=")) => Relation::LessEqual,
            Some(Token::Symbol("<")) => Relation::Less,
            _ => return Err(FilterError::Syntax),
        };
        self.at += 1;
        let right = self.arithmetic(0)?;
        Ok(self.primitive(Primitive::Relation(relation, left, right)))
    }

    /// Operators bind as libpcap's grammar ranks them. It gives `^` and `%` no rank: they take what stands directly
    /// before them and everything after them.
    fn arithmetic(&mut self, rank: usize) -> Parsed<Arithmetic> {
        const UNRANKED: &[&str] = &["^", "%"];
        const RANKS: &[&[&str]] = &[&["|"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/"]];
        let mut left = self.nested(Grammar::operand)?;
        while let Some(&Token::Symbol(operator)) = self.peek(0) {
            let right_rank = match RANKS.iter().position(|rank| rank.contains(&operator)) {
                Some(found) if found >= rank => found + 1,
                None if UNRANKED.contains(&operator) => 0,
                _ => break,
            };
            self.at += 1;
            let right = self.nested(|grammar| grammar.arithmetic(right_rank))?;
            left = Arithmetic::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Parsed<Arithmetic> {
        if self.accept_symbol("-") {
            const ABOVE_ALL_RANKS: usize = 5;
            let inner = self.nested(|grammar| grammar.arithmetic(ABOVE_ALL_RANKS))?;
            return Ok(Arithmetic::Negate(Box::new(inner)));
        }
        if self.accept_symbol("(") {
            let inner = self.arithmetic(0)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        if self.accept("len") {
            return Ok(Arithmetic::Length);
        }
        let Some(protocol) = self.protocol(0) else { return self.number().map(Arithmetic::Number) };
        self.at += 1;
        self.expect_symbol("[")?;
        let at = self.arithmetic(0)?;
        let size = if self.accept_symbol(":") { self.number()? } else { 1 };
        self.expect_symbol("]")?;
        Ok(Arithmetic::Load(protocol, Box::new(at), size))
    }
}

fn join(both: bool, left: Expression, right: Expression) -> Expression {
    if both {
        Expression::And(Box::new(left), Box::new(right))
    } else {
        Expression::Or(Box::new(left), Box::new(right))
    }
}
