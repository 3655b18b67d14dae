set -euo pipefail; trap 'echo "exit $?"' EXIT; trap 'echo err $LINENO' ERR; echo a
(echo sub; false; echo no)
echo never
