f() { local OPTIND o; while getopts "ab:c" o "$@"; do case $o in a) echo a;; b) echo "b=$OPTARG";; c) echo c;; \?) echo bad;; esac; done; shift $((OPTIND-1)); echo "rest: $*"; }
f -a -b val -c x y; f -ac -bval z; f -x 2>&1; f -b 2>&1; f
g() { while getopts ":p:" o; do case $o in p) echo p$OPTARG;; :) echo need $OPTARG;; \?) echo unk $OPTARG;; esac; done; }; g -p; OPTIND=1; g -z
set -- 1 2 3; shift; echo $1 $#; shift 5; echo $?; shift 2; echo $#
