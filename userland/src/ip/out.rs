//! What iproute2's programs print: text and JSON from one code path, as `print_string(PRINT_ANY, ...)` does it. The JSON
//! is laid out as iproute2's `json_writer` does, compact or pretty.

use core::fmt::{Display, Write};

/// A value in JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Json {
    /// A text.
    Text(String),
    /// A number.
    Uint(u64),
    /// A number that may be negative.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A number written by the caller, with decimals.
    Raw(String),
}

macro_rules! json_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => { $(impl From<$from> for Json { fn from($v: $from) -> Self { $to } })* };
}

json_from! {
    &str => |v| Json::Text(v.to_owned());
    String => |v| Json::Text(v);
    u8 => |v| Json::Uint(v.into());
    u16 => |v| Json::Uint(v.into());
    u32 => |v| Json::Uint(v.into());
    u64 => |v| Json::Uint(v);
    i32 => |v| Json::Int(v.into());
    i64 => |v| Json::Int(v);
    bool => |v| Json::Bool(v);
}

/// Collects the output of a command.
///
/// ```
/// use hopwise_userland::ip::out::Out;
/// let print = |out: &mut Out| {
///     out.open();
///     out.object(None, |out| {
///         out.any("mtu", format_args!("mtu {} ", 1500), 1500u32);
///         out.any("state", format_args!("state {}", "UP"), "UP");
///     });
///     out.close();
/// };
/// let mut text = Out::text_mode(false);
/// print(&mut text);
/// assert_eq!(text.take(), "mtu 1500 state UP");
/// let mut json = Out::json_mode(false);
/// print(&mut json);
/// assert_eq!(json.take(), "[{\"mtu\":1500,\"state\":\"UP\"}]\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Out {
    buffer: String,
    json: bool,
    pretty: bool,
    oneline: bool,
    depth: usize,
    comma: bool,
    open: bool,
}

impl Out {
    /// For people; `oneline`: records are one line each, with a backslash where a line ended.
    pub fn text_mode(oneline: bool) -> Self {
        Out { oneline, ..Out::default() }
    }

    /// For programs.
    pub fn json_mode(pretty: bool) -> Self {
        Out { json: true, pretty, ..Out::default() }
    }

    /// True if JSON is being written (`is_json_context`).
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// What was printed since the last call.
    pub fn take(&mut self) -> String {
        core::mem::take(&mut self.buffer)
    }

    /// Begins the output: in JSON the outermost array (`new_json_obj`).
    pub fn open(&mut self) {
        if self.json {
            self.open = true;
            self.begin_array();
        }
    }

    /// Ends the output (`delete_json_obj`).
    pub fn close(&mut self) {
        if self.json && core::mem::take(&mut self.open) {
            self.end_array();
            self.buffer.push('\n');
            self.comma = false;
        }
    }

    /// Something that is printed in both forms: `text` for people, `key` and `value` for programs (PRINT_ANY).
    pub fn any(&mut self, key: &str, text: impl Display, value: impl Into<Json>) {
        if self.json { self.field(key, value) } else { self.text(text) }
    }

    /// Only for people (PRINT_FP).
    pub fn text(&mut self, text: impl Display) {
        if !self.json {
            // Writing to a String cannot fail.
            let _ = write!(self.buffer, "{text}");
        }
    }

    /// Only for programs (PRINT_JSON).
    pub fn field(&mut self, key: &str, value: impl Into<Json>) {
        if self.json {
            self.name(key);
            self.value(value);
        }
    }

    /// A value in an array: `text` for people.
    pub fn item(&mut self, text: impl Display, value: impl Into<Json>) {
        if self.json { self.value(value) } else { self.text(text) }
    }

    /// The end of a line within a record: a backslash with `-oneline` (`_SL_`, `print_nl`).
    pub fn line(&mut self) {
        let end = if self.oneline { "\\" } else { "\n" };
        self.text(end);
    }

    /// The end of a record: always a new line, for people.
    pub fn end_record(&mut self) {
        self.text("\n");
    }

    /// A new line between two objects of JSON, where a program prints one.
    pub fn json_line(&mut self) {
        if self.json && !self.pretty {
            self.buffer.push('\n');
        }
    }

    /// An object in JSON, with a key if it is a member of another one; for people just what is inside.
    pub fn object(&mut self, key: Option<&str>, inside: impl FnOnce(&mut Self)) {
        self.open_object(key);
        inside(self);
        self.close_object();
    }

    /// An array in JSON.
    pub fn array(&mut self, key: Option<&str>, inside: impl FnOnce(&mut Self)) {
        self.open_array(key);
        inside(self);
        self.close_array();
    }

    /// Begins an object (`open_json_object`).
    pub fn open_object(&mut self, key: Option<&str>) {
        if self.json {
            if let Some(key) = key {
                self.name(key);
            }
            self.begin('{');
        }
    }

    /// Ends an object.
    pub fn close_object(&mut self) {
        if self.json {
            self.end('}');
        }
    }

    /// Begins an array (`open_json_array`).
    pub fn open_array(&mut self, key: Option<&str>) {
        if self.json {
            if let Some(key) = key {
                self.name(key);
            }
            self.begin_array();
        }
    }

    /// Ends an array.
    pub fn close_array(&mut self) {
        if self.json {
            self.end_array();
        }
    }

    fn begin_array(&mut self) {
        self.begin('[');
        if self.pretty {
            self.buffer.push(' ');
        }
    }

    fn end_array(&mut self) {
        if self.pretty && self.comma {
            self.buffer.push(' ');
        }
        self.comma = false;
        self.end(']');
    }

    fn begin(&mut self, bracket: char) {
        self.separate();
        self.buffer.push(bracket);
        self.depth += 1;
        self.comma = false;
    }

    fn end(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        if self.comma {
            self.new_line();
        }
        self.buffer.push(bracket);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.buffer.push(',');
        }
        self.comma = true;
    }

    fn new_line(&mut self) {
        if self.pretty {
            self.buffer.push('\n');
            for _ in 0..self.depth {
                self.buffer.push_str("    ");
            }
        }
    }

    fn name(&mut self, key: &str) {
        self.separate();
        self.new_line();
        self.comma = false;
        self.quoted(key);
        self.buffer.push_str(if self.pretty { ": " } else { ":" });
    }

    fn value(&mut self, value: impl Into<Json>) {
        self.separate();
        let text = match value.into() {
            Json::Text(text) => return self.quoted(&text),
            Json::Uint(n) => n.to_string(),
            Json::Int(n) => n.to_string(),
            Json::Bool(b) => b.to_string(),
            Json::Null => "null".to_owned(),
            Json::Raw(raw) => raw,
        };
        self.buffer.push_str(&text);
    }

    fn quoted(&mut self, text: &str) {
        self.buffer.push('"');
        for c in text.chars() {
            match c {
                '"' => self.buffer.push_str("\\\""),
                '\\' => self.buffer.push_str("\\\\"),
                '\n' => self.buffer.push_str("\\n"),
                '\t' => self.buffer.push_str("\\t"),
                '\r' => self.buffer.push_str("\\r"),
                '\u{8}' => self.buffer.push_str("\\b"),
                '\u{c}' => self.buffer.push_str("\\f"),
                c => self.buffer.push(c),
            }
        }
        self.buffer.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(out: &mut Out) {
        out.open();
        for n in [1u32, 2] {
            out.object(None, |out| {
                out.any("ifindex", n, n);
                out.array(Some("flags"), |out| {
                    out.item("UP,", "UP");
                    out.item("LOWER_UP", "LOWER_UP");
                });
                out.array(Some("none"), |_| {});
                out.array(Some("info"), |out| out.object(None, |out| out.any("a", " a", "say \"x\"")));
            });
            out.line();
        }
        out.close();
    }

    #[test]
    fn json_is_laid_out_as_iproute2_does() {
        let mut out = Out::json_mode(false);
        sample(&mut out);
        let one =
            |n: u32| format!(r#"{{"ifindex":{n},"flags":["UP","LOWER_UP"],"none":[],"info":[{{"a":"say \"x\""}}]}}"#);
        assert_eq!(out.take(), format!("[{},{}]\n", one(1), one(2)));
        let mut out = Out::json_mode(true);
        sample(&mut out);
        let one = |n: u32| {
            let info = "[ {\n                \"a\": \"say \\\"x\\\"\"\n            } ]";
            format!(
                "{{\n        \"ifindex\": {n},\n        \"flags\": [ \"UP\",\"LOWER_UP\" ],\n        \"none\": [ ],\n        \
                 \"info\": {info}\n    }}"
            )
        };
        assert_eq!(out.take(), format!("[ {},{} ]\n", one(1), one(2)));
    }

    #[test]
    fn text_has_lines_or_backslashes() {
        let mut out = Out::text_mode(true);
        sample(&mut out);
        assert_eq!(out.take(), "1UP,LOWER_UP a\\2UP,LOWER_UP a\\");
    }

    #[test]
    fn an_empty_list() {
        let mut out = Out::json_mode(true);
        out.open();
        out.close();
        assert_eq!(out.take(), "[ ]\n");
    }
}
