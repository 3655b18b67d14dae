//! What `ip -d link` says about a kind, as data: the text form and the JSON form come from the same list.

use hopwise_sim_core::IfIndex;

/// A value with its JSON type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// `true` or `false` in JSON, 1 or 0 in text unless the text form says otherwise.
    Bool(bool),
    /// A number with decimals, in JSON as it stands here.
    Decimal(String),
    /// A link of the namespace below, printed by its name.
    Link(IfIndex),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Object(Vec<(&'static str, Value)>),
}

/// One attribute: its JSON key and value, and the text that `ip -d` prints for it (empty: only in JSON).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// JSON key.
    pub key: &'static str,
    /// JSON value.
    pub value: Value,
    /// Text, with a trailing blank as iproute2 prints it; a new line in it is the end of a line within the record.
    pub text: String,
}

/// Collects the attributes of a link's kind in the order of printing.
#[derive(Clone, Debug, Default)]
pub struct Describe {
    /// The attributes so far.
    pub attrs: Vec<Attr>,
}

impl Describe {
    /// A number printed as `word number `.
    pub fn number(&mut self, key: &'static str, word: &str, value: u64) {
        self.attrs.push(Attr { key, value: Value::Number(value), text: format!("{word} {value} ") });
    }

    /// A text printed as `word text `.
    pub fn text(&mut self, key: &'static str, word: &str, value: String) {
        let text = format!("{word} {value} ");
        self.attrs.push(Attr { key, value: Value::Text(value), text });
    }

    /// A link printed as `word NAME `; who prints it finds the name.
    pub fn below(&mut self, key: &'static str, word: &'static str, link: IfIndex) {
        self.attrs.push(Attr { key, value: Value::Link(link), text: word.into() });
    }

    /// Any other combination of JSON value and text.
    pub fn push(&mut self, key: &'static str, value: Value, text: String) {
        self.attrs.push(Attr { key, value, text });
    }
}
