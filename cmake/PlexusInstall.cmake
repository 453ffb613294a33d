# What find_package(Plexus) finds in an installation, wherever it was moved.
include(CMakePackageConfigHelpers)
set(plexus_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Plexus)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/PlexusConfig.cmake.in
  ${CMAKE_BINARY_DIR}/PlexusConfig.cmake INSTALL_DESTINATION ${plexus_package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/PlexusConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/PlexusConfig.cmake ${CMAKE_BINARY_DIR}/PlexusConfigVersion.cmake
  DESTINATION ${plexus_package_dir})
install(EXPORT PlexusTargets NAMESPACE Plexus:: DESTINATION ${plexus_package_dir})
