// SPDX-License-Identifier: GPL-2.0-or-later
#include "uevents.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace fakesys {

namespace {
unsigned long own_network_namespace() {
  struct stat st {};
  if (stat("/proc/self/ns/net", &st) < 0)
    throw std::runtime_error("/proc/self/ns/net: " + std::string(std::strerror(errno)));
  return st.st_ino;
}

std::string datagram(const std::string& action, const std::string& path,
                     const std::vector<std::string>& environment) {
  std::string text = action + "@" + path + '\0' + "ACTION=" + action + '\0' + "DEVPATH=" + path + '\0';
  for (const auto& line : environment) text += line + '\0';
  return text;
}
}  // namespace

Kernel::UeventSink kernel_uevents(unsigned long forbidden) {
  if (own_network_namespace() == forbidden)
    throw std::runtime_error("uevents only in a network namespace of their own");
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
  if (fd < 0) throw std::runtime_error("netlink: " + std::string(std::strerror(errno)));
  return [fd](const std::string& action, const std::string& path,
              const std::vector<std::string>& environment) {
    const auto text = datagram(action, path, environment);
    std::string message(NLMSG_HDRLEN, '\0');
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + text.size());
    header.nlmsg_flags = NLM_F_REQUEST;
    header.nlmsg_type = NLMSG_MIN_TYPE;
    std::memcpy(message.data(), &header, sizeof header);
    message += text;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    // nobody listening is no failure
    [[maybe_unused]] const auto sent =
        sendto(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  };
}

}  // namespace fakesys
