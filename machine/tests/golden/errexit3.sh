set -e; f() { false && true; }; echo 1; f; echo never
