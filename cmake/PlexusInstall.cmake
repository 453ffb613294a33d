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

# A oneDNN in a folder that the loader does not search by itself, as the SDK's, is installed beside the
# libraries that need it, under the one name that they ask for.
get_target_property(plexus_dnnl_type DNNL::dnnl TYPE)
get_target_property(plexus_dnnl_headers DNNL::dnnl INTERFACE_INCLUDE_DIRECTORIES)
if(plexus_dnnl_type STREQUAL SHARED_LIBRARY AND NOT plexus_dnnl_headers MATCHES "^/usr/")
  install(PROGRAMS $<TARGET_FILE:DNNL::dnnl> DESTINATION ${CMAKE_INSTALL_LIBDIR}
          RENAME $<TARGET_SONAME_FILE_NAME:DNNL::dnnl>)
endif()

# The licence of Plexus, and the notices of those whose code is inside what is installed: oneDNN's
# library, and the header-only and static libraries that Debian documents beside their packages.
set(plexus_doc_dir ${CMAKE_INSTALL_DATADIR}/doc/plexus)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${plexus_doc_dir})
foreach(header IN LISTS plexus_dnnl_headers)
  foreach(name LICENSE THIRD-PARTY-PROGRAMS)
    if(EXISTS ${header}/../share/doc/onednn/${name})
      install(FILES ${header}/../share/doc/onednn/${name} DESTINATION ${plexus_doc_dir}/licenses
              RENAME onednn-${name})
    endif()
  endforeach()
endforeach()
foreach(package nlohmann-json3-dev libcli11-dev libboost1.74-dev liblld-22-dev)
  if(EXISTS /usr/share/doc/${package}/copyright)
    install(FILES /usr/share/doc/${package}/copyright DESTINATION ${plexus_doc_dir}/licenses
            RENAME ${package}-copyright)
  endif()
endforeach()
