// The node's own model behind the DPI functions of node_model.v.
#include <cstring>

#include "Vdojang_node.h"
#include "svdpi.h"

namespace {

Vdojang_node& model_of(void* node) { return *static_cast<Vdojang_node*>(node); }

void give(const Vdojang_node& node, svBitVecVal* outputs) {
  std::memcpy(outputs, node.outputs.data(), sizeof node.outputs);
}

}  // namespace

extern "C" {

void* dojang_node_open(svBitVecVal* outputs) {
  auto* node = new Vdojang_node;
  node->eval();
  give(*node, outputs);
  return node;
}

// One rising edge of the clock, before which the inputs had these values. The low phase is evaluated with them as well:
// clock gates take their enables in it.
void dojang_node_cycle(void* model, svBit rst, const svBitVecVal* inputs, svBitVecVal* outputs) {
  Vdojang_node& node = model_of(model);
  node.rst = rst;
  std::memcpy(node.inputs.data(), inputs, sizeof node.inputs);
  node.clk = 0;
  node.eval();
  node.clk = 1;
  node.eval();
  give(node, outputs);
}

void dojang_node_close(void* node) { delete &model_of(node); }

}  // extern "C"
