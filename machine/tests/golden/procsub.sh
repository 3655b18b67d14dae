cat <(echo one) <(echo two); while read x; do echo "r $x"; done < <(seq 3); paste <(seq 2) <(seq 3 4); echo text | tee >(cat >/dev/null) | cat
