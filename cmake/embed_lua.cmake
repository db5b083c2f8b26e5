# Embeds lua/*.lua with their SHA1, so that the bytes in the repository are the bytes in Redis, and
# `sha1sum lua/reserve.lua` is what SLOWLOG shows. The generated file defines flashsale::core::embedded_scripts().
set(lua_generator ${CMAKE_CURRENT_LIST_DIR}/embed_lua_script.cmake)
function(flashsale_embed_lua output)
  set(scripts ${ARGN})
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DSCRIPTS=${scripts}" -P ${lua_generator}
    DEPENDS ${scripts} ${lua_generator}
    COMMENT "Embedding the Lua scripts" VERBATIM)
endfunction()
