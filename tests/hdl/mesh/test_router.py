import pytest
from dojang_sim.benches.router_mesh import RouterMesh
from dojang_sim.cocotb_runner import run_bench

slow = pytest.mark.slow


@pytest.mark.parametrize(("network", "width", "height"), [
    ("data", 3, 2), ("request", 2, 2),
    pytest.param("data", 2, 2, marks=slow), pytest.param("request", 3, 2, marks=slow)])
def test_mesh_of_routers(network, width, height):
    """Multicast delivery with and without stalls, order, throughput: see the bench."""
    run_bench(RouterMesh(network, width, height), "dojang_sim.benches.router", f"{network}_mesh_{width}x{height}",
              environment={"MESH_NETWORK": network, "MESH_WIDTH": str(width), "MESH_HEIGHT": str(height),
                           "MESH_FLITS": "100"})
