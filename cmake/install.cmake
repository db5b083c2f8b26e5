# What `cmake --install` puts where, and what find_package and pkg-config read. A component is a part that somebody
# may want alone (cmake --install --component runtime), and a Debian package: packages.cmake.
include(CMakePackageConfigHelpers)
find_program(GZIP gzip REQUIRED)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flashsale)

install(DIRECTORY include/flashsale TYPE INCLUDE COMPONENT dev)

# Builds what is installed, and no more.
add_custom_target(product DEPENDS flashsale_cpp flashsale_c)

# flashsale_gzip(file result): without name and time in it, so that the same file gives the same bytes.
function(flashsale_gzip file result)
  get_filename_component(file ${file} ABSOLUTE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  execute_process(COMMAND ${GZIP} -9nc ${file} OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/${result}
    COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# flashsale_install_part(part target...): targets that a user names as a component in find_package.
function(flashsale_install_part part)
  install(TARGETS ${ARGN} EXPORT flashsale-${part}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  install(EXPORT flashsale-${part} NAMESPACE flashsale:: DESTINATION ${config_dir} COMPONENT dev)
endfunction()
flashsale_install_part(cxx flashsale_cpp)
flashsale_install_part(c flashsale_c)
foreach(scheme IN ITEMS sqlite postgres)
  if(TARGET flashsale_${scheme})
    flashsale_install_part(${scheme} flashsale_${scheme})
    add_dependencies(product flashsale_${scheme} flashsale_sink_${scheme})
    install(TARGETS flashsale_sink_${scheme} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/flashsale
      COMPONENT sink_${scheme})
  endif()
endforeach()

set(hiredis_is_inside OFF)
if(HIREDIS_STATIC)
  set(hiredis_is_inside ON)
endif()
configure_package_config_file(cmake/flashsale-config.cmake.in flashsale-config.cmake INSTALL_DESTINATION ${config_dir}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change the C++ API.
write_basic_package_version_file(flashsale-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/flashsale-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/flashsale-config-version.cmake DESTINATION ${config_dir} COMPONENT dev)

# Relative, so that an installed tree may be moved.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_prefix ${pc_prefix})
configure_file(cmake/flashsale.pc.in flashsale.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/flashsale.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

install(FILES LICENSE THIRD_PARTY_NOTICES.md DESTINATION ${CMAKE_INSTALL_DATADIR}/flashsale COMPONENT dev)

if(FLASHSALE_TOOLS)
  install(TARGETS flashsale RUNTIME COMPONENT tools)
  add_dependencies(product flashsale)
  flashsale_gzip(docs/flashsale.1 flashsale.1.gz)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/flashsale.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
endif()
