//! URLs of HTTP, as curl reads them.

/// A URL taken apart.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Url {
    /// `user:password`, if it is told.
    pub(crate) user: Option<String>,
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Path and query, beginning with a slash.
    pub(crate) target: String,
}

/// Why a text is no URL that can be used: exit status and text.
pub(crate) type Refusal = (i32, String);

const MALFORMED: &str = "URL using bad/illegal format or missing URL";

impl Url {
    /// Reads a URL; without a scheme it is HTTP.
    pub(crate) fn parse(text: &str) -> Result<Url, Refusal> {
        let malformed = || (3, MALFORMED.to_owned());
        let text = text.split('#').next().unwrap_or_default();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                return Err((1, format!("Protocol \"{scheme}\" not supported or disabled in libcurl")));
            }
            _ => text,
        };
        if rest.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(malformed());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, "")) => (host, 80),
            Some((host, port)) => (host, port.parse().map_err(|_| malformed())?),
            None => (host, 80),
        };
        if host.is_empty() {
            return Err(malformed());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url { user, host: host.to_owned(), port, target: format!("{slash}{target}") })
    }

    /// What a `Location` means to whom is here.
    pub(crate) fn join(&self, location: &str) -> Result<Url, Refusal> {
        if location.contains("://") {
            return Url::parse(location);
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else {
            format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder))
        };
        Ok(Url { target, ..self.clone() })
    }

    /// The field `Host`.
    pub(crate) fn host_field(&self) -> String {
        if self.port == 80 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl core::fmt::Display for Url {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "http://{}{}", self.host_field(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(String, u16, String), i32> {
        Url::parse(text).map(|u| (u.host, u.port, u.target)).map_err(|(status, _)| status)
    }

    #[test]
    fn urls_of_all_sorts() {
        let ok = |host: &str, port, target: &str| Ok((host.to_owned(), port, target.to_owned()));
        assert_eq!(parts("10.0.0.1"), ok("10.0.0.1", 80, "/"));
        assert_eq!(parts("HTTP://a:8080/x?y#z"), ok("a", 8080, "/x?y"));
        assert_eq!(parts("a?q"), ok("a", 80, "/?q"));
        assert_eq!(parts("u:p@h/"), ok("h", 80, "/"));
        for (text, status) in [("https://a", 1), ("http://", 3), ("a:99999", 3), ("a/b c", 3), ("", 3)] {
            assert_eq!(parts(text), Err(status), "{text}");
        }
    }

    #[test]
    fn locations_are_taken_from_where_one_is() {
        let here = Url::parse("http://h:81/a/b?c").unwrap();
        let to = |location: &str| here.join(location).map(|u| u.to_string()).unwrap();
        assert_eq!(to("/x/"), "http://h:81/x/");
        assert_eq!(to("x"), "http://h:81/a/x");
        assert_eq!(to("?z"), "http://h:81/a/b?z");
        assert_eq!(to("http://o/y"), "http://o/y");
    }
}
