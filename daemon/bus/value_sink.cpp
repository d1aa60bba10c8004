// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/value_sink.hpp"

namespace gpuctl {

void ValueSink::entry(const char* key, std::string_view value) {
  open('e', "sv");
  text(key);
  open('v', "s");
  text(value);
  close();
  close();
}

}  // namespace gpuctl
