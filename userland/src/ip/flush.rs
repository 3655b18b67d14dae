//! What `flush` commands tell with `-s`.

use super::Ip;

/// Tells what was flushed: how many of what (`entries`, `addresses`). One round is always enough here.
pub fn done(ip: &mut Ip<'_, '_>, count: usize, what: &str) {
    if ip.opt.stats == 0 {
        return;
    }
    if count == 0 {
        ip.out.text("Nothing to flush.\n");
    } else {
        ip.out.text(format_args!(
            "\n*** Round 1, deleting {count} {what} ***\n*** Flush is complete after 1 round ***\n"
        ));
    }
}
