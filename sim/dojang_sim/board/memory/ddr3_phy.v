// A DDR3 memory behind its PHY, at LiteDRAM's DFI: two commands a core clock, words of one burst of eight of 16 bits.
//
// Times are in memory clocks; a broken rule ends the simulation with a message. A lane reads right with one bitslip and a
// window of delays, given by the environment variable DOJANG_DDR3_WINDOWS ("slip:low-high,slip:low-high"), and garbage
// otherwise and while it is selected. The contents are the image of the channel, by word address.
module dojang_ddr3_phy #(
    parameter CHANNEL = 0,
    parameter longint WORDS = 1,
    parameter TCK_PS = 6667, RP = 3, RCD = 3, WR = 3, RFC = 39, FAW = 6, RAS = 6, REFI = 1172, WTR = 4, CCD = 4,
    parameter RRD = 4, ROW_BITS = 15, BANK_BITS = 3, COL_BITS = 10, CL = 6, CWL = 5, READ_LATENCY = 13,
    parameter WRITE_LATENCY = 3
) (
    input clk,
    input rst,
    input [ROW_BITS-1:0] dfi_p0_address, dfi_p1_address,
    input [BANK_BITS-1:0] dfi_p0_bank, dfi_p1_bank,
    input dfi_p0_cs_n, dfi_p0_ras_n, dfi_p0_cas_n, dfi_p0_we_n, dfi_p0_cke, dfi_p0_odt, dfi_p0_reset_n, dfi_p0_act_n,
    input dfi_p1_cs_n, dfi_p1_ras_n, dfi_p1_cas_n, dfi_p1_we_n, dfi_p1_cke, dfi_p1_odt, dfi_p1_reset_n, dfi_p1_act_n,
    input dfi_p0_wrdata_en, dfi_p1_wrdata_en, dfi_p0_rddata_en, dfi_p1_rddata_en,
    input [63:0] dfi_p0_wrdata, dfi_p1_wrdata,
    input [7:0] dfi_p0_wrdata_mask, dfi_p1_wrdata_mask,
    output [63:0] dfi_p0_rddata, dfi_p1_rddata,
    output dfi_p0_rddata_valid, dfi_p1_rddata_valid,
    input [1:0] dfi_lanes,
    input dfi_delay_reset, dfi_delay_step, dfi_bitslip_reset, dfi_bitslip_step, dfi_burst_clear,
    output reg [1:0] dfi_burst_seen
);
  import "DPI-C" function chandle dojang_memory_open(input int channel, input longint words);
  import "DPI-C" function void dojang_memory_read(input chandle memory, input int addr, output bit [127:0] data);
  import "DPI-C" function void dojang_memory_write(
      input chandle memory, input int addr, input bit [127:0] data, input shortint mask);
  import "DPI-C" function int dojang_ddr3_window(input int lane);

  localparam BANKS = 1 << BANK_BITS;
  localparam RTP = 4, MRD = 4, MOD = 12, ZQ = 64, POSTPONED = 9;
  localparam longint POWER_UP = 500_000_000 / TCK_PS;  // from RESET_N to CKE
  localparam longint LONG_AGO = -1_000_000_000;

  chandle memory;
  longint now, reset_end, cke_start, last_act, last_read, last_write, last_refresh, last_mode, last_zq;
  longint act_before[3];
  longint opened[BANKS], closed[BANKS], read_at[BANKS], write_at[BANKS];
  reg open[BANKS];
  reg [ROW_BITS-1:0] row[BANKS];
  reg was_reset_n, was_cke, refreshing;
  reg [3:0] modes;

  task automatic fail(input string rule);
    $fatal(1, "DDR3 of channel %0d, clock %0d: %s", CHANNEL, now, rule);
  endtask

  task automatic wait_for(input longint since, input longint clocks, input string rule);
    if (now - since < clocks) fail($sformatf("%s: %0d clocks instead of %0d", rule, now - since, clocks));
  endtask

  task automatic power_up;
    for (int b = 0; b < BANKS; b++) begin
      open[b] = 0;
      opened[b] = LONG_AGO; closed[b] = LONG_AGO; read_at[b] = LONG_AGO; write_at[b] = LONG_AGO;
    end
    last_act = LONG_AGO; last_read = LONG_AGO; last_write = LONG_AGO; last_refresh = LONG_AGO;
    last_mode = LONG_AGO; last_zq = LONG_AGO;
    for (int i = 0; i < 3; i++) act_before[i] = LONG_AGO;
    refreshing = 0;
    modes = 0;
  endtask

  task automatic close(input int b);
    if (open[b]) begin
      wait_for(opened[b], RAS, "tRAS");
      wait_for(read_at[b], RTP, "tRTP");
      wait_for(write_at[b], CWL + 4 + WR, "tWR");
      open[b] = 0;
      closed[b] = now;
    end
  endtask

  // What a command needs of the memory as a whole.
  task automatic ready;
    if (modes != 4'hf) fail($sformatf("a command before all mode registers are set (%b)", modes));
    wait_for(last_mode, MOD, "tMOD");
    wait_for(last_refresh, RFC, "tRFC");
    wait_for(last_zq, ZQ, "tZQ");
    if (refreshing && now - last_refresh > POSTPONED * REFI)
      fail($sformatf("no refresh for %0d clocks, at most %0d intervals of %0d", now - last_refresh, POSTPONED, REFI));
  endtask

  reg [WRITE_LATENCY:0] to_write;
  reg [31:0] write_addr[WRITE_LATENCY+1];
  reg [READ_LATENCY-1:0] to_read;
  reg [127:0] read_data[READ_LATENCY];
  reg starts_write, starts_read;
  reg [31:0] column_addr;

  task automatic column(input bit write, input int b, input [ROW_BITS-1:0] address);
    ready();
    if (!open[b]) fail($sformatf("%s of bank %0d, which is closed", write ? "write" : "read", b));
    wait_for(opened[b], RCD, "tRCD");
    wait_for(last_read, write ? CL + CCD + 2 - CWL : CCD, write ? "read to write" : "tCCD");
    wait_for(last_write, write ? CCD : CWL + 4 + WTR, write ? "tCCD" : "tWTR");
    if (address[2:0] != 0) fail($sformatf("column %0h is not the first of a burst", address));
    column_addr = 32'({row[b], BANK_BITS'(b), address[COL_BITS-1:3]});
    if (64'(column_addr) >= 64'(WORDS))
      $fatal(1, "memory channel %0d: %s of word 0x%0h, the memory has 0x%0h words",
             CHANNEL, write ? "write" : "read", column_addr, WORDS);
    if (write) begin last_write = now; write_at[b] = now; starts_write = 1; end
    else begin last_read = now; read_at[b] = now; starts_read = 1; end
    // Precharge by the memory itself, when tRAS, tRTP and tWR allow it.
    if (address[10]) begin
      open[b] = 0;
      closed[b] = write ? now + CWL + 4 + WR : now + RTP;
      if (closed[b] < opened[b] + RAS) closed[b] = opened[b] + RAS;
    end
  endtask

  task automatic command(input [2:0] code, input [BANK_BITS-1:0] b, input [ROW_BITS-1:0] address);
    if (!was_cke) fail("a command while CKE is low");
    case (code)  // ras_n, cas_n, we_n
      3'b000: begin
        wait_for(last_mode, MRD, "tMRD");
        wait_for(cke_start, RFC + 2, "tXPR");
        for (int i = 0; i < BANKS; i++) if (open[i]) fail($sformatf("mode register while bank %0d is open", i));
        if (b == 0 && {address[6:4], address[2]} != 4'((CL - 4) << 1))
          fail($sformatf("mode register 0 is %0h, which is not CL %0d", address, CL));
        if (b == 0 && address[1:0] != 0) fail("mode register 0 does not say bursts of eight");
        if (b == 2 && 32'(address[5:3]) != CWL - 5) fail($sformatf("mode register 2 is not CWL %0d", CWL));
        modes[b[1:0]] = 1;
        last_mode = now;
      end
      3'b001: begin
        ready();
        for (int i = 0; i < BANKS; i++) begin
          if (open[i]) fail($sformatf("refresh while bank %0d is open", i));
          wait_for(closed[i], RP, "tRP before refresh");
        end
        last_refresh = now;
        refreshing = 1;
      end
      3'b010: begin
        ready();
        if (address[10]) for (int i = 0; i < BANKS; i++) close(i);
        else close(32'(b));
      end
      3'b011: begin
        ready();
        if (open[b]) fail($sformatf("activation of bank %0d, which is open", b));
        wait_for(closed[b], RP, "tRP");
        wait_for(opened[b], RAS + RP, "tRC");
        wait_for(last_act, RRD, "tRRD");
        wait_for(act_before[2], FAW, "tFAW");
        act_before[2] = act_before[1]; act_before[1] = act_before[0]; act_before[0] = now;
        open[b] = 1;
        row[b] = address;
        opened[b] = now;
        last_act = now;
      end
      3'b100: column(1, 32'(b), address);
      3'b101: column(0, 32'(b), address);
      3'b110: begin
        for (int i = 0; i < BANKS; i++) if (open[i]) fail($sformatf("ZQ calibration while bank %0d is open", i));
        last_zq = address[10] ? now + 512 - ZQ : now;
      end
      default: ;
    endcase
  endtask

  // Levelling.
  reg [2:0] delay[2];
  reg [1:0] slip[2];
  wire [1:0] good;
  for (genvar lane = 0; lane < 2; lane++) begin : lanes
    int window;
    initial window = dojang_ddr3_window(lane);
    wire timely = 32'(delay[lane]) >= 32'(window[7:0]) && 32'(delay[lane]) <= 32'(window[15:8]);
    assign good[lane] = timely && 32'(slip[lane]) == 32'(window[23:16]) && !dfi_lanes[lane];
    wire [127:0] word = read_data[READ_LATENCY-1];
    for (genvar beat = 0; beat < 8; beat++) begin : beats
      // What a wrong bitslip shows is another beat, of which a wrong delay inverts bits.
      wire [7:0] wrong = word[(16*((beat+3)%8)+8*lane)+:8] ^ {8{!timely}};
      wire [7:0] right = word[(16*beat+8*lane)+:8];
      if (beat < 4) assign dfi_p0_rddata[(16*beat+8*lane)+:8] = good[lane] ? right : wrong;
      else assign dfi_p1_rddata[(16*(beat-4)+8*lane)+:8] = good[lane] ? right : wrong;
    end
    always @(posedge clk) begin
      if (rst || dfi_lanes[lane] && dfi_delay_reset) delay[lane] <= 0;
      else if (dfi_lanes[lane] && dfi_delay_step) delay[lane] <= delay[lane] + 1;
      if (rst || dfi_lanes[lane] && dfi_bitslip_reset) slip[lane] <= 0;
      else if (dfi_lanes[lane] && dfi_bitslip_step) slip[lane] <= slip[lane] + 1;
      if (rst || dfi_burst_clear) dfi_burst_seen[lane] <= 0;
      else if (to_read[READ_LATENCY-1] && timely && !dfi_lanes[lane]) dfi_burst_seen[lane] <= 1;
    end
  end
  assign dfi_p0_rddata_valid = to_read[READ_LATENCY-1];
  assign dfi_p1_rddata_valid = to_read[READ_LATENCY-1];

  initial begin
    memory = dojang_memory_open(CHANNEL, WORDS);
    if (memory == null) $fatal(1, "memory channel %0d: no image", CHANNEL);
    now = 0;
    was_reset_n = 0;
    was_cke = 0;
    to_write = 0;
    to_read = 0;
    power_up();
  end

  // The controller's defaults drive RESET_N and CKE before anybody has initialised the memory: until it has been in reset
  // once, commands fall on deaf ears.
  reg alive;
  initial alive = 0;

  bit [127:0] word;
  always @(posedge clk) begin
    starts_write = 0;
    starts_read = 0;
    if (!dfi_p0_reset_n) begin
      if (was_reset_n) power_up();
      alive = 1;
      reset_end = now;
      if (dfi_p0_cke) fail("CKE is high in reset");
    end
    if (alive && dfi_p0_reset_n && dfi_p0_cke && !was_cke) begin
      wait_for(reset_end, POWER_UP, "from reset to CKE");
      cke_start = now;
    end
    was_reset_n = dfi_p0_reset_n;
    was_cke = dfi_p0_cke;
    if (alive && dfi_p0_reset_n) begin
      if (!dfi_p0_cs_n) command({dfi_p0_ras_n, dfi_p0_cas_n, dfi_p0_we_n}, dfi_p0_bank, dfi_p0_address);
      now = now + 1;
      if (!dfi_p1_cs_n) command({dfi_p1_ras_n, dfi_p1_cas_n, dfi_p1_we_n}, dfi_p1_bank, dfi_p1_address);
      now = now + 1;
    end else now = now + 2;

    // Words move when their time has come.
    to_write = {to_write[WRITE_LATENCY-1:0], starts_write};
    for (int i = WRITE_LATENCY; i > 0; i--) write_addr[i] = write_addr[i-1];
    write_addr[0] = column_addr;
    if (to_write[WRITE_LATENCY])
      dojang_memory_write(memory, write_addr[WRITE_LATENCY], {dfi_p1_wrdata, dfi_p0_wrdata},
                          ~{dfi_p1_wrdata_mask, dfi_p0_wrdata_mask});
    to_read <= {to_read[READ_LATENCY-2:0], starts_read};
    if (starts_read) dojang_memory_read(memory, column_addr, word);
    for (int i = 1; i < READ_LATENCY; i++) read_data[i] <= read_data[i-1];
    read_data[0] <= word;
  end
endmodule
