"""The 2D mesh: flits, routers, stream readers and the memory edge."""
