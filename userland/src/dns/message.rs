//! Messages of the domain name system (RFC 1035), as far as small servers and clients need them.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Types of records.
pub const TYPE_A: u16 = 1;
/// Name server.
pub const TYPE_NS: u16 = 2;
/// Other name.
pub const TYPE_CNAME: u16 = 5;
/// Name of an address.
pub const TYPE_PTR: u16 = 12;
/// IPv6 address.
pub const TYPE_AAAA: u16 = 28;
/// Extension (RFC 6891).
pub const TYPE_OPT: u16 = 41;

/// No such name.
pub const NXDOMAIN: u8 = 3;
/// The server does not answer such questions.
pub const REFUSED: u8 = 5;

/// The most labels that a name may have, and pointers that are followed.
const MAX_LABELS: usize = 128;

/// A question, or the owner and type of a record.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Question {
    /// The name, without the last dot.
    pub name: String,
    /// Type.
    pub kind: u16,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Data {
    /// An address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name: of `CNAME`, `PTR`, `NS`.
    Name(String),
    /// Anything else.
    Other(Vec<u8>),
}

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose it is.
    pub owner: Question,
    /// Seconds for which it may be remembered.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Message {
    /// Identification.
    pub id: u16,
    /// It is an answer.
    pub response: bool,
    /// From who has authority.
    pub authoritative: bool,
    /// Recursion is wished.
    pub recursion_desired: bool,
    /// Recursion is done.
    pub recursion_available: bool,
    /// The client checked, or wants, authentic data.
    pub authentic: bool,
    /// Response code.
    pub rcode: u8,
    /// Questions.
    pub questions: Vec<Question>,
    /// Answers.
    pub answers: Vec<Record>,
    /// How many records of authority there were.
    pub authority: u16,
    /// How many additional records there were, the extension among them.
    pub additional: u16,
    /// The size of datagrams that the extension tells, if there is one.
    pub edns: Option<u16>,
    /// Options of the extension, as they are.
    pub edns_options: Vec<u8>,
}

/// The name of a type.
pub fn type_name(kind: u16) -> String {
    let known = [
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (33, "SRV"),
        (255, "ANY"),
    ];
    known.iter().find(|row| row.0 == kind).map_or_else(|| format!("TYPE{kind}"), |row| row.1.to_owned())
}

/// The type of a name.
pub fn type_of(name: &str) -> Option<u16> {
    let upper = name.to_ascii_uppercase();
    [1, 2, 5, 6, 12, 15, 16, 28, 33, 255].into_iter().find(|kind| type_name(*kind) == upper)
}

/// The name that stands for an address in `in-addr.arpa`.
pub fn reverse_name(addr: Ipv4Addr) -> String {
    let [a, b, c, d] = addr.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u16(&mut self) -> Option<u16> {
        let bytes = self.bytes.get(self.at..self.at + 2)?;
        self.at += 2;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn name(&mut self) -> Option<String> {
        let (mut at, mut end, mut text) = (self.at, None, String::new());
        for _ in 0..MAX_LABELS {
            let len = usize::from(*self.bytes.get(at)?);
            match len {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(text);
                }
                1..=63 => {
                    let label = self.bytes.get(at + 1..at + 1 + len)?;
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.extend(label.iter().map(|b| char::from(*b)));
                    at += 1 + len;
                }
                192..=255 => {
                    end.get_or_insert(at + 2);
                    at = (len & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                }
                _ => return None,
            }
        }
        None
    }

    fn record(&mut self) -> Option<(Record, u16)> {
        let name = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let raw = self.bytes.get(self.at..self.at + len)?;
        let end = self.at + len;
        let data = match (kind, raw) {
            (TYPE_A, &[a, b, c, d]) => Data::A([a, b, c, d].into()),
            (TYPE_AAAA, raw) if raw.len() == 16 => Data::Aaaa(<[u8; 16]>::try_from(raw).ok()?.into()),
            (TYPE_CNAME | TYPE_PTR | TYPE_NS, _) => Data::Name(self.name()?),
            _ => Data::Other(raw.to_vec()),
        };
        self.at = end;
        Some((Record { owner: Question { name, kind }, ttl, data }, class))
    }
}

impl Message {
    /// A question about a name.
    pub fn query(id: u16, name: &str, kind: u16) -> Message {
        let questions = vec![Question { name: name.trim_end_matches('.').to_owned(), kind }];
        Message { id, recursion_desired: true, questions, ..Message::default() }
    }

    /// Reads a message; `None` if it is malformed.
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let mut reader = Reader { bytes, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let mut message = Message {
            id,
            response: flags & 0x8000 != 0,
            authoritative: flags & 0x0400 != 0,
            recursion_desired: flags & 0x0100 != 0,
            recursion_available: flags & 0x0080 != 0,
            authentic: flags & 0x0020 != 0,
            rcode: (flags & 15) as u8,
            authority: counts[2],
            additional: counts[3],
            ..Message::default()
        };
        for _ in 0..counts[0] {
            let name = reader.name()?;
            let kind = reader.u16()?;
            reader.u16()?;
            message.questions.push(Question { name, kind });
        }
        for _ in 0..counts[1] {
            message.answers.push(reader.record()?.0);
        }
        for _ in 0..counts[2] {
            reader.record()?;
        }
        for _ in 0..counts[3] {
            let (record, class) = reader.record()?;
            if let (TYPE_OPT, Data::Other(options)) = (record.owner.kind, record.data) {
                (message.edns, message.edns_options) = (Some(class), options);
            }
        }
        Some(message)
    }

    /// The bytes of the message; an owner whose name was written before is a pointer to it.
    pub fn build(&self) -> Vec<u8> {
        let bits = [
            (self.response, 0x8000),
            (self.authoritative, 0x0400),
            (self.recursion_desired, 0x0100),
            (self.recursion_available, 0x0080),
            (self.authentic, 0x0020),
        ];
        let flags = bits.iter().filter(|(on, _)| *on).fold(u16::from(self.rcode), |all, (_, bit)| all | bit);
        let additional = u16::from(self.edns.is_some());
        let counts = [self.questions.len() as u16, self.answers.len() as u16, 0, additional];
        let mut writer = Writer::default();
        for word in [self.id, flags].into_iter().chain(counts) {
            writer.u16(word);
        }
        for question in &self.questions {
            writer.question(question);
        }
        for record in &self.answers {
            writer.question(&record.owner);
            writer.u16((record.ttl >> 16) as u16);
            writer.u16(record.ttl as u16);
            let at = writer.bytes.len();
            writer.u16(0);
            match &record.data {
                Data::A(addr) => writer.bytes.extend(addr.octets()),
                Data::Aaaa(addr) => writer.bytes.extend(addr.octets()),
                Data::Name(name) => writer.name(name, false),
                Data::Other(raw) => writer.bytes.extend(raw),
            }
            let len = (writer.bytes.len() - at - 2) as u16;
            writer.bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
        }
        if let Some(size) = self.edns {
            writer.bytes.push(0);
            for word in [TYPE_OPT, size, 0, 0, self.edns_options.len() as u16] {
                writer.u16(word);
            }
            writer.bytes.extend(&self.edns_options);
        }
        writer.bytes
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    names: Vec<(String, u16)>,
}

impl Writer {
    fn u16(&mut self, word: u16) {
        self.bytes.extend(word.to_be_bytes());
    }

    fn question(&mut self, question: &Question) {
        self.name(&question.name, true);
        self.u16(question.kind);
        self.u16(1);
    }

    /// Writes a name; what is written may be pointed to later, even where it points to nothing itself.
    fn name(&mut self, name: &str, pointing: bool) {
        let mut rest = name.trim_end_matches('.');
        while !rest.is_empty() {
            // Upper and lower case are kept apart: who asked looks for the very name that was sent.
            let known = self.names.iter().find(|(known, _)| known == rest);
            if let Some((_, at)) = known.filter(|_| pointing) {
                self.u16(0xc000 | at);
                return;
            }
            if self.bytes.len() < 0x4000 {
                self.names.push((rest.to_owned(), self.bytes.len() as u16));
            }
            let (label, more) = rest.split_once('.').unwrap_or((rest, ""));
            // Characters are bytes here, as the reader has them; 63 are the most.
            let label: Vec<u8> = label.chars().take(63).map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            self.bytes.push(label.len() as u8);
            self.bytes.extend(label);
            rest = more;
        }
        self.bytes.push(0);
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::A(addr) => write!(f, "{addr}"),
            Data::Aaaa(addr) => write!(f, "{addr}"),
            Data::Name(name) => write!(f, "{name}."),
            Data::Other(raw) => {
                write!(f, "\\# {}", raw.len())?;
                raw.iter().enumerate().try_for_each(|(n, b)| write!(f, "{}{b:02X}", if n == 0 { " " } else { "" }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_points_to_the_question() {
        let mut message = Message::query(7, "w.test.", TYPE_A);
        message.response = true;
        let owner = |name: &str, kind| Question { name: name.into(), kind };
        message.answers = vec![
            Record { owner: owner("w.test", TYPE_CNAME), ttl: 0, data: Data::Name("a.test".into()) },
            Record { owner: owner("a.test", TYPE_A), ttl: 5, data: Data::A([10, 0, 0, 5].into()) },
        ];
        message.edns = Some(1232);
        let bytes = message.build();
        // What dnsmasq answers to dig has 71 bytes.
        assert_eq!(bytes.len(), 71);
        message.additional = 1;
        assert_eq!(Message::parse(&bytes), Some(message));
    }

    #[test]
    fn names_that_point_to_themselves_are_malformed() {
        let mut bytes = Message::query(1, "a", TYPE_A).build();
        bytes.truncate(12);
        bytes.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(Message::parse(&bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(message) = Message::parse(&bytes) {
                let _ = message.build();
            }
        }

        #[test]
        fn questions_come_back(id: u16, name in "[a-z0-9-]{1,20}(\\.[a-z0-9-]{1,20}){0,4}", kind: u16) {
            let message = Message::query(id, &name, kind);
            prop_assert_eq!(Message::parse(&message.build()), Some(message));
        }
    }
}
