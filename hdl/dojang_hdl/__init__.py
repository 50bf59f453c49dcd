"""Dojang's synthesizable hardware. Importing the package (or ``config``/``isa``/``numerics``) needs no Amaranth."""
