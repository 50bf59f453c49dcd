// Interfaces of the 7-series cells that the projects use, for the lint.
module BUFG (input I, output O);
  assign O = I;
endmodule
module IBUF (input I, output O);
  assign O = I;
endmodule
module IBUFDS (input I, IB, output O);
  assign O = I & ~IB;
endmodule
module OBUFT (input I, T, output O);
  assign O = T ? 1'bz : I;
endmodule
module FDPE #(parameter [0:0] INIT = 1'b1, IS_C_INVERTED = 1'b0) (input C, CE, D, PRE, output reg Q);
  initial Q = INIT;
  always @(posedge C or posedge PRE)
    if (PRE) Q <= 1'b1;
    else if (CE) Q <= D;
endmodule
module PLLE2_BASE #(parameter CLKFBOUT_MULT = 5, CLKOUT0_DIVIDE = 1, parameter real CLKIN1_PERIOD = 0.0) (
    input CLKIN1, CLKFBIN, RST, PWRDWN, output CLKFBOUT, CLKOUT0, LOCKED);
  assign CLKFBOUT = CLKFBIN & CLKIN1;
  assign CLKOUT0 = CLKIN1;
  assign LOCKED = ~(RST | PWRDWN);
endmodule
