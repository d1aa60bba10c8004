# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the text: licence lines, XML, actions, arrows, format, the unit's sandbox.
add_test(NAME lint COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -P ${CMAKE_CURRENT_SOURCE_DIR}/lint.cmake)
add_test(NAME layering COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -P ${CMAKE_CURRENT_SOURCE_DIR}/layering.cmake)
set_tests_properties(lint layering PROPERTIES LABELS lint)

# Versions of clang-format disagree about details; the tree is formatted with that of Debian 12.
find_program(CLANG_FORMAT NAMES clang-format-14 clang-format)
if(NOT CLANG_FORMAT)
  message(WARNING "no clang-format: lint.format is left out")
else()
  execute_process(COMMAND ${CLANG_FORMAT} --version OUTPUT_VARIABLE clang_format_version)
endif()
if(clang_format_version MATCHES "version 14\\.")
  set(each_source "git ls-files -z '*.cpp' '*.hpp' | xargs -0")
  add_custom_target(format COMMAND sh -c "${each_source} ${CLANG_FORMAT} -i" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
  add_test(NAME lint.format COMMAND sh -c "${each_source} ${CLANG_FORMAT} --dry-run -Werror"
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(lint.format PROPERTIES LABELS lint)
endif()

# Exposure of the units as shipped, at most these tenths; the analyzer works on a tree without systemd running. What
# gpuctl-apply@ runs is the distribution's own tools, which look at every disk: see its unit.
find_program(SYSTEMD_ANALYZE systemd-analyze REQUIRED)
foreach(row gpuctld:14 gpuctl-rmmod@:15 gpuctl-boot:12 gpuctl-apply@:55)
  string(REPLACE ":" ";" row ${row})
  list(GET row 0 unit)
  list(GET row 1 tenths)
  string(REGEX REPLACE "^gpuctld|^gpuctl|@" "" name ${unit})
  add_test(NAME sandbox.exposure${name} COMMAND ${SYSTEMD_ANALYZE} security --offline=true --threshold=${tenths} --no-pager
           ${PROJECT_BINARY_DIR}/systemd-units/${unit}.service)
  set_tests_properties(sandbox.exposure${name} PROPERTIES LABELS lint)
endforeach()

# What the packages' scripts do before gpuctl goes.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME unit.package_scripts COMMAND ${Python3_EXECUTABLE} -B -m unittest test_scripts
         WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/packages)
set_tests_properties(unit.package_scripts PROPERTIES LABELS unit)

# The packages of this build.
if(TARGET gpuctld)
  add_test(NAME packages COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/packages/run ${PROJECT_BINARY_DIR})
  set_tests_properties(packages PROPERTIES LABELS packages TIMEOUT 1800 SKIP_RETURN_CODE 77)
endif()

set(GPUCTL_BUS_TESTS contract authorization host users operations drivers blocked busy names vms libvirt_hangs hook journal sleep askers gpuctl programs
    bad_input limits vanished fuzz endurance crowd environment kill_matrix error_matrix)
file(GLOB bus_tests CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/bus ${CMAKE_CURRENT_SOURCE_DIR}/bus/test_*.py)
list(TRANSFORM bus_tests REPLACE "^test_(.*)\\.py$" "\\1")
list(REMOVE_ITEM bus_tests ${GPUCTL_BUS_TESTS})
if(bus_tests)
  message(FATAL_ERROR "tests/bus: not among GPUCTL_BUS_TESTS: ${bus_tests}")
endif()
# The shipped daemon on a bus of its own, with real polkitd, on fakesys; each file in namespaces of its own. Those that
# measure run alone.
set(GPUCTL_BUS_MEASURES authorization operations blocked busy limits endurance kill_matrix error_matrix)
if(TARGET fakesys AND TARGET gpuctld)
  foreach(name ${GPUCTL_BUS_TESTS})
    add_test(NAME bus.${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bus/run test_${name})
    set_tests_properties(bus.${name} PROPERTIES LABELS bus TIMEOUT 1200 SKIP_RETURN_CODE 77
                         ENVIRONMENT "GPUCTL_BUILD=${PROJECT_BINARY_DIR};GPUCTLD=$<TARGET_FILE:gpuctld>")
    if(name IN_LIST GPUCTL_BUS_MEASURES)
      set_tests_properties(bus.${name} PROPERTIES RUN_SERIAL ON)
    endif()
  endforeach()
endif()
