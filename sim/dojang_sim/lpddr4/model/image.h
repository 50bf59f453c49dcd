// What the channel holds: an image file, mapped shared, or memory without a name.
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

namespace dojang::lpddr4 {

constexpr int kBurstBytes = 32;

class Image {
 public:
  // The file named by DOJANG_MEMORY_<channel>, at most `bytes` long; without the variable all zeros and `bytes` long.
  // Throws std::runtime_error with one sentence.
  Image(int channel, std::int64_t bytes) : size_(bytes) {
    const char* path = std::getenv(("DOJANG_MEMORY_" + std::to_string(channel)).c_str());
    int file = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (path) {
      file = open(path, O_RDWR);
      struct stat status;
      if (file < 0 || fstat(file, &status) != 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
      size_ = status.st_size;
      flags = MAP_SHARED;
      if (size_ == 0 || size_ > bytes || size_ % kBurstBytes) {
        close(file);
        fail(path, "has " + std::to_string(size_) + " bytes, expected a multiple of " + std::to_string(kBurstBytes) +
                       " up to the " + std::to_string(bytes) + " of the device");
      }
    }
    void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, flags, file, 0);
    if (file >= 0) close(file);
    if (mapped == MAP_FAILED) fail(path ? path : "memory", std::string("cannot be mapped: ") + std::strerror(errno));
    bytes_ = static_cast<std::uint8_t*>(mapped);
  }

  ~Image() { munmap(bytes_, size_); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  std::int64_t size() const { return size_; }
  std::uint8_t* at(std::int64_t offset) { return bytes_ + offset; }

 private:
  [[noreturn]] static void fail(const std::string& name, const std::string& reason) {
    throw std::runtime_error(name + " " + reason);
  }

  std::int64_t size_;
  std::uint8_t* bytes_ = nullptr;
};

}  // namespace dojang::lpddr4
