// Plays the script file named by +script at the PHY boundary. Simulation only.
//
// A line is a controller cycle in which something differs from idle: its number in decimal, then in hexadecimal CKE,
// RESET_n, CS and CA of all phases, write_valid, write, mask and read_start.
module lpddr4_command_player #(
    parameter RATIO = 4
) (
    input clk,
    output reg [6*RATIO-1:0] ca,
    output reg [RATIO-1:0] cs,
    output reg cke,
    output reg reset_n,
    output reg [32*RATIO-1:0] write,
    output reg [4*RATIO-1:0] mask,
    output reg write_valid,
    output reg read_start,
    output reg done
);
  integer file, columns;
  string name;
  longint now = 0, at;
  reg line_cke, line_reset_n, line_write_valid, line_read_start;
  reg [RATIO-1:0] line_cs;
  reg [6*RATIO-1:0] line_ca;
  reg [32*RATIO-1:0] line_write;
  reg [4*RATIO-1:0] line_mask;

  task fetch;
    columns = $fscanf(file, "%d %h %h %h %h %h %h %h %h", at, line_cke, line_reset_n, line_cs, line_ca,
                      line_write_valid, line_write, line_mask, line_read_start);
  endtask

  initial begin
    {ca, cs, cke, reset_n, write, mask, write_valid, read_start, done} = 0;
    if (!$value$plusargs("script=%s", name)) $fatal(1, "no +script");
    file = $fopen(name, "r");
    if (file == 0) $fatal(1, "cannot open the script");
    fetch;
  end

  always @(posedge clk) begin
    now <= now + 1;
    {cs, write_valid, read_start} <= 0;
    if (columns == 9 && now == at) begin
      {cke, reset_n, cs, ca} <= {line_cke, line_reset_n, line_cs, line_ca};
      {write_valid, write, mask, read_start} <= {line_write_valid, line_write, line_mask, line_read_start};
      fetch;
    end
    done <= columns != 9;
  end
endmodule
