cd /tmp; rm -rf hwt; mkdir hwt; cd hwt
echo one > f; echo two >> f; cat f; cat < f | wc -l; echo x 2>&1 >/dev/null; ls nofile 2>e; cat e
{ echo a; echo b >&2; } > o 2>&1; cat o; echo hi &> both; cat both
cat <<EOF
x=$((1+1)) $(echo sub) \$HOME
EOF
cat <<'EOF'
x=$((1+1)) \$HOME
EOF
	cat <<-EOF
	tabbed
	EOF
cat <<< "here string"; exec 3>f3; echo to3 >&3; exec 3>&-; cat f3; echo foo >&5
while read a b; do echo "$b-$a"; done <<< "1 2 3"
cat nonexist; echo $?; echo > /nodir/x; echo $?; : > empty; [ -s empty ]; echo $?; cd nodir; echo $?
echo abc | { read x; echo "got $x"; }; x=$(<f); echo $x; set -C; echo z > f; echo $?; echo z >| f; cat f
echo a > f1; echo b > f2; cat f1 - f2 <<< mid; diffx 2>/dev/null || echo no
exec 4<f1; read -u 4 v; echo $v; echo "q" | tee t1 t2; cat t1 t2
