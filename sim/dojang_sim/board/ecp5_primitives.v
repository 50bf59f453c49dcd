// Behaviour of the ECP5 primitives that board tops and LiteDRAM cores instantiate. Simulation only.
//
// What stands at the pin of the board's oscillator is the fastest output of its PLL, so that two evaluations make a
// cycle; slower outputs are pulses of it. An output that comes a quarter of a period late or more is inverted. Set and
// reset are asynchronous; registers start as the configuration leaves them.

// Input and output buffers.

module IB (input I, output O);
  assign O = I;
endmodule

module OB (input I, output O);
  assign O = I;
endmodule

module OBZ (input I, input T, output O);
  assign O = T ? 1'bz : I;
endmodule

module BB (inout B, input I, input T, output O);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule

module TRELLIS_IO #(parameter DIR = "BIDIR") (inout B, input I, input T, output O);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule

module ILVDS (input A, input AN, output Z);
  assign Z = A;
endmodule

module OLVDS (input A, output Z, output ZN);
  assign Z = A;
  assign ZN = ~A;
endmodule

module DELAYG #(parameter DEL_MODE = "USER_DEFINED", parameter DEL_VALUE = 0) (input A, output Z);
  assign Z = A;
endmodule

// Registers.

module FD1S3AX #(parameter GSR = "ENABLED") (input D, input CK, output reg Q = 0);
  always @(posedge CK) Q <= D;
endmodule

module FD1S3BX #(parameter GSR = "ENABLED") (input D, input CK, input PD, output reg Q = 1);
  always @(posedge CK or posedge PD)
    if (PD) Q <= 1; else Q <= D;
endmodule

module FD1S3DX #(parameter GSR = "ENABLED") (input D, input CK, input CD, output reg Q = 0);
  always @(posedge CK or posedge CD)
    if (CD) Q <= 0; else Q <= D;
endmodule

module FD1P3AX #(parameter GSR = "ENABLED") (input D, input SP, input CK, output reg Q = 0);
  always @(posedge CK) if (SP) Q <= D;
endmodule

module FD1P3BX #(parameter GSR = "ENABLED") (input D, input SP, input CK, input PD, output reg Q = 1);
  always @(posedge CK or posedge PD)
    if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module FD1P3DX #(parameter GSR = "ENABLED") (input D, input SP, input CK, input CD, output reg Q = 0);
  always @(posedge CK or posedge CD)
    if (CD) Q <= 0; else if (SP) Q <= D;
endmodule

module IFS1P3BX #(parameter GSR = "ENABLED") (input D, input SP, input SCLK, input PD, output reg Q = 1);
  always @(posedge SCLK or posedge PD)
    if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module IFS1P3DX #(parameter GSR = "ENABLED") (input D, input SP, input SCLK, input CD, output reg Q = 0);
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 0; else if (SP) Q <= D;
endmodule

module OFS1P3BX #(parameter GSR = "ENABLED") (input D, input SP, input SCLK, input PD, output reg Q = 1);
  always @(posedge SCLK or posedge PD)
    if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module OFS1P3DX #(parameter GSR = "ENABLED") (input D, input SP, input SCLK, input CD, output reg Q = 0);
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 0; else if (SP) Q <= D;
endmodule

// Both edges. Q0 and Q1 are what came at a rising edge and at the falling one behind it, from the next rising edge on.

module IDDRX1F #(parameter GSR = "ENABLED") (input D, input SCLK, input RST, output reg Q0 = 0, output reg Q1 = 0);
  reg rise = 0, fall = 0;
  always @(negedge SCLK) fall <= D & ~RST;
  always @(posedge SCLK) begin
    rise <= D & ~RST;
    Q0 <= rise & ~RST;
    Q1 <= fall & ~RST;
  end
endmodule

// D0 leaves while the clock is high, D1 while it is low, one cycle after they were taken.

module ODDRX1F #(parameter GSR = "ENABLED") (input D0, input D1, input SCLK, input RST, output Q);
  reg d0 = 0, d1 = 0, high = 0, low = 0;
  always @(posedge SCLK) begin
    {d0, d1} <= RST ? 2'b00 : {D0, D1};
    {high, low} <= RST ? 2'b00 : {d0, d1};
  end
  assign Q = SCLK ? high : low;
endmodule

// Clocks.

module EHXPLLL #(
    parameter CLKI_DIV = 1, parameter CLKFB_DIV = 1,
    parameter CLKOP_DIV = 8, parameter CLKOS_DIV = 8, parameter CLKOS2_DIV = 8, parameter CLKOS3_DIV = 8,
    parameter CLKOP_ENABLE = "ENABLED", parameter CLKOS_ENABLE = "DISABLED",
    parameter CLKOS2_ENABLE = "DISABLED", parameter CLKOS3_ENABLE = "DISABLED",
    parameter CLKOP_CPHASE = 0, parameter CLKOS_CPHASE = 0, parameter CLKOS2_CPHASE = 0, parameter CLKOS3_CPHASE = 0,
    parameter CLKOP_FPHASE = 0, parameter CLKOS_FPHASE = 0, parameter CLKOS2_FPHASE = 0, parameter CLKOS3_FPHASE = 0,
    parameter FEEDBK_PATH = "CLKOP",
    parameter CLKOP_TRIM_POL = "RISING", parameter CLKOP_TRIM_DELAY = 0,
    parameter CLKOS_TRIM_POL = "RISING", parameter CLKOS_TRIM_DELAY = 0,
    parameter OUTDIVIDER_MUXA = "DIVA", parameter OUTDIVIDER_MUXB = "DIVB",
    parameter OUTDIVIDER_MUXC = "DIVC", parameter OUTDIVIDER_MUXD = "DIVD",
    parameter PLL_LOCK_MODE = 0, parameter PLL_LOCK_DELAY = 200,
    parameter STDBY_ENABLE = "DISABLED", parameter REFIN_RESET = "DISABLED", parameter SYNC_ENABLE = "DISABLED",
    parameter INT_LOCK_STICKY = "ENABLED", parameter DPHASE_SOURCE = "DISABLED", parameter PLLRST_ENA = "DISABLED",
    parameter INTFB_WAKE = "DISABLED"
) (
    input CLKI, CLKFB, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, STDBY, PLLWAKESYNC, RST,
    input ENCLKOP, ENCLKOS, ENCLKOS2, ENCLKOS3,
    output CLKOP, CLKOS, CLKOS2, CLKOS3, LOCK, INTLOCK, REFCLK, CLKINTFB
);
  localparam LOCK_CYCLES = 16;

  // An output of the VCO's own frequency is too fast for logic: it is there for the feedback only.
  function automatic integer divider(input on, input integer div);
    divider = on && div > 1 ? div : 128;
  endfunction

  function automatic integer least(input integer a, input integer b);
    least = a < b ? a : b;
  endfunction

  localparam FASTEST = least(
      least(divider(CLKOP_ENABLE == "ENABLED", CLKOP_DIV), divider(CLKOS_ENABLE == "ENABLED", CLKOS_DIV)),
      least(divider(CLKOS2_ENABLE == "ENABLED", CLKOS2_DIV), divider(CLKOS3_ENABLE == "ENABLED", CLKOS3_DIV)));

  reg [4:0] cycles = 0;
  always @(posedge CLKI)
    if (RST) cycles <= 0;
    else if (cycles != LOCK_CYCLES) cycles <= cycles + 1;

  assign LOCK = cycles == LOCK_CYCLES;
  assign INTLOCK = LOCK;
  assign REFCLK = CLKI;
  assign CLKINTFB = CLKI;
  dojang_pll_output #(CLKOP_DIV, FASTEST, CLKOP_CPHASE, CLKOP_FPHASE) op (CLKI, CLKOP);
  dojang_pll_output #(CLKOS_DIV, FASTEST, CLKOS_CPHASE, CLKOS_FPHASE) os (CLKI, CLKOS);
  dojang_pll_output #(CLKOS2_DIV, FASTEST, CLKOS2_CPHASE, CLKOS2_FPHASE) os2 (CLKI, CLKOS2);
  dojang_pll_output #(CLKOS3_DIV, FASTEST, CLKOS3_CPHASE, CLKOS3_FPHASE) os3 (CLKI, CLKOS3);
endmodule

// Phases are in periods of the VCO and eighths of them; DIV - 1 periods are no shift.
module dojang_pll_output #(parameter DIV = 8, parameter FASTEST = 8, parameter CPHASE = 0, parameter FPHASE = 0) (
    input fast, output out);
  localparam RATIO = DIV < FASTEST ? 1 : DIV / FASTEST;
  localparam LATE = ((CPHASE + 1) * 8 + FPHASE) % (8 * DIV);
  localparam INVERTED = RATIO == 1 && LATE >= 2 * DIV && LATE <= 6 * DIV;
  generate
    if (RATIO == 1) assign out = INVERTED ? ~fast : fast;
    else begin : divider
      reg [6:0] at = 0;
      reg pulse = 1;  // changes while the clock is low, so that both have their edges at once
      always @(negedge fast) begin
        at <= at == RATIO - 1 ? 0 : at + 1;
        pulse <= at == RATIO - 1;
      end
      assign out = fast & pulse;
    end
  endgenerate
endmodule

module ECLKSYNCB (input ECLKI, input STOP, output ECLKO);
  assign ECLKO = ECLKI & ~STOP;
endmodule

module ECLKBRIDGECS (input CLK0, input CLK1, input SEL, output ECSOUT);
  assign ECSOUT = SEL ? CLK1 : CLK0;
endmodule

module CLKDIVF #(parameter GSR = "DISABLED", parameter DIV = "2.0") (
    input CLKI, input RST, input ALIGNWD, output CDIVX);
  assign CDIVX = CLKI & ~RST;
endmodule

module DCCA (input CLKI, input CE, output CLKO);
  assign CLKO = CLKI & CE;
endmodule

// What has no effect on the logic: configuration's own reset, and the clock pin of its flash.

module GSR #(parameter SYNCMODE = "ASYNC") (input GSR, input GSR_N, input CLK);
endmodule

module SGSR (input GSR, input CLK);
endmodule

module USRMCLK (input USRMCLKI, input USRMCLKTS);
endmodule
