# gospect_room(NAME [LIBS lib ...]) - the static library of one room: every .c file below
# src/NAME.  What it may include comes from src/DEPS (checked by tools/check-rooms); linking
# follows the same file, so a forbidden call does not link either.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/DEPS GOSPECT_DEPS_LINES REGEX "^[a-z]+:")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/DEPS)

function(gospect_room_deps NAME OUT)
  set(deps "")
  foreach(line IN LISTS GOSPECT_DEPS_LINES)
    if(line MATCHES "^${NAME}: *(.*)$")
      separate_arguments(deps UNIX_COMMAND "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  set(${OUT} ${deps} PARENT_SCOPE)
endfunction()

function(gospect_room NAME)
  cmake_parse_arguments(R "" "" "LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${NAME}/*.c)
  if(NOT sources)
    return() # a room of the plan that has no code yet
  endif()
  add_library(room_${NAME} STATIC ${sources})
  target_include_directories(room_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  gospect_room_deps(${NAME} deps)
  foreach(dep IN LISTS deps)
    if(TARGET room_${dep})
      target_link_libraries(room_${NAME} PUBLIC room_${dep})
    endif()
  endforeach()
  target_link_libraries(room_${NAME} PUBLIC ${R_LIBS})
endfunction()
