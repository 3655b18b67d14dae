//! What Python's `http.server` answers: heads, listings of folders, pages for errors, types of files.

use hopwise_machine::clock::strftime;
use hopwise_machine::{FileKind, Sys};
use hopwise_sim_core::Time;

use super::quote;
use crate::kernel::SimKernel;

/// `server_version` and `sys_version`.
const SERVER: &str = "SimpleHTTP/0.6 Python/3.11.7";

fn seconds(at: Time) -> i64 {
    (at.unix_nanos() / 1_000_000_000) as i64
}

/// `date_time_string`
pub(crate) fn http_date(at: Time) -> String {
    strftime("%a, %d %b %Y %H:%M:%S GMT", seconds(at), 0)
}

/// `log_date_time_string`
pub(crate) fn log_date(at: Time) -> String {
    strftime("%d/%b/%Y %H:%M:%S", seconds(at), 0)
}

/// The head of a response.
pub(super) fn head(protocol: &str, code: u16, reason: &str, now: Time, fields: &[(&str, String)]) -> Vec<u8> {
    let mut text = format!("{protocol} {code} {reason}\r\nServer: {SERVER}\r\nDate: {}\r\n", http_date(now));
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    // Characters beyond Latin-1 become question marks, as `encode('latin-1', 'strict')` would refuse them.
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// `html.escape(text, quote=False)`
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a status means (`http.HTTPStatus.description`).
fn explain(code: u16) -> &'static str {
    match code {
        400 => "Bad request syntax or unsupported method",
        404 => "Nothing matches the given URI",
        414 => "URI is too long",
        501 => "Server does not support this operation",
        505 => "Cannot fulfill request",
        _ => "???",
    }
}

/// The page of an error (`DEFAULT_ERROR_MESSAGE`).
pub(super) fn error_page(code: u16, message: &str) -> String {
    let message = escape(message);
    format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n        \
         <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n        \
         <p>Error code: {code}</p>\n        <p>Message: {message}.</p>\n        \
         <p>Error code explanation: {code} - {}.</p>\n    </body>\n</html>\n",
        explain(code)
    )
}

/// The listing of a folder; `None` if it cannot be read (`list_directory`).
pub(super) fn listing(sys: &mut Sys<'_, SimKernel>, path: &str, shown: &str) -> Option<String> {
    let mut names: Vec<(String, FileKind)> = sys.list(path).ok()?.into_iter().map(|e| (e.name, e.kind)).collect();
    names.sort_by_key(|(name, _)| name.to_lowercase());
    let title = format!("Directory listing for {}", escape(shown));
    let mut text = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<hr>\n<ul>\n"
    );
    for (name, kind) in names {
        let is_dir = sys.stat(&format!("{path}/{name}"), true).is_ok_and(|stat| stat.kind == FileKind::Dir);
        let slash = if is_dir { "/" } else { "" };
        let mark = if kind == FileKind::Symlink { "@" } else { slash };
        text.push_str(&format!(
            "<li><a href=\"{}\">{}</a></li>\n",
            quote(&format!("{name}{slash}")),
            escape(&format!("{name}{mark}"))
        ));
    }
    text.push_str("</ul>\n<hr>\n</body>\n</html>\n");
    Some(text)
}

/// The type of a file by the end of its name (`mimetypes`, as far as files of labs go).
pub(super) fn guess_type(path: &str) -> &'static str {
    const TYPES: &[(&str, &str)] = &[
        ("bz2", "application/x-bzip2"),
        ("c", "text/x-csrc"),
        ("css", "text/css"),
        ("csv", "text/csv"),
        ("gif", "image/gif"),
        ("gz", "application/gzip"),
        ("h", "text/x-chdr"),
        ("htm", "text/html"),
        ("html", "text/html"),
        ("ico", "image/vnd.microsoft.icon"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("js", "text/javascript"),
        ("json", "application/json"),
        ("md", "text/markdown"),
        ("mp3", "audio/mpeg"),
        ("mp4", "video/mp4"),
        ("pcap", "application/vnd.tcpdump.pcap"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("py", "text/x-python"),
        ("sh", "text/x-sh"),
        ("svg", "image/svg+xml"),
        ("tar", "application/x-tar"),
        ("txt", "text/plain"),
        ("xml", "application/xml"),
        ("xz", "application/x-xz"),
        ("zip", "application/zip"),
    ];
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.trim_start_matches('.').rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    let found = extension.and_then(|e| TYPES.iter().find(|row| row.0 == e));
    found.map_or("application/octet-stream", |row| row.1)
}
