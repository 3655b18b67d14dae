x=1; (x=2; echo $x); echo $x; (cd /; pwd); { x=3; }; echo $x; (exit 4); echo $?; echo $BASH_SUBSHELL $(echo $BASH_SUBSHELL); (a=1; (a=2; echo $a); echo $a); true | x=9; echo $x; echo a | (read v; echo "v=$v"); f() ( y=5; echo sub ); f; echo "[${y-}]"; export E=1; bash -c 'echo $E $0 $1' n a; (trap 'echo tr' EXIT)
# Brackets that stand apart, at either end, are no arithmetic.
( ( echo a ) )
( ( ( echo b ) ); echo c )
( (echo d) )
((echo e) )
(( 1 + 1 )) && echo two
