// An LPDDR4 channel with its PHY, a controller cycle at a time (see fronts.h). Simulation only.
module lpddr4_phy #(
    parameter CHANNEL = 0,
    parameter RATIO = 4,
    parameter WRITE_SHIFT = 0,
    parameter READ_CYCLES = 1,
    parameter SPEC = ""
) (
    input clk,
    input [RATIO*6-1:0] ca,
    input [RATIO-1:0] cs,
    input cke,
    input reset_n,
    input [RATIO*32-1:0] write,
    input [RATIO*4-1:0] mask,
    input write_valid,
    input read_start,
    output reg [RATIO*32-1:0] read,
    output reg read_valid
);
  import "DPI-C" function chandle dojang_lpddr4_open_phy(
      input int channel, input string spec, input int ratio, input int write_shift, input int read_cycles);
  import "DPI-C" function int dojang_lpddr4_phy_cycle(
      input chandle front, input longint ca, input int control, input bit [255:0] write, input int mask,
      output bit [255:0] read);
  import "DPI-C" function void dojang_lpddr4_close(input chandle front);

  chandle front;
  reg [255:0] word;
  reg [31:0] result;

  initial begin
    read_valid = 0;
    front = dojang_lpddr4_open_phy(CHANNEL, SPEC, RATIO, WRITE_SHIFT, READ_CYCLES);
    if (front == null) $fatal(1, "lpddr4 channel %0d: not opened", CHANNEL);
  end

  always @(posedge clk) begin
    result = dojang_lpddr4_phy_cycle(
        front, 64'(ca), 32'({read_start, write_valid, reset_n, cke, 8'(cs)}), 256'(write), 32'(mask), word);
    read_valid <= result[0];
    if (result[0]) read <= word[RATIO*32-1:0];
    if (result[2]) begin
      dojang_lpddr4_close(front);  // writes the statistics; `final` does not run after a fatal error everywhere
      front = null;
      $fatal(1, "lpddr4 channel %0d: stopped at the breach above", CHANNEL);
    end
  end

  final dojang_lpddr4_close(front);
endmodule
