# flashsale_private_archive(result target archive): one object, `result`, with the objects of `target` and the members
# of `archive` that they need, whose symbols nobody else sees or can replace.
#
# What a static library stands on is otherwise a name on the user's link line. A host that has another hiredis has one
# of the two under that name, by the order of its link line, for both: we crash in its version, or it in ours. A prefix
# for each symbol by macros was rejected, because the archive is the distribution's, which compiled it. Only the symbols
# that the archive defines become local; whatever the compiler makes as often as it is needed (templates, inline
# functions) stays as it was, since the linker keeps one of all.
function(flashsale_private_archive result target archive)
  # Objects for link time optimization are no machine code yet, which `ld -r` would only put in a row.
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  target_compile_options(${target} PRIVATE -fno-lto)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${target}_private.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} "-DLD=${CMAKE_LINKER}" "-DNM=${CMAKE_NM}" "-DOBJCOPY=${CMAKE_OBJCOPY}"
      "-DOBJECTS=$<TARGET_OBJECTS:${target}>" -DARCHIVE=${archive} -DRESULT=${object}
      -P ${PROJECT_SOURCE_DIR}/cmake/private_archive_script.cmake
    DEPENDS ${target} $<TARGET_OBJECTS:${target}> ${archive} ${PROJECT_SOURCE_DIR}/cmake/private_archive_script.cmake
    COMMENT "Putting ${archive} into ${target}" VERBATIM COMMAND_EXPAND_LISTS)
  set(${result} ${object} PARENT_SCOPE)
endfunction()
