# Run by private_archive.cmake, with LD, NM, OBJCOPY, OBJECTS, ARCHIVE and RESULT.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${NM} --extern-only --defined-only --format=posix ${ARCHIVE}
  OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
# A line is "name type value size", and a member's own is "archive[member]:".
string(REGEX MATCHALL "[^\n]+ [A-Z] [^\n]*" lines "${listing}")
list(TRANSFORM lines REPLACE " .*" "")
# Helpers of the compiler are shared by name with our own objects.
list(FILTER lines EXCLUDE REGEX "^__x86")
if(NOT lines)
  message(FATAL_ERROR "${ARCHIVE} defines no symbol")
endif()
list(JOIN lines "\n" names)
file(WRITE ${RESULT}.symbols "${names}\n")
execute_process(COMMAND ${LD} -r -o ${RESULT}.all ${OBJECTS} ${ARCHIVE} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${OBJCOPY} --localize-symbols=${RESULT}.symbols ${RESULT}.all ${RESULT}
  COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE ${RESULT}.all)
