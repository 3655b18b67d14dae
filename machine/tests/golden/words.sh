f() { echo "args: $@"; }; f a\ b 'c d' "e  f"; f $(echo 1 2) "$(echo 1 2)"; x="1 2"; f $x "$x"; f *nomatch*; f a=b c=$x; f A=$A; f -- -x; f ""; f "" ''; f $undefined; f "$undefined"; f $'\n'; f '\n'; y=(a 'b c'); f "${y[@]}"; f ${y[@]}; f "x${y[@]}y"; f "${y[*]}"
echo "a
b"; echo a \
b; echo 'multi
line'; if true; then echo x; fi; { echo y; }; (echo z); echo a;echo b;echo c # comment
# full comment
echo "# not comment" a#b; true && echo and || echo or; false && echo and || echo or; true || echo no; echo $?; false; echo $?
