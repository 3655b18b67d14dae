echo "a  b" 'c  d' e\ f "x\"y" 'it'"'"'s' $'tab\there' "\$x" "a\b"
x='a b'; echo $x "$x" ${x} '$x'
echo "${x}c" $x'd'
echo ""; echo a"" b''; echo "`echo hi`" `echo a\ b`
