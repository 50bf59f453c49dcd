// An SDR SDRAM chip of 16 bits at its pins; commands are taken at the rising edge of its clock.
//
// Times are in clocks of the chip; a broken rule ends the simulation with a message. Until a mode register has been set,
// rows are not opened and nothing is read or written. The contents are the image of the channel, by address: row, bank,
// column. What is read reaches the FPGA FLIGHT clocks late: output and input buffers, the shifted clock and tAC take more
// than a clock where it is short.
module dojang_sdr_chip #(
    parameter CHANNEL = 0,
    parameter longint WORDS = 1,
    parameter TCK_PS = 16667, RP = 2, RCD = 2, WR = 1, RFC = 4, FAW = 0, RAS = 3, REFI = 469, WTR = 2, CCD = 1, RRD = 1,
    parameter ROW_BITS = 13, BANK_BITS = 2, COL_BITS = 9, CL = 2, CWL = 2, READ_LATENCY = 3, WRITE_LATENCY = 0,
    parameter FLIGHT = 0
) (
    input sdram_clk,
    input sdram_cke, sdram_cs_n, sdram_ras_n, sdram_cas_n, sdram_we_n,
    input [ROW_BITS-1:0] sdram_a,
    input [BANK_BITS-1:0] sdram_ba,
    input [1:0] sdram_dm,
    inout [15:0] sdram_dq
);
  import "DPI-C" function chandle dojang_memory_open(input int channel, input longint words);
  import "DPI-C" function void dojang_memory_read(input chandle memory, input int addr, output bit [127:0] data);
  import "DPI-C" function void dojang_memory_write(
      input chandle memory, input int addr, input bit [127:0] data, input shortint mask);

  localparam BANKS = 1 << BANK_BITS;
  localparam MRD = 2, POSTPONED = 9;
  localparam longint LONG_AGO = -1_000_000_000;

  chandle memory;
  longint now, last_act, last_refresh, last_mode;
  longint opened[BANKS], closed[BANKS], write_at[BANKS];
  reg open[BANKS];
  reg [ROW_BITS-1:0] row[BANKS];
  reg refreshing, set_up;
  reg [ROW_BITS-1:0] mode;

  // The burst in progress.
  reg [3:0] left;
  reg writes;
  reg [BANK_BITS-1:0] bank;
  reg [COL_BITS-1:0] at;
  reg [3:0] length;

  // Data on its way out: what was read at an edge is driven from CL - 1 edges later on, for one clock.
  reg [3:0] out_valid;
  reg [15:0] out[4];
  reg [1:0] masked;
  reg drive;
  reg [1:0] hidden;
  reg [15:0] q;
  assign sdram_dq[7:0] = drive && !hidden[0] ? q[7:0] : 8'bz;
  assign sdram_dq[15:8] = drive && !hidden[1] ? q[15:8] : 8'bz;

  task automatic fail(input string rule);
    $fatal(1, "SDRAM of channel %0d, clock %0d: %s", CHANNEL, now, rule);
  endtask

  task automatic wait_for(input longint since, input longint clocks, input string rule);
    if (now - since < clocks) fail($sformatf("%s: %0d clocks instead of %0d", rule, now - since, clocks));
  endtask

  task automatic ready;
    wait_for(last_mode, MRD, "tMRD");
    wait_for(last_refresh, RFC, "tRFC");
    if (set_up && refreshing && now - last_refresh > POSTPONED * REFI)
      fail($sformatf("no refresh for %0d clocks, at most %0d intervals of %0d", now - last_refresh, POSTPONED, REFI));
  endtask

  task automatic close(input int b);
    if (open[b]) begin
      wait_for(opened[b], RAS, "tRAS");
      wait_for(write_at[b], WR, "tWR");
      open[b] = 0;
      closed[b] = now;
      if (left != 0 && 32'(bank) == b) left = 0;
    end
  endtask

  task automatic all_closed(input string what);
    for (int i = 0; i < BANKS; i++) if (open[i]) fail($sformatf("%s while bank %0d is open", what, i));
  endtask

  task automatic column(input bit write);
    if (set_up) begin
      ready();
      if (!open[sdram_ba]) fail($sformatf("%s of bank %0d, which is closed", write ? "write" : "read", sdram_ba));
      wait_for(opened[sdram_ba], RCD, "tRCD");
      if (write && out_valid[CL-1:0] != 0) fail("write while data that was read is on the bus");
      left = length;
      writes = write;
      bank = sdram_ba;
      at = sdram_a[COL_BITS-1:0];
      // Precharge by the chip itself, when the burst, tWR and tRAS allow it.
      if (sdram_a[10]) begin
        open[sdram_ba] = 0;
        closed[sdram_ba] = write ? now + 64'(length) - 1 + WR : now + 64'(length);
        if (closed[sdram_ba] < opened[sdram_ba] + RAS) closed[sdram_ba] = opened[sdram_ba] + RAS;
      end
    end
  endtask

  task automatic command;
    case ({sdram_ras_n, sdram_cas_n, sdram_we_n})
      3'b000: begin
        wait_for(last_mode, MRD, "tMRD");
        all_closed("mode register");
        mode = sdram_a;
        last_mode = now;
        if (32'(mode[6:4]) != CL) fail($sformatf("mode register %0h is not CL %0d", mode, CL));
        if (mode[2:0] > 3 || mode[3]) fail($sformatf("mode register %0h: not a sequential burst of 1 to 8", mode));
        length = 1 << mode[1:0];
        set_up = !mode[8];
        refreshing = 0;  // there is nothing to be kept yet
      end
      3'b001: begin
        ready();
        all_closed("refresh");
        for (int i = 0; i < BANKS; i++) wait_for(closed[i], RP, "tRP before refresh");
        last_refresh = now;
        refreshing = 1;
      end
      3'b010: begin
        ready();
        if (sdram_a[10]) for (int i = 0; i < BANKS; i++) close(i);
        else close(32'(sdram_ba));
      end
      3'b011: if (set_up) begin
        ready();
        if (open[sdram_ba]) fail($sformatf("activation of bank %0d, which is open", sdram_ba));
        wait_for(closed[sdram_ba], RP, "tRP");
        wait_for(opened[sdram_ba], RAS + RP, "tRC");
        wait_for(last_act, RRD, "tRRD");
        open[sdram_ba] = 1;
        row[sdram_ba] = sdram_a;
        opened[sdram_ba] = now;
        last_act = now;
      end
      3'b100: column(1);
      3'b101: column(0);
      3'b110: left = 0;
      default: ;
    endcase
  endtask

  initial begin
    memory = dojang_memory_open(CHANNEL, WORDS);
    if (memory == null) $fatal(1, "memory channel %0d: no image", CHANNEL);
    now = 0;
    for (int b = 0; b < BANKS; b++) begin
      open[b] = 0;
      opened[b] = LONG_AGO; closed[b] = LONG_AGO; write_at[b] = LONG_AGO;
    end
    last_act = LONG_AGO; last_refresh = LONG_AGO; last_mode = LONG_AGO;
    refreshing = 0; set_up = 0; left = 0; out_valid = 0; drive = 0; length = 1;
    masked = 0; hidden = 0;
  end

  bit [127:0] word;
  reg [31:0] word_addr;
  reg [2:0] part;
  always @(posedge sdram_clk) begin
    now = now + 1;
    if (sdram_cke && !sdram_cs_n) command();
    out_valid = out_valid << 1;
    out[3] = out[2];
    out[2] = out[1];
    out[1] = out[0];
    if (left != 0) begin
      word_addr = 32'({row[bank], bank, at} >> 3);
      part = at[2:0];
      if (64'(word_addr) >= 64'(WORDS))
        $fatal(1, "memory channel %0d: %s of word 0x%0h, the memory has 0x%0h words",
               CHANNEL, writes ? "write" : "read", word_addr, WORDS);
      if (writes) begin
        dojang_memory_write(memory, word_addr, 128'(sdram_dq) << (16 * part), 16'(~sdram_dm & 2'b11) << (2 * part));
        write_at[bank] = now;
      end else begin
        dojang_memory_read(memory, word_addr, word);
        out_valid[0] = 1;
        out[0] = word[16*part+:16];
      end
      left = left - 1;
      at = at + 1;
    end
    drive <= out_valid[CL-1+FLIGHT];
    q <= out[CL-1+FLIGHT];
    hidden <= masked;
    masked <= sdram_dm;
  end
endmodule
