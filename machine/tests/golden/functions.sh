f() { local a=1 b; a=2; g; echo "f $a"; }; g() { echo "g sees $a"; a=3; }; a=0; f; echo $a
function h { echo "$FUNCNAME $# $*"; }; h 1 2 3
r() { [ $1 -le 0 ] && return; echo $1; r $(($1-1)); }; r 3
k() { return; }; false; k; echo $?
o() { echo out; echo err >&2; }; o 2>/dev/null; x=$(o 2>&1); echo "$x"
V=1 f >/dev/null; echo "${V-unset}"; t() { echo "T=$T"; }; T=5 t; echo "[$T]"
type f | head -1; unset -f f; f; declare -F g
local x; echo $?; return 3; echo $?
n() { local -n ref=$1; ref=changed; }; tgt=orig; n tgt; echo $tgt
