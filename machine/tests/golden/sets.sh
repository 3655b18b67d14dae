cd /tmp; mkdir -p golden-sets; cd golden-sets
printf '%s\n' a b d e > 1; printf '%s\n' b c e f > 2; printf '%s\n' z b a > 3
comm 1 2; comm -12 1 2; comm -3 1 2; comm -23 1 2; comm --total 1 2 | tail -n 1
comm --output-delimiter=, 1 2
comm 1 3; echo $?
comm --nocheck-order 1 3; echo $?
comm 1; comm; comm 1 2 3
comm 1 nothere; echo $?
comm - 2 < 1
printf 'The quick brown fox jumps over the lazy dog\n' | fold -w 10
printf 'The quick brown fox jumps over the lazy dog\n' | fold -s -w 12
printf 'a\tb\tc\n' | fold -w 9
printf '1234567890' | fold -4; echo
fold -w 0; fold -w x
shuf -e a b c | sort; seq 10 | shuf | sort -n | tr '\n' ' '; shuf -i 1-5 | sort | tr '\n' ' '; shuf -n 2 -i 1-100 | wc -l
shuf -i 5-1; shuf -n x; shuf -r -n 3 -e q
seq 10 | split -l 4; ls; cat xab; rm x*
printf 'abcdefgh' | split -b 3 -d - part.; ls part.*; cat part.02; echo
seq 3 | split -l 1 -a 3 --additional-suffix=.txt - p; ls p*.txt
split -l 0 1; split -b x 1; split nothere; split -l 1 -b 1 1
setsid echo ok; setsid -w false; echo $?; setsid; echo $?; setsid nothere; echo $?
cd ..; rm -r golden-sets
