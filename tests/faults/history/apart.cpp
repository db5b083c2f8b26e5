#include "faults/history/apart.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace flashsale::history {
namespace {

void must_ip(const std::string& words, pid_t inside = 0) {
  if (!run_ip(words, inside)) throw std::runtime_error("ip " + words);
}

void bring_up(const std::string& link, const std::string& address, pid_t inside = 0) {
  must_ip(fmt::format("addr add {}/24 dev {}", address, link), inside);
  must_ip(fmt::format("link set {} up", link), inside);
}

}  // namespace

bool run_apart(const std::function<void()>& night) {
  bool may = false;
  std::exception_ptr thrown;
  std::thread apart([&] {
    may = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          run_ip("link set lo up");
    try {
      if (may) night();
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  apart.join();
  if (thrown) std::rethrow_exception(thrown);
  return may;
}

void mount_small_disk(const std::string& path, int mib) {
  std::filesystem::create_directories(path);
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, fmt::format("size={}m", mib).c_str()) != 0)
    throw std::runtime_error("cannot mount a tmpfs");
}

std::string address_of_node(std::size_t node) { return fmt::format("10.77.{}.2", node + 1); }

std::string replication_address_of_node(std::size_t node) { return fmt::format("10.77.9.{}", node + 1); }

bool run_ip(const std::string& words, pid_t inside) {
  const std::string prefix = inside == 0 ? "" : fmt::format("nsenter -t {} -n ", inside);
  return std::system((prefix + "ip " + words).c_str()) == 0;
}

void connect_nodes(pid_t node_0, pid_t node_1) {
  const pid_t nodes[] = {node_0, node_1};
  for (std::size_t i = 0; i < 2; ++i) {
    must_ip(fmt::format("link add node{} type veth peer name clients netns {}", i, nodes[i]));
    bring_up(fmt::format("node{}", i), fmt::format("10.77.{}.1", i + 1));
    bring_up("clients", address_of_node(i), nodes[i]);
    must_ip("link set lo up", nodes[i]);
  }
  must_ip(fmt::format("link add other netns {} type veth peer name other netns {}", node_0, node_1));
  for (std::size_t i = 0; i < 2; ++i) bring_up("other", replication_address_of_node(i), nodes[i]);
}

bool set_client_link(std::size_t node, bool up) {
  return run_ip(fmt::format("link set node{} {}", node, up ? "up" : "down"));
}

bool set_replication_link(pid_t node_0, bool up) {
  return run_ip(fmt::format("link set other {}", up ? "up" : "down"), node_0);
}

}  // namespace flashsale::history
