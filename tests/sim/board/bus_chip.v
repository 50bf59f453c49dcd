// Takes what is on the bus at each rising edge; a value with bit 7 makes it drive the other seven bits, inverted, for
// three clocks. In between it lets the bus go.
module dojang_test_bus_chip (input clk, inout [7:0] dq);
  reg [7:0] taken = 0;
  reg [1:0] left = 0;
  always @(posedge clk)
    if (left != 0) left <= left - 1;
    else begin
      taken <= dq;
      if (dq[7]) left <= 3;
    end
  assign dq = left != 0 ? {1'b0, ~taken[6:0]} : 8'bz;
endmodule
