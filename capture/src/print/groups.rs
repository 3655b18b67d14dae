//! The records of multicast groups in reports of IGMPv3 (RFC 3376 4.2) and MLDv2 (RFC 3810 5.2): the same but for the addresses' length.

use super::cx::{Bytes, Cx, Done, Row, Truncated, name, put};

const RECORDS: &[Row] = &[(1, "is_in"), (2, "is_ex"), (3, "to_in"), (4, "to_ex"), (5, "allow"), (6, "block")];

/// One of the two protocols.
pub(super) struct Groups {
    /// The length of an address in bytes.
    addr_len: usize,
    /// The version in which reports have records.
    version: u8,
    /// The address there, as it is printed.
    addr: fn(&Cx<'_>, &[u8], usize) -> Result<String, Truncated>,
}

/// Of IGMP.
pub(super) const IGMP: Groups = Groups { addr_len: 4, version: 3, addr: |cx, bp, at| Ok(cx.host(bp.ip4(at)?)) };

/// Of MLD.
pub(super) const MLD: Groups = Groups { addr_len: 16, version: 2, addr: |_, bp, at| Ok(bp.ip6(at)?.to_string()) };

impl Groups {
    /// A report: how many records, and with `-v` what is in them.
    pub(super) fn report(&self, cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
        let records = bp.u16(6)?;
        put!(cx, ", {records} group record(s)");
        if cx.opts.verbose == 0 {
            return Ok(());
        }
        let mut at = 8;
        for _ in 0..records {
            let sources_at = at + 4 + self.addr_len;
            if length < sources_at {
                cx.out.push_str(" [invalid number of groups]");
                return Ok(());
            }
            put!(cx, " [gaddr {}", (self.addr)(cx, bp, at + 4)?);
            let kind = bp.u8(at)?;
            match name(RECORDS, kind) {
                Some(name) => put!(cx, " {name}"),
                None => put!(cx, "  [v{}-report-#{kind}]", self.version),
            }
            let sources = usize::from(bp.u16(at + 2)?);
            at = sources_at + self.addr_len * sources;
            if length < at {
                put!(cx, " [invalid number of sources {sources}]");
                return Ok(());
            }
            if cx.opts.verbose == 1 {
                put!(cx, ", {sources} source(s)");
            } else {
                self.sources(cx, bp, sources_at, sources)?;
            }
            cx.out.push(']');
        }
        Ok(())
    }

    /// So many addresses in braces.
    pub(super) fn sources(&self, cx: &mut Cx<'_>, bp: &[u8], at: usize, count: usize) -> Done {
        cx.out.push_str(" {");
        for index in 0..count {
            put!(cx, " {}", (self.addr)(cx, bp, at + self.addr_len * index)?);
        }
        cx.out.push_str(" }");
        Ok(())
    }
}
