// One memory channel kept in a mapped file (see ideal_memory.cpp). Simulation only.
module ideal_memory #(
    parameter CHANNEL = 0,
    parameter WORDS = 1
) (
    input clk,
    input en,
    input write,
    input [31:0] addr,
    input [127:0] wdata,
    input [15:0] mask,
    output reg [127:0] rdata
);
  import "DPI-C" function chandle dojang_memory_open(input int channel, input longint words);
  import "DPI-C" function void dojang_memory_read(input chandle memory, input int addr, output bit [127:0] data);
  import "DPI-C" function void dojang_memory_write(
      input chandle memory, input int addr, input bit [127:0] data, input shortint mask);

  chandle memory;
  reg [127:0] word;

  initial begin
    memory = dojang_memory_open(CHANNEL, 64'(WORDS));
    if (memory == null) $fatal(1, "memory channel %0d: no image", CHANNEL);
  end

  always @(posedge clk)
    if (en) begin
      if (64'(addr) >= 64'(WORDS))
        $fatal(1, "memory channel %0d: %s of word 0x%0h, the memory has 0x%0h words",
               CHANNEL, write ? "write" : "read", addr, WORDS);
      else if (write) dojang_memory_write(memory, addr, wdata, mask);
      else begin
        dojang_memory_read(memory, addr, word);
        rdata <= word;
      end
    end
endmodule
