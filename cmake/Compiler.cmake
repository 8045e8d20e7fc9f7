# How the compiler half is built: against Debian's MLIR as one shared library, without exceptions
# and RTTI. `mirl_compiler_library(NAME sources… LINK libs… DEPENDS targets…)` is the only way a
# library of that half is declared, so that no second, static copy of MLIR can slip in.

get_filename_component(MIRL_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

function(mirl_compiler_options target)
  target_include_directories(${target} PUBLIC ${MIRL_ROOT} ${CMAKE_BINARY_DIR})
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${LLVM_DEFINITIONS_LIST})
  target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti -fno-semantic-interposition)
  target_compile_features(${target} PUBLIC cxx_std_17)
endfunction()

function(mirl_compiler_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  mirl_compiler_options(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM PRIVATE mirl_warnings)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(mirl_compiler_tool name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  mirl_compiler_options(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM mirl_warnings)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
