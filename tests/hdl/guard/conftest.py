import pytest
from amaranth.hdl import _ast
from dojang_hdl.guard.verifier import Verifier

PLACES = 32


@pytest.fixture(autouse=True)
def remembered_shapes(monkeypatch):
    """Simulators of long exclusive-ors (CRC) are built four times as fast: an operator works out its shape once."""
    shape = _ast.Operator.shape

    def remembered(self):
        found = self.__dict__.get("_remembered")
        if found is None:
            found = self._remembered = shape(self)
        return found

    monkeypatch.setattr(_ast.Operator, "shape", remembered)


@pytest.fixture
def few_places(monkeypatch, request):
    """Clusters make way for each other in the verifier's table, and it is gone through in little time."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(Verifier.__init__, "__defaults__", (PLACES,))
