a=(one "two three" four); echo ${a[0]} ${#a[@]} "${a[1]}" ${a[-1]}; for i in "${a[@]}"; do echo "<$i>"; done
a+=(five); a[7]=x; echo ${!a[@]} ${#a[@]}; unset 'a[1]'; echo "${a[@]}"; echo "${a[*]:1:2}"
declare -A m; m[k1]=v1; m[k2]="v 2"; m[zz]=3; for k in "${!m[@]}"; do echo "$k=${m[$k]}"; done
declare -A n=([one]=1 [two]=2 [three]=3 [four]=4 [five]=5 [six]=6); echo "${!n[@]}"; echo "${n[@]}"
declare -p a m; i=2; b=(1 2 3 4); echo ${b[i]} ${b[$((i+1))]} $((b[1]+b[2]))
mapfile -t lines < <(printf 'l1\nl2\nl 3\n'); echo "${#lines[@]}" "${lines[2]}"
e=(); echo "${#e[@]}" "${e[@]}" "x${e[*]}y"; for q in "${e[@]}"; do echo never; done
s="a b c"; arr=($s); echo ${#arr[@]}; echo "${arr[@]/b/B}" "${arr[@]#a}"
