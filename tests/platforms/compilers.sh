# Sourced by run: the library, its sinks and the tool, in the dev preset with warnings as errors, by each compiler from
# GCC 12 and clang 14 on that is packaged for this Debian and, in the chroot of `trixie`, for Debian 13. The tests are
# built by each release's own compiler in tests/run. A name is gcc-13 or clang-16; in Debian 13, trixie:gcc-13.
need_packages yes debootstrap git || exit 1

# candidates COMMAND...: what is packaged where COMMAND runs its arguments.
candidates() {
  "$@" sh -c 'apt-cache pkgnames | grep -xE "g[+][+]-(1[2-9])|clang-(1[4-9]|2[0-9])" | sed "s/^g++/gcc/" | sort -V'
}
here() { env -C "$cache/compilers/flashsale" "$@"; }
there() { inside "$cache/trixie" env -C /srv/flashsale HOME=/root LC_ALL=C.UTF-8 "$@"; }

# compile COMMAND NAME: in the checkout that COMMAND works in.
compile() {
  local name=$2 c cxx package flags=()
  case $name in
    gcc-*) c=$name cxx=g++-${name#gcc-} package=$cxx ;;
    # clang warns before it optimises; GCC has warnings that it finds by that.
    *) c=$name cxx=clang++-${name#clang-} package=$c flags=(-DCMAKE_CXX_FLAGS_DEBUG=-O0) ;;
  esac
  "$1" bash -c '. .ci/packages.sh && need_packages yes "$0"' "$package" &&
    "$1" cmake --preset dev -B "build/compilers/$name" -DCMAKE_C_COMPILER="$c" -DCMAKE_CXX_COMPILER="$cxx" \
      ${flags[@]+"${flags[@]}"} &&
    "$1" cmake --build "build/compilers/$name" --target flashsale flashsale_c flashsale_sink_sqlite \
      flashsale_sink_postgres
}

names=("$@")
if [ $# = 0 ]; then
  names=($(candidates env))
  if [ -e "$cache/trixie/made" ]; then
    names+=($(candidates inside "$cache/trixie" | sed 's/^/trixie:/'))
  else
    echo "Debian 13's are left out: run tests/platforms/run trixie first"
  fi
fi
case " ${names[*]-}" in
  *" trixie:"*) step "a checkout of HEAD in Debian 13" checkout "$cache/trixie/srv/flashsale" ;;
esac
step "a checkout of HEAD" checkout "$cache/compilers/flashsale" || return 0
for name in "${names[@]}"; do
  case $name in
    trixie:*) step "$name" compile there "${name#trixie:}" ;;
    *) step "$name" compile here "$name" ;;
  esac
done
