// An LPDDR4 channel at its pins (see fronts.h). Simulation only.
//
// CA, CS, CKE and RESET_n are taken at rising edges of CK, write data at both edges of DQS, whose rising edges may be
// up to a quarter of a clock off those of CK. Read data and DQS change together with CK, after a preamble of DQS low.
module lpddr4_pins #(
    parameter CHANNEL = 0,
    parameter SPEC = ""
) (
    input ck,
    input cs,
    input [5:0] ca,
    input cke,
    input reset_n,
    input [15:0] dq_in,
    input [1:0] dqs_in,
    input [1:0] dmi_in,
    output [15:0] dq_out,
    output dq_oe,
    output [1:0] dqs_out,
    output dqs_oe
);
  import "DPI-C" function chandle dojang_lpddr4_open_pins(input int channel, input string spec);
  import "DPI-C" function int dojang_lpddr4_clock(
      input chandle front, input int control, input int beats, output int read);
  import "DPI-C" function void dojang_lpddr4_close(input chandle front);

  // A pair of beats is complete at the falling edge of DQS.
  reg [31:0] beats;
  reg [3:0] mask;
  reg [1:0] pairs = 0, taken = 0;
  genvar lane;
  generate
    for (lane = 0; lane < 2; lane = lane + 1) begin : lanes
      reg [8:0] early;
      always @(posedge dqs_in[lane]) early <= {dmi_in[lane], dq_in[8*lane+:8]};
      always @(negedge dqs_in[lane]) begin
        {mask[lane], beats[8*lane+:8]} <= early;
        {mask[2+lane], beats[16+8*lane+:8]} <= {dmi_in[lane], dq_in[8*lane+:8]};
        pairs[lane] <= ~pairs[lane];
      end
    end
  endgenerate

  chandle front;
  reg [8:0] command = 0;  // of the clock before, whose data is complete now
  reg [31:0] read, result = 0;

  initial begin
    front = dojang_lpddr4_open_pins(CHANNEL, SPEC);
    if (front == null) $fatal(1, "lpddr4 channel %0d: not opened", CHANNEL);
  end

  always @(posedge ck) begin
    command <= {reset_n, cke, cs, ca};
    taken <= pairs;
    result = dojang_lpddr4_clock(front, 32'({mask, pairs != taken, command}), beats, read);
    if (result[2]) begin
      dojang_lpddr4_close(front);  // writes the statistics; `final` does not run after a fatal error everywhere
      front = null;
      $fatal(1, "lpddr4 channel %0d: stopped at the breach above", CHANNEL);
    end
  end

  assign dq_oe = result[0];
  assign dqs_oe = result[0] | result[1];
  assign dq_out = ck ? read[15:0] : read[31:16];
  assign dqs_out = {2{ck & result[0]}};

  final dojang_lpddr4_close(front);
endmodule
