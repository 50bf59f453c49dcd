// A serial port for the host: a pseudo-terminal that has the line's speed as the host set it.
#pragma once

#include <asm/termbits.h>  // instead of <termios.h>, which knows no speeds but the old ones
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

class SerialPort {
 public:
    // False, with `errno`, if the system gives no pseudo-terminal.
    bool open() {
        master_ = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (master_ < 0 || grantpt(master_) || unlockpt(master_)) return false;
        char name[256];
        if (ptsname_r(master_, name, sizeof name)) return false;
        path_ = name;
        // Kept open: a host may come, go and come again, as with a cable that stays in.
        slave_ = ::open(name, O_RDWR | O_NOCTTY);
        if (slave_ < 0) return false;
        struct termios2 raw;
        if (ioctl(slave_, TCGETS2, &raw)) return false;
        raw.c_iflag = raw.c_oflag = raw.c_lflag = 0;
        raw.c_cflag = CS8 | CREAD | CLOCAL | B115200;
        return !ioctl(slave_, TCSETS2, &raw);
    }

    const std::string& path() const { return path_; }

    uint64_t baud() const {
        struct termios2 now;
        return ioctl(slave_, TCGETS2, &now) || !now.c_ospeed ? 115200 : now.c_ospeed;
    }

    bool empty() const { return at_ == in_.size(); }
    uint8_t take() { return in_[at_++]; }

    // Look for bytes of the host, at most so long; what the host has not taken yet is offered again.
    void exchange(int milliseconds) {
        flush();
        if (!empty()) return;
        pollfd wait{master_, POLLIN, 0};
        if (poll(&wait, 1, milliseconds) <= 0 || !(wait.revents & POLLIN)) return;
        in_.resize(1 << 16);
        at_ = 0;
        const ssize_t count = read(master_, in_.data(), in_.size());
        in_.resize(count > 0 ? count : 0);
    }

    void give(uint8_t byte) {
        out_.push_back(byte);
        flush();
    }

 private:
    void flush() {
        size_t done = 0;
        while (done < out_.size()) {
            const ssize_t count = write(master_, out_.data() + done, out_.size() - done);
            if (count <= 0) break;
            done += count;
        }
        out_.erase(out_.begin(), out_.begin() + done);
    }

    int master_ = -1, slave_ = -1;
    std::string path_;
    std::vector<uint8_t> in_, out_;
    size_t at_ = 0;
};
