// SPDX-License-Identifier: GPL-2.0-or-later
#define FUSE_USE_VERSION 312
#include "fuse_fs.hpp"

#include <fuse_lowlevel.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <unordered_map>

namespace fakesys {

namespace {

constexpr double for_ever = 86400;

/// Inodes are numbered by path, for the kernel keeps numbers of files that have gone and come back.
class Inodes {
 public:
  fuse_ino_t number(const std::string& path) {
    const auto [known, created] = numbers_.try_emplace(path, paths_.size() + FUSE_ROOT_ID);
    if (created) paths_.push_back(path);
    return known->second;
  }
  const std::string& path(fuse_ino_t inode) const { return paths_.at(inode - FUSE_ROOT_ID); }

 private:
  std::unordered_map<std::string, fuse_ino_t> numbers_{{"", FUSE_ROOT_ID}};
  std::deque<std::string> paths_{""};  ///< references to paths stay good while it grows
};

struct Server {
  Kernel& kernel;
  const std::function<void()>& ready;
  Inodes inodes{};
};

Server& server(fuse_req_t request) { return *static_cast<Server*>(fuse_req_userdata(request)); }

/// What is there as long as the directory above it is: attributes, and the skeleton of /sys. Everything else
/// is looked up afresh each time, as it comes and goes with devices and drivers.
bool lasts(const std::string& path, const Node& node) {
  if (S_ISREG(node.mode)) return true;
  return S_ISDIR(node.mode) && std::count(path.begin(), path.end(), '/') <= 2 &&
         !path.starts_with("/module/");
}

struct stat attributes(const Node& node, fuse_ino_t inode) {
  struct stat st {};
  st.st_mode = node.mode;
  st.st_ino = inode;
  st.st_nlink = 1;
  // sysfs shows a page for every text attribute, whatever it holds
  st.st_size = S_ISREG(node.mode) ? static_cast<off_t>(std::max<std::size_t>(4096, node.content.size()))
                                  : static_cast<off_t>(node.content.size());
  return st;
}

/// Runs `answer(server, path, node)` under the kernel's lock; replies `missing` where there is no such file
/// (any more).
template <class Answer>
void with_node(fuse_req_t request, fuse_ino_t inode, int missing, Answer answer) {
  auto& s = server(request);
  const Lock lock(s.kernel.mutex());
  const auto& path = s.inodes.path(inode);
  const auto* node = s.kernel.tree().find(path);
  if (node) {
    answer(s, path, *node);
  } else {
    fuse_reply_err(request, missing);
  }
}

void fs_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  auto& s = server(request);
  const Lock lock(s.kernel.mutex());
  const auto path = s.inodes.path(parent) + "/" + name;
  const auto* node = s.kernel.tree().find(path);
  if (!node) return static_cast<void>(fuse_reply_err(request, ENOENT));
  fuse_entry_param entry{};
  entry.ino = s.inodes.number(path);
  entry.attr = attributes(*node, entry.ino);
  entry.attr_timeout = for_ever;  // modes never change, and reads are direct
  entry.entry_timeout = lasts(path, *node) ? for_ever : 0;
  fuse_reply_entry(request, &entry);
}

void fs_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  with_node(request, inode, ENOENT, [&](Server&, const std::string&, const Node& node) {
    const auto st = attributes(node, inode);
    fuse_reply_attr(request, &st, for_ever);
  });
}

/// O_TRUNC on an attribute does nothing.
void fs_setattr(fuse_req_t request, fuse_ino_t inode, struct stat*, int, fuse_file_info* info) {
  fs_getattr(request, inode, info);
}

void fs_readlink(fuse_req_t request, fuse_ino_t inode) {
  with_node(request, inode, ENOENT, [&](Server&, const std::string&, const Node& node) {
    fuse_reply_readlink(request, node.content.c_str());
  });
}

void fs_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  with_node(request, inode, ENOENT, [&](Server& s, const std::string& path, const Node& node) {
    std::string buffer(size, '\0');
    std::size_t used = 0;
    off_t index = 0;
    for (const auto& [name, child] : node.children) {
      if (index++ < offset) continue;
      const auto st = attributes(child, s.inodes.number(path + "/" + name));
      const auto needed =
          fuse_add_direntry(request, buffer.data() + used, size - used, name.c_str(), &st, index);
      if (needed > size - used) break;
      used += needed;
    }
    fuse_reply_buf(request, buffer.data(), used);
  });
}

void fs_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  with_node(request, inode, ENOENT, [&](Server&, const std::string&, const Node&) {
    info->direct_io = 1;  // attributes are shorter than st_size says and change behind the page cache
    fuse_reply_open(request, info);
  });
}

void fs_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  with_node(request, inode, ENODEV, [&](Server& s, const std::string& path, const Node& node) {
    const auto text = s.kernel.read(path, node);
    const auto from = std::min(static_cast<std::size_t>(offset), text.size());
    fuse_reply_buf(request, text.data() + from, std::min(size, text.size() - from));
  });
}

void fs_write(fuse_req_t request, fuse_ino_t inode, const char* data, std::size_t size, off_t,
              fuse_file_info*) {
  auto& s = server(request);
  int result = 0;
  {
    Lock lock(s.kernel.mutex());
    const std::string path = s.inodes.path(inode);
    result = s.kernel.write(path, {data, size}, fuse_req_ctx(request)->pid, lock);
  }
  if (result < 0) {
    fuse_reply_err(request, -result);
  } else {
    fuse_reply_write(request, static_cast<std::size_t>(result));
  }
}

void fs_init(void* userdata, fuse_conn_info*) { static_cast<Server*>(userdata)->ready(); }

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = fs_init;
  ops.lookup = fs_lookup;
  ops.getattr = fs_getattr;
  ops.setattr = fs_setattr;
  ops.readlink = fs_readlink;
  ops.readdir = fs_readdir;
  ops.open = fs_open;
  ops.read = fs_read;
  ops.write = fs_write;
  return ops;
}

}  // namespace

int serve(Kernel& kernel, const std::string& mount_point, const std::function<void()>& ready) {
  Server server{kernel, ready};
  const auto ops = operations();
  std::string program = "fakesys", options = "-oallow_other,default_permissions,fsname=fakesys";
  char* argv[] = {program.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(2, argv);
  auto* session = fuse_session_new(&arguments, &ops, sizeof ops, &server);
  if (!session || fuse_set_signal_handlers(session) != 0 ||
      fuse_session_mount(session, mount_point.c_str()) != 0)
    return 1;
  auto* threads = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(threads, 256);  // writes that hang each hold one
  const int status = fuse_session_loop_mt(session, threads);
  fuse_loop_cfg_destroy(threads);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return status == 0 ? 0 : 1;
}

}  // namespace fakesys
