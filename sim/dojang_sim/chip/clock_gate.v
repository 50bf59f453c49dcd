// The clock gate of the simulated chip: the enable is held while the clock is high.
module dojang_clock_gate(input clk, input en, output gated);
  reg held;
  always_latch if (!clk) held = en;
  assign gated = clk & held;
endmodule
