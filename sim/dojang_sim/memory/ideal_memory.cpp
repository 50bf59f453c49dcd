// The image file of a memory channel, mapped shared, behind the DPI functions of ideal_memory.v.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "svdpi.h"

namespace {

constexpr long long kWordBytes = 16;

void* refuse(int channel, const std::string& reason) {
  std::fprintf(stderr, "dojang: memory channel %d: %s\n", channel, reason.c_str());
  return nullptr;
}

std::uint8_t* word_at(void* memory, int addr) {
  return static_cast<std::uint8_t*>(memory) + static_cast<std::uint32_t>(addr) * kWordBytes;
}

}  // namespace

extern "C" {

// Returns null, with a message on stderr, unless the file exists and holds exactly `words` words.
void* dojang_memory_open(int channel, long long words) {
  const std::string variable = "DOJANG_MEMORY_" + std::to_string(channel);
  const char* path = std::getenv(variable.c_str());
  if (!path) return refuse(channel, "environment variable " + variable + " does not name an image file");
  const std::string name = path;
  const int file = open(path, O_RDWR);
  if (file < 0) return refuse(channel, "cannot open " + name + ": " + std::strerror(errno));
  struct stat status;
  if (fstat(file, &status) != 0 || status.st_size != words * kWordBytes) {
    close(file);
    return refuse(channel, name + " has " + std::to_string(status.st_size) + " bytes, expected " +
                               std::to_string(words * kWordBytes));
  }
  void* memory = mmap(nullptr, words * kWordBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return refuse(channel, "cannot map " + name + ": " + std::strerror(errno));
  return memory;
}

void dojang_memory_read(void* memory, int addr, svBitVecVal* data) { std::memcpy(data, word_at(memory, addr), kWordBytes); }

void dojang_memory_write(void* memory, int addr, const svBitVecVal* data, short mask) {
  std::uint8_t* word = word_at(memory, addr);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
  if (static_cast<std::uint16_t>(mask) == 0xFFFF) {
    std::memcpy(word, bytes, kWordBytes);
    return;
  }
  for (int i = 0; i < kWordBytes; ++i)
    if (mask >> i & 1) word[i] = bytes[i];
}

}  // extern "C"
