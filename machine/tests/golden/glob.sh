cd /tmp; rm -rf hwg; mkdir -p hwg/d; cd hwg; touch a.txt b.txt c.md .hid d/e.txt "sp ace"; echo *; echo *.txt; echo ?.md; echo [ab]*; echo [!a]*; echo *.none; echo "*"; echo d/*; echo */; echo .*id; for f in *.txt; do echo "<$f>"; done; shopt -s nullglob; echo *.none x; shopt -u nullglob; v='*.md'; echo $v "$v"; set -f; echo *; set +f; ls; ls d
shopt -s extglob
echo !(*.txt); echo @(a|b).txt; shopt -s globstar; echo **/*.txt
