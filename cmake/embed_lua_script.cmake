# Run by embed_lua.cmake: writes OUTPUT from SCRIPTS.
set(rows "")
foreach(script IN LISTS SCRIPTS)
  get_filename_component(name ${script} NAME_WE)
  file(READ ${script} text)
  file(SHA1 ${script} sha1)
  string(LENGTH "${text}" bytes)
  if(bytes GREATER 60000)
    message(FATAL_ERROR "${script} is longer than a string literal may be")
  endif()
  string(APPEND rows "    {\"${name}\", \"${sha1}\", R\"lua_text(${text})lua_text\"},\n")
endforeach()
file(WRITE ${OUTPUT}.new "// Made from lua/*.lua by cmake/embed_lua_script.cmake.
#include \"core/scripts.hpp\"

namespace flashsale::core {
namespace {
constexpr Script kScripts[] = {
${rows}};
}  // namespace
ScriptTable embedded_scripts() { return {kScripts, sizeof(kScripts) / sizeof(kScripts[0])}; }
}  // namespace flashsale::core
")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
file(REMOVE ${OUTPUT}.new)
file(TOUCH_NOCREATE ${OUTPUT})
