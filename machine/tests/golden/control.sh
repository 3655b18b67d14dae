if false; then echo a; elif true; then echo b; else echo c; fi
i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done
until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i
for x in 1 2 3; do for y in a b; do [ $y = b ] && continue 2; echo $x$y; done; done
for x in 1 2 3; do for y in a b; do [ $x = 2 ] && break 2; echo $x$y; done; done
case abc in a*) echo A;& x) echo fall;; *) echo no;; esac
case abc in a*) echo A;;& *c) echo C;; *) echo no;; esac
case "x y" in "x y"|z) echo m;; esac; case a in [!a]) echo no;; [[:alpha:]]) echo cls;; esac
f() { for i in 1 2 3; do [ $i = 2 ] && return 7; done; }; f; echo $?
while false; do :; done; echo $?; ! true; echo $?; ! false; echo $?
for i in; do echo no; done; echo $?
break; echo $?
{ echo g1; echo g2; } | cat; ( exit 3 ); echo $?
if [ 1 = 1 ]; then :; fi; echo $?
for ((;;)); do echo once; break; done; for ((i=0; ;i++)); do ((i>1)) && break; echo $i; done
