"""How a binary is called, and calls: signatures as tables, and the layer that is made of them."""
