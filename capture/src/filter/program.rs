//! A compiled filter: tests with jumps, evaluated directly on the bytes of a packet.
//!
//! Evaluation allocates nothing and cannot loop: jumps only go forward. A test that reads beyond the captured bytes
//! rejects the packet at once, as the BPF machine does.

use super::ast::Relation;
use crate::{Direction, Meta};

/// Where the program ends instead of going on to a test.
const ACCEPT: u32 = u32::MAX;
const REJECT: u32 = u32::MAX - 1;

/// How many offsets found in a packet (behind headers of variable length) a program can remember.
pub(super) const REGISTERS: usize = 12;

/// A place in the packet: a constant, or one found while the program ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) register: Option<u8>,
    pub(super) constant: u32,
}

impl Offset {
    pub(super) fn constant(constant: u32) -> Offset {
        Offset { register: None, constant }
    }

    pub(super) fn plus(self, more: u32) -> Offset {
        Offset { constant: self.constant.wrapping_add(more), ..self }
    }
}

/// Where a value is loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At an offset.
    At(Offset),
    /// Behind the IPv4 header that begins at the first offset, so many bytes.
    BehindIp4(Offset, u32),
}

/// A value computed from the packet.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(u32),
    Length,
    /// Place, index added to it, size in bytes.
    Load(Place, Box<Value>, u8),
    Binary(Operator, Box<Value>, Box<Value>),
    Negate(Box<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

/// One condition on the packet.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Always(bool),
    /// The value of that size (1, 2 or 4 bytes) at that place, masked, compared.
    Field {
        place: Place,
        size: u8,
        mask: u32,
        relation: Relation,
        value: u32,
    },
    Relation(Relation, Value, Value),
    /// Sent by this host, by what is known besides the bytes.
    Outgoing,
    /// Seen on that interface, by what is known besides the bytes.
    IfIndex(u32),
    /// It has a VLAN tag, of that number, beside its bytes.
    Tagged(Option<u32>),
    /// A protocol anywhere in the chain of headers behind the network header.
    Chain {
        network: Offset,
        ip6: bool,
        next: u8,
    },
    /// Remembers where a Geneve header leads; always true. Registers: link header, link type, payload.
    EnterGeneve {
        header: Place,
        link_header: u8,
        link_type: u8,
        payload: u8,
    },
    /// Two remembered places differ.
    Differ(u8, u8),
}

/// A condition being put together.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Test(Test),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

impl Node {
    pub(super) fn and(self, other: Node) -> Node {
        Node::And(Box::new(self), Box::new(other))
    }

    pub(super) fn or(self, other: Node) -> Node {
        Node::Or(Box::new(self), Box::new(other))
    }

    pub(super) fn not(self) -> Node {
        Node::Not(Box::new(self))
    }
}

#[derive(Clone, Debug)]
struct Step {
    test: Test,
    yes: u32,
    no: u32,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// In reverse: every jump goes to a smaller index or ends the program.
    steps: Vec<Step>,
    start: u32,
}

/// What one evaluation knows.
struct Packet<'a> {
    bytes: &'a [u8],
    length: u32,
    meta: &'a Meta<'a>,
    registers: [u32; REGISTERS],
}

impl Program {
    pub(super) fn new(node: Node) -> Program {
        let mut program = Program { steps: Vec::new(), start: ACCEPT };
        program.start = program.add(node, ACCEPT, REJECT);
        program
    }

    /// Adds the tests of a node; gives where it begins.
    fn add(&mut self, node: Node, yes: u32, no: u32) -> u32 {
        match node {
            Node::Not(inner) => self.add(*inner, no, yes),
            Node::And(left, right) => {
                let right = self.add(*right, yes, no);
                self.add(*left, right, no)
            }
            Node::Or(left, right) => {
                let right = self.add(*right, yes, no);
                self.add(*left, yes, right)
            }
            Node::Test(Test::Always(truth)) => {
                if truth {
                    yes
                } else {
                    no
                }
            }
            Node::Test(test) => {
                self.steps.push(Step { test, yes, no });
                self.steps.len() as u32 - 1
            }
        }
    }

    /// Whether no packet at all can pass, by what equal fields say about each other (`ip and arp`).
    pub(super) fn rejects_all(&self) -> bool {
        let mut search = Search { program: self, known: Vec::new(), budget: 20_000 };
        !search.reaches_accept(self.start)
    }

    pub(super) fn matches(&self, bytes: &[u8], length: u32, meta: &Meta<'_>) -> bool {
        let mut packet = Packet { bytes, length, meta, registers: [0; REGISTERS] };
        let mut at = self.start;
        while let Some(step) = self.steps.get(at as usize) {
            at = match packet.test(&step.test) {
                Some(true) => step.yes,
                Some(false) => step.no,
                None => return false,
            };
        }
        at == ACCEPT
    }
}

/// A walk over all paths of a program, remembering what each took for granted.
struct Search<'a> {
    program: &'a Program,
    /// Field, value, whether it has that value.
    known: Vec<(Place, u8, u32, u32, bool)>,
    /// Steps left before the walk gives up and supposes that something can pass.
    budget: u32,
}

impl Search<'_> {
    fn reaches_accept(&mut self, at: u32) -> bool {
        self.budget = self.budget.saturating_sub(1);
        if at == ACCEPT || self.budget == 0 {
            return true;
        }
        let Some(step) = self.program.steps.get(at as usize) else { return false };
        let (yes, no) = (step.yes, step.no);
        let Test::Field { place, size, mask, relation: Relation::Equal, value } = step.test else {
            return self.reaches_accept(yes) || self.reaches_accept(no);
        };
        match self.truth(place, size, mask, value) {
            Some(true) => self.reaches_accept(yes),
            Some(false) => self.reaches_accept(no),
            None => [(true, yes), (false, no)].into_iter().any(|(holds, next)| {
                self.known.push((place, size, mask, value, holds));
                let reached = self.reaches_accept(next);
                self.known.pop();
                reached
            }),
        }
    }

    fn truth(&self, place: Place, size: u8, mask: u32, value: u32) -> Option<bool> {
        let same = self.known.iter().filter(|known| (known.0, known.1, known.2) == (place, size, mask));
        same.filter_map(|&(.., other, holds)| match holds {
            true => Some(other == value),
            false if other == value => Some(false),
            false => None,
        })
        .next()
    }
}

impl Packet<'_> {
    /// The truth of a test; `None` when it reads beyond the packet.
    fn test(&mut self, test: &Test) -> Option<bool> {
        Some(match test {
            Test::Always(truth) => *truth,
            Test::Field { place, size, mask, relation, value } => {
                relation.holds(self.load(self.resolve(*place)?, *size)? & mask, *value)
            }
            Test::Relation(relation, left, right) => relation.holds(self.value(left)?, self.value(right)?),
            Test::Outgoing => self.meta.direction? == Direction::Outgoing,
            Test::IfIndex(index) => self.meta.ifindex? == *index,
            Test::Tagged(id) => {
                let vid = self.meta.vlan.map(|tci| u32::from(tci & 0xfff));
                vid.is_some_and(|vid| id.is_none_or(|id| id == vid))
            }
            Test::Chain { network, ip6, next } => self.chain(self.offset(*network), *ip6, *next)?,
            Test::Differ(left, right) => self.register(*left) != self.register(*right),
            &Test::EnterGeneve { header, link_header, link_type, payload } => {
                self.enter_geneve(self.resolve(header)?, link_header, link_type, payload)?
            }
        })
    }

    fn register(&self, register: u8) -> u32 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn remember(&mut self, register: u8, offset: u32) {
        if let Some(slot) = self.registers.get_mut(usize::from(register)) {
            *slot = offset;
        }
    }

    fn offset(&self, offset: Offset) -> u32 {
        match offset.register {
            None => offset.constant,
            Some(register) => self.register(register).wrapping_add(offset.constant),
        }
    }

    fn resolve(&self, place: Place) -> Option<u32> {
        match place {
            Place::At(offset) => Some(self.offset(offset)),
            Place::BehindIp4(network, more) => {
                let network = self.offset(network);
                let header = (self.load(network, 1)? & 0xf) * 4;
                Some(network.wrapping_add(header).wrapping_add(more))
            }
        }
    }

    fn load(&self, at: u32, size: u8) -> Option<u32> {
        let rest = self.bytes.get(at as usize..)?;
        match size {
            1 => rest.first().map(|&byte| u32::from(byte)),
            2 => rest.first_chunk::<2>().map(|bytes| u32::from(u16::from_be_bytes(*bytes))),
            _ => rest.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)),
        }
    }

    fn value(&self, value: &Value) -> Option<u32> {
        Some(match value {
            Value::Number(number) => *number,
            Value::Length => self.length,
            Value::Negate(inner) => self.value(inner)?.wrapping_neg(),
            Value::Load(place, index, size) => {
                let at = self.resolve(*place)?;
                match **index {
                    // libpcap's optimizer folds a constant index into the place, which may then wrap around.
                    Value::Number(index) => self.load(at.wrapping_add(index), *size)?,
                    ref index => self.load(at.checked_add(self.value(index)?)?, *size)?,
                }
            }
            Value::Binary(operator, left, right) => operator.apply(self.value(left)?, self.value(right)?)?,
        })
    }

    /// Follows extension headers as libpcap's `protochain` program does, with its treatment of authentication headers
    /// in IPv6 (the offset behind one is counted from the network header).
    fn chain(&self, network: u32, ip6: bool, wanted: u8) -> Option<bool> {
        const NO_NEXT: u32 = 59;
        const AUTHENTICATION: u32 = 51;
        // A packet of 64 KiB has no more headers than this; libpcap would go round for ever where they form a ring.
        const MOST_HEADERS: usize = 8192;
        let (mut next, mut at) = if ip6 {
            (self.load(network.wrapping_add(6), 1)?, 40)
        } else {
            (self.load(network.wrapping_add(9), 1)?, (self.load(network, 1)? & 0xf) * 4)
        };
        for _ in 0..MOST_HEADERS {
            let here = network.checked_add(at)?;
            match next {
                _ if next == u32::from(wanted) => return Some(true),
                NO_NEXT => return Some(false),
                0 | 43 | 44 | 60 if ip6 => {
                    next = self.load(here, 1)?;
                    at = at.checked_add((self.load(here.checked_add(1)?, 1)? + 1) * 8)?;
                }
                AUTHENTICATION => {
                    next = self.load(here, 1)?;
                    at = (self.load(here.checked_add(1)?, 1)? + 2) * 4;
                }
                _ => return Some(false),
            }
        }
        Some(false)
    }

    fn enter_geneve(&mut self, header: u32, link_header: u8, link_type: u8, payload: u8) -> Option<bool> {
        const ETHERNET_BRIDGING: u32 = 0x6558;
        let options = (self.load(header, 1)? & 0x3f) * 4;
        let inner = header.checked_add(8 + options)?;
        let protocol = header.checked_add(2)?;
        self.remember(link_header, inner);
        if self.load(protocol, 2)? == ETHERNET_BRIDGING {
            self.remember(link_type, inner.checked_add(12)?);
            self.remember(payload, inner.checked_add(14)?);
        } else {
            self.remember(link_type, protocol);
            self.remember(payload, inner);
        }
        Some(true)
    }
}

impl Relation {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Relation::Greater => left > right,
            Relation::GreaterEqual => left >= right,
            Relation::Equal => left == right,
            Relation::NotEqual => left != right,
            Relation::LessEqual => left <= right,
            Relation::Less => left < right,
        }
    }
}

impl Operator {
    /// As the BPF machine computes: modulo 2^32; dividing by zero rejects the packet.
    pub(super) fn apply(self, left: u32, right: u32) -> Option<u32> {
        match self {
            Operator::Add => Some(left.wrapping_add(right)),
            Operator::Subtract => Some(left.wrapping_sub(right)),
            Operator::Multiply => Some(left.wrapping_mul(right)),
            Operator::Divide => left.checked_div(right),
            Operator::Modulo => left.checked_rem(right),
            Operator::And => Some(left & right),
            Operator::Or => Some(left | right),
            Operator::Xor => Some(left ^ right),
            Operator::ShiftLeft => Some(left.checked_shl(right).unwrap_or(0)),
            Operator::ShiftRight => Some(left.checked_shr(right).unwrap_or(0)),
        }
    }
}
