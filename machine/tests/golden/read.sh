printf 'a b c\nd\\e f\n' | { read x y; echo "$x|$y"; read -r z; echo "$z"; read w; echo "$? [$w]"; }
IFS=: read a b c <<< "1:2:3:4"; echo "$a $b $c"; read -a arr <<< "x y z"; echo ${arr[1]}; read -d , v <<< "q,w"; echo $v; read -n 2 v <<< "abcd"; echo $v
while IFS= read -r line; do echo "[$line]"; done < <(printf '  lead\ntrail  \nlast')
echo "1,2,,3" | { IFS=, read a b c d; echo "$a|$b|$c|$d"; }; read <<< "  reply  "; echo "[$REPLY]"
