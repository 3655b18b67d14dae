//! What a filter is made of.

use std::sync::Arc;

use super::value::{Type, Value};

macro_rules! attributes {
    ($($name:ident $text:literal $kind:ident $writable:literal,)*) => {
        /// A property of a route that filters read, and some write.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Attr { $(#[doc = $text] $name,)* }
        impl Attr {
            /// The one of this name.
            pub fn find(name: &str) -> Option<Attr> {
                match name { $($text => Some(Attr::$name),)* _ => None }
            }
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Attr::$name => $text,)* }
            }
            /// Its type.
            pub const fn kind(self) -> Type {
                match self { $(Attr::$name => Type::$kind,)* }
            }
            /// Whether a filter may set it.
            pub const fn is_writable(self) -> bool {
                match self { $(Attr::$name => $writable,)* }
            }
        }
    };
}

attributes! {
    Net "net" Prefix false, Scope "scope" Enum true, Source "source" Enum false, Proto "proto" String false, From "from" Ip true,
    Gw "gw" Ip true, IfName "ifname" String true, IfIndex "ifindex" Int false, Dest "dest" Enum true, Weight "weight" Int true,
    Preference "preference" Int true, IgpMetric "igp_metric" Int true,
    BgpPath "bgp_path" Path true, BgpOrigin "bgp_origin" Enum true, BgpNextHop "bgp_next_hop" Ip true, BgpMed "bgp_med" Int true,
    BgpLocalPref "bgp_local_pref" Int true, BgpAtomicAggr "bgp_atomic_aggr" Int false, BgpCommunity "bgp_community" Clist true,
    BgpOriginatorId "bgp_originator_id" Quad true, BgpClusterList "bgp_cluster_list" Clist false,
    BgpExtCommunity "bgp_ext_community" Eclist true, BgpLargeCommunity "bgp_large_community" Lclist true,
    KrtSource "krt_source" Int false, KrtMetric "krt_metric" Int true, KrtPrefsrc "krt_prefsrc" Ip true,
    KrtTunnel "krt_tunnel" String true,
}

/// An operator with two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `~`
    In,
    /// `!~`
    NotIn,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// What follows a dot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `.len`
    Len,
    /// `.ip`
    Ip,
    /// `.type`
    Type,
    /// `.first`
    First,
    /// `.last`
    Last,
    /// `.last_nonaggregated`
    LastNonaggregated,
    /// `.asn`
    Asn,
    /// `.data`
    Data,
    /// `.mask(n)`
    Mask,
    /// `.is_v4`
    IsV4,
    /// `.empty`
    Empty,
    /// `.prepend(x)`
    Prepend,
    /// `.add(x)`
    Add,
    /// `.delete(x)`
    Delete,
    /// `.filter(x)`
    Filter,
}

/// Something that has a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expr {
    /// A constant.
    Const(Value),
    /// A variable: its place in the frame.
    Var(usize),
    /// A property of the route.
    Attr(Attr),
    /// `defined(x)`
    Defined(Attr),
    /// `!x`
    Not(Box<Expr>),
    /// Two sides.
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `x.method(argument)`
    Method(Box<Expr>, Method, Option<Box<Expr>>),
    /// `(a, b)`
    Pair(Box<Expr>, Box<Expr>),
    /// `(a, b, c)`
    Triple(Box<[Expr; 3]>),
    /// `(rt, a, b)` and `(ro, a, b)`: the subtype, 2 or 3.
    Ec(u16, Box<Expr>, Box<Expr>),
    /// `f(...)`
    Call(Arc<Function>, Vec<Expr>),
    /// A call of the function that this stands in.
    Again(Vec<Expr>),
    /// A mask with numbers that are computed.
    Mask(Vec<MaskPart>),
}

impl Expr {
    /// Whether it is known without a route and without calls: BIRD computes it as it reads it.
    pub fn is_constant(&self) -> bool {
        match self {
            Expr::Const(_) => true,
            Expr::Not(inner) => inner.is_constant(),
            Expr::Binary(_, a, b) | Expr::Pair(a, b) | Expr::Ec(_, a, b) => a.is_constant() && b.is_constant(),
            Expr::Method(of, _, argument) => of.is_constant() && argument.as_ref().is_none_or(|a| a.is_constant()),
            Expr::Triple(parts) => parts.iter().all(Expr::is_constant),
            Expr::Mask(parts) => parts.iter().all(|part| !matches!(part, MaskPart::Expr(e) if !e.is_constant())),
            Expr::Var(_) | Expr::Attr(_) | Expr::Defined(_) | Expr::Call(..) | Expr::Again(_) => false,
        }
    }
}

/// A part of a path mask before its numbers are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MaskPart {
    /// What is known.
    Item(super::set::MaskItem),
    /// A number in parentheses.
    Expr(Expr),
}

/// What is done.
#[derive(Clone, Eq, Debug)]
pub struct Stmt {
    /// Where: for runtime errors.
    pub line: u32,
    /// What.
    pub kind: StmtKind,
}

/// A filter that has moved in its file is the same filter (`f_same`).
impl PartialEq for Stmt {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StmtKind {
    /// `if c then a else b`
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    /// `case x { ... }`: each arm with its set; the last without one is `else`.
    Case(Expr, Vec<(Option<Arc<super::set::Set>>, Vec<Stmt>)>),
    /// `{ ... }`
    Block(Vec<Stmt>),
    /// `v = x`
    Assign(usize, Expr),
    /// `attribute = x`
    Set(Attr, Expr),
    /// `unset(attribute)`
    Unset(Attr),
    /// `attribute.method(x)`: changes it in place.
    Change(Attr, Method, Option<Expr>),
    /// `print`, `printn`: with the end of the line or without.
    Print(Vec<Expr>, bool),
    /// `accept`, `reject`, perhaps with something to print.
    End(bool, Vec<Expr>),
    /// `return x`
    Return(Expr),
    /// A call, whose result nobody wants.
    Call(Expr),
}

/// A function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The types of its arguments, the first variables of its frame.
    pub params: Vec<Type>,
    /// The types of all its variables.
    pub vars: Vec<Type>,
    /// What it does.
    pub body: Vec<Stmt>,
}

/// A filter: a function without arguments that accepts or rejects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Its name; `None` for one that stands where it is used.
    pub name: Option<String>,
    /// What it does.
    pub body: Arc<Function>,
}

impl Filter {
    /// How `show protocols all` calls it.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or("(unnamed)")
    }
}
