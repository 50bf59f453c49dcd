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

// One rising edge of the clock, before which the inputs had these values. They are given in the low phase, in which
// clock gates take their enables, and only if they have changed: what follows from them is worked out then.
void dojang_node_cycle(void* model, svBit rst, const svBitVecVal* inputs, svBitVecVal* outputs) {
  Vdojang_node& node = model_of(model);
  node.reset_changed = node.reset != rst;
  node.reset = rst;
  node.changed = std::memcmp(node.inputs.data(), inputs, sizeof node.inputs) != 0;
  std::memcpy(node.inputs.data(), inputs, sizeof node.inputs);
  node.clk = 0;
  node.eval();
  node.changed = node.reset_changed = 0;
  node.clk = 1;
  node.eval();
  give(node, outputs);
}

void dojang_node_close(void* node) { delete &model_of(node); }

}  // extern "C"
