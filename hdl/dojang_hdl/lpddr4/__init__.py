"""LPDDR4 controller: one x16 channel from the memory port to the PHY boundary."""
