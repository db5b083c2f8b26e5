# Sourced by run: Debian has musl's C library and no C++ library for it, so nothing can be linked or run. What can be
# seen is that no source needs what glibc alone has: the C ABI by musl-gcc, and the library with musl's headers under
# libc++, whose headers serve both. The packages' own headers come by links, lest glibc's be found for what musl lacks.
clang=$(clang_suffix)
need_packages yes musl-tools "clang$clang" "libc++$clang-dev" "libc++abi$clang-dev" libhiredis-dev libfmt-dev \
  libexpected-dev libssl-dev libsqlite3-dev libpq-dev linux-libc-dev git || exit 1
source=$cache/musl/flashsale
multiarch=$(cc -print-multiarch)
musl=/usr/include/${multiarch%-gnu}-musl
[ -d "$musl" ] || musl=/usr/include/$(uname -m)-linux-musl

link_headers() {
  local folder=$cache/musl/include path
  rm -rf "$folder"
  mkdir -p "$folder"
  for path in linux asm-generic hiredis fmt tl openssl sqlite3.h postgresql "$multiarch/asm" \
    "$multiarch/openssl/opensslconf.h" "$multiarch/openssl/configuration.h"; do
    [ -e "/usr/include/$path" ] || continue
    case $path in
      openssl) cp -rL "/usr/include/$path" "$folder" ;;
      */openssl/*) cp -L "/usr/include/$path" "$folder/openssl" ;;
      *) ln -s "/usr/include/$path" "$folder" ;;
    esac
  done
  [ -e "$folder/asm" ] || { echo "no headers of the kernel"; return 1; }
}

# The scripts as C++, which CMake makes.
embed_scripts() {
  local scripts
  scripts=$(printf ';%s' "$source"/lua/*.lua)
  cmake -DOUTPUT="$cache/musl/scripts_embedded.cpp" "-DSCRIPTS=${scripts#;}" \
    -P "$source/cmake/embed_lua_script.cmake"
}

c_abi() {
  local file
  for file in "$source"/examples/c/*.c; do
    case $file in */uv_loop.c) continue ;; esac # libuv's headers
    echo "$file"
    musl-gcc -std=gnu99 -Wall -Wextra -Werror -fsyntax-only "-I$source/include" "$file" || return 1
  done
}

# compile FILE: with musl's headers alone and our warnings.
compile() {
  "clang++$clang" -std=c++17 -nostdinc -nostdinc++ -D_LIBCPP_HAS_MUSL_LIBC -D_GNU_SOURCE -DFMT_HEADER_ONLY \
    -isystem "/usr/lib/llvm$clang/include/c++/v1" \
    -isystem "$("clang++$clang" -print-resource-dir)/include" -isystem "$musl" -isystem "$cache/musl/include" \
    -isystem "$cache/musl/include/postgresql" -Wall -Wextra -Wshadow -Werror "-I$source/include" "-I$source/src" \
    '-DFLASHSALE_LIBDIR="lib"' '-DFLASHSALE_SINK_FOLDER="/usr/lib/flashsale"' -fsyntax-only "$1"
}
library() {
  local file bad=0
  for file in "$source"/src/*/*.cpp "$source"/src/sinks/*/*.cpp "$cache/musl/scripts_embedded.cpp"; do
    case $file in */sinks/module.cpp) continue ;; esac # a template of CMake's definitions, compiled with each sink
    echo "$file"
    compile "$file" || bad=$((bad + 1))
  done
  echo "$bad do not compile"
  [ "$bad" = 0 ]
}

step "a checkout of HEAD" checkout "$source" || return 0
step "headers" link_headers || return 0
step "the scripts" embed_scripts
step "the C ABI's examples compile by musl-gcc" c_abi
step "the library's sources compile with musl's headers" library
