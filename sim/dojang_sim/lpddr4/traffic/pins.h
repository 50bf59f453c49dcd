// The pins of each port of the memory.
#pragma once

#include <vector>

#include "Vtraffic_top.h"

struct Pins {
    CData &command_valid, &command_ready, &command_write;
    IData& command_addr;
    SData& command_length;
    CData &write_valid, &write_ready;
    VlWide<4>& write_data;
    SData& write_mask;
    CData &read_valid, &read_ready;
    VlWide<4>& read_data;
    CData& busy;
};

inline std::vector<Pins> pins_of(Vtraffic_top& top) {
    return {
#define PORT(n)                                                                                          \
    {top.command_valid_##n, top.command_ready_##n, top.command_write_##n, top.command_addr_##n,          \
     top.command_length_##n, top.write_valid_##n, top.write_ready_##n, top.write_data_##n,               \
     top.write_mask_##n, top.read_valid_##n, top.read_ready_##n, top.read_data_##n, top.busy_##n},
#include "ports.inc"
    };
}
