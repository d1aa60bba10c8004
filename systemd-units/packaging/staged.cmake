# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside cpack when the files are staged, before the package is made of them.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})

# --- configuration files: what is staged below /etc
file(GLOB_RECURSE staged LIST_DIRECTORIES false RELATIVE ${root} ${root}${CPACK_GPUCTL_SYSCONFDIR}/*)
set(conffiles "")
foreach(file ${staged})
  string(APPEND conffiles "/${file}\n")
endforeach()
file(WRITE ${CPACK_GPUCTL_SCRATCH}/conffiles "${conffiles}")

# --- library dependencies, by dpkg-shlibdeps. Not CPack's own run of it: that would make libvirt, which one optional module
# links, a dependency of the whole.
if(CPACK_GENERATOR MATCHES "DEB")
  find_program(SHLIBDEPS dpkg-shlibdeps REQUIRED)
  set(scratch ${CPACK_GPUCTL_SCRATCH}/shlibdeps)
  file(MAKE_DIRECTORY ${scratch}/debian)
  file(WRITE ${scratch}/debian/control "Source: gpuctl\nPackage: gpuctl\nArchitecture: any\n")
  function(library_packages result)
    execute_process(COMMAND ${SHLIBDEPS} -O --warnings=0 ${ARGN} WORKING_DIRECTORY ${scratch} RESULT_VARIABLE status
                    OUTPUT_VARIABLE said ERROR_VARIABLE complaint)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "dpkg-shlibdeps: ${complaint}")
    endif()
    string(STRIP "${said}" said)
    string(REGEX REPLACE "^shlibs:Depends=" "" said "${said}")
    string(REPLACE ", " ";" said "${said}")
    set(${result} "${said}" PARENT_SCOPE)
  endfunction()

  file(GLOB programs ${root}/usr/bin/gpuctl ${root}/usr/sbin/gpuctld)
  file(GLOB_RECURSE modules ${root}/usr/lib/*/gpuctl-*.so)
  library_packages(needed ${programs})
  set(wanted)
  if(modules)
    library_packages(wanted ${modules})
    # by name: the versions differ
    foreach(package ${needed})
      string(REGEX REPLACE " .*" "" name "${package}")
      string(REGEX REPLACE "([.+])" "\\\\\\1" name "${name}")
      list(FILTER wanted EXCLUDE REGEX "^${name}( |$)")
    endforeach()
  endif()
  # Module loading is systemd's (modprobe@.service), questions are polkitd's, libvirt is for those who use VMs through it.
  list(APPEND needed "default-dbus-system-bus | dbus-system-bus" "polkitd" "systemd" "kmod" "init-system-helpers (>= 1.52)")
  list(APPEND wanted "libvirt-daemon-system" "pci.ids")
  list(JOIN needed ", " CPACK_DEBIAN_PACKAGE_DEPENDS)
  list(JOIN wanted ", " CPACK_DEBIAN_PACKAGE_RECOMMENDS)
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS "virt-manager, looking-glass-client")
endif()
