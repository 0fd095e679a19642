#!/bin/sh
# Installs redis-server, which the tests start on their own, where apt can do it without a question.
# No service is started: the system's own Redis is not what the tests talk to.

present() { command -v redis-server >/dev/null; }

as_root() {
    if [ "$(id -u)" = 0 ]; then sh -c "$1"; else sudo -n sh -c "$1"; fi
}

quietly='
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy
    trap "rm -f $policy" EXIT
fi
install="apt-get install -qq -y --no-install-recommends redis-server"
$install || { apt-get update -qq && $install; }
'

present && exit 0
if command -v apt-get >/dev/null; then
    echo "Installing redis-server, for the tests …"
    as_root "$quietly" </dev/null >/dev/null 2>&1
fi
present && exit 0
echo "redis-server is missing: apt install redis-server, or your system's equal (tests need it)" >&2
case "$CI" in 1 | [Tt][Rr][Uu][Ee]) exit 1 ;; esac
