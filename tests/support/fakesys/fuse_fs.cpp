// SPDX-License-Identifier: GPL-2.0-or-later
#define FUSE_USE_VERSION 35
#include "fuse_fs.hpp"

#include <fuse.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fakesys {

namespace {

struct Context {
  Kernel& kernel;
  const std::function<void()>& ready;
};

Kernel& kernel() { return static_cast<Context*>(fuse_get_context()->private_data)->kernel; }

void fill(struct stat* st, const Node& node) {
  std::memset(st, 0, sizeof *st);
  st->st_mode = node.mode;
  st->st_ino = node.inode;
  st->st_nlink = 1;
  // sysfs shows a page for every text attribute, whatever it holds
  st->st_size = S_ISREG(node.mode) ? static_cast<off_t>(std::max<std::size_t>(4096, node.content.size()))
                                   : static_cast<off_t>(node.content.size());
}

int fs_getattr(const char* path, struct stat* st, fuse_file_info*) {
  Lock lock(kernel().mutex());
  const auto* node = kernel().tree().find(path);
  if (!node) return -ENOENT;
  fill(st, *node);
  return 0;
}

int fs_readlink(const char* path, char* buffer, std::size_t size) {
  Lock lock(kernel().mutex());
  const auto* node = kernel().tree().find(path);
  if (!node) return -ENOENT;
  if (!S_ISLNK(node->mode)) return -EINVAL;
  buffer[node->content.copy(buffer, size - 1)] = '\0';
  return 0;
}

int fs_readdir(const char* path, void* buffer, fuse_fill_dir_t add, off_t, fuse_file_info*,
               fuse_readdir_flags) {
  Lock lock(kernel().mutex());
  const auto* node = kernel().tree().find(path);
  if (!node) return -ENOENT;
  for (const auto* name : {".", ".."}) add(buffer, name, nullptr, 0, fuse_fill_dir_flags{});
  for (const auto& [name, child] : node->children) {
    struct stat st;
    fill(&st, child);
    add(buffer, name.c_str(), &st, 0, fuse_fill_dir_flags{});
  }
  return 0;
}

int fs_open(const char* path, fuse_file_info* info) {
  Lock lock(kernel().mutex());
  const auto* node = kernel().tree().find(path);
  if (!node) return -ENOENT;
  info->direct_io = 1;  // attributes are shorter than st_size says and change behind the page cache
  return 0;
}

int fs_read(const char* path, char* buffer, std::size_t size, off_t offset, fuse_file_info*) {
  Lock lock(kernel().mutex());
  const auto* node = kernel().tree().find(path);
  if (!node) return -ENODEV;
  const auto text = kernel().read(path, *node);
  if (static_cast<std::size_t>(offset) >= text.size()) return 0;
  return static_cast<int>(text.copy(buffer, size, static_cast<std::size_t>(offset)));
}

int fs_write(const char* path, const char* data, std::size_t size, off_t, fuse_file_info*) {
  Lock lock(kernel().mutex());
  return kernel().write(path, {data, size}, fuse_get_context()->pid, lock);
}

/// O_TRUNC on an attribute does nothing.
int fs_truncate(const char*, off_t, fuse_file_info*) { return 0; }

void* fs_init(fuse_conn_info*, fuse_config* config) {
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
  config->use_ino = 1;
  config->nullpath_ok = 0;
  auto* context = static_cast<Context*>(fuse_get_context()->private_data);
  context->ready();
  return context;
}

fuse_operations operations() {
  fuse_operations ops{};
  ops.getattr = fs_getattr;
  ops.readlink = fs_readlink;
  ops.readdir = fs_readdir;
  ops.open = fs_open;
  ops.read = fs_read;
  ops.write = fs_write;
  ops.truncate = fs_truncate;
  ops.init = fs_init;
  return ops;
}

}  // namespace

int serve(Kernel& kernel, const std::string& mount_point, const std::function<void()>& ready) {
  Context context{kernel, ready};
  const auto ops = operations();
  std::string program = "fakesys", foreground = "-f",
              options = "-oallow_other,default_permissions,fsname=fakesys";
  std::string where = mount_point;
  char* argv[] = {program.data(), foreground.data(), options.data(), where.data(), nullptr};
  return fuse_main(4, argv, &ops, &context);
}

}  // namespace fakesys
