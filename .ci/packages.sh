# Sourced by examples/run and tests/run: Debian packages that they need.
#
#   need_packages yes|no PACKAGE...   prints what is missing and installs it; with `no`, or as somebody who may not,
#                                     says what is missing. Fails unless all are there in the end.
#
#   clang_suffix                      "-14" for clang++-14, of the packages clang-14, libclang-rt-14-dev and llvm-14: of
#                                     the newest that is there, or else the one that this Debian means by `clang`
#
# All of need_packages' output goes to stderr. No system service is started: redis-server's package would start one.

_package_is_there() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# The program to which $2 may be left where the package is not: a newer or self-built one is as good.
_program_of() {
  case $1 in
    g++ | cmake | ccache | redis-server | sqlite3 | python3 | npm | chromium) echo "$1" ;;
    ninja-build) echo ninja ;;
    redis-tools) echo redis-cli ;;
    valkey-server) echo valkey-server ;;
    valkey-tools) echo valkey-cli ;;
    pkg-config) echo pkg-config ;;
    prometheus) echo promtool ;;
    golang-go) echo go ;;
    iproute2) echo ip ;;
  esac
}

_is_missing() {
  _package_is_there "$1" && return 1
  local program
  program=$(_program_of "$1")
  [ -z "$program" ] || ! command -v "$program" > /dev/null 2>&1
}

_missing_packages() {
  local package
  for package in "$@"; do
    if _is_missing "$package"; then printf ' %s' "$package"; fi
  done
}

# apt, which finds Valkey on Debian 12 in its backports alone: these are a source of packages for as long as this runs,
# at whatever mirror the release itself comes from. The policy lets no package start its service; one that is there
# already is the machine's own, and stays.
_INSTALL='
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
backports=/etc/apt/sources.list.d/flashsale-backports.list
ours=$backports
[ -e "$policy" ] || ours="$ours $policy"
trap "rm -f $ours" EXIT
trap "exit 130" INT
trap "exit 143" TERM
if [ ! -e "$policy" ]; then
  printf "#!/bin/sh\nexit 101\n" > "$policy"
  chmod 755 "$policy"
fi
case " $* " in
  *" valkey-"*)
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ "$release" = bookworm ]; then
      site=$(apt-get indextargets --format "\$(SITE) \$(RELEASE)" "Created-By: Packages" |
        sed -n "s/ $release\$//p" | head -n 1)
      [ -z "$site" ] || echo "deb [signed-by=$keys] $site $release-backports main" > "$backports"
    fi ;;
esac
apt-get update || echo "The package lists could not be updated; trying with the old ones." >&2
apt-get install -y --no-install-recommends "$@"
'

need_packages() {
  local install=$1 missing
  shift
  if ! command -v dpkg-query > /dev/null 2>&1; then
    echo "This is no Debian; going on in the hope that it has what these packages hold: $*" >&2
    return 0
  fi
  missing=$(_missing_packages "$@")
  [ -z "$missing" ] && return 0
  if [ "$install" != yes ]; then
    echo "These Debian packages are missing:$missing" >&2
    return 1
  fi
  echo "Installing these Debian packages:$missing" >&2
  if [ "$(id -u)" = 0 ]; then
    sh -c "$_INSTALL" install $missing >&2
  elif command -v sudo > /dev/null 2>&1; then
    sudo sh -c "$_INSTALL" install $missing >&2
  else
    echo "That needs root, and there is no sudo. Please run: apt-get install --no-install-recommends$missing" >&2
    return 1
  fi || {
    echo "The packages could not be installed:$missing" >&2
    return 1
  }
}

clang_suffix() {
  local version
  for version in $(seq 29 -1 14); do
    if command -v "clang++-$version" > /dev/null 2>&1; then echo "-$version"; return; fi
  done
  command -v clang++ > /dev/null 2>&1 && return
  apt-cache depends clang 2> /dev/null | sed -n 's/.*Depends: clang\(-[0-9]*\)$/\1/p'
}
