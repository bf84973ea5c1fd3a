# gw_fuzz_target(name source more-sources...): an executable of one fuzz target, linked
# with the layers that its #include lines name.
function(gw_fuzz_target target source)
  add_executable(${target} ${source} ${ARGN})
  # libFuzzer has no header. On the file: a target's own options stand before gw_flags'.
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
  file(STRINGS ${source} includes REGEX "^#include \"(server/[a-z]+|routes|db|backends)/")
  foreach(include ${includes})
    string(REPLACE "backends/kubernetes/" "kubernetes/" include "${include}")
    string(REGEX REPLACE "^#include \"(server/)?([a-z]+)/.*" "gw_\\2" layer "${include}")
    list(APPEND layers ${layer})
  endforeach()
  list(REMOVE_DUPLICATES layers)
  target_link_libraries(${target} PRIVATE gw_flags ${layers})
endfunction()

file(GLOB GW_FUZZ_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.c)
