# Debian packages, one a component of install.cmake: `cpack` in a build tree that was configured for /usr, which
# tests/consumer/debs does. Sinks are packages of their own, so that the library needs no database's client.
set(debian_revision 1)
set(debian_version ${PROJECT_VERSION}-${debian_revision})
set(FLASHSALE_MAINTAINER "the flashsale authors <flashsale@example.org>" CACHE STRING "Maintainer of the packages")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "${FLASHSALE_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${debian_revision})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY >=)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SOURCE flashsale)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL "")

# What Debian wants beside the files: a copyright file with all notices, and a changelog.
file(READ ${PROJECT_SOURCE_DIR}/LICENSE licence)
file(READ ${PROJECT_SOURCE_DIR}/THIRD_PARTY_NOTICES.md notices)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/copyright "${licence}\n${notices}
On Debian the licences that are only named above are in /usr/share/common-licenses: GPL-3, Apache-2.0, CC0-1.0.
")
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog "flashsale (${debian_version}) unstable; urgency=medium

  * Version ${PROJECT_VERSION}; CHANGELOG.md of the sources says what is new.

 -- ${FLASHSALE_MAINTAINER}  ${now}
")
flashsale_gzip(${CMAKE_CURRENT_BINARY_DIR}/debian/changelog debian/changelog.Debian.gz)
# The library's cache is renewed by dpkg's trigger. CPack would write scripts that do it again, unless it is given some.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
foreach(script postinst postrm)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/${script} "#!/bin/sh\nset -e\n")
  list(APPEND runtime_control ${CMAKE_CURRENT_BINARY_DIR}/debian/${script})
endforeach()
list(APPEND runtime_control ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers)

# flashsale_package(component name section what content [FIELD value]...): fields of Debian's control file.
function(flashsale_package component name section what content)
  string(TOUPPER ${component} upper)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/debian/copyright ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog.Debian.gz
    DESTINATION share/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  set(prefix CPACK_DEBIAN_${upper}_PACKAGE)
  set(${prefix}_NAME ${name} PARENT_SCOPE)
  set(${prefix}_SECTION ${section} PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "sells scarce stock through Redis - ${what}
flashsale decides, for a crowd that arrives all at once, who gets a unit,
and hands each won order to a database without losing, doubling or
overselling one.
.
This package has ${content}." PARENT_SCOPE)
  list(LENGTH ARGN rest)
  while(rest GREATER 0)
    list(POP_FRONT ARGN field value)
    set(${prefix}_${field} "${value}" PARENT_SCOPE)
    list(LENGTH ARGN rest)
  endwhile()
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
endfunction()

flashsale_package(runtime libflashsale0 libs "C library" "the shared library that programs load"
  RECOMMENDS "flashsale-sink-sqlite (= ${debian_version})")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${runtime_control})
set(dev_needs "libflashsale0 (= ${debian_version}), libexpected-dev")
if(NOT HIREDIS_STATIC)
  string(APPEND dev_needs ", libhiredis-dev")
endif()
if(FLASHSALE_TLS)
  string(APPEND dev_needs ", libssl-dev")
endif()
flashsale_package(dev libflashsale-dev libdevel "development files"
  "the headers, the static C++ library,\nand what CMake and pkg-config need"
  DEPENDS "${dev_needs}" SUGGESTS "libsqlite3-dev, libpq-dev")
flashsale_package(tools flashsale-tools database "command line tool" "the tool that makes, runs and watches sales"
  DEPENDS "flashsale-sink-sqlite (= ${debian_version})" RECOMMENDS redis-server)
# A module works with the very version that it was built with.
set(one_version "libflashsale0 (<< ${debian_version}), libflashsale0 (>> ${debian_version})")
flashsale_package(sink_sqlite flashsale-sink-sqlite libs "orders into SQLite" "the module for SQLite databases"
  BREAKS "${one_version}")
if(TARGET flashsale_sink_postgres)
  flashsale_package(sink_postgres flashsale-sink-postgres libs "orders into PostgreSQL"
    "the module for PostgreSQL databases" BREAKS "${one_version}")
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/bindings/python/flashsale)
  install(DIRECTORY bindings/python/flashsale DESTINATION lib/python3/dist-packages COMPONENT python3 EXCLUDE_FROM_ALL
    FILES_MATCHING PATTERN *.py PATTERN py.typed PATTERN __pycache__ EXCLUDE)
  flashsale_package(python3 python3-flashsale python "Python 3 module" "the module for Python 3, blocking and asyncio"
    ARCHITECTURE all DEPENDS "python3:any, libflashsale0 (>= ${debian_version})" SHLIBDEPS OFF)
endif()
include(CPack)
