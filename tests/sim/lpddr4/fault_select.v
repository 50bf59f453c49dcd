// Which fault a faulty memory has and at which event, from the command line: +fault=N +at=N.
module fault_select (
    output reg [3:0] fault,
    output reg [31:0] at
);
  initial begin
    fault = 0;
    at = 0;
    if ($value$plusargs("fault=%d", fault) != 0) begin end
    if ($value$plusargs("at=%d", at) != 0) begin end
  end
endmodule
