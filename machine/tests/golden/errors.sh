nosuchcmd; echo $?; ./nofile; echo $?; /tmp; echo $?; cd /nonexist; echo $?; unset -v 1x; echo $?; readonly R=1; R=2; echo "no $?"
export 2a=b; echo $?; declare -Z; echo $?; set -Q; echo $?; shift x; echo $?; echo ${x!y}; echo more
exit abc
