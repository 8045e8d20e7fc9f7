# How the compiler half is built: against Debian's MLIR as one shared library, without exceptions
# and RTTI. `mirl_compiler_library(NAME sources… LINK libs… DEPENDS targets…)` is the only way a
# library of that half is declared, so that no second, static copy of MLIR can slip in.

get_filename_component(MIRL_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

# The headers of MLIR that most files include, parsed once: they are half the time of a build. -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON
# does without (checkouts in different folders then share a compiler cache).
set(MIRL_PRECOMPILED
  <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/LLVMIR/NVVMDialect.h>
  <mlir/Dialect/Math/IR/Math.h> <mlir/Dialect/SCF/IR/SCF.h> <mlir/Dialect/Vector/IR/VectorOps.h>
  <mlir/IR/DialectImplementation.h> <mlir/Pass/PassManager.h>)

function(mirl_compiler_options target)
  target_include_directories(${target} PUBLIC ${MIRL_ROOT} ${CMAKE_BINARY_DIR})
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${LLVM_DEFINITIONS_LIST})
  # One kind of code everywhere (CMake would give programs -fPIE): precompiled headers are of one kind.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC -fno-exceptions -fno-rtti -fno-semantic-interposition)
  target_compile_features(${target} PUBLIC cxx_std_17)
  if(target STREQUAL mirl_precompiled)
    target_precompile_headers(${target} PRIVATE ${MIRL_PRECOMPILED})
  else()
    target_precompile_headers(${target} REUSE_FROM mirl_precompiled)
  endif()
endfunction()

add_library(mirl_precompiled OBJECT ${CMAKE_CURRENT_LIST_DIR}/Precompiled.cpp)
mirl_compiler_options(mirl_precompiled)
target_link_libraries(mirl_precompiled PRIVATE mirl_warnings)

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
