// A node whose model is compiled on its own (node_model.cpp). Its outputs do not depend on its inputs' present values.
module dojang_node_model #(
    parameter INPUTS = 1,
    parameter OUTPUTS = 1
) (
    input clk,
    input rst,
    input [INPUTS-1:0] inputs,
    output reg [OUTPUTS-1:0] outputs
);
  import "DPI-C" function chandle dojang_node_open(output bit [OUTPUTS-1:0] outputs);
  import "DPI-C" function void dojang_node_cycle(
      input chandle node, input bit rst, input bit [INPUTS-1:0] inputs, output bit [OUTPUTS-1:0] outputs);
  import "DPI-C" function void dojang_node_close(input chandle node);

  chandle node;
  reg [OUTPUTS-1:0] next;

  initial begin
    node = dojang_node_open(next);
    outputs = next;
  end

  always @(posedge clk) begin
    dojang_node_cycle(node, rst, inputs, next);
    outputs <= next;
  end

  final dojang_node_close(node);
endmodule
