//! `-m comment`: a remark (`net/netfilter/xt_comment.c`).

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, put_string};
use hopwise_sim_core::Rng;

/// A remark.
#[derive(Clone, PartialEq, Debug)]
pub struct Comment(Box<str>);

/// Longer remarks are cut (`XT_MAX_COMMENT_LEN`).
const MAX: usize = 255;

static OPTIONS: &[Opt] = &[Opt::arg("comment", 0).must()];

impl Extension for Comment {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Comment(Box::default())
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let end = (0..=MAX.min(call.arg.len())).rev().find(|end| call.arg.is_char_boundary(*end)).unwrap_or(0);
        self.0 = call.arg[..end].into();
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --comment");
        put_string(out, &self.0);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" /* {} */", self.0));
    }

    fn sample(rng: &mut Rng) -> String {
        let texts = ["\"a b\"", "plain", "\"default/kubernetes:https cluster IP\"", "\"it\\'s \\\"quoted\\\" \\\\ back\"", "\"\""];
        format!("-m comment --comment {}", texts[rng.below(texts.len() as u32) as usize])
    }
}

impl Asks for Comment {
    #[inline]
    fn fits(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        true
    }
}
