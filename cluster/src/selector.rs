//! Label selectors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::Labels;

/// `LabelSelector` of `meta/v1`: everything in it must hold. An empty one selects everything.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: Labels,
    /// More demands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// A demand on one label.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is demanded.
    pub operator: Operator,
    /// Values that the operator looks at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What is demanded of a label.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
pub enum Operator {
    /// Its value is one of them.
    #[default]
    In,
    /// It is not there, or its value is none of them.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }

    /// As `labels.Requirement.String` writes it.
    fn shown(&self) -> String {
        let mut values = self.values.clone();
        values.sort();
        match self.operator {
            Operator::In => format!("{} in ({})", self.key, values.join(",")),
            Operator::NotIn => format!("{} notin ({})", self.key, values.join(",")),
            Operator::Exists => self.key.clone(),
            Operator::DoesNotExist => format!("!{}", self.key),
        }
    }
}

impl LabelSelector {
    /// One that demands these labels.
    pub fn of(labels: &Labels) -> Self {
        LabelSelector { match_labels: labels.clone(), match_expressions: Vec::new() }
    }

    /// Whether labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        covers(&self.match_labels, labels) && self.match_expressions.iter().all(|demand| demand.holds(labels))
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// As kubectl shows it: `app=web,tier in (a,b)`; `none` stands for an empty one.
    pub fn shown(&self, none: &str) -> String {
        let labels = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let mut all: Vec<String> = labels.chain(self.match_expressions.iter().map(Requirement::shown)).collect();
        all.sort();
        if all.is_empty() { none.to_owned() } else { all.join(",") }
    }

    /// Reads what `-l` is given: `app=web,tier!=db,env in (a,b),env notin (c),key,!key`.
    ///
    /// # Errors
    /// kubectl's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut selector = LabelSelector::default();
        for part in split(text) {
            let demand = requirement(part.trim()).ok_or_else(|| {
                format!("unable to parse requirement: found '{}', expected: in, notin, =, ==, !=, gt, lt", part.trim())
            })?;
            selector.match_expressions.push(demand);
        }
        Ok(selector)
    }
}

/// Whether labels have all these values, as `spec.selector` of a Service and `nodeSelector` demand it.
pub fn covers(demanded: &Labels, labels: &Labels) -> bool {
    demanded.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The parts between commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let parts = text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let key = |text: &str| {
        let text = text.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
    };
    let make = |k: &str, operator, values: Vec<String>| Some(Requirement { key: key(k)?, operator, values });
    if let Some((before, list)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let before = before.trim_end();
        return match before.strip_suffix(" notin") {
            Some(name) => make(name, Operator::NotIn, values),
            None => make(before.strip_suffix(" in")?, Operator::In, values),
        };
    }
    if let Some((name, value)) = text.split_once("!=") {
        return make(name, Operator::NotIn, vec![value.trim().to_owned()]);
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return make(name, Operator::In, vec![value.trim().to_owned()]);
    }
    match text.strip_prefix('!') {
        Some(name) => make(name, Operator::DoesNotExist, Vec::new()),
        None => make(text, Operator::Exists, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn what_is_selected() {
        let web = labels("app=web,env=prod");
        for (text, holds) in [
            ("", true),
            ("app=web", true),
            ("app==web,env=prod", true),
            ("app!=web", false),
            ("tier!=db", true),
            ("env in (test, prod)", true),
            ("env notin (prod),app=web", false),
            ("app", true),
            ("!app", false),
            ("!tier", true),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().matches(&web), holds, "{text}");
        }
        assert!(LabelSelector::parse("a b").is_err() && LabelSelector::parse("x >< y").is_err());
    }

    #[test]
    fn shown_as_kubectl_does() {
        assert_eq!(LabelSelector::parse("b in (y,x),a=1,!c").unwrap().shown("<none>"), "!c,a in (1),b in (x,y)");
        assert_eq!(LabelSelector::of(&labels("app=web")).shown("<none>"), "app=web");
        assert_eq!(LabelSelector::default().shown("<none>"), "<none>");
    }
}
