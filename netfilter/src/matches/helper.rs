//! `-m helper`: which helper expected the packet's connection (`net/netfilter/xt_helper.c`). There are no helpers here, `-j CT
//! --helper` is refused: so no connection was expected by one, as on every Linux where none is assigned.

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, put_string};
use hopwise_sim_core::Rng;

/// Its name.
#[derive(Clone, PartialEq, Debug)]
pub struct Helper {
    name: Box<str>,
    inv: bool,
}

/// `char name[30]`.
const MAX_NAME: usize = 29;

static OPTIONS: &[Opt] = &[Opt::arg("helper", 0).inv().must()];

impl Extension for Helper {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Helper { name: Box::default(), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.arg.len() > MAX_NAME {
            let text = format!("helper: option \"--helper\" requires a string of at most {MAX_NAME} characters");
            return Err(Refusal::new(text));
        }
        *self = Helper { name: call.arg.into(), inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --helper" } else { " --helper" });
        put_string(out, &self.name);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" helper match {}\"{}\"", if self.inv { "! " } else { "" }, self.name));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-m helper {}--helper {}", ["", "! "][rng.below(2) as usize], ["ftp", "tftp", "ftp-2121"][rng.below(3) as usize])
    }
}

impl Asks for Helper {
    fn fits(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        self.inv
    }
}
