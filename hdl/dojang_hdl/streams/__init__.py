"""Components of streams, used by every room above: register, arbiter, merge."""
