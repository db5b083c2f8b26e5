# Sourced by run: a cross build against arm64 packages, in a chroot of its own so that this machine's dpkg learns no
# other architecture. The tests run under qemu's emulation of a user's program; the Redis that they start is the
# machine's own.
need_packages yes debootstrap git || exit 1
chroot=$cache/arm64
source=/srv/flashsale

# in_source COMMAND...
in_source() { inside "$chroot" env -C "$source" HOME=/root LC_ALL=C.UTF-8 "$@"; }

install_packages() {
  inside "$chroot" env DEBIAN_FRONTEND=noninteractive sh -ec '
    dpkg --add-architecture arm64
    apt-get update
    apt-get install -y --no-install-recommends git ca-certificates cmake ninja-build ccache pkg-config redis-server \
      redis-tools qemu-user-static g++-aarch64-linux-gnu libc6:arm64 libstdc++6:arm64 libhiredis-dev:arm64 \
      libfmt-dev:arm64 libssl-dev:arm64 libsqlite3-dev:arm64 libpq-dev:arm64 zlib1g-dev:arm64 \
      liblua5.1-0-dev:arm64 libexpected-dev libcli11-dev nlohmann-json3-dev doctest-dev'
}

versions() {
  in_source sh -c 'cat /etc/debian_version; aarch64-linux-gnu-g++ --version | head -1; redis-server --version
    qemu-aarch64-static --version | head -1
    dpkg-query -W libhiredis-dev:arm64 libfmt-dev:arm64 libssl-dev:arm64 libpq-dev:arm64'
}

capi="bad_arguments bad_input codes completions fork header_c99 header_cpp17 layout log options records repair sell_one"
build() {
  in_source cmake --preset dev -B build/arm64 -DCMAKE_TOOLCHAIN_FILE="$source/tests/platforms/aarch64.cmake" &&
    in_source cmake --build build/arm64 --target flashsale flashsale_sink_sqlite flashsale_sink_postgres test_util \
      test_core test_redis test_lua $(printf 'test_capi_%s ' $capi)
}
is_arm64() { in_source sh -c 'aarch64-linux-gnu-readelf -h build/arm64/bin/test_core | grep AArch64'; }

step "the chroot" chroot_of bookworm "$chroot" || return 0
step "a checkout of HEAD" checkout "$chroot$source" || return 0
step "packages" install_packages || return 0
step "versions" versions && cat "$cache/logs/arm64-versions.log"
step "the cross build" build || return 0
step "it is for arm64" is_arm64
# emulated PROGRAM [ARGUMENT...]: whatever hangs in the emulation has failed.
emulated() {
  local program=$1
  shift
  in_source timeout 600 qemu-aarch64-static "build/arm64/bin/$program" "$@"
}
for room in util core lua; do step "test_$room" emulated "test_$room"; done
# Of the room redis what needs no server: qemu does not get through all of its forks and signals.
step "test_redis: resp and url" emulated test_redis "--source-file=*/resp_test.cpp,*/url_test.cpp"
for name in $capi; do step "test_capi_$name" emulated "test_capi_$name"; done
