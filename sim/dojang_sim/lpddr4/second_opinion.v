// Clock and log of the bench that second_opinion.py makes. A line for each thing seen at the pins and the PHY boundary:
//   PINS CA <t> <CA with CS high> <CA at the next edge>     t in memory clocks; the first CK edge is at 0
//   PINS DQS <quarters of a memory clock>                   first DQS edge of each burst of 16 that the memory drives
//   PORT WRITE <beats> <mask>, PORT READ <beats>            a controller cycle's worth, first beat on the right
module second_opinion;
  parameter RATIO = 4;

  reg clk = 0;
  always #1 clk = ~clk;

  wire ck, cs, dqs_oe, controller_clk, write_valid, read_valid, done;
  wire [5:0] ca;
  wire [1:0] dqs_i;
  wire [32*RATIO-1:0] write, read;
  wire [4*RATIO-1:0] mask;
  opinion_bench bench (
      .clk(clk), .ck(ck), .cs(cs), .ca(ca), .dqs_i(dqs_i), .controller_clk(controller_clk), .write(write), .mask(mask),
      .write_valid(write_valid), .read(read), .read_valid(read_valid), .done(done));

  longint now = -3;  // the first CK edge is seen at 0
  reg ck_before = 0, cs_before = 0, dqs_before = 0;
  reg [5:0] ca_before;
  reg [3:0] edges = 0;
  always @(posedge clk) begin
    now <= now + 1;
    ck_before <= ck;
    dqs_before <= dqs_i[0];
    if (ck && !ck_before) begin
      cs_before <= cs;
      ca_before <= ca;
      if (cs_before) $display("PINS CA %0d %0d %0d", now / 4 - 1, ca_before, ca);
    end
    if (dqs_i[0] != dqs_before) begin
      edges <= edges + 1;
      if (edges == 0) $display("PINS DQS %0d", now);
    end
  end

  always @(posedge controller_clk) begin
    if (write_valid) $display("PORT WRITE %h %h", write, mask);
    if (read_valid) $display("PORT READ %h", read);
    if (done) $finish;
  end

  longint cycles = 0, limit;
  initial if (!$value$plusargs("limit=%d", limit)) limit = 0;
  always @(posedge controller_clk) begin
    cycles <= cycles + 1;
    if (cycles == limit) $fatal(1, "not done after %0d controller cycles", limit);
  end
endmodule
