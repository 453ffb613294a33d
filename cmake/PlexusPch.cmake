# Precompiled headers, each made once and shared by all targets that use it: parsing the headers of MLIR,
# of nlohmann/json and of GoogleTest is most of the time of a build from nothing.

# What a kind's headers need besides the flags of all rooms, and flags of its own: tests and tools, which
# spend their time elsewhere, are optimized only as far as that makes the build faster. (The level is part
# of a precompiled header.)
set(plexus_light $<$<NOT:$<CONFIG:Debug>>:-O1>)
set(plexus_pch_Runtime_libs nlohmann_json::nlohmann_json)
set(plexus_pch_Runtime_flags)
set(plexus_pch_Tool_libs ${plexus_pch_Runtime_libs} CLI11::CLI11)
set(plexus_pch_Tool_flags ${plexus_light})
set(plexus_pch_Test_libs ${plexus_pch_Runtime_libs} GTest::gmock)
set(plexus_pch_Test_flags ${plexus_light})
set(plexus_pch_MlirTest_libs ${plexus_pch_Test_libs} plexus_dialects)
set(plexus_pch_MlirTest_flags ${plexus_light})

# plexus_precompile(target KIND): the flags of the kind, and cmake/pch/<KIND>.h for the C++ files.
function(plexus_precompile target kind)
  set(carrier plexus_pch_${kind})
  if(NOT TARGET ${carrier})
    add_library(${carrier} OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/pch/Empty.cpp)
    target_link_libraries(${carrier} PRIVATE plexus_flags ${plexus_pch_${kind}_libs})
    target_precompile_headers(${carrier} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_SOURCE_DIR}/cmake/pch/${kind}.h>")
    plexus_pch_flags(${carrier} ${kind})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${carrier})
  plexus_pch_flags(${target} ${kind})
endfunction()

# The rooms of the compiler, each with its own.
function(plexus_mlir_pch target)
  target_precompile_headers(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_SOURCE_DIR}/cmake/MlirHeaders.h>")
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()

function(plexus_pch_flags target kind)
  # -fPIC for executables too, whose own -fPIE would ask for a header of their own.
  target_compile_options(${target} PRIVATE -fPIC ${plexus_pch_${kind}_flags})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    # Without it every header made is another, and ccache never has what was compiled with it.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()
