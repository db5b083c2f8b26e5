# What we build with, all of it packaged by Debian. hiredis and fmt stay inside; tl-expected is in our headers.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
# fmt's headers compile its code into every object, so that nothing else is needed at run time; the shared library
# halves the time of a build, and does for tests.
set(flashsale_fmt fmt::fmt-header-only)
if(FLASHSALE_FMT_SHARED)
  set(flashsale_fmt fmt::fmt)
endif()
find_package(tl-expected REQUIRED)

# hiredis is the codec only, and is linked statically: its exported `sds*` symbols would clash with another copy in
# the host's process.
pkg_check_modules(HIREDIS REQUIRED hiredis)
find_library(HIREDIS_STATIC libhiredis.a HINTS ${HIREDIS_LIBRARY_DIRS})
if(NOT HIREDIS_STATIC)
  message(FATAL_ERROR "libhiredis.a is missing (Debian: libhiredis-dev)")
endif()
add_library(flashsale_hiredis INTERFACE)
target_include_directories(flashsale_hiredis SYSTEM INTERFACE ${HIREDIS_INCLUDE_DIRS})
target_link_libraries(flashsale_hiredis INTERFACE ${HIREDIS_STATIC})

if(FLASHSALE_TLS)
  find_package(OpenSSL REQUIRED COMPONENTS SSL)
endif()
if(FLASHSALE_SQLITE)
  find_package(SQLite3 REQUIRED)
endif()
if(FLASHSALE_POSTGRES)
  find_package(PostgreSQL REQUIRED)
endif()
if(FLASHSALE_TOOLS OR FLASHSALE_TESTS OR FLASHSALE_BENCHMARKS)
  find_package(CLI11 REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(ZLIB REQUIRED)
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)
endif()
