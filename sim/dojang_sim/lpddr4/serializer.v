// Behavioural PHY of one x16 LPDDR4 channel: PhyPort on one side, the pins on the other. Simulation only.
//
// Works in quarters of a memory clock. CA changes at falling edges of CK; DQS edges are at CK edges, DQ changes a quarter
// before them. Everything leaves WPRE memory clocks late, so that a write's preamble can begin before its data is due.
module lpddr4_serializer #(
    parameter RATIO = 4,  // memory clocks in a controller clock, 4 or 8
    parameter RL = 14,
    parameter WL = 8,
    parameter WPRE = 2,
    parameter LATENCY = 8  // controller cycles from read_start to read_valid
) (
    input clk,  // four a memory clock
    output reg controller_clk,

    input [6*RATIO-1:0] ca,
    input [RATIO-1:0] cs,
    input cke,
    input reset_n,
    input [32*RATIO-1:0] write,
    input [4*RATIO-1:0] mask,
    input write_valid,
    input read_start,
    output reg [32*RATIO-1:0] read,
    output reg read_valid,

    output reg ck_pin,
    output cs_pin,
    output [5:0] ca_pin,
    output cke_pin,
    output reset_n_pin,
    output reg [15:0] dq_o,
    output reg dq_oe,
    input [15:0] dq_i,
    output reg [1:0] dqs_o,
    output reg dqs_oe,
    input [1:0] dqs_i,
    output reg [1:0] dmi_o
);
  localparam QUARTERS = 4 * RATIO;

  // Where in the controller's cycle we are. Starts at the end of one, so that the first clock edge is a whole one.
  reg [$clog2(QUARTERS)-1:0] now = QUARTERS - 1;
  wire [$clog2(QUARTERS)-1:0] next = now + 1;
  wire cycle_ends = next == 0;
  wire cycle_half = next == QUARTERS / 2;

  initial {controller_clk, ck_pin} = 0;
  always @(posedge clk) begin
    now <= next;
    controller_clk <= next < QUARTERS / 2;
    ck_pin <= next[1];
  end

  // Command pins: a queue of phases; its head is on the pins.
  localparam PHASE_BITS = 9;
  reg [PHASE_BITS*(RATIO+WPRE)-1:0] phases = 0;
  wire [PHASE_BITS*RATIO-1:0] new_phases;
  genvar i;
  generate
    for (i = 0; i < RATIO; i = i + 1) begin : phase
      assign new_phases[PHASE_BITS*i+:PHASE_BITS] = {reset_n, cke, cs[i], ca[6*i+:6]};
    end
  endgenerate
  assign {reset_n_pin, cke_pin, cs_pin, ca_pin} = phases[PHASE_BITS-1:0];
  always @(posedge clk)
    if (cycle_ends) phases <= {new_phases, phases[PHASE_BITS+:PHASE_BITS*WPRE]};
    else if (next[1:0] == 0) phases <= phases >> PHASE_BITS;

  // Write data: a queue of beats, longer by the memory clocks that write_delay leaves to the PHY.
  localparam BEAT_BITS = 19;
  localparam WAIT = 2 * (WPRE + (WL + 4) % RATIO);  // beats before a new one reaches the head
  reg [BEAT_BITS*(2*RATIO+WAIT)-1:0] beats = 0;
  wire [BEAT_BITS*2*RATIO-1:0] new_beats;
  generate
    for (i = 0; i < 2 * RATIO; i = i + 1) begin : beat
      assign new_beats[BEAT_BITS*i+:BEAT_BITS] = {write_valid, mask[2*i+:2], write[16*i+:16]};
    end
  endgenerate
  always @(posedge clk)
    if (cycle_ends) beats <= {new_beats, beats[BEAT_BITS+:BEAT_BITS*WAIT]};
    else if (next[0] == 0) beats <= beats >> BEAT_BITS;

  // The strobe: WPRE of preamble with a pulse at its end, an edge in the middle of each beat, half a tCK of postamble.
  wire valid = beats[BEAT_BITS-1];
  wire valid_in_1 = beats[BEAT_BITS*3-1];
  wire valid_in_wpre = beats[BEAT_BITS*(2*WPRE+1)-1];
  initial {dq_o, dmi_o, dqs_o, dq_oe, dqs_oe} = 0;
  always @(posedge clk) begin
    {dq_oe, dmi_o, dq_o} <= beats[BEAT_BITS-1:0];
    if (next[1:0] == 2) begin
      dqs_o  <= {2{valid | valid_in_1}};
      dqs_oe <= valid | valid_in_1 | valid_in_wpre;
    end else if (next[1:0] == 0) dqs_o <= 0;
  end

  // Reads: the gate opens RL after the last edge of RD at the pins, 2 quarters after its first phase has reached them.
  localparam GATE = 4 * (WPRE + 3 + RL) + 2;
  reg [GATE:0] gate = 0;
  always @(posedge clk) gate <= {gate[GATE-1:0], cycle_ends & read_start};

  // Beats are passed on a cycle's worth at a time, in the middle of a controller cycle.
  localparam WAIT_CYCLES = LATENCY - 1;
  localparam CYCLES = 8 / RATIO;  // of a burst
  reg [WAIT_CYCLES+CYCLES-1:0] due = 0;
  wire pass = cycle_half & |due[WAIT_CYCLES+CYCLES-1:WAIT_CYCLES];
  wire [16*RATIO-1:0] low, high;
  lpddr4_read_lane #(2 * RATIO) low_lane (clk, gate[GATE], dqs_i[0], dq_i[7:0], pass, low);
  lpddr4_read_lane #(2 * RATIO) high_lane (clk, gate[GATE], dqs_i[1], dq_i[15:8], pass, high);
  initial {read_valid, read} = 0;
  always @(posedge clk) begin
    if (cycle_ends) due <= {due[WAIT_CYCLES+CYCLES-2:0], read_start};
    if (cycle_half) read_valid <= pass;
  end
  generate
    for (i = 0; i < 2 * RATIO; i = i + 1) begin : merge
      always @(posedge clk) if (pass) read[16*i+:16] <= {high[8*i+:8], low[8*i+:8]};
    end
  endgenerate
endmodule

// One byte of read data: each edge of its DQS behind an open gate puts a beat into a ring. A beat waits there for up to
// a burst, tDQSCK and the rest of a controller cycle: 16 + 16 + 16 beats at most.
module lpddr4_read_lane #(
    parameter COUNT = 8  // beats passed on at a time
) (
    input clk,
    input open,  // 16 more edges are to come
    input dqs,
    input [7:0] dq,
    input pass,
    output [8*COUNT-1:0] beats
);
  reg [7:0] ring[0:63];
  reg [5:0] in = 0, out = 0;
  reg [5:0] awaited = 0;
  reg dqs_before = 0;
  wire take = awaited != 0 && dqs != dqs_before;

  always @(posedge clk) begin
    dqs_before <= dqs;
    awaited <= awaited + (open ? 16 : 0) - (take ? 1 : 0);
    // A quarter after the edge: where the memory aligns DQ with DQS, the middle of the beat.
    if (take) ring[in] <= dq;
    in <= in + (take ? 1 : 0);
    if (pass) begin
      out <= out + COUNT;
      if (6'(in - out) < COUNT) $display("[ERROR] PHY: read data is late or missing");
    end
  end

  genvar i;
  generate
    for (i = 0; i < COUNT; i = i + 1) begin : beat
      assign beats[8*i+:8] = ring[6'(out+i)];
    end
  endgenerate
endmodule
