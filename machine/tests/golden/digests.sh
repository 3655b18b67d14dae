cd /tmp; mkdir -p golden-digests; cd golden-digests
printf 'hello\n' > a; printf 'world\n' > b; : > empty
md5sum a b empty; sha1sum a; sha256sum < a; sha512sum b | cut -c 1-40
echo abc | md5sum
md5sum a b > list; md5sum -c list; echo changed > b; md5sum -c list; echo $?
md5sum -c --quiet list; echo $?
md5sum --status -c list; echo $?
echo garbage > bad; md5sum -c bad; echo $?
sha256sum --tag a
rm b; md5sum -c list; echo $?
md5sum nothere a; echo $?
md5sum --quiet a; echo $?
base64 <<< 'hello, world'
base64 -d <<< 'aGVsbG8sIHdvcmxkCg=='
seq 1 40 | base64 -w 30
seq 1 40 | base64 -w 0; echo
seq 1 40 | base64 | base64 -d | tail -n 1
echo 'aGVs!!' | base64 -d; echo " $?"
echo 'aG!Vs' | base64 -di; echo " $?"
base64 -w x; base64 a c; base64 nothere
cd ..; rm -r golden-digests
