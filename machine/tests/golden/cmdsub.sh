x=$(echo a; echo b); echo "$x"; echo $x; y=`echo \`echo nested\``; echo $y; echo $(echo $(echo $(echo deep))); echo "$(echo "quoted $(echo "in ner")")"; z=$(printf 'trail\n\n\n'); echo "[$z]"; $(echo echo) cmd; a=$(exit 5); echo $?; echo $(case x in (x) echo in;; esac); echo "$(cat <<EOF
heredoc in sub )
EOF
)"; echo $(echo a # comment )
); i=0; echo $((i++))$(echo $i)$((i++)); echo $i; f() { echo "f:$1"; }; r=$(f "a b"); echo "$r"; echo $(< /dev/null)x
x=$(case a in a) echo yes;; b|c) echo no;; esac); echo "$x" "$(case z in
  y) echo y ;;
  *) echo "star (x)" ;;
esac)"
