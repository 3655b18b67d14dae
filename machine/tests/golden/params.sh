x=hello.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${x:1:3} ${x: -2} ${x:2} ${x/l/L} ${x//l/L} ${x/#he/HE} ${x/%gz/GZ} ${x^} ${x^^} ${x,,}
unset y; echo "${y-def}" "${y:-def}" "${y+alt}" "[${x+alt}]"; echo ${y:=set} $y
z=; echo "[${z-d}]" "[${z:-d}]" "[${z:+a}]" "[${z+a}]"
set -- a b c; echo $# $1 $2 "$@" "$*" ${@:2} ${#@}
IFS=,; echo "$*"; unset IFS
p=/usr/local/bin; echo ${p##*/} ${p%/*} ${p//\//:}
v=name; name=val; echo ${!v}; abc1=1 abc2=2; echo ${!abc*}
echo "${x@Q}" "${x@U}"
echo ${y:?msg} ; echo ${undefd:?is missing}; echo notreached
