echo before
for x in a; fi
echo after
