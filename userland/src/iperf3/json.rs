//! JSON as the cJSON inside iperf3 writes it: in one line on the control connection, over many with `-J`.

use super::units::general;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Json {
        Json::Int(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Json {
        Json::Int(value as i64)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Json {
        Json::Int(i64::from(value))
    }
}

impl From<u16> for Json {
    fn from(value: u16) -> Json {
        Json::Int(i64::from(value))
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Json {
        Json::Float(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Json {
        Json::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Json {
        Json::Text(value)
    }
}

/// An object, in the order in which it is written.
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {
        $crate::iperf3::json::Json::Object(vec![$(($name, $crate::iperf3::json::Json::from($value))),*])
    };
}
pub(super) use object;

impl From<Vec<Json>> for Json {
    fn from(value: Vec<Json>) -> Json {
        Json::List(value)
    }
}

impl Json {
    /// Adds a member to an object.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<Json>) {
        if let Json::Object(members) = self {
            members.push((name, value.into()));
        }
    }

    /// Adds a number unless it is 0.
    pub(super) fn add_some(&mut self, name: &'static str, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.add(name, value);
        }
    }

    /// Adds `true`, or nothing.
    pub(super) fn add_mark(&mut self, name: &'static str, on: bool) {
        if on {
            self.add(name, true);
        }
    }

    /// In one line (`cJSON_PrintUnformatted`).
    pub(super) fn line(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, None);
        text
    }

    /// Over many lines, indented by tabs (`cJSON_Print`).
    pub(super) fn pretty(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, Some(0));
        text
    }

    fn write(&self, out: &mut String, depth: Option<usize>) {
        match self {
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            // -1 stands for what is not known, and is written as an unsigned number.
            Json::Int(value) => out.push_str(&(*value as u64).to_string()),
            Json::Float(value) => out.push_str(&float(*value)),
            Json::Text(text) => quote(out, text),
            Json::List(list) => {
                out.push('[');
                for (at, value) in list.iter().enumerate() {
                    if at > 0 {
                        out.push_str(if depth.is_some() { ", " } else { "," });
                    }
                    value.write(out, depth.map(|d| d + 1));
                }
                out.push(']');
            }
            Json::Object(members) => write_object(out, members, depth),
        }
    }
}

fn write_object(out: &mut String, members: &[(&'static str, Json)], depth: Option<usize>) {
    out.push('{');
    if depth.is_some() {
        out.push('\n');
    }
    for (at, (name, value)) in members.iter().enumerate() {
        indent(out, depth.map(|d| d + 1));
        quote(out, name);
        out.push_str(if depth.is_some() { ":\t" } else { ":" });
        value.write(out, depth.map(|d| d + 1));
        if at + 1 < members.len() {
            out.push(',');
        }
        if depth.is_some() {
            out.push('\n');
        }
    }
    indent(out, depth);
    out.push('}');
}

fn indent(out: &mut String, depth: Option<usize>) {
    out.extend(core::iter::repeat_n('\t', depth.unwrap_or(0)));
}

/// `print_number`: whole numbers as such, others with 15 digits if these are enough, else with 17.
fn float(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return format!("{value:.0}");
    }
    let short = general(value, 15);
    if short.parse() == Ok(value) { short } else { general(value, 17) }
}

/// cJSON escapes the same characters in the same way as serde_json.
fn quote(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_cjson_writes_it() {
        let value = object! {
            "tcp": true, "n": -1i64, "rate": 95_653_417.8431728, "list": vec![object! { "a": 1u32 }, object! { "b": "x\n" }],
            "end": Json::Object(Vec::new()),
        };
        assert_eq!(
            value.line(),
            r#"{"tcp":true,"n":18446744073709551615,"rate":95653417.8431728,"list":[{"a":1},{"b":"x\n"}],"end":{}}"#
        );
        assert_eq!(
            value.pretty(),
            "{\n\t\"tcp\":\ttrue,\n\t\"n\":\t18446744073709551615,\n\t\"rate\":\t95653417.8431728,\n\t\"list\":\t[{\n\t\t\t\"a\":\t1\n\t\t}, \
             {\n\t\t\t\"b\":\t\"x\\n\"\n\t\t}],\n\t\"end\":\t{\n\t}\n}"
        );
    }
}
