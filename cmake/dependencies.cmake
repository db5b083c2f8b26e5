# What we build with, all of it packaged by Debian. hiredis and fmt stay inside; tl-expected is in our headers.
find_package(Threads REQUIRED)

# flashsale_missing(what DEBIAN FEDORA ALPINE VCPKG): stops, and says which package would have it.
function(flashsale_missing what debian fedora alpine vcpkg)
  message(FATAL_ERROR "${what} is missing. Packages that have it: Debian and Ubuntu ${debian}; Fedora ${fedora}; "
    "Alpine ${alpine}; vcpkg ${vcpkg}")
endfunction()

# flashsale_need(package found DEBIAN FEDORA ALPINE VCPKG [argument of find_package...]): find_package's own message
# names files of CMake's that nobody who lacks a library has heard of.
macro(flashsale_need package found debian fedora alpine vcpkg)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${found})
    flashsale_missing("${package}" "${debian}" "${fedora}" "${alpine}" "${vcpkg}")
  endif()
endmacro()

flashsale_need(PkgConfig PKG_CONFIG_FOUND pkg-config pkgconf-pkg-config pkgconf pkgconf)
flashsale_need(fmt fmt_FOUND libfmt-dev fmt-devel fmt-dev fmt)
flashsale_need(tl-expected tl-expected_FOUND libexpected-dev expected-devel
  tl-expected tl-expected)
# fmt's headers compile its code into every object, so that nothing else is needed at run time; the shared library
# halves the time of a build, and does for tests.
set(flashsale_fmt fmt::fmt-header-only)
if(FLASHSALE_FMT_SHARED)
  set(flashsale_fmt fmt::fmt)
endif()

# hiredis is the codec only. Its archive is put inside where there is one (private_archive.cmake), since its `redis*`
# and `sds*` symbols would meet another copy in the host's process. Where a distribution has only the shared library,
# that is linked, and a host shares it with us.
pkg_check_modules(HIREDIS QUIET hiredis)
# Its own file says -I.../include/hiredis, and its users write <hiredis/...>.
find_path(HIREDIS_INCLUDE_DIR hiredis/read.h
  HINTS ${HIREDIS_INCLUDEDIR} ${HIREDIS_INCLUDEDIR}/.. ${HIREDIS_INCLUDE_DIRS})
find_library(HIREDIS_STATIC libhiredis.a HINTS ${HIREDIS_LIBDIR} ${HIREDIS_LIBRARY_DIRS})
find_library(HIREDIS_SHARED hiredis HINTS ${HIREDIS_LIBDIR} ${HIREDIS_LIBRARY_DIRS})
mark_as_advanced(HIREDIS_INCLUDE_DIR HIREDIS_STATIC HIREDIS_SHARED)
if(NOT HIREDIS_INCLUDE_DIR OR NOT (HIREDIS_STATIC OR HIREDIS_SHARED))
  flashsale_missing(hiredis libhiredis-dev hiredis-devel hiredis-dev hiredis)
endif()
add_library(flashsale_hiredis INTERFACE)
target_include_directories(flashsale_hiredis SYSTEM INTERFACE ${HIREDIS_INCLUDE_DIR})
if(HIREDIS_STATIC)
  target_link_libraries(flashsale_hiredis INTERFACE ${HIREDIS_STATIC})
else()
  message(STATUS "There is no libhiredis.a: what is built needs ${HIREDIS_SHARED} at run time")
  target_link_libraries(flashsale_hiredis INTERFACE ${HIREDIS_SHARED})
endif()

set(openssl_packages libssl-dev openssl-devel openssl-dev openssl)
if(FLASHSALE_TLS)
  flashsale_need(OpenSSL OPENSSL_FOUND ${openssl_packages} COMPONENTS SSL)
endif()
if(FLASHSALE_SQLITE)
  flashsale_need(SQLite3 SQLite3_FOUND libsqlite3-dev sqlite-devel sqlite-dev sqlite3)
endif()
if(FLASHSALE_POSTGRES)
  flashsale_need(PostgreSQL PostgreSQL_FOUND "libpq-dev (or FLASHSALE_POSTGRES=OFF)" libpq-devel libpq-dev libpq)
endif()
if(FLASHSALE_TOOLS OR FLASHSALE_TESTS OR FLASHSALE_BENCHMARKS)
  flashsale_need(CLI11 CLI11_FOUND libcli11-dev cli11-devel cli11 cli11)
  flashsale_need(nlohmann_json nlohmann_json_FOUND nlohmann-json3-dev json-devel nlohmann-json nlohmann-json)
  flashsale_need(ZLIB ZLIB_FOUND zlib1g-dev zlib-ng-compat-devel zlib-dev zlib)
  flashsale_need(OpenSSL OPENSSL_FOUND ${openssl_packages} COMPONENTS Crypto)
endif()
if(FLASHSALE_TESTS)
  find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h)
  mark_as_advanced(DOCTEST_INCLUDE_DIR)
  if(NOT DOCTEST_INCLUDE_DIR)
    flashsale_missing(doctest doctest-dev doctest-devel doctest-dev doctest)
  endif()
endif()
if((FLASHSALE_TESTS AND FLASHSALE_FAILPOINTS) OR FLASHSALE_FUZZ)
  pkg_search_module(LUA51 QUIET IMPORTED_TARGET lua5.1 lua-5.1 lua51)
  if(NOT LUA51_FOUND)
    flashsale_missing("Lua 5.1" liblua5.1-0-dev compat-lua-devel lua5.1-dev "none (or FLASHSALE_TESTS=OFF)")
  endif()
endif()
