// What the channel holds, a part for each of its ports: an image file, mapped shared, or memory without a name.
#pragma once
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace dojang::lpddr4 {

constexpr int kBurstBytes = 32;

class Image {
 public:
  // Of port p the file named by DOJANG_MEMORY_<channel + p>, at most `part` bytes long; without the variable all zeros
  // and `part` bytes long. Throws std::runtime_error with one sentence.
  Image(int channel, int ports, std::int64_t part) : part_(part) {
    void* space = mmap(nullptr, ports * part, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) fail("memory", std::string("cannot be mapped: ") + std::strerror(errno));
    bytes_ = static_cast<std::uint8_t*>(space);
    for (int port = 0; port < ports; ++port) map(port, "DOJANG_MEMORY_" + std::to_string(channel + port));
  }

  ~Image() { munmap(bytes_, sizes_.size() * part_); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  std::int64_t size(int port) const { return sizes_[port]; }
  std::int64_t start(int port) const { return port * part_; }
  std::uint8_t* at(std::int64_t offset) { return bytes_ + offset; }

 private:
  void map(int port, const std::string& variable) {
    const char* path = std::getenv(variable.c_str());
    int file = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    std::int64_t size = part_;
    if (path) {
      file = open(path, O_RDWR);
      struct stat status;
      if (file < 0 || fstat(file, &status) != 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
      size = status.st_size;
      flags = MAP_SHARED;
      if (size == 0 || size > part_ || size % kBurstBytes) {
        close(file);
        fail(path, "has " + std::to_string(size) + " bytes, expected a multiple of " + std::to_string(kBurstBytes) +
                       " up to the " + std::to_string(part_) + " of the device");
      }
    }
    void* mapped = mmap(bytes_ + start(port), size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0);
    if (file >= 0) close(file);
    if (mapped == MAP_FAILED) fail(path ? path : "memory", std::string("cannot be mapped: ") + std::strerror(errno));
    sizes_.push_back(size);
  }

  [[noreturn]] static void fail(const std::string& name, const std::string& reason) {
    throw std::runtime_error(name + " " + reason);
  }

  std::int64_t part_;
  std::vector<std::int64_t> sizes_;
  std::uint8_t* bytes_ = nullptr;
};

}  // namespace dojang::lpddr4
