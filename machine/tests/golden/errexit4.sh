set -o pipefail; false | true | cat; echo $? "${PIPESTATUS[@]}"; true | false; echo $?; set +o pipefail; false | true; echo $?
set -u; echo ok; echo $undefined_x; echo never
