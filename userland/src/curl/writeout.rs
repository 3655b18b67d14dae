//! `curl -w FORMAT`.

use hopwise_stack::socket::tcp::Addr;

/// What is known when a transfer is over.
#[derive(Clone, Default, Debug)]
pub(super) struct Facts {
    pub(super) url: String,
    pub(super) effective: String,
    pub(super) method: String,
    pub(super) code: u16,
    pub(super) version: String,
    pub(super) content_type: Option<String>,
    pub(super) redirect_url: Option<String>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) ends: Option<(Addr, Addr)>,
    pub(super) connects: u32,
    pub(super) redirects: u32,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) head_bytes: u64,
    pub(super) request_bytes: u64,
    pub(super) exit: i32,
    pub(super) error: String,
    pub(super) file: String,
    /// Microseconds from the beginning: name known, connected, request sent, first byte, end; and all redirects.
    pub(super) times: Times,
}

/// Moments of a transfer, in microseconds from its beginning.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Times {
    pub(super) lookup: u64,
    pub(super) connect: u64,
    pub(super) pretransfer: u64,
    pub(super) start: u64,
    pub(super) redirect: u64,
    pub(super) total: u64,
}

/// Fills a format in; gives standard output and error output.
pub(super) fn fill(format: &str, facts: &Facts) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%%") {
            out.push('%');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix("%{").and_then(|r| r.split_once('}')) {
            match value(name, facts) {
                Some(text) => out.push_str(&text),
                None => err.push_str(&format!("curl: unknown --write-out variable: '{name}'\n")),
            }
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix("%header{").and_then(|r| r.split_once('}')) {
            let field = facts.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            out.push_str(field.map_or("", |(_, value)| value));
            rest = after;
        } else {
            let escaped = rest.starts_with('\\');
            let mut chars = rest.chars();
            let (first, second) = (chars.next(), chars.next());
            match second.filter(|_| escaped) {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                _ => out.extend(first.into_iter().chain(second)),
            }
            rest = chars.as_str();
        }
    }
    out.push_str(rest);
    (out, err)
}

fn value(name: &str, facts: &Facts) -> Option<String> {
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let speed = |bytes: u64| (u128::from(bytes) * 1_000_000 / u128::from(facts.times.total.max(1))).to_string();
    let (local, remote) = facts.ends.unzip();
    let addr = |end: Option<Addr>| end.map_or(String::new(), |end| end.0.to_string());
    let port = |end: Option<Addr>| end.map_or(0, |end| end.1).to_string();
    Some(match name {
        "content_type" => facts.content_type.clone().unwrap_or_default(),
        "errormsg" => facts.error.clone(),
        "exitcode" => facts.exit.to_string(),
        "filename_effective" => facts.file.clone(),
        "http_code" | "response_code" => format!("{:03}", facts.code),
        "http_connect" => "000".into(),
        "http_version" => match facts.version.as_str() {
            "" => "0".into(),
            "1.0" => "1".into(),
            other => other.to_owned(),
        },
        "local_ip" => addr(local),
        "local_port" => port(local),
        "remote_ip" => addr(remote),
        "remote_port" => port(remote),
        "method" => facts.method.clone(),
        "num_connects" => facts.connects.to_string(),
        "num_headers" => facts.fields.len().to_string(),
        "num_redirects" => facts.redirects.to_string(),
        "redirect_url" => facts.redirect_url.clone().unwrap_or_default(),
        "scheme" => if facts.connects > 0 { "HTTP" } else { "" }.into(),
        "size_download" => facts.received.to_string(),
        "size_header" => facts.head_bytes.to_string(),
        "size_request" => facts.request_bytes.to_string(),
        "size_upload" => facts.sent.to_string(),
        "speed_download" => speed(facts.received),
        "speed_upload" => speed(facts.sent),
        "ssl_verify_result" | "proxy_ssl_verify_result" | "urlnum" => "0".into(),
        "time_namelookup" => seconds(facts.times.lookup),
        "time_connect" => seconds(facts.times.connect),
        "time_appconnect" => seconds(0),
        "time_pretransfer" => seconds(facts.times.pretransfer),
        "time_starttransfer" => seconds(facts.times.start),
        "time_redirect" => seconds(facts.times.redirect),
        "time_total" => seconds(facts.times.total),
        "url" => facts.url.clone(),
        "url_effective" => facts.effective.clone(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_filled_in() {
        let facts = Facts { code: 200, received: 7, content_type: Some("text/html".into()), ..Facts::default() };
        let format = r"%{http_code} %{size_download}%% %{content_type}\n\q%{time_total}";
        assert_eq!(fill(format, &facts).0, "200 7% text/html\n\\q0.000000");
        assert_eq!(fill("%{http_code}", &Facts::default()).0, "000");
        let (out, err) = fill("a%{foo}b", &facts);
        assert_eq!((out.as_str(), err.as_str()), ("ab", "curl: unknown --write-out variable: 'foo'\n"));
    }
}
