# Flags and small helpers that every room shares.

add_library(plexus_flags INTERFACE)
target_compile_features(plexus_flags INTERFACE cxx_std_20)
target_include_directories(plexus_flags INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>
                           $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
                           $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}>)
target_compile_options(plexus_flags INTERFACE -Wall -Wextra -Wno-unused-parameter)
target_link_options(plexus_flags INTERFACE -fuse-ld=lld -Wl,-z,defs)
if(PLEXUS_SANITIZE)
  # LLVM's classes have no vtables visible to UBSan's vptr check.
  target_compile_options(plexus_flags INTERFACE -fsanitize=${PLEXUS_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(plexus_flags INTERFACE -fsanitize=${PLEXUS_SANITIZE})
  if(PLEXUS_SANITIZE MATCHES undefined)
    target_compile_options(plexus_flags INTERFACE -fno-sanitize=vptr,function)
  endif()
  if(PLEXUS_FUZZ)
    # Fuzzers are guided by the coverage of the libraries that they test.
    target_compile_options(plexus_flags INTERFACE -fsanitize=fuzzer-no-link)
  endif()
  # A clang sanitizer runtime is linked into the executable; shared libraries leave it undefined.
  set_property(TARGET plexus_flags PROPERTY INTERFACE_LINK_OPTIONS
               -fuse-ld=lld -fsanitize=${PLEXUS_SANITIZE})
endif()

# Flags for code that includes MLIR headers.
if(PLEXUS_BUILD_COMPILER)
  add_library(plexus_mlir INTERFACE)
  target_link_libraries(plexus_mlir INTERFACE plexus_flags)
endif()

# What scripts/test builds under ASan/UBSan and under TSan.
add_custom_target(sanitized)
add_custom_target(threaded)

# plexus_test(name [THREADED] [MLIR] SOURCES... LIBS...): one GoogleTest binary registered with CTest.
# THREADED: it also runs under TSan. MLIR: its files include headers of MLIR.
function(plexus_test name)
  cmake_parse_arguments(A "THREADED;MLIR" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE plexus_flags ${A_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE PLEXUS_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             PLEXUS_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(A_MLIR)
    plexus_precompile(${name} MlirTest)
  else()
    plexus_precompile(${name} Test)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set(labels sanitized)
  add_dependencies(sanitized ${name})
  if(A_THREADED)
    list(APPEND labels threaded)
    add_dependencies(threaded ${name})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 900)
endfunction()

# plexus_fuzzer(name [RUNS N] SOURCES... LIBS...): a libFuzzer target. As a test it runs N inputs (20000),
# the same each time, from its corpus tests/fuzz/corpus/<name>, which it must have.
function(plexus_fuzzer name)
  if(NOT PLEXUS_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "RUNS" "SOURCES;LIBS" ${ARGN})
  if(NOT A_RUNS)
    set(A_RUNS 20000)
  endif()
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE plexus_flags ${A_LIBS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(NOT IS_DIRECTORY ${corpus})
    message(FATAL_ERROR "${name}: a fuzz target needs a corpus, ${corpus}")
  endif()
  set(found ${CMAKE_BINARY_DIR}/fuzz/found/${name})
  add_test(NAME fuzz.${name}
           COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/run ${found} $<TARGET_FILE:${name}> -runs=${A_RUNS} -seed=1
                   -timeout=60 -rss_limit_mb=4096 -artifact_prefix=${CMAKE_BINARY_DIR}/fuzz/${name}. ${corpus})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 600)
  add_dependencies(sanitized ${name})
endfunction()

# All plugins that Plexus ships.
add_custom_target(plexus_plugins)

# plexus_plugin(name SOURCES...): a plugin of the stable tier, built as any third party would.
function(plexus_plugin name)
  cmake_parse_arguments(A "" "" "SOURCES" ${ARGN})
  add_library(${name} MODULE ${A_SOURCES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter)
  target_link_options(${name} PRIVATE -fuse-ld=lld
                      -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map)
  if(PLEXUS_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${PLEXUS_SANITIZE})
    target_link_options(${name} PRIVATE -fsanitize=${PLEXUS_SANITIZE})
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PLEXUS_PLUGIN_OUTPUT_DIRECTORY})
  add_dependencies(plexus_plugins ${name})
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/plexus/plugins)
endfunction()
