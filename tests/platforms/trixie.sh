# Sourced by run: Debian 13. Its own packages, compiler and servers; nothing of this machine but the kernel.
need_packages yes debootstrap git || exit 1
chroot=$cache/trixie
source=/srv/flashsale

trixie() { inside "$chroot" env HOME=/root LC_ALL=C.UTF-8 "$@"; }
# in_source COMMAND...
in_source() { trixie env -C "$source" "$@"; }

# The repository's own lists of packages, which a user of Debian 13 would have installed by them.
install_packages() {
  trixie apt-get update && trixie apt-get install -y --no-install-recommends git ca-certificates || return 1
  in_source sh -c 'sed -n "/^need_packages/,/|| exit 1$/p" tests/run > /tmp/lists'
  in_source bash -c '. .ci/packages.sh
    install=yes quick=yes
    . /tmp/lists
    need_packages yes valkey-server valkey-sentinel valkey-tools "clang$(clang_suffix)" dpkg-dev file lintian fakeroot'
}

# /usr/bin has Redis as well, and FLASHSALE_TEST_REDIS names a folder.
link_valkey() {
  trixie sh -c 'mkdir -p /opt/valkey && ln -sf /usr/bin/valkey-server /usr/bin/valkey-sentinel /usr/bin/valkey-cli \
    /opt/valkey && ls /opt/valkey'
}

versions() {
  in_source sh -c 'cat /etc/debian_version; c++ --version | head -1; go version; python3 --version
    redis-server --version; valkey-server --version; dpkg-query -W libhiredis-dev libfmt-dev libssl-dev libpq-dev libexpected-dev libcli11-dev'
}

step "the chroot" chroot_of trixie "$chroot" || return 0
step "a checkout of HEAD" checkout "$chroot$source" || return 0
step "packages" install_packages || return 0
step "versions" versions && cat "$cache/logs/trixie-versions.log"
# Ends with tests/run's own summary, of which the log has a line a test.
step "examples/run" in_source examples/run --no-install --json --countdown 0 --units 2000 --attempts 40000
step "the dev suite on Redis" in_source tests/run --quick --no-install
if [ -e "$chroot$source/tests/support/server_programs.hpp" ]; then
  step "links to Valkey" link_valkey
  step "the dev suite on Valkey" in_source env FLASHSALE_TEST_REDIS=/opt/valkey tests/run --quick --no-install
else
  echo "left out: the tests of this HEAD do not take FLASHSALE_TEST_REDIS"
fi
step "the release build" in_source sh -c 'cmake --preset release && cmake --build build/release --target product'
step "consumers of an installed tree" in_source tests/consumer/installed
step "Debian packages" in_source tests/consumer/debs
step "the notices name all that is built in" in_source tests/docs/notices
step "the wheel and the Python binding" in_source tests/bindings/python/run --install=yes
step "the Go module and binding" in_source tests/bindings/go/run build/release
