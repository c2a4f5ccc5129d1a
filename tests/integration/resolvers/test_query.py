"""x."""
from __future__ import annotations
from .conftest import Graph, Http
import pytest
@pytest.mark.parametrize("n", range(10))
async def test_x(graph: Graph, http: Http, n) -> None:
    p = await graph.profile(contactPoints=[{"channel":"EMAIL","value":"a@x.org"}])
    print(await graph.run("{ profile(by: {email: \"a@x.org\"}) { id displayName contactPoints { value } } }"))
    r = await http.ask("{ viewer { actor { id } } }")
    print(r.status_code, r.text)
