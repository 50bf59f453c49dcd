// Where a lane of the DDR3 model reads right: DPI function of ddr3_phy.v.
#include <cstdio>
#include <cstdlib>

extern "C" int dojang_ddr3_window(int lane) {
  const char* text = std::getenv("DOJANG_DDR3_WINDOWS");
  unsigned slip[2], low[2], high[2];
  if (std::sscanf(text ? text : "1:2-5,2:3-6", "%u:%u-%u,%u:%u-%u", &slip[0], &low[0], &high[0], &slip[1], &low[1],
                  &high[1]) != 6) {
    std::fprintf(stderr, "dojang: DOJANG_DDR3_WINDOWS is %s, expected slip:low-high,slip:low-high\n", text);
    std::exit(1);
  }
  return static_cast<int>(low[lane] | high[lane] << 8 | slip[lane] << 16);
}
