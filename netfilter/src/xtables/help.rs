//! `iptables -h`, in words of its own.

use crate::{matches, targets};

/// The help: commands, options, and which matches and targets there are.
pub(super) fn text(name: &str) -> String {
    let mut out = format!(
        "{name} {}\n
Usage: {name} -[ACD] chain rule-specification [options]
       {name} -I chain [rulenum] rule-specification [options]
       {name} -R chain rulenum rule-specification [options]
       {name} -D chain rulenum [options]
       {name} -[LS] [chain [rulenum]] [options]
       {name} -[FZ] [chain] [options]
       {name} -[NX] chain
       {name} -E old-chain-name new-chain-name
       {name} -P chain target [options]
       {name} -h

Options: -t table, [!] -p proto, [!] -s addr[/mask], [!] -d addr[/mask], [!] -i link, [!] -o link, [!] -f,
         -m match, -j target, -g chain, -n, -v, -x, -c packets bytes, -w [seconds], --line-numbers, -V

Matches:\n",
        super::VERSION
    );
    for kind in matches::REGISTRY {
        out.push_str(&format!("  {:<12} {}\n", kind.name, kind.about));
    }
    out.push_str("\nTargets:\n");
    for kind in targets::REGISTRY {
        out.push_str(&format!("  {:<12} {}\n", kind.name, kind.about));
    }
    out
}
